/* Asks the prediction API about jobs that are due, and takes its results. */
#ifndef PREDICTION_ASKING_H
#define PREDICTION_ASKING_H

#include "service_state.h"

/* 1 when another request may be under way. */
int asking_has_room(const struct service *s);

/* Starts the requests of jobs that are due, as far as there is room and the breaker allows. CHURN_OK or CHURN_FATAL. */
int32_t asking_start(struct service *s, churn_error *err);

/* http_client's callback; `arg`: the service, `request`: the job. */
void asking_on_result(void *arg, void *request, const struct http_result *result);

#endif
