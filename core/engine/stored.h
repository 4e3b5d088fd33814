/* What the store has of a customer, judged: can it be the base of what is written next? */
#ifndef STORED_H
#define STORED_H

#include "engine/state.h"

/* Reads what is stored. CHURN_OK when it can be a base; CHURN_REJECT, with *reject, when it is damaged: `stored` has
 * what can be relied on; CHURN_RETRY: it cannot be told now; CHURN_FATAL when the worker failed. */
int32_t stored_judge(struct worker *worker, const struct customer *customer, const churn_put_reply *reply,
                     struct profile *stored, struct reject *reject);

#endif
