/* EXPECT size in its ops is 0 | sizeof ops */
#include <churn/event.h>
#include <churn/plugin.h>

static const churn_event_type type = {.predicts = 1};

CHURN_PLUGIN(.kind = CHURN_KIND_EVENT, .name = "no_size", .version = "1.0.0",
             .summary = "An event type that does not say how long its table is", .ops = &type);
