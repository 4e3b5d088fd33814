/* What the parts of a worker tell of states in which events do not move; see stalls.h. */
#ifndef STALLED_H
#define STALLED_H

#include "engine/state.h"

/* The engine's own states in which events do not move; a plugin has names of its own. */
#define STALL_STORE "store"           /* out of reach */
#define STALL_WRITE "write"           /* it refuses writes, or does not answer them */
#define STALL_CHECKPOINT "checkpoint" /* not stored, so that no offset is committed */
#define STALL_PROCESSOR "processor"   /* it cannot tell, so that the source waits */
#define STALL_SINK "sink"             /* it takes or answers nothing */
#define STALL_DEAD_LETTERS                                                                                             \
    "dead_letters"            /* the sink of the dead letters takes or answers nothing, and nothing is counted before */
#define STALL_PLACE "place"   /* it cannot tell yet where its partitions begin and end */
#define STALL_SOURCE "source" /* it has nothing to read from, or hands out nothing of what is there */
/* `section` is in the state `what`, or still is; see stalls_begin. */
CHURN_PRINTF(5, 6)
void worker_stalled(struct worker *worker, const struct section *section, const char *what, int32_t level,
                    const char *format, ...);
/* It is not, or not any more; see stalls_end. */
void worker_goes_on(struct worker *worker, const struct section *section, const char *what, const char *over);

#endif
