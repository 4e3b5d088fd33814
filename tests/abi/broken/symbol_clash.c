/* FINDS error symbol_clash | json_object_put | would call that one | static */
#include "good_processor.h"
#include <stdlib.h>
#include <unistd.h>

extern CHURN_EXPORT int json_object_put(void *object);
int json_object_put(void *object)
{
    return object != NULL;
}

static const churn_processor_ops ops = {
    .size = sizeof ops, .create = good_create, .process = good_process, .destroy = good_destroy};

CHURN_PLUGIN(.kind = CHURN_KIND_PROCESSOR, .name = "symbol_clash", .version = "1.0.0",
             .summary = "Has a function that a library of churnd has too", .ops = &ops);
