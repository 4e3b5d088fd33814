/* A product page that was looked at. */
#include <churn/event.h>
#include <churn/plugin.h>

static const char *const product_ids[] = {"SKU-#####", NULL};
static const char *const categories[] = {"electronics", "fashion", "home", "beauty", "sports", "books", "toys", NULL};

static const churn_field fields[] = {
    {"product_id", .type = CHURN_FIELD_STRING, .flags = CHURN_FIELD_REQUIRED, .samples = product_ids,
     .help = "number of the product"},
    {"category", .type = CHURN_FIELD_STRING, .samples = categories, .help = "the product's category"},
    {"seconds", .type = CHURN_FIELD_INT, .min = 0, .max = INT64_MAX, .sample_min = 1, .sample_max = 300,
     .help = "how long the page was open"},
};

static const churn_effect effects[] = {
    {"products_viewed", .type = CHURN_PROFILE_INT, .merge = CHURN_MERGE_ADD, .from = CHURN_FROM_CONSTANT, .constant = 1,
     .help = "product pages viewed"},
};

static const churn_event_type type = {
    .size = sizeof(churn_event_type),
    CHURN_FIELDS(fields),
    CHURN_EFFECTS(effects),
    .sample_weight = 345,
};

CHURN_PLUGIN(.kind = CHURN_KIND_EVENT, .name = "product_viewed", .version = "1.0.0",
             .summary = "A customer viewed a product", .ops = &type);
