/* A partition of the queue's topic: which triggers of it are served. */
#ifndef PREDICTION_QUEUE_KAFKA_PARTITION_H
#define PREDICTION_QUEUE_KAFKA_PARTITION_H

#include <stddef.h>
#include <stdint.h>

/* A trigger that was read. */
struct offset {
    int64_t offset;
    int served;
};

struct partition {
    uint32_t generation; /* of its assignment; a token of another one is void */
    int assigned;
    int64_t next_offset; /* of what was read: the one to come; -1: nothing is known yet */
    int64_t begin;       /* where reading begins, as far as is known; -1: it is not */
    int64_t committed;   /* asked to be committed last; -1: nothing */
    struct offset *ring; /* read, from the lowest that is not served */
    size_t room;         /* a power of two */
    size_t head;
    size_t count;
    uint64_t first; /* sequence number of the one at `head` */
};

/* Takes note of a trigger that was read; its sequence number is the one after the newest. 0 when memory ran out. */
int partition_push(struct partition *p, int64_t offset);

/* `sequence`: of a trigger that is not served yet. */
void partition_mark_served(struct partition *p, uint64_t sequence);

/* Everything before it is served, and may be committed; -1: nothing is known. */
int64_t partition_safe_offset(const struct partition *p);

/* The partition was assigned, or taken away: a new generation, of which nothing is known. Sequence numbers go on. */
void partition_reset(struct partition *p, int assigned);

void partition_free(struct partition *p);

#endif
