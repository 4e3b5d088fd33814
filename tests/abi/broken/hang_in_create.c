/* FINDS error hang | nothing happened for 5 s | calling create */
#include "good_processor.h"
#include <stdlib.h>
#include <unistd.h>

static int32_t create(void *self, const churn_host *host, churn_error *err)
{
    (void)self;
    (void)host;
    (void)err;
    while (pause() != 0) {
    }
    return CHURN_OK;
}

static const churn_processor_ops ops = {
    .size = sizeof ops, .create = create, .process = good_process, .destroy = good_destroy};

CHURN_PLUGIN(.kind = CHURN_KIND_PROCESSOR, .name = "hang_in_create", .version = "1.0.0",
             .summary = "Never returns from create", .ops = &ops);
