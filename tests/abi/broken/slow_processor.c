/* FINDS warning slow | for each event | keep what it needs in memory */
/* GOOD: a pipeline could use it */
#include "good_processor.h"
#include <time.h>

static int32_t process(void *self, const churn_event *event, churn_error *err)
{
    static const struct timespec pause = {.tv_nsec = 50 * 1000000L};
    (void)nanosleep(&pause, NULL);
    return good_process(self, event, err);
}

static const churn_processor_ops ops = {
    .size = sizeof ops, .create = good_create, .process = process, .destroy = good_destroy};

CHURN_PLUGIN(.kind = CHURN_KIND_PROCESSOR, .name = "slow_processor", .version = "1.0.0",
             .summary = "Asks somebody far away about each event", .ops = &ops);
