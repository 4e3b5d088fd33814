/* An event type whose callback remembers events, which no event type may: its profile depends on their order. */
#include <churn/event.h>
#include <churn/plugin.h>

static const churn_field fields[] = {
    {"n", .type = CHURN_FIELD_INT, .flags = CHURN_FIELD_REQUIRED, .min = -100, .max = 100, .help = "a number"},
};

static const churn_effect effects[] = {
    {"impure_sum", .type = CHURN_PROFILE_INT, .merge = CHURN_MERGE_ADD, .from = CHURN_FROM_NOTHING, .help = "a sum"},
};

static int32_t apply(const churn_event *event, churn_delta *delta, churn_error *err)
{
    static int64_t last;
    int64_t n = churn_event_value(event, "n")->number, before = last;
    last = n;
    if (n < 0) {
        return churn_fail(err, CHURN_REJECT, "n is negative");
    }
    return delta->merge(delta, "impure_sum", n > before ? n : 0);
}

static const churn_event_type type = {
    .size = sizeof(churn_event_type),
    CHURN_FIELDS(fields),
    CHURN_EFFECTS(effects),
    .apply = apply,
};

CHURN_PLUGIN(.kind = CHURN_KIND_EVENT, .name = "impure", .version = "1", .summary = "", .ops = &type);
