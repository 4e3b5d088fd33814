/* An idempotent producer that answers each record once it is acknowledged by all in-sync replicas. One thread. */
#ifndef KAFKA_PRODUCER_H
#define KAFKA_PRODUCER_H

#include <churn/host.h>
#include <churn/option.h>
#include <churn/record.h>
#include <churn/sink.h>

struct kafka_producer;

/* Checks the configuration only (for `create`): CHURN_OK, or CHURN_FATAL with err->option set. */
int32_t kafka_producer_check(const churn_host *host, const char *brokers, const churn_map *properties,
                             churn_error *err);

/* kafka_probe with a producer's configuration; `timeout_ms` 0: only names the topics. */
struct kafka_topic;
void kafka_producer_probe(const churn_host *host, const char *brokers, const churn_map *properties,
                          const struct kafka_topic *topics, uint32_t count, uint32_t timeout_ms, churn_target_fn fn,
                          void *ctx);

/* For how many ms a record waits for others to go with, where `properties` do not say it: for throughput, or where
 * somebody waits for each. */
#define KAFKA_LINGER_MANY "5"
#define KAFKA_LINGER_SOON "1"

/* Connects in the background. NULL on error. The strings and `host` outlive the producer. */
struct kafka_producer *kafka_producer_new(const churn_host *host, const char *brokers, const churn_map *properties,
                                          const char *linger_ms, churn_error *err);

/* Sees to it that `topic` exists, made with `partitions` (0: the broker's default) and `config` ("name",
 * "value", …, NULL; may be NULL) if it does not. Asynchronous: send waits by itself until the topic is there. Call
 * before the first send. */
int32_t kafka_producer_ensure_topic(struct kafka_producer *producer, const char *topic, int32_t partitions,
                                    const char *const *config, churn_error *err);

/* Copies and queues one record (key, value, headers) for `topic`. Its timestamp is the time it is sent, not the
 * event's: Kafka keeps and refuses records by it. CHURN_OK: will be answered by poll. CHURN_PENDING: full, poll and
 * offer it again. A record the broker or librdkafka can never take is answered CHURN_REJECT by poll. CHURN_FATAL: the
 * producer cannot go on. */
int32_t kafka_producer_send(struct kafka_producer *producer, const char *topic, const churn_record *record,
                            churn_error *err);

/* Serves delivery reports; waits up to `timeout_ms` for the first answer when records are under way. Returns CHURN_OK
 * and *ret_count answers, or CHURN_FATAL. A passing outage is waited out without limit (message.timeout.ms 0). */
int32_t kafka_producer_poll(struct kafka_producer *producer, churn_done *done, uint32_t max, uint32_t timeout_ms,
                            uint32_t *ret_count, churn_error *err);

/* What is readable once poll may have something new of what was sent, for poll(2); it is the producer's, and poll
 * empties it. What becomes due by time alone (a topic to be made, a record to be sent again) does not show: poll now
 * and then. -1: there is none. */
int kafka_producer_descriptor(struct kafka_producer *producer);

/* Records sent and not yet answered. */
uint64_t kafka_producer_waiting(const struct kafka_producer *producer);

/* Flushes for up to `deadline_ms` and frees; may be NULL. */
void kafka_producer_free(struct kafka_producer *producer, int64_t deadline_ms);

#endif
