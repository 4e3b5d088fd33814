/* EXPECT `process` | processor */
#include <churn/plugin.h>
#include <churn/processor.h>

static int32_t create(void *self, const churn_host *host, churn_error *err)
{
    (void)self;
    (void)err;
    churn_log(host, CHURN_LOG_ERROR, "canary: made without the call that it is for");
    return CHURN_OK;
}

static void destroy(void *self)
{
    (void)self;
}

static const churn_processor_ops ops = {.size = sizeof ops, .create = create, .destroy = destroy};

CHURN_PLUGIN(.kind = CHURN_KIND_PROCESSOR, .name = "missing_call", .version = "1.0.0",
             .summary = "A processor that cannot process", .ops = &ops);
