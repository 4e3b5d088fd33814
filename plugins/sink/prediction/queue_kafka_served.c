#include "queue_kafka_state.h"
#include <stdlib.h>

static struct offset *at(const struct partition *p, size_t i)
{
    return &p->ring[(p->head + i) & (p->room - 1)];
}

int push(struct partition *p, int64_t offset)
{
    if (p->count == p->room) {
        size_t room = p->room != 0 ? p->room * 2 : 256;
        struct offset *ring = malloc(room * sizeof *ring);
        if (ring == NULL) {
            return 0;
        }
        for (size_t i = 0; i < p->count; i++) {
            ring[i] = *at(p, i);
        }
        free(p->ring);
        p->ring = ring;
        p->room = room;
        p->head = 0;
    }
    *at(p, p->count++) = (struct offset){.offset = offset};
    return 1;
}

void mark_served(struct partition *p, uint64_t sequence)
{
    at(p, (size_t)(sequence - p->first))->served = 1;
    while (p->count > 0 && at(p, 0)->served) {
        p->head = (p->head + 1) & (p->room - 1);
        p->first++;
        p->count--;
    }
}

/* Everything before it is served; -1: nothing is known. */
int64_t safe_offset(const struct partition *p)
{
    return p->count > 0 ? at(p, 0)->offset : p->next_offset;
}

void reset(struct partition *p, int assigned)
{
    p->generation++;
    p->assigned = assigned;
    p->next_offset = -1;
    p->begin = -1;
    p->committed = -1;
    p->first += p->count;
    p->head = p->count = 0;
}
