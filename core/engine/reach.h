/* How far profiles may have counted. A profile is written before the checkpoint beyond its events is, so after
 * a crash its mark may lie beyond the checkpoint; how far, the store is told before. So of a mark beyond the end of the
 * partition it can be said whether it may be true, and the log was cut, or cannot be, and the profile is damaged. */
#ifndef REACH_H
#define REACH_H

#include "engine/state.h"

/* Reads what the store keeps of it: CHURN_OK, CHURN_RETRY when the session was lost, CHURN_FATAL when the worker
 * failed. */
int32_t reach_load(struct worker *worker, uint32_t part);
/* Tells the store how far profiles may have counted from now on, and that dead letters of the window's records may
 * exist, so that whoever reads them once more, after a crash and perhaps with other rules, knows. False while it does
 * not know, or when the worker failed. */
bool reach_announce(struct worker *worker, const struct window *window);
/* The profile of a customer says in its field `kind` ("_m:" or "_r:") of the partition that it has counted events below
 * `mark`. CHURN_REJECT when the partition was never that long, and nothing was ever counted so far: then the profile is
 * wrong. CHURN_RETRY: it cannot be told now. CHURN_FATAL, and the worker failed, when the partition has lost what was
 * counted, or may have. */
int32_t reach_check_mark(struct worker *worker, uint32_t part, const struct customer *customer, const char *kind,
                         int64_t mark);
/* Tells the store, once it has nothing to answer, that profiles have counted no further than this worker has. */
void reach_settle(struct worker *worker);

#endif
