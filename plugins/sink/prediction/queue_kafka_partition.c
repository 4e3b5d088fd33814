#include "queue_kafka_partition.h"
#include <stdlib.h>

static struct offset *at(const struct partition *p, size_t i)
{
    return &p->ring[(p->head + i) & (p->room - 1)];
}

int partition_push(struct partition *p, int64_t offset)
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

void partition_mark_served(struct partition *p, uint64_t sequence)
{
    at(p, (size_t)(sequence - p->first))->served = 1;
    while (p->count > 0 && at(p, 0)->served) {
        p->head = (p->head + 1) & (p->room - 1);
        p->first++;
        p->count--;
    }
}

int64_t partition_safe_offset(const struct partition *p)
{
    return p->count > 0 ? at(p, 0)->offset : p->next_offset;
}

void partition_reset(struct partition *p, int assigned)
{
    p->generation++;
    p->assigned = assigned;
    p->next_offset = -1;
    p->begin = -1;
    p->committed = -1;
    p->first += p->count;
    p->head = p->count = 0;
}

void partition_free(struct partition *p)
{
    free(p->ring);
}
