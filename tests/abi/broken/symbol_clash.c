/* FINDS error symbol_clash | json_object_put | would call that one | static */
#include <churn/plugin.h>
#include <churn/processor.h>
#include <stdlib.h>
#include <unistd.h>

extern CHURN_EXPORT int json_object_put(void *object);
int json_object_put(void *object)
{
    return object != NULL;
}

static int32_t create(void *self, const churn_host *host, churn_error *err)
{
    (void)self;
    (void)host;
    (void)err;
    return CHURN_OK;
}

static int32_t process(void *self, const churn_event *event, churn_error *err)
{
    (void)self;
    (void)event;
    (void)err;
    return CHURN_OK;
}

static void destroy(void *self)
{
    (void)self;
}

static const churn_processor_ops ops = {.size = sizeof ops, .create = create, .process = process, .destroy = destroy};

CHURN_PLUGIN(.kind = CHURN_KIND_PROCESSOR, .name = "symbol_clash", .version = "1.0.0",
             .summary = "Has a function that a library of churnd has too", .ops = &ops);
