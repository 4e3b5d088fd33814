/* A payment that the provider refused. */
#include <churn/event.h>
#include <churn/plugin.h>

static const char *const order_ids[] = {"ORD-########", NULL};
static const char *const payment_methods[] = {"credit_card", "debit_card", "paypal", "bank_transfer", NULL};
static const char *const failure_reasons[] = {"insufficient_funds", "card_expired", "card_declined",
                                              "limit_exceeded",     "timeout",      NULL};

static const churn_field fields[] = {
    {"amount", .type = CHURN_FIELD_MONEY, .flags = CHURN_FIELD_REQUIRED, .sample_min = 5 * 10000,
     .sample_max = 400 * 10000, .help = "what was to be paid"},
    {"order_id", .type = CHURN_FIELD_STRING, .samples = order_ids, .help = "number of the order"},
    {"payment_method", .type = CHURN_FIELD_STRING, .samples = payment_methods,
     .help = "how it was to be paid, such as credit_card or paypal"},
    {"failure_reason", .type = CHURN_FIELD_STRING, .samples = failure_reasons, .help = "why, as the provider says"},
};

static const churn_effect effects[] = {
    {"payment_failures", .type = CHURN_PROFILE_INT, .merge = CHURN_MERGE_ADD, .from = CHURN_FROM_CONSTANT,
     .constant = 1, .help = "payments that failed"},
    {"failed_amount", .type = CHURN_PROFILE_MONEY, .merge = CHURN_MERGE_ADD, .from = CHURN_FROM_FIELD,
     .operand = "amount", .help = "exact sum of the payments that failed"},
    {"last_payment_failure_at", .type = CHURN_PROFILE_TIME, .merge = CHURN_MERGE_MAX, .from = CHURN_FROM_EVENT_TIME,
     .help = "time of the newest payment that failed"},
};

static const churn_event_type type = {
    .size = sizeof(churn_event_type),
    CHURN_FIELDS(fields),
    CHURN_EFFECTS(effects),
    .predicts = 1,
    .severity = CHURN_SEVERITY_CRITICAL,
    .alert_message = "Payment of {amount} failed for {customer_id}",
    .sample_weight = 10,
};

CHURN_PLUGIN(.kind = CHURN_KIND_EVENT, .name = "payment_failed", .version = "1.0.0",
             .summary = "A payment of a customer failed", .ops = &type);
