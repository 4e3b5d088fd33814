/* FINDS error answers | poll answers a record that it was not given, or has answered before */
#include <churn/plugin.h>
#include <churn/sink.h>

static uint64_t last;

static int32_t create(void *self, const churn_host *host, churn_error *err)
{
    (void)self;
    (void)host;
    (void)err;
    return CHURN_OK;
}

static int32_t start(void *self, churn_error *err)
{
    (void)self;
    (void)err;
    return CHURN_OK;
}

static int32_t write_records(void *self, const churn_record *records, uint32_t count, uint32_t *ret_taken,
                             churn_error *err)
{
    (void)self;
    (void)err;
    last = records[count - 1].id;
    *ret_taken = count;
    return CHURN_OK;
}

static int32_t poll_done(void *self, churn_done *done, uint32_t max, uint32_t timeout_ms, uint32_t *ret_count,
                         churn_error *err)
{
    (void)self;
    (void)max;
    (void)timeout_ms;
    (void)err;
    done[0] = done[1] = (churn_done){.id = last};
    *ret_count = 2;
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
                                   .accepts = CHURN_RECORD_ALERT | CHURN_RECORD_EVENT,
                                   .create = create,
                                   .start = start,
                                   .write = write_records,
                                   .poll = poll_done,
                                   .stop = stop,
                                   .destroy = destroy};

CHURN_PLUGIN(.kind = CHURN_KIND_SINK, .name = "answers_twice", .version = "1.0.0",
             .summary = "A sink that says everything twice", .ops = &ops);
