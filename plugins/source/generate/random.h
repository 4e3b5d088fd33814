/* Random numbers of an event: they depend on the seed and on the event's number alone. */
#ifndef GENERATE_RANDOM_H
#define GENERATE_RANDOM_H

#include <stdint.h>

/* --- Random numbers: splitmix64 (Steele, Lea, Flood, "Fast Splittable Pseudorandom Number Generators", 2014) --- */

static inline uint64_t mix(uint64_t n)
{
    n = (n ^ (n >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    n = (n ^ (n >> 27)) * UINT64_C(0x94d049bb133111eb);
    return n ^ (n >> 31);
}

static inline uint64_t next_random(uint64_t *state)
{
    *state += UINT64_C(0x9e3779b97f4a7c15);
    return mix(*state);
}

/* 0 … n - 1 (Lemire's multiplication; its bias of n / 2^64 is nothing here). */
static inline uint64_t below(uint64_t *state, uint64_t n)
{
    return (uint64_t)(((unsigned __int128)next_random(state) * n) >> 64);
}

/* 0 ≤ x < 1 */
static inline double unit(uint64_t *state)
{
    return (double)(next_random(state) >> 11) * 0x1p-53;
}

/* Where the numbers of event i begin: far from those of any other event. */
static inline uint64_t event_state(int64_t seed, int64_t i)
{
    return mix(mix((uint64_t)seed) + (uint64_t)i * UINT64_C(0xd1342543de82ef95));
}

static inline int64_t between(uint64_t *random, int64_t low, int64_t high)
{
    uint64_t span = (uint64_t)high - (uint64_t)low + 1;
    return (int64_t)((uint64_t)low + (span == 0 ? next_random(random) : below(random, span)));
}

#endif
