/* FINDS error hang | nothing happened for 5 s | calling read_back with an empty section */
#include "good_sink.h"
#include <unistd.h>

static int32_t read_back(const churn_section *own, churn_read_back *back, churn_error *err)
{
    (void)own;
    (void)back;
    (void)err;
    while (pause() != 0) {
    }
    return CHURN_OK;
}

static const churn_sink_ops ops = {.size = sizeof ops,
                                   .accepts = CHURN_RECORD_DEAD_LETTER,
                                   .create = good_create,
                                   .start = good_start,
                                   .write = good_write,
                                   .poll = silent_poll,
                                   .stop = good_stop,
                                   .destroy = good_destroy,
                                   .read_back = read_back};

CHURN_PLUGIN(.kind = CHURN_KIND_SINK, .name = "hang_in_read_back", .version = "1.0.0",
             .summary = "Never says how its dead letters are read again", .ops = &ops);
