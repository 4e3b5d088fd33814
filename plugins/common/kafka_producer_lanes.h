/* The librdkafka producers of a producer: one for all records, and one for those that may be at fault. */
#ifndef KAFKA_PRODUCER_LANES_H
#define KAFKA_PRODUCER_LANES_H

#include "kafka_producer_state.h"

/* A lane's configuration, which the caller owns (kafka_client_open takes it). NULL on error. */
rd_kafka_conf_t *lane_conf(const churn_host *host, const char *brokers, const churn_map *properties,
                           const char *linger_ms, enum lane_id lane, churn_error *err);

/* Connects a lane that is not open yet, in the background. */
int32_t lane_open(struct kafka_producer *p, enum lane_id id, churn_error *err);

/* Has a lane that is open write to the producer's eventfd, where there is one. */
void lane_tell(struct kafka_producer *p, enum lane_id id);

/* Ends a lane, where it is open; what it has not sent is dropped. */
void lane_close(struct kafka_producer *p, enum lane_id id);

/* The lane's own handle of a topic; NULL when the producer has failed by that. */
rd_kafka_topic_t *lane_topic(struct kafka_producer *p, struct topic *t, enum lane_id lane);

/* Queues a message with librdkafka, which copies key and value; takes its headers when it succeeds. */
rd_kafka_resp_err_t lane_produce(struct kafka_producer *p, enum lane_id lane, rd_kafka_topic_t *rkt,
                                 const struct resend *m);

#endif
