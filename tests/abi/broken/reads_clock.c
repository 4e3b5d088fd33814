/* FINDS error not_pure | the same events, folded a second apart | no clock */
#include <churn/event.h>
#include <churn/plugin.h>
#include <time.h>

static const churn_effect effects[] = {
    {"seen_at", .type = CHURN_PROFILE_TIME, .merge = CHURN_MERGE_MAX, .from = CHURN_FROM_NOTHING},
};

/* The same within a second, so that calling it twice at once tells nothing. */
static int32_t apply(const churn_event *event, churn_delta *delta, churn_error *err)
{
    (void)event;
    (void)err;
    return delta->merge(delta, "seen_at", (int64_t)time(NULL) * 1000);
}

static const churn_event_type type = {.size = sizeof(churn_event_type), CHURN_EFFECTS(effects), .apply = apply};

CHURN_PLUGIN(.kind = CHURN_KIND_EVENT, .name = "reads_clock", .version = "1.0.0",
             .summary = "An event type that notes when it was folded", .ops = &type);
