/* What the source is told: the offsets that are done for good. */
#ifndef COMMIT_H
#define COMMIT_H

#include "engine/state.h"

bool commit_lacks_store(const struct worker *worker, const struct partition *p);
/* Asks the processors, before anything of their events is let go of. */
bool commit_is_allowed(struct worker *worker);
/* Tells the source what is done for good. A commit that fails costs a repeat and nothing else: the marks know better.
 * One that is not waited for may fail unseen, so the next one that is tells everything again. Never tells less than the
 * source knows, so that a replay that is cut off leaves the group where it was. */
void commit_tell(struct worker *worker, bool wait);

#endif
