/* Whether what a job stands for was forgotten with its customer, and is given up. */
#ifndef PREDICTION_GIVING_UP_H
#define PREDICTION_GIVING_UP_H

#include "service_state.h"

/* Drops triggers that were forgotten from a job of which nothing is under way, and says what is left of it. */
enum left giving_up_judge(struct service *s, struct job *job);

/* Whether anything of a job was forgotten, as far as is known. */
int giving_up_concerns(const struct service *s, const struct job *job);

/* Before the next step is taken with an outcome. CHURN_OK: it is, which may be to remove it only. CHURN_END: the job is
 * asked about again, for another trigger. CHURN_PENDING: it stays where it is. */
int32_t giving_up_outcome(struct service *s, struct job *job);

#endif
