/* Triggers in a Kafka topic, keyed by customer. The back is a consumer of a group that all instances share; it commits
 * no offset beyond the lowest trigger that is not served yet.
 *
 * Each record says for which group it was written, and another one passes over it: a group that is new to a topic does
 * not serve again what others have served, or are serving.
 *
 * Records come through a queue of their own, apart from the group's: while enough was read ahead it is left alone, and
 * librdkafka fetches no more than its buffer, whichever partitions come and go meanwhile. */
#include "kafka_conf.h"
#include "kafka_probe.h"
#include "queue_kafka_state.h"
#include <stdlib.h>

int32_t queue_kafka_check(const churn_host *host, const struct settings *settings, churn_error *err)
{
    rd_kafka_conf_t *conf = make_conf(host, settings, err);
    return conf != NULL ? kafka_conf_try(RD_KAFKA_CONSUMER, conf, &settings->properties, err) : CHURN_FATAL;
}

void queue_kafka_probe(const churn_host *host, const struct settings *settings, uint32_t timeout_ms, churn_target_fn fn,
                       void *ctx)
{
    const struct kafka_topic topic = {.name = settings->queue_topic,
                                      .option = "queue_topic",
                                      .flags = CHURN_TARGET_WRITES | CHURN_TARGET_READS,
                                      .is_made = 1};
    rd_kafka_conf_t *conf = timeout_ms > 0 ? make_conf(host, settings, NULL) : NULL;
    kafka_probe(host, RD_KAFKA_CONSUMER, conf, settings->brokers, &topic, 1, timeout_ms, fn, ctx);
}

int32_t queue_kafka_open(struct queue *queue, const churn_host *host, const struct settings *settings,
                         const struct counters *counters, churn_error *err)
{
    void *front = front_new(host, settings, err);
    struct back *b = front != NULL ? calloc(1, sizeof *b) : NULL;
    if (b == NULL) {
        front_free(front, 0);
        return front != NULL ? churn_fail(err, CHURN_FATAL, "out of memory") : CHURN_FATAL;
    }
    b->host = host;
    b->settings = settings;
    b->counters = counters;
    b->group_stall = stall_new(host, "group");
    group_name(host, settings, b->group);
    b->denied = stall_new(host, "queue");
    if (open_consumer(b, err) != CHURN_OK) {
        back_free(b, 0);
        front_free(front, 0);
        return CHURN_FATAL;
    }
    *queue = (struct queue){.front_ops = &front_ops, .front = front, .back_ops = &back_ops, .back = b};
    return CHURN_OK;
}
