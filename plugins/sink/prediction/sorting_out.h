/* When customers are forgotten: what of them waits is given up, and the host is told once nothing is under way. */
#ifndef PREDICTION_SORTING_OUT_H
#define PREDICTION_SORTING_OUT_H

#include "service_state.h"

/* Before a request of the first `count` READY jobs: takes out those that cannot be in it. 1: there were none. */
int sorting_out_ready(struct service *s, uint32_t count);

/* Once a turn. CHURN_OK or CHURN_FATAL. */
int32_t sorting_out_step(struct service *s, churn_error *err);

#endif
