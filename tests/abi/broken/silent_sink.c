/* FINDS warning no_answer | poll answers 0 of 2 records within 2 s */
/* GOOD: its far side may be out of reach */
#include "good_sink.h"

static const churn_sink_ops ops = {.size = sizeof ops,
                                   .accepts = CHURN_RECORD_ALERT | CHURN_RECORD_EVENT,
                                   .create = good_create,
                                   .start = good_start,
                                   .write = good_write,
                                   .poll = silent_poll,
                                   .stop = good_stop,
                                   .destroy = good_destroy};

CHURN_PLUGIN(.kind = CHURN_KIND_SINK, .name = "silent_sink", .version = "1.0.0",
             .summary = "A sink that answers nothing", .ops = &ops);
