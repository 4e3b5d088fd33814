/* Which offsets the back commits, and when. */
#ifndef PREDICTION_QUEUE_KAFKA_COMMITS_H
#define PREDICTION_QUEUE_KAFKA_COMMITS_H

#include "queue_kafka_state.h"

/* librdkafka's commit callback: a right that was taken away is told, and what was not committed is once more. */
void commits_done(rd_kafka_t *rk, rd_kafka_resp_err_t code, rd_kafka_topic_partition_list_t *list, void *opaque);

/* Now and then; sooner once all is served, for others may wait to see it. */
void commits_soon(struct back *b);

/* Waits for the answer for up to `timeout_ms`. A commit that does not happen costs repeated requests, nothing else. */
void commits_now(struct back *b, int timeout_ms);

#endif
