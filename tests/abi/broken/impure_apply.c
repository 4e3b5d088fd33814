/* FINDS error not_pure | the same events | pure function */
#include <churn/event.h>
#include <churn/plugin.h>

static const churn_effect effects[] = {
    {"calls", .type = CHURN_PROFILE_INT, .merge = CHURN_MERGE_MAX, .from = CHURN_FROM_NOTHING},
};

static int64_t calls; /* a replay begins with another number */

static int32_t apply(const churn_event *event, churn_delta *delta, churn_error *err)
{
    (void)event;
    (void)err;
    return delta->merge(delta, "calls", ++calls);
}

static const churn_event_type type = {.size = sizeof(churn_event_type), CHURN_EFFECTS(effects), .apply = apply};

CHURN_PLUGIN(.kind = CHURN_KIND_EVENT, .name = "impure_apply", .version = "1.0.0",
             .summary = "An event type that counts its own calls", .ops = &type);
