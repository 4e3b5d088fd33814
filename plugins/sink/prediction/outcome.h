/* What becomes of a job once it has an outcome, an answer or that it was given up: sent, told by an alert where the
 * score crossed, stored, and its triggers removed, in this order, so that what is cached was told. */
#ifndef PREDICTION_OUTCOME_H
#define PREDICTION_OUTCOME_H

#include "service_state.h"

/* Of the keys of triggers that were given up, where there is no Kafka. */
#define OUTCOME_FAILED_PREFIX "prediction-failed:"
/* Answers on their way to Kafka. */
#define OUTCOME_SENT_MAX 1000

/* A job has its outcome: it is published, then cached, then its triggers are removed. */
void outcome_begin(struct service *s, struct job *job);

/* Nothing is to be asked about a job, as its verdict says: its triggers are removed. */
void outcome_let_go(struct service *s, struct job *job);

/* Puts a job behind those that are to be settled, from `step` on. */
void outcome_settle_later(struct service *s, struct job *job, enum job_step step);

/* Settles jobs in order, as far as that goes. CHURN_OK or CHURN_FATAL. */
int32_t outcome_settle_all(struct service *s, churn_error *err);

/* Takes what became of alerts; their crossings go on then. */
void outcome_take_answers(struct service *s);

/* Frees what was not given to the store; its jobs are the table's. */
void outcome_free(struct service *s);

/* Takes what Kafka says of outcomes that were sent; their triggers are to be removed then. */
int32_t outcome_take_reports(struct service *s, churn_error *err);

#endif
