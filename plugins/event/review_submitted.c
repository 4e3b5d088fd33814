/* A product review. */
#include <churn/event.h>
#include <churn/plugin.h>

static const char *const product_ids[] = {"SKU-#####", NULL};

static const churn_field fields[] = {
    {"product_id", .type = CHURN_FIELD_STRING, .flags = CHURN_FIELD_REQUIRED, .samples = product_ids,
     .help = "number of the product"},
    {"rating", .type = CHURN_FIELD_INT, .flags = CHURN_FIELD_REQUIRED, .min = 1, .max = 5, .sample_min = 1,
     .sample_max = 5, .help = "stars, 5 the best"},
};

static const churn_effect effects[] = {
    {"reviews_submitted", .type = CHURN_PROFILE_INT, .merge = CHURN_MERGE_ADD, .from = CHURN_FROM_CONSTANT,
     .constant = 1, .help = "reviews written"},
    {"rating_sum", .type = CHURN_PROFILE_INT, .merge = CHURN_MERGE_ADD, .from = CHURN_FROM_FIELD, .operand = "rating",
     .help = "sum of the ratings given"},
};

static const churn_event_type type = {
    .size = sizeof(churn_event_type),
    CHURN_FIELDS(fields),
    CHURN_EFFECTS(effects),
    .sample_weight = 25,
};

CHURN_PLUGIN(.kind = CHURN_KIND_EVENT, .name = "review_submitted", .version = "1.0.0",
             .summary = "A customer reviewed a product", .ops = &type);
