/* The two clocks, in milliseconds. */
#ifndef CLOCK_H
#define CLOCK_H

#include <stdint.h>

/* Monotonic clock, ms. */
int64_t clock_monotonic_ms(void);
/* The same, in microseconds. */
int64_t clock_monotonic_us(void);
/* Milliseconds since 1970. */
int64_t clock_wall_ms(void);

#endif
