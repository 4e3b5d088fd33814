/* FINDS warning create_refused | no such place as nowhere | --option NAME=VALUE */
/* GOOD: a pipeline could use it */
#include "good_processor.h"
#include <stdlib.h>
#include <unistd.h>

static int32_t create(void *self, const churn_host *host, churn_error *err)
{
    (void)self;
    (void)host;
    return churn_fail(err, CHURN_FATAL, "there is no such place as nowhere");
}

static const churn_processor_ops ops = {
    .size = sizeof ops, .create = create, .process = good_process, .destroy = good_destroy};

CHURN_PLUGIN(.kind = CHURN_KIND_PROCESSOR, .name = "refuses", .version = "1.0.0", .summary = "Refuses its own defaults",
             .ops = &ops);
