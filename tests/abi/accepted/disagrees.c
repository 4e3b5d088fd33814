/* Declares total_spent, which order_placed sums as money, as a whole number. */
#include <churn/event.h>
#include <churn/plugin.h>

static const churn_effect effects[] = {
    {"total_spent", .type = CHURN_PROFILE_INT, .merge = CHURN_MERGE_ADD, .from = CHURN_FROM_CONSTANT, .constant = 1},
};

static const churn_event_type type = {.size = sizeof(churn_event_type),
                                      .field_stride = sizeof(churn_field),
                                      .effect_stride = sizeof(churn_effect),
                                      .effects = effects,
                                      .effect_count = 1};

CHURN_PLUGIN(.kind = CHURN_KIND_EVENT, .name = "disagrees", .version = "1.0.0",
             .summary = "Disagrees with order_placed", .ops = &type);
