/* Random numbers of an event: they depend on the seed and on the event's number alone. splitmix64 (Steele, Lea, Flood,
 * "Fast Splittable Pseudorandom Number Generators", 2014). */
#ifndef GENERATE_RANDOM_H
#define GENERATE_RANDOM_H

#include <stdint.h>

/* Spreads what little differs in `n` over all of its bits. */
static inline uint64_t random_mix(uint64_t n)
{
    n = (n ^ (n >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    n = (n ^ (n >> 27)) * UINT64_C(0x94d049bb133111eb);
    return n ^ (n >> 31);
}

/* The next of 64 random bits. */
static inline uint64_t random_next(uint64_t *state)
{
    *state += UINT64_C(0x9e3779b97f4a7c15);
    return random_mix(*state);
}

/* 0 … n - 1 (Lemire's multiplication; its bias of n / 2^64 is nothing here). */
static inline uint64_t random_below(uint64_t *state, uint64_t n)
{
    return (uint64_t)(((unsigned __int128)random_next(state) * n) >> 64);
}

/* 0 ≤ x < 1 */
static inline double random_unit(uint64_t *state)
{
    return (double)(random_next(state) >> 11) * 0x1p-53;
}

/* Where the numbers of event i begin: far from those of any other event. */
static inline uint64_t random_of_event(int64_t seed, int64_t i)
{
    return random_mix(random_mix((uint64_t)seed) + (uint64_t)i * UINT64_C(0xd1342543de82ef95));
}

/* low … high, both included. */
static inline int64_t random_between(uint64_t *random, int64_t low, int64_t high)
{
    uint64_t span = (uint64_t)high - (uint64_t)low + 1;
    return (int64_t)((uint64_t)low + (span == 0 ? random_next(random) : random_below(random, span)));
}

#endif
