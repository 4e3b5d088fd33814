/* FINDS error exit | ends the process (exit status 3) | calling create | return an error */
#include "good_processor.h"
#include <stdlib.h>
#include <unistd.h>

static int32_t create(void *self, const churn_host *host, churn_error *err)
{
    (void)self;
    (void)host;
    (void)err;
    exit(3);
}

static const churn_processor_ops ops = {
    .size = sizeof ops, .create = create, .process = good_process, .destroy = good_destroy};

CHURN_PLUGIN(.kind = CHURN_KIND_PROCESSOR, .name = "exit_in_create", .version = "1.0.0",
             .summary = "Takes the process with it where it should return an error", .ops = &ops);
