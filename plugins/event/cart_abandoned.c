/* A filled cart that was left without an order. */
#include <churn/event.h>
#include <churn/plugin.h>

static const char *const cart_ids[] = {"CRT-########", NULL};

static const churn_field fields[] = {
    {"cart_id", .type = CHURN_FIELD_STRING, .flags = CHURN_FIELD_REQUIRED, .samples = cart_ids,
     .help = "number of the cart"},
    {"cart_value", .type = CHURN_FIELD_MONEY, .flags = CHURN_FIELD_REQUIRED, .sample_min = 5 * 10000,
     .sample_max = 400 * 10000, .help = "what the order would have cost"},
    {"items_count", .type = CHURN_FIELD_INT, .min = 1, .max = INT64_MAX, .sample_min = 1, .sample_max = 8,
     .help = "pieces in the cart"},
};

static const churn_effect effects[] = {
    {"carts_abandoned", .type = CHURN_PROFILE_INT, .merge = CHURN_MERGE_ADD, .from = CHURN_FROM_CONSTANT, .constant = 1,
     .help = "carts abandoned"},
    {"abandoned_value", .type = CHURN_PROFILE_MONEY, .merge = CHURN_MERGE_ADD, .from = CHURN_FROM_FIELD,
     .operand = "cart_value", .help = "exact sum of the abandoned carts"},
};

static const churn_event_type type = {
    .size = sizeof(churn_event_type),
    CHURN_FIELDS(fields),
    CHURN_EFFECTS(effects),
    .predicts = 1,
    .sample_weight = 55,
};

CHURN_PLUGIN(.kind = CHURN_KIND_EVENT, .name = "cart_abandoned", .version = "1.0.0",
             .summary = "A customer left a cart without ordering", .ops = &type);
