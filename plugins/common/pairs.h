/* Names and values of a profile. */
#ifndef PAIRS_H
#define PAIRS_H

#include <churn/store.h>

#include <stddef.h>

/* Bytes of all names and values. */
static inline size_t pairs_size(const churn_pair *pairs, uint32_t count)
{
    size_t bytes = 0;
    for (uint32_t i = 0; i < count; i++) {
        bytes += (size_t)pairs[i].name.len + pairs[i].value.len;
    }
    return bytes;
}

#endif
