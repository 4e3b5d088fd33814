/* FINDS error crash | calling create a second time */
#include "good_processor.h"
#include <stdlib.h>
#include <unistd.h>

static int made; /* what instances share */

static int32_t create(void *self, const churn_host *host, churn_error *err)
{
    (void)self;
    (void)host;
    (void)err;
    if (made++ > 0) {
        abort();
    }
    return CHURN_OK;
}

static const churn_processor_ops ops = {
    .size = sizeof ops, .create = create, .process = good_process, .destroy = good_destroy};

CHURN_PLUGIN(.kind = CHURN_KIND_PROCESSOR, .name = "crash_the_second_time", .version = "1.0.0",
             .summary = "Keeps state outside of its instance", .ops = &ops);
