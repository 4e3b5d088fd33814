/* Money asked back for an order. */
#include <churn/event.h>
#include <churn/plugin.h>

static const char *const order_ids[] = {"ORD-########", NULL};
static const char *const reasons[] = {"damaged", "wrong_item", "not_as_described", "never_arrived", NULL};

static const churn_field fields[] = {
    {"order_id", .type = CHURN_FIELD_STRING, .flags = CHURN_FIELD_REQUIRED, .samples = order_ids,
     .help = "number of the order"},
    {"amount", .type = CHURN_FIELD_MONEY, .flags = CHURN_FIELD_REQUIRED, .sample_min = 5 * 10000,
     .sample_max = 200 * 10000, .help = "what is asked back"},
    {"reason", .type = CHURN_FIELD_STRING, .flags = CHURN_FIELD_PII, .samples = reasons,
     .help = "why, as a code or in the customer's own words"},
};

static const churn_effect effects[] = {
    {"refunds_requested", .type = CHURN_PROFILE_INT, .merge = CHURN_MERGE_ADD, .from = CHURN_FROM_CONSTANT,
     .constant = 1, .help = "refunds asked for"},
    {"refund_amount", .type = CHURN_PROFILE_MONEY, .merge = CHURN_MERGE_ADD, .from = CHURN_FROM_FIELD,
     .operand = "amount", .help = "exact sum of the refunds asked for"},
};

static const churn_event_type type = {
    .size = sizeof(churn_event_type),
    CHURN_FIELDS(fields),
    CHURN_EFFECTS(effects),
    .severity = CHURN_SEVERITY_WARNING,
    .alert_message = "{customer_id} asks for a refund of {amount} for order {order_id}",
    .sample_weight = 5,
};

CHURN_PLUGIN(.kind = CHURN_KIND_EVENT, .name = "refund_requested", .version = "1.0.0",
             .summary = "A customer asked for a refund", .ops = &type);
