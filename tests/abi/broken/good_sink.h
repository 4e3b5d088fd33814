/* The calls of a sink with which nothing is wrong; each file here adds the `poll` that it is about. */
#include <churn/plugin.h>
#include <churn/sink.h>

static inline int32_t good_create(void *self, const churn_host *host, churn_error *err)
{
    (void)self;
    (void)host;
    (void)err;
    return CHURN_OK;
}

static inline int32_t good_start(void *self, churn_error *err)
{
    (void)self;
    (void)err;
    return CHURN_OK;
}

static inline int32_t good_write(void *self, const churn_record *records, uint32_t count, uint32_t *ret_taken,
                                 churn_error *err)
{
    (void)self;
    (void)records;
    (void)err;
    *ret_taken = count;
    return CHURN_OK;
}

static inline void good_stop(void *self, int64_t deadline_ms)
{
    (void)self;
    (void)deadline_ms;
}

static inline void good_destroy(void *self)
{
    (void)self;
}
