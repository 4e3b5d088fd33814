/* EXPECT nothing provides | link the library */
#include <churn/event.h>
#include <churn/plugin.h>

/* What a library has that was forgotten when this was linked. */
int64_t score_of_customer(const char *id, uint32_t len);
int64_t weight_of_score(int64_t score);

static const churn_effect effects[] = {
    {"score", .type = CHURN_PROFILE_INT, .merge = CHURN_MERGE_MAX, .from = CHURN_FROM_NOTHING},
};

static int32_t apply(const churn_event *event, churn_delta *delta, churn_error *err)
{
    (void)err;
    return delta->merge(delta, "score",
                        weight_of_score(score_of_customer(event->customer_id.ptr, event->customer_id.len)));
}

static const churn_event_type type = {.size = sizeof(churn_event_type), CHURN_EFFECTS(effects), .apply = apply};

CHURN_PLUGIN(.kind = CHURN_KIND_EVENT, .name = "undefined_symbol", .version = "1.0.0",
             .summary = "An event type that lacks its library", .ops = &type);
