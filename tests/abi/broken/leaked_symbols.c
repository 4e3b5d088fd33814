/* FINDS warning leaked_symbols | helper_of_mine | static | -fvisibility=hidden */
/* GOOD: a pipeline could use it */
#include "good_processor.h"
#include <stdlib.h>
#include <unistd.h>

extern CHURN_EXPORT int helper_of_mine(int n);
int helper_of_mine(int n)
{
    return n + 1;
}

static const churn_processor_ops ops = {
    .size = sizeof ops, .create = good_create, .process = good_process, .destroy = good_destroy};

CHURN_PLUGIN(.kind = CHURN_KIND_PROCESSOR, .name = "leaked_symbols", .version = "1.0.0",
             .summary = "Exports a function of its own", .ops = &ops);
