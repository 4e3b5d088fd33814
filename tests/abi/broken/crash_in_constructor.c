/* FINDS error crash | Aborted | opening it, which runs its constructors | follow-fork-mode child */
#include <churn/plugin.h>
#include <churn/processor.h>
#include <stdlib.h>
#include <unistd.h>

__attribute__((constructor)) static void before_anything(void)
{
    abort();
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

CHURN_PLUGIN(.kind = CHURN_KIND_PROCESSOR, .name = "crash_in_constructor", .version = "1.0.0",
             .summary = "Crashes as soon as it is opened", .ops = &ops);
