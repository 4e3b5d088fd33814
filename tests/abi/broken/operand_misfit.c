/* FINDS error event_table | operand for profile field 'total_tips' does not fit its type int */
#include <churn/event.h>
#include <churn/plugin.h>

static const churn_field fields[] = {
    {"tip", .type = CHURN_FIELD_MONEY, .flags = CHURN_FIELD_REQUIRED, .help = "what was given"},
};

/* Money is no whole number. */
static const churn_effect effects[] = {
    {"total_tips", .type = CHURN_PROFILE_INT, .merge = CHURN_MERGE_ADD, .from = CHURN_FROM_FIELD, .operand = "tip"},
};

static const churn_event_type type = {.size = sizeof(churn_event_type), CHURN_FIELDS(fields), CHURN_EFFECTS(effects)};

CHURN_PLUGIN(.kind = CHURN_KIND_EVENT, .name = "operand_misfit", .version = "1.0.0",
             .summary = "An event type whose effect takes the wrong type", .ops = &type);
