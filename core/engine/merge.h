/* A window's deltas into profiles, leaving out what a profile has counted. */
#ifndef MERGE_H
#define MERGE_H

#include "engine/state.h"

/* Joins a delta to its customer's profile, leaving out what the profile has counted. CHURN_OK; CHURN_DROP when that was
 * all of it; CHURN_REJECT with *reject when it cannot be: the cached profile is of no use then; CHURN_FATAL when the
 * worker failed. */
int32_t merge_delta(struct worker *worker, struct window *window, struct delta *delta, struct reject *reject);
/* Only notes which events of a delta the profile has counted. */
void merge_note_counted(struct window *window, struct delta *delta, const struct profile *profile);

#endif
