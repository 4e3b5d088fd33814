/* FINDS error crash | Aborted | opening it, which runs its constructors | follow-fork-mode child */
#include "good_processor.h"
#include <stdlib.h>
#include <unistd.h>

__attribute__((constructor)) static void before_anything(void)
{
    abort();
}

static const churn_processor_ops ops = {
    .size = sizeof ops, .create = good_create, .process = good_process, .destroy = good_destroy};

CHURN_PLUGIN(.kind = CHURN_KIND_PROCESSOR, .name = "crash_in_constructor", .version = "1.0.0",
             .summary = "Crashes as soon as it is opened", .ops = &ops);
