/* The calls of a sink with which nothing is wrong, and a `poll` that never answers; a file that is about `poll` has one
 * of its own. */
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

static inline int32_t silent_poll(void *self, churn_done *done, uint32_t max, uint32_t timeout_ms, uint32_t *ret_count,
                                  churn_error *err)
{
    (void)self;
    (void)done;
    (void)max;
    (void)timeout_ms;
    (void)err;
    *ret_count = 0;
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
