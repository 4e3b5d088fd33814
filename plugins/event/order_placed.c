/* An order. Money in tables is in units of 1/10,000. */
#include <churn/event.h>
#include <churn/plugin.h>

static const char *const order_ids[] = {"ORD-########", NULL};
static const char *const payment_methods[] = {"credit_card",   "debit_card", "paypal",
                                              "bank_transfer", "gift_card",  NULL};

static const churn_field fields[] = {
    {"order_id", .type = CHURN_FIELD_STRING, .flags = CHURN_FIELD_REQUIRED, .samples = order_ids,
     .help = "number of the order"},
    {"order_value", .type = CHURN_FIELD_MONEY, .flags = CHURN_FIELD_REQUIRED, .sample_min = 5 * 10000,
     .sample_max = 400 * 10000, .help = "what the customer pays in all"},
    {"items_count", .type = CHURN_FIELD_INT, .flags = CHURN_FIELD_REQUIRED, .min = 1, .max = INT64_MAX, .sample_min = 1,
     .sample_max = 8, .help = "pieces ordered"},
    {"payment_method", .type = CHURN_FIELD_STRING, .flags = CHURN_FIELD_REQUIRED, .samples = payment_methods,
     .help = "how it is paid, such as credit_card or paypal"},
};

static const churn_effect effects[] = {
    {"order_count", .type = CHURN_PROFILE_INT, .merge = CHURN_MERGE_ADD, .from = CHURN_FROM_CONSTANT, .constant = 1,
     .help = "orders placed"},
    {"items_purchased", .type = CHURN_PROFILE_INT, .merge = CHURN_MERGE_ADD, .from = CHURN_FROM_FIELD,
     .operand = "items_count", .help = "pieces ordered in all orders"},
    {"total_spent", .type = CHURN_PROFILE_MONEY, .merge = CHURN_MERGE_ADD, .from = CHURN_FROM_FIELD,
     .operand = "order_value", .help = "exact sum of all orders"},
    {"last_order_at", .type = CHURN_PROFILE_TIME, .merge = CHURN_MERGE_MAX, .from = CHURN_FROM_EVENT_TIME,
     .help = "time of the newest order"},
};

static const churn_derived derived[] = {
    {"average_order_value", .kind = CHURN_DERIVE_RATIO, .numerator = "total_spent", .denominator = "order_count",
     .decimals = 2, .help = "total_spent / order_count"},
};

static const churn_event_type type = {
    .size = sizeof(churn_event_type),
    CHURN_FIELDS(fields),
    CHURN_EFFECTS(effects),
    CHURN_DERIVED(derived),
    .predicts = 1,
    .sample_weight = 170,
};

CHURN_PLUGIN(.kind = CHURN_KIND_EVENT, .name = "order_placed", .version = "1.0.0",
             .summary = "A customer placed an order", .ops = &type);
