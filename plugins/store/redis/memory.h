/* Arrays that grow. */
#ifndef REDIS_MEMORY_H
#define REDIS_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>

static inline bool grow(void **memory, size_t *room, size_t count, size_t item_size)
{
    size_t more = *room == 0 ? 64 : *room;
    void *grown;
    if (count <= *room) {
        return true;
    }
    while (more < count) {
        more *= 2;
    }
    grown = realloc(*memory, more * item_size);
    if (grown == NULL) {
        return false;
    }
    *memory = grown;
    *room = more;
    return true;
}

#endif
