/* What is left in the queue: queue_back_ops' bound, is_empty and count, of a back. */
#ifndef PREDICTION_QUEUE_KAFKA_LEFT_H
#define PREDICTION_QUEUE_KAFKA_LEFT_H

#include "queue_kafka_state.h"

void left_bound(void *arg);
int32_t left_is_empty(void *arg, int wrote, int *ret_empty, churn_error *err);
int64_t left_count(void *arg, const struct waiting *waiting);

#endif
