/* A plugin of a later minor version: each of its structs and rows is longer than this version's. */
#include <churn/event.h>
#include <churn/plugin.h>

struct newer_field {
    churn_field field;
    const char *later;
};

struct newer_effect {
    churn_effect effect;
    uint64_t later[3];
};

struct newer_type {
    churn_event_type type;
    uint64_t later[5];
};

struct newer_plugin {
    churn_plugin plugin;
    uint64_t later[4];
};

static const struct newer_field fields[] = {
    {{"m", .type = CHURN_FIELD_STRING}, "later"},
    {{"n", .type = CHURN_FIELD_INT, .flags = CHURN_FIELD_REQUIRED, .min = 0, .max = 100}, "later"},
};

static const struct newer_effect effects[] = {
    {{"newer_count", .type = CHURN_PROFILE_INT, .merge = CHURN_MERGE_ADD, .from = CHURN_FROM_CONSTANT, .constant = 1},
     {~0u}},
    {{"newer_sum", .type = CHURN_PROFILE_INT, .merge = CHURN_MERGE_ADD, .from = CHURN_FROM_FIELD, .operand = "n"},
     {~0u}},
};

static const struct newer_type type = {.type = {.size = sizeof(struct newer_type),
                                                .field_stride = sizeof(struct newer_field),
                                                .fields = &fields[0].field,
                                                .field_count = 2,
                                                .effect_stride = sizeof(struct newer_effect),
                                                .effects = &effects[0].effect,
                                                .effect_count = 2},
                                       .later = {~0u}};

extern CHURN_EXPORT const struct newer_plugin churn_plugin_entry;
const struct newer_plugin churn_plugin_entry = {.plugin = {.magic = CHURN_PLUGIN_MAGIC,
                                                           .size = sizeof(struct newer_plugin),
                                                           .abi_major = CHURN_ABI_MAJOR,
                                                           .abi_minor = CHURN_ABI_MINOR + 9,
                                                           .kind = CHURN_KIND_EVENT,
                                                           .name = "newer_minor",
                                                           .version = "1.0.0",
                                                           .summary = "An event type of a later minor version",
                                                           .ops = &type},
                                                .later = {~0u}};
