/* Arrays that grow. */
#ifndef GROW_H
#define GROW_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#define GROW_FIRST 64 /* items */

/* Room for `count` items, at least one, in an array that has room for *room: the array, which may have moved; NULL when
 * memory ran out, and then nothing has changed. */
static inline void *grow(void *items, size_t *room, size_t count, size_t item_size)
{
    size_t more = *room == 0 ? GROW_FIRST : *room;
    if (count <= *room) {
        return items;
    }
    while (more < count && more <= SIZE_MAX / 2) {
        more *= 2;
    }
    more = more < count ? count : more;
    items = reallocarray(items, more, item_size);
    if (items != NULL) {
        *room = more;
    }
    return items;
}

#endif
