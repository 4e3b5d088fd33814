/* A job taken as far as its request. */
#ifndef TAKE_JOB_H
#define TAKE_JOB_H

#include "waiting.h"

static inline struct job *take_job(struct waiting *waiting, int64_t now_ms, int any)
{
    struct job *job = waiting_read(waiting, now_ms, any);
    if (job == NULL) {
        return NULL;
    }
    waiting_hold(waiting, job, NULL, 0, now_ms);
    return waiting_take(waiting);
}

#endif
