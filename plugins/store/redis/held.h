/* What the answers handed out last point to. */
#ifndef REDIS_HELD_H
#define REDIS_HELD_H

#include <hiredis/hiredis.h>
#include <stdbool.h>
#include <stddef.h>

struct held;

/* Starts zeroed. */
struct held_list {
    struct held *items;
    size_t count;
    size_t room;
};

/* Keeps a reply, and memory such as pairs or a message; NULL: none. Takes both over also when it fails, since memory
 * ran out. */
bool held_add(struct held_list *list, redisReply *reply, void *memory);

void held_drop(struct held_list *list);

/* Gives all of it back; with each call of the host. */
static inline void held_release(struct held_list *list)
{
    if (list->count > 0) {
        held_drop(list);
    }
}

void held_free(struct held_list *list);

#endif
