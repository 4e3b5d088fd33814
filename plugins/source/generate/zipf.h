/* Ranks by Zipf's distribution: the one of rank r has a share of 1 / r^exponent. */
#ifndef GENERATE_ZIPF_H
#define GENERATE_ZIPF_H

#include <stdint.h>

struct zipf {
    uint64_t count;
    double exponent;
    double integral_first;
    double integral_last;
    double shortcut;
};

/* Of the ranks 1 … count. */
void zipf_init(struct zipf *z, int64_t count, double exponent);

/* A rank, from 1. */
uint64_t zipf_next(const struct zipf *z, uint64_t *state);

#endif
