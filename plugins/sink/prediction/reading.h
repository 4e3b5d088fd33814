/* Reads the profiles of jobs that are due, many at a time and ahead of their requests. */
#ifndef PREDICTION_READING_H
#define PREDICTION_READING_H

#include "service_state.h"

/* Most triggers in a request. */
uint32_t reading_batch_max(const struct service *s);

/* Has profiles read while the breaker allows requests and few are at hand. CHURN_OK or CHURN_FATAL. */
int32_t reading_step(struct service *s, churn_error *err);

/* Lets go of profiles at hand that are older than a request should carry. */
void reading_outdate(struct service *s);

#endif
