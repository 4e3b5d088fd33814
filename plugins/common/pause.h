/* A wait that nothing ends early but a signal. */
#ifndef PAUSE_H
#define PAUSE_H

#include <stdint.h>
#include <time.h>

static inline void pause_ms(int64_t ms)
{
    const struct timespec pause = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    (void)nanosleep(&pause, NULL);
}

#endif
