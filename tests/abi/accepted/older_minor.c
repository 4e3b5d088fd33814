/* A processor of ABI 1.0, whose table ends before what 1.1 added: what lies behind it is not the table's. */
#include <churn/processor.h>
#include <stddef.h>
#include <stdlib.h>

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
    (void)err;
    return event->event_id.len == 1 ? CHURN_OK : CHURN_DROP;
}

static void destroy(void *self)
{
    (void)self;
}

static void never(void *self, const churn_event *event)
{
    (void)self;
    (void)event;
    abort();
}

static const churn_processor_ops ops = {.size = offsetof(churn_processor_ops, announce),
                                        .create = create,
                                        .process = process,
                                        .destroy = destroy,
                                        .announce = never};

extern CHURN_EXPORT const churn_plugin churn_plugin_entry;
const churn_plugin churn_plugin_entry = {.magic = CHURN_PLUGIN_MAGIC,
                                         .size = sizeof(churn_plugin),
                                         .abi_major = CHURN_ABI_MAJOR,
                                         .abi_minor = 0,
                                         .kind = CHURN_KIND_PROCESSOR,
                                         .name = "older_minor",
                                         .version = "1.0.0",
                                         .summary = "A processor of the first minor version",
                                         .ops = &ops};
