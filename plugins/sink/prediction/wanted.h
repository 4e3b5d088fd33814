/* Whether a trigger is to be asked about at all: the section's `when`, and `min_interval`. */
#ifndef PREDICTION_WANTED_H
#define PREDICTION_WANTED_H

#include "kept_hashes.h"
#include "service_state.h"

/* The newest prediction of a customer, as it is cached. */
struct newest {
    char score[48]; /* decimal number; "": there is none, or it is not asked for */
    int64_t age_ms; /* since then */
    int same_event; /* it was to the event of this trigger */
};

/* Whether anything asks for the newest prediction. */
int wanted_asks_score(const struct service *s);

/* What the cache has of the job's customer; what is no prediction is none. */
void wanted_newest(const struct service *s, const struct job *job, const struct kept_hash *cached, struct newest *ret);

/* Judges a job by the profile that its request would carry. CHURN_OK: *ret is set; CHURN_FATAL: memory ran out. */
int32_t wanted_judge(const struct service *s, const struct job *job, const struct newest *newest,
                     const churn_pair *fields, uint32_t count, enum verdict *ret);

#endif
