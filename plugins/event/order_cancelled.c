/* An order taken back before it was delivered. */
#include <churn/event.h>
#include <churn/plugin.h>

static const char *const order_ids[] = {"ORD-########", NULL};
static const char *const reasons[] = {"changed_mind", "found_cheaper", "ordered_by_mistake", "delivery_too_late", NULL};

static const churn_field fields[] = {
    {"order_id", .type = CHURN_FIELD_STRING, .flags = CHURN_FIELD_REQUIRED, .samples = order_ids,
     .help = "number of the order"},
    {"reason", .type = CHURN_FIELD_STRING, .flags = CHURN_FIELD_PII, .samples = reasons,
     .help = "why, as a code or in the customer's own words"},
};

static const churn_effect effects[] = {
    {"orders_cancelled", .type = CHURN_PROFILE_INT, .merge = CHURN_MERGE_ADD, .from = CHURN_FROM_CONSTANT,
     .constant = 1, .help = "orders cancelled"},
};

static const churn_event_type type = {
    .size = sizeof(churn_event_type),
    CHURN_FIELDS(fields),
    CHURN_EFFECTS(effects),
    .sample_weight = 15,
};

CHURN_PLUGIN(.kind = CHURN_KIND_EVENT, .name = "order_cancelled", .version = "1.0.0",
             .summary = "A customer cancelled an order", .ops = &type);
