/* The front: triggers are written to the topic, keyed by customer and marked with our group. */
#ifndef PREDICTION_QUEUE_KAFKA_FRONT_H
#define PREDICTION_QUEUE_KAFKA_FRONT_H

#include "queue.h"

extern const struct queue_front_ops queue_kafka_front_ops;

/* NULL on error. */
void *queue_kafka_front_new(const churn_host *host, const struct settings *settings, churn_error *err);

#endif
