#include "backoff.h"

#include <sys/random.h>
#include <time.h>

void backoff_init(struct backoff *backoff, int64_t min_ms, int64_t max_ms)
{
    backoff->min_ms = min_ms;
    backoff->max_ms = max_ms > min_ms ? max_ms : min_ms;
    if (getrandom(&backoff->state, sizeof backoff->state, GRND_NONBLOCK) != (ssize_t)sizeof backoff->state) {
        struct timespec now;
        (void)clock_gettime(CLOCK_MONOTONIC, &now);
        backoff->state = (uint64_t)now.tv_nsec * UINT64_C(1000003) + (uint64_t)(uintptr_t)backoff;
    }
}

uint64_t backoff_random(struct backoff *backoff)
{
    /* splitmix64 */
    uint64_t z = backoff->state += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

int64_t backoff_delay(struct backoff *backoff, unsigned failures)
{
    int64_t top = backoff->min_ms;
    for (unsigned i = 1; i < failures && top < backoff->max_ms; i++) {
        top = top > backoff->max_ms / 2 ? backoff->max_ms : top * 2;
    }
    return backoff->min_ms + (int64_t)(backoff_random(backoff) % (uint64_t)(top - backoff->min_ms + 1));
}
