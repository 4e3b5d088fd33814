/* The form of a request and of its answer: what the API is sent about each trigger, and what its answer says of each.
 */
#ifndef PREDICTION_FORM_H
#define PREDICTION_FORM_H

#include "service_state.h"
#include "text_buffer.h"

/* Writes what a request carries of one trigger, with its customer's stored profile: job->row. It is made as the profile
 * comes, which is not kept. */
void form_row(const struct service *s, const struct trigger *trigger, const churn_pair *fields, uint32_t count,
              struct text_buffer *row);

/* Writes the body of a request about `count` jobs, of which each has its row. */
void form_body(const struct service *s, struct job *const *jobs, uint32_t count, struct text_buffer *body);

/* Reads the body of a 2xx answer to such a request. 1: answers[i] is that to the i-th job, made by malloc, or NULL
 * where that one's is none; at least one is there. 0: no answer to any of them, and none is made. *ret_reason says what
 * is wrong, if anything is: a constant text. */
int form_answers(const struct service *s, churn_str body, uint32_t count, struct answer **answers,
                 const char **ret_reason);

/* Makes of the job's row, once it is answered, the features that were sent, as a JSON object. */
void form_keep_features(const struct service *s, struct job *job);

#endif
