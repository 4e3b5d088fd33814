/* FINDS warning leaked_symbols | helper_of_mine | static | -fvisibility=hidden */
/* GOOD: a pipeline could use it */
#include <churn/plugin.h>
#include <churn/processor.h>
#include <stdlib.h>
#include <unistd.h>

extern CHURN_EXPORT int helper_of_mine(int n);
int helper_of_mine(int n)
{
    return n + 1;
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

CHURN_PLUGIN(.kind = CHURN_KIND_PROCESSOR, .name = "leaked_symbols", .version = "1.0.0",
             .summary = "Exports a function of its own", .ops = &ops);
