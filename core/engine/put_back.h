/* A dead letter on its way in, of a redrive: it is taken apart and compared with the record that it was, which then
 * goes the way of all records, under its own position. */
#ifndef PUT_BACK_H
#define PUT_BACK_H

#include "engine/original.h"
#include "engine/state.h"

/* Not lost: it is where it was. */
bool put_back_leave(struct worker *worker, const churn_record *record, const char *why);
/* Whether letters of the partition from here on are for a later redrive: it is not taken any further. */
bool put_back_keeps(const struct worker *worker, uint32_t part);
bool put_back_take(struct worker *worker, const churn_record *record, const struct original *original);

#endif
