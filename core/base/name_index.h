/* Names to small numbers: built once, then read by all threads without a lock. */
#ifndef NAME_INDEX_H
#define NAME_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Starts zeroed. Names are borrowed and outlive the index. */
struct name_index {
    const char **names; /* by id */
    uint32_t *lens;
    uint32_t *slots; /* id + 1, open addressing; 0: free */
    uint32_t count;
    uint32_t slot_count; /* a power of two, at least twice `count` */
};

/* The id of `name`, added if it is new: the ids count from 0. -1 when memory ran out. */
int32_t name_index_add(struct name_index *index, const char *name);
int32_t name_index_add_bytes(struct name_index *index, const char *name, size_t len);
/* The id of `name`, or -1. */
int32_t name_index_find(const struct name_index *index, const char *name, size_t len);
void name_index_free(struct name_index *index);

#endif
