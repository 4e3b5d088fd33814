/* Offsets: asked for, committed, moved, and how far they are from the end. */
#ifndef SOURCE_OFFSETS_H
#define SOURCE_OFFSETS_H

#include "source.h"

/* Replaces the offsets of `list` by where its partitions begin (RD_KAFKA_OFFSET_BEGINNING) or end. Unlike
 * rd_kafka_query_watermark_offsets, what this rests on keeps to its timeout while a broker hangs. */
rd_kafka_resp_err_t offsets_ask(struct kafka_source *s, rd_kafka_topic_partition_list_t *list, int64_t which,
                                int timeout_ms);

/* offsets_ask for one partition, for up to QUERY_TIMEOUT_MS. */
rd_kafka_resp_err_t offsets_ask_one(struct kafka_source *s, const char *topic, int32_t partition, int64_t which,
                                    int64_t *ret_offset);

/* Sends each broker that we read from a small question, whose answer nobody waits for. */
void offsets_ask_brokers(struct kafka_source *s);

/* Commits and waits for the answer, though not for as long as librdkafka would. */
rd_kafka_resp_err_t offsets_commit_and_wait(struct kafka_source *s, const rd_kafka_topic_partition_list_t *list);

/* Tries now and then whether the group may still be committed for: its heartbeats are refused in silence, and a quiet
 * topic brings no commit. */
void offsets_try_right(struct kafka_source *s);

/* librdkafka's commit callback. */
void offsets_on_commit(rd_kafka_t *rk, rd_kafka_resp_err_t code, rd_kafka_topic_partition_list_t *list, void *opaque);

/* Asks now and then where our partitions end. librdkafka learns that with what it fetches, and fetches nothing any more
 * once enough waits to be handed out. */
void offsets_follow_ends(struct kafka_source *s);

/* Records of an assigned partition that are still to come; -1 when not known yet. */
int64_t offsets_part_lag(const struct kafka_source *s, const struct part *p);

/* The calls of churn_source_ops that are about offsets. */
int32_t source_commit(void *self, const churn_position *positions, uint32_t count, int32_t wait, churn_error *err);
int32_t source_seek(void *self, const churn_position *to, churn_error *err);
int32_t source_bounds(void *self, const char *topic, int32_t partition, int64_t *ret_low, int64_t *ret_end,
                      churn_error *err);
int32_t source_offset_at(void *self, const char *topic, int32_t partition, int64_t timestamp_ms, int64_t *ret_offset,
                         churn_error *err);
void source_lag(void *self, churn_lag *lag);
void source_lags(void *self, churn_lag_fn fn, void *ctx);

#endif
