#include "session.h"

#include <stdlib.h>

bool reserve(void **items, uint32_t *room, uint64_t count, size_t item_size)
{
    uint64_t more = *room;
    void *grown;
    if (count <= more) {
        return true;
    }
    while (more < count) {
        more = more == 0 ? 64 : more * 2;
    }
    if (more > UINT32_MAX || (grown = realloc(*items, more * item_size)) == NULL) {
        return false;
    }
    *items = grown;
    *room = (uint32_t)more;
    return true;
}

bool reserve_pairs(struct session *s, uint64_t count)
{
    void *items = s->pairs;
    bool ok = reserve(&items, &s->pair_room, count, sizeof *s->pairs);
    s->pairs = items;
    return ok;
}
