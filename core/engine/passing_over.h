/* Records of before their customers were forgotten: neither counted nor set aside. */
#ifndef PASSING_OVER_H
#define PASSING_OVER_H

#include "engine/state.h"

/* A pipeline without `forget:` would count again what others have erased of the same profiles; so it does not begin
 * where somebody was forgotten. CHURN_OK; CHURN_RETRY: the store does not answer; CHURN_FATAL: the worker failed. */
int32_t passing_over_begin(struct worker *worker);
/* Whether an event of the customer, at the record's place, was forgotten with him. */
bool passing_over_covers(const struct worker *worker, const churn_record *record, churn_str customer, uint32_t part,
                         int64_t time_ms);
/* The same; it is then counted as passed over. */
bool passing_over_event(struct worker *worker, const churn_record *record, churn_str customer, uint32_t part,
                        int64_t time_ms);
/* Whether a record that is no event was: it is the customer's whose customer_id its value has, or, where that cannot be
 * read, whose key; and of the value's time, or of its own. */
bool passing_over_covers_record(const struct worker *worker, const churn_record *record, uint32_t part);
/* The same; it is then counted as passed over. */
bool passing_over_record(struct worker *worker, const churn_record *record, uint32_t part);

#endif
