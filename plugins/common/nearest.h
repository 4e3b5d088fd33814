/* "did you mean": the known name nearest to a mistyped one. */
#ifndef NEAREST_H
#define NEAREST_H

#include <stddef.h>

/* Offer each candidate, then read `best`: NULL when none is near enough. */
struct nearest {
    const char *typed;
    const char *best;
    size_t distance;
};

void nearest_offer(struct nearest *nearest, const char *candidate);

/* " (did you mean 'order_count'?)" or "". */
const char *nearest_text(const struct nearest *nearest, char *buffer, size_t size);

#endif
