/* Since when records of a partition wait, by the times of those that were read, and of which partitions that is shown.
 */
#ifndef PARTITION_LAG_H
#define PARTITION_LAG_H

#include "engine/state.h"

/* The record at this offset was taken, the first one of a poll; 0 for a time that it does not have. */
void partition_lag_note(struct partition *p, int64_t offset, int64_t timestamp_ms, int64_t polled_ms);
/* No record that waits is older, as in struct health_worker. `told`: the source has just said how many do. */
int64_t partition_lag_since(struct partition *p, bool told, int64_t now_ms);

/* The partition is ours from now on; once all are taken, what was given up before and is not among them is forgotten.
 */
void partition_lag_take(struct partition *p, const churn_position *from);
void partition_lag_forget(struct worker *worker);
/* The partition was given up. It is shown as it was until others are taken. */
void partition_lag_leave(struct partition *p);

#endif
