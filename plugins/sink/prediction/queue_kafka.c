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
#include "queue.h"
#include "queue_kafka_back.h"
#include "queue_kafka_conf.h"
#include "queue_kafka_front.h"

int32_t queue_kafka_check(const churn_host *host, const struct settings *settings, churn_error *err)
{
    rd_kafka_conf_t *conf = queue_kafka_conf(host, settings, err);
    return conf != NULL ? kafka_conf_try(RD_KAFKA_CONSUMER, conf, &settings->properties, err) : CHURN_FATAL;
}

void queue_kafka_probe(const churn_host *host, const struct settings *settings, uint32_t timeout_ms, churn_target_fn fn,
                       void *ctx)
{
    const struct kafka_topic topic = {.name = settings->queue_topic,
                                      .option = "queue_topic",
                                      .flags = CHURN_TARGET_WRITES | CHURN_TARGET_READS,
                                      .is_made = 1};
    rd_kafka_conf_t *conf = timeout_ms > 0 ? queue_kafka_conf(host, settings, NULL) : NULL;
    kafka_probe(host, RD_KAFKA_CONSUMER, conf, settings->brokers, &topic, 1, timeout_ms, fn, ctx);
}

int32_t queue_kafka_open(struct queue *queue, const churn_host *host, const struct settings *settings,
                         const struct counters *counters, churn_error *err)
{
    void *front = queue_kafka_front_new(host, settings, err);
    void *back = front != NULL ? queue_kafka_back_new(host, settings, counters, err) : NULL;
    if (back == NULL) {
        queue_kafka_front_ops.free(front, 0);
        return CHURN_FATAL;
    }
    *queue = (struct queue){
        .front_ops = &queue_kafka_front_ops, .front = front, .back_ops = &queue_kafka_back_ops, .back = back};
    return CHURN_OK;
}
