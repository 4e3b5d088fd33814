/* EXPECT sink | event */
#include <churn/plugin.h>
#include <churn/sink.h>

static int32_t create(void *self, const churn_host *host, churn_error *err)
{
    (void)self;
    (void)err;
    churn_log(host, CHURN_LOG_ERROR, "canary: this sink was made although an event type was asked for");
    return CHURN_OK;
}

static int32_t write_records(void *self, const churn_record *records, uint32_t count, uint32_t *ret_taken,
                             churn_error *err)
{
    (void)self;
    (void)records;
    (void)err;
    *ret_taken = count;
    return CHURN_OK;
}

static int32_t poll_done(void *self, churn_done *done, uint32_t max, uint32_t timeout_ms, uint32_t *ret_count,
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

static int32_t start(void *self, churn_error *err)
{
    (void)self;
    (void)err;
    return CHURN_OK;
}

static void stop(void *self, int64_t deadline_ms)
{
    (void)self;
    (void)deadline_ms;
}

static void destroy(void *self)
{
    (void)self;
}

static const churn_sink_ops ops = {.size = sizeof ops,
                                   .accepts = CHURN_RECORD_EVENT,
                                   .create = create,
                                   .start = start,
                                   .write = write_records,
                                   .poll = poll_done,
                                   .stop = stop,
                                   .destroy = destroy};

CHURN_PLUGIN(.kind = CHURN_KIND_SINK, .name = "wrong_kind", .version = "1.0.0", .summary = "A sink, no event type",
             .ops = &ops);
