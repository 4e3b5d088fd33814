/* FINDS error answers | poll answers a record that it was not given, or has answered before */
#include "good_sink.h"

static uint64_t last;

static int32_t write_records(void *self, const churn_record *records, uint32_t count, uint32_t *ret_taken,
                             churn_error *err)
{
    last = records[count - 1].id;
    return good_write(self, records, count, ret_taken, err);
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

static const churn_sink_ops ops = {.size = sizeof ops,
                                   .accepts = CHURN_RECORD_ALERT | CHURN_RECORD_EVENT,
                                   .create = good_create,
                                   .start = good_start,
                                   .write = write_records,
                                   .poll = poll_done,
                                   .stop = good_stop,
                                   .destroy = good_destroy};

CHURN_PLUGIN(.kind = CHURN_KIND_SINK, .name = "answers_twice", .version = "1.0.0",
             .summary = "A sink that says everything twice", .ops = &ops);
