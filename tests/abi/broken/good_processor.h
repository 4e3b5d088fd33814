/* The calls of a processor with which nothing is wrong; each file here replaces the one that it is about. */
#include <churn/plugin.h>
#include <churn/processor.h>

static inline int32_t good_create(void *self, const churn_host *host, churn_error *err)
{
    (void)self;
    (void)host;
    (void)err;
    return CHURN_OK;
}

static inline int32_t good_process(void *self, const churn_event *event, churn_error *err)
{
    (void)self;
    (void)event;
    (void)err;
    return CHURN_OK;
}

static inline void good_destroy(void *self)
{
    (void)self;
}
