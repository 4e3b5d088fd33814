/* What becomes of a job once it has an outcome, an answer or that it was given up: stored, sent, and its triggers
 * removed. */
#ifndef PREDICTION_OUTCOME_H
#define PREDICTION_OUTCOME_H

#include "service_state.h"

/* Of the keys of triggers that were given up, where there is no Kafka. */
#define OUTCOME_FAILED_PREFIX "prediction-failed:"
/* Answers on their way to Kafka. */
#define OUTCOME_SENT_MAX 1000

/* Puts a job behind those that are to be settled, from `step` on. */
void outcome_settle_later(struct service *s, struct job *job, enum job_step step);

/* Settles jobs in order, as far as that goes; what stops one stops those behind it. CHURN_OK or CHURN_FATAL. */
int32_t outcome_settle_all(struct service *s, churn_error *err);

/* Takes what Kafka says of outcomes that were sent; their triggers are to be removed then. */
int32_t outcome_take_reports(struct service *s, churn_error *err);

#endif
