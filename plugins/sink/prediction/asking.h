/* Asks the prediction API about jobs that are due, and takes its results. */
#ifndef PREDICTION_ASKING_H
#define PREDICTION_ASKING_H

#include "service_state.h"

/* 1 when another request may be under way. */
int asking_has_room(const struct service *s);

/* Starts requests about jobs that were read, as far as there is room and the breaker allows. CHURN_OK or CHURN_FATAL.
 */
int32_t asking_start(struct service *s, churn_error *err);

/* When the next request could be made of what is known, or the next profile be read; INT64_MAX: nothing waits. */
int64_t asking_next_ms(const struct service *s);

/* http_client's callback; `arg`: the service, `ended`: a struct request. */
void asking_on_result(void *arg, void *ended, const struct http_result *result);

/* Frees what requests were under way; their jobs are the table's. */
void asking_free(struct service *s);

#endif
