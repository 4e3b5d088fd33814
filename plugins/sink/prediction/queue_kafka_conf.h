/* The configuration of the queue's consumer, and the name of its group. */
#ifndef PREDICTION_QUEUE_KAFKA_CONF_H
#define PREDICTION_QUEUE_KAFKA_CONF_H

#include "settings.h"
#include <churn/host.h>
#include <librdkafka/rdkafka.h>

#define GROUP_HEADER "churn.group" /* of a record: the group that it was written for */
#define GROUP_SIZE 256

#define CLIENT_BESIDE "churnd-redrive" /* client.id of members that are not of the pipeline's own run */

/* The name of the group that serves the queue. */
void queue_kafka_group(const churn_host *host, const struct settings *s, char group[GROUP_SIZE]);

/* The caller owns it (kafka_client_open takes it). NULL on error. */
rd_kafka_conf_t *queue_kafka_conf(const churn_host *host, const struct settings *s, churn_error *err);

#endif
