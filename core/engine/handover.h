/* How far each source partition was dealt with when a pipeline was replaced by a reload: the next one goes on there.
 * Only for sources that keep no positions themselves, as a consumer group does. */
#ifndef HANDOVER_H
#define HANDOVER_H

#include <stdbool.h>
#include <stdint.h>

struct handover_item;

/* Starts zeroed. Written by main while no worker runs, read by workers. */
struct handover {
    struct handover_item *items;
    unsigned count;
    bool failed; /* memory ran out: something is missing */
};

/* Everything before `offset` was dealt with; in place of what was known. */
void handover_set(struct handover *handover, const char *topic, int32_t partition, int64_t offset);
/* -1: nothing is known. */
int64_t handover_get(const struct handover *handover, const char *topic, int32_t partition);
void handover_free(struct handover *handover);

#endif
