/* Whether a trigger is to be asked about at all: the section's `when`, and `min_interval`. */
#ifndef PREDICTION_WANTED_H
#define PREDICTION_WANTED_H

#include "service_state.h"

/* The newest prediction of a customer, as it is cached. */
struct newest {
    char score[48]; /* decimal number; "": there is none, or it is not asked for */
    int64_t age_ms; /* since then */
    int same_event; /* it was to the event of this trigger */
};

/* Finds the newest prediction of each job's customer, where anything asks for it. CHURN_OK; CHURN_RETRY: the store is
 * out of reach; CHURN_FATAL. */
int32_t wanted_look_up(struct service *s, struct job *const *jobs, uint32_t count, struct newest *ret,
                       churn_error *err);

/* Judges a job by the profile that its request would carry. CHURN_OK: *ret is set; CHURN_FATAL: memory ran out. */
int32_t wanted_judge(const struct service *s, const struct job *job, const struct newest *newest,
                     const churn_pair *fields, uint32_t count, enum verdict *ret);

#endif
