/* FINDS error crash | calling create a second time */
#include <churn/plugin.h>
#include <churn/processor.h>
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

CHURN_PLUGIN(.kind = CHURN_KIND_PROCESSOR, .name = "crash_the_second_time", .version = "1.0.0",
             .summary = "Keeps state outside of its instance", .ops = &ops);
