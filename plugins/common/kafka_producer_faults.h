/* What goes wrong: with a record, a topic, or the producer for good. */
#ifndef KAFKA_PRODUCER_FAULTS_H
#define KAFKA_PRODUCER_FAULTS_H

#include "kafka_producer_state.h"

/* Remembers why this producer cannot go on; each later call says so. The first reason stays. */
CHURN_PRINTF(2, 3)
void producer_fail(struct kafka_producer *p, const char *format, ...);

/* Answers a call with why the producer cannot go on: CHURN_FATAL. */
int32_t producer_failure(const struct kafka_producer *p, churn_error *err);

/* Fails where librdkafka has failed for good: its idempotent producer can no longer say what was written. */
void producer_check_fatal(struct kafka_producer *p);

/* Warns, once, that a topic is not written to for a reason that may pass. */
void topic_refuses(struct kafka_producer *p, const struct topic *t, rd_kafka_resp_err_t code);

/* 1 when a record of the failed batch, not the broker or its state, is at fault. */
int record_at_fault(rd_kafka_resp_err_t code);

/* What is in the way of a record, for a person; constant text. */
const char *record_fault(rd_kafka_resp_err_t code);

#endif
