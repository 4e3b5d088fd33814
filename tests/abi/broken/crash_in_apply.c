/* FINDS error crash | folding samples of it, which calls apply */
#include <churn/event.h>
#include <churn/plugin.h>
#include <stdlib.h>

static int32_t apply(const churn_event *event, churn_delta *delta, churn_error *err)
{
    (void)delta;
    (void)err;
    /* Nobody has sent a coupon yet, or so it was thought. */
    if (churn_event_value(event, "coupon") == NULL) {
        abort();
    }
    return CHURN_OK;
}

static const churn_field fields[] = {{"coupon", .type = CHURN_FIELD_STRING, .help = "what was cashed in"}};

static const churn_event_type type = {.size = sizeof(churn_event_type), CHURN_FIELDS(fields), .apply = apply};

CHURN_PLUGIN(.kind = CHURN_KIND_EVENT, .name = "crash_in_apply", .version = "1.0.0",
             .summary = "An event type that crashes where an optional field is missing", .ops = &type);
