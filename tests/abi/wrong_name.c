/* EXPECT another_name | wrong_name */
#include <churn/event.h>
#include <churn/plugin.h>

static const churn_event_type type = {
    .size = sizeof(churn_event_type), .field_stride = sizeof(churn_field), .effect_stride = sizeof(churn_effect)};

CHURN_PLUGIN(.kind = CHURN_KIND_EVENT, .name = "another_name", .version = "1.0.0",
             .summary = "canary: its file has another name", .ops = &type);
