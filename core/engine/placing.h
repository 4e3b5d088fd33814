/* Where reading begins in each partition: by the source, the store's checkpoint, a replay, or what is yet to be proven.
 */
#ifndef PLACING_H
#define PLACING_H

#include "engine/state.h"

/* Finds out where reading begins and moves the source there, as far as store and source answer. False when the worker
 * failed. */
bool placing_step(struct worker *worker);

#endif
