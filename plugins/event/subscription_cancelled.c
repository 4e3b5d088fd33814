/* The end of a subscription. */
#include <churn/event.h>
#include <churn/plugin.h>

static const char *const plans[] = {"basic", "standard", "premium", NULL};
static const char *const reasons[] = {"too_expensive", "not_used", "competitor", "poor_service", NULL};

static const churn_field fields[] = {
    {"plan", .type = CHURN_FIELD_STRING, .samples = plans, .help = "the plan that ended"},
    {"reason", .type = CHURN_FIELD_STRING, .flags = CHURN_FIELD_PII, .samples = reasons,
     .help = "why, as a code or in the customer's own words"},
};

/* MAX over the states: once cancelled it stays so, whatever the order in which events arrive. */
static const char *const states[] = {"active", "cancelled", NULL};

static const churn_effect effects[] = {
    {"subscription_status", .type = CHURN_PROFILE_STATE, .states = states, .merge = CHURN_MERGE_MAX,
     .from = CHURN_FROM_CONSTANT, .constant = 1, .help = "active until a cancellation was seen"},
    {"subscription_cancelled_at", .type = CHURN_PROFILE_TIME, .merge = CHURN_MERGE_MAX, .from = CHURN_FROM_EVENT_TIME,
     .help = "time of the newest cancellation"},
};

static const churn_event_type type = {
    .size = sizeof(churn_event_type),
    CHURN_FIELDS(fields),
    CHURN_EFFECTS(effects),
    .predicts = 1,
    .severity = CHURN_SEVERITY_CRITICAL,
    .alert_message = "{customer_id} cancelled the subscription",
    .sample_weight = 5,
};

CHURN_PLUGIN(.kind = CHURN_KIND_EVENT, .name = "subscription_cancelled", .version = "1.0.0",
             .summary = "A customer cancelled a subscription", .ops = &type);
