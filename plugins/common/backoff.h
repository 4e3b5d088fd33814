/* Waiting times between attempts: exponential, with jitter, so that many waiting clients do not come back at once. */
#ifndef BACKOFF_H
#define BACKOFF_H

#include <stdint.h>

struct backoff {
    int64_t min_ms;
    int64_t max_ms;
    uint64_t state; /* of the random numbers */
};

void backoff_init(struct backoff *backoff, int64_t min_ms, int64_t max_ms);

/* Anything between min_ms and min_ms doubled once for each earlier failure (`failures` ≥ 1), at most max_ms. */
int64_t backoff_delay(struct backoff *backoff, unsigned failures);

/* 64 random bits. */
uint64_t backoff_random(struct backoff *backoff);

#endif
