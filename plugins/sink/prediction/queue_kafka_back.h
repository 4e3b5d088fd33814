/* The back: a consumer of a group that all instances share. */
#ifndef PREDICTION_QUEUE_KAFKA_BACK_H
#define PREDICTION_QUEUE_KAFKA_BACK_H

#include "queue.h"

extern const struct queue_back_ops queue_kafka_back_ops;

/* NULL on error. */
void *queue_kafka_back_new(const churn_host *host, const struct settings *settings, const struct counters *counters,
                           churn_error *err);

#endif
