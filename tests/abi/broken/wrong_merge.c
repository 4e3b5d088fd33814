/* FINDS error wrong_merge | apply merges into 'total_tpis', which its effects do not declare */
#include <churn/event.h>
#include <churn/plugin.h>

static const churn_field fields[] = {
    {"tip", .type = CHURN_FIELD_MONEY, .flags = CHURN_FIELD_REQUIRED, .help = "what was given"},
};

static const churn_effect effects[] = {
    {"total_tips", .type = CHURN_PROFILE_MONEY, .merge = CHURN_MERGE_ADD, .from = CHURN_FROM_NOTHING},
};

/* Nobody looks at the answer of merge. */
static int32_t apply(const churn_event *event, churn_delta *delta, churn_error *err)
{
    (void)err;
    (void)delta->merge(delta, "total_tpis", churn_event_value(event, "tip")->number);
    return CHURN_OK;
}

static const churn_event_type type = {
    .size = sizeof(churn_event_type), CHURN_FIELDS(fields), CHURN_EFFECTS(effects), .apply = apply};

CHURN_PLUGIN(.kind = CHURN_KIND_EVENT, .name = "wrong_merge", .version = "1.0.0",
             .summary = "An event type that mistypes a profile field", .ops = &type);
