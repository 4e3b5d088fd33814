#include "kafka_producer_lanes.h"
#include "kafka_conf.h"
#include "kafka_producer_faults.h"

#define DESTROY_TIMEOUT_MS 2000

static const char *const owned[] = {
    "enable.idempotence",
    "churnd sends idempotently, so that a retry doubles nothing",
    "acks",
    "churnd waits for all in-sync replicas",
    "request.required.acks",
    "churnd waits for all in-sync replicas",
    "message.timeout.ms",
    "churnd waits for as long as an outage lasts",
    "delivery.timeout.ms",
    "churnd waits for as long as an outage lasts",
    "retries",
    "churnd retries for as long as an outage lasts",
    "message.send.max.retries",
    "churnd retries for as long as an outage lasts",
    "enable.gapless.guarantee",
    "churnd sends a failed record again by itself",
    "delivery.report.only.error",
    "churnd needs each delivery report",
    "transactional.id",
    "churnd does not use transactions",
    NULL,
};

/* What a user may override, with its alias. */
static const char *const defaults[][3] = {
    {"compression.codec", "compression.type", "lz4"},
    {"queue.buffering.max.messages", NULL, "100000"},
    {"queue.buffering.max.kbytes", NULL, "65536"},
    {"message.max.bytes", NULL, "33554432"}, /* a record too large for an event must pass as a dead letter */
    {"reconnect.backoff.max.ms", NULL, "2000"},
    {"topic.metadata.refresh.interval.ms", NULL, "10000"}, /* so that a topic made again is found soon */
};

rd_kafka_conf_t *lane_conf(const churn_host *host, const char *brokers, const churn_map *properties,
                           const char *linger_ms, enum lane_id lane, churn_error *err)
{
    rd_kafka_conf_t *conf = kafka_conf_new(host, brokers, properties, owned, err);
    int32_t result = conf != NULL ? CHURN_OK : CHURN_FATAL;
    if (result == CHURN_OK) {
        result = kafka_conf_default(conf, properties, "linger.ms", "queue.buffering.max.ms", linger_ms, err);
    }
    for (size_t i = 0; i < sizeof defaults / sizeof defaults[0] && result == CHURN_OK; i++) {
        result = kafka_conf_default(conf, properties, defaults[i][0], defaults[i][1], defaults[i][2], err);
    }
    if (result == CHURN_OK) {
        result = kafka_conf_set(conf, "enable.idempotence", "true", err);
    }
    if (result == CHURN_OK) {
        result = kafka_conf_set(conf, "message.timeout.ms", "0", err);
    }
    if (result == CHURN_OK && lane == ALONE) {
        result = kafka_conf_set(conf, "batch.num.messages", "1", err);
    }
    if (result != CHURN_OK && conf != NULL) {
        rd_kafka_conf_destroy(conf);
        conf = NULL;
    }
    return conf;
}

int32_t lane_open(struct kafka_producer *p, enum lane_id id, churn_error *err)
{
    struct lane *lane = &p->lanes[id];
    rd_kafka_conf_t *conf;
    if (lane->rk != NULL) {
        return CHURN_OK;
    }
    conf = lane_conf(p->host, p->brokers, p->properties, p->linger_ms, id, err);
    if (conf == NULL) {
        return CHURN_FATAL;
    }
    rd_kafka_conf_set_events(conf, RD_KAFKA_EVENT_DR);
    lane->rk = kafka_client_open(p->client, RD_KAFKA_PRODUCER, conf, err);
    if (lane->rk == NULL) {
        return CHURN_FATAL;
    }
    lane->queue = rd_kafka_queue_get_main(lane->rk);
    lane_tell(p, id);
    return CHURN_OK;
}

void lane_tell(struct kafka_producer *p, enum lane_id id)
{
    static const uint64_t one = 1; /* what an eventfd takes */
    if (p->lanes[id].rk != NULL && p->woken >= 0) {
        rd_kafka_queue_io_event_enable(p->lanes[id].queue, p->woken, &one, sizeof one);
    }
}

void lane_close(struct kafka_producer *p, enum lane_id id)
{
    struct lane *lane = &p->lanes[id];
    if (lane->rk == NULL) {
        return;
    }
    if (lane->reports != NULL) {
        rd_kafka_event_destroy(lane->reports);
    }
    for (struct topic *t = p->topics; t != NULL; t = t->next) {
        if (t->rkt[id] != NULL) {
            rd_kafka_topic_destroy(t->rkt[id]);
        }
    }
    rd_kafka_queue_destroy(lane->queue);
    kafka_client_destroy(p->client, lane->rk, 0, DESTROY_TIMEOUT_MS);
}

rd_kafka_topic_t *lane_topic(struct kafka_producer *p, struct topic *t, enum lane_id lane)
{
    if (t->rkt[lane] == NULL) {
        t->rkt[lane] = rd_kafka_topic_new(p->lanes[lane].rk, t->name, NULL);
        if (t->rkt[lane] == NULL) {
            producer_fail(p, "topic `%s`: %s", t->name, rd_kafka_err2str(rd_kafka_last_error()));
        }
    }
    return t->rkt[lane];
}

rd_kafka_resp_err_t lane_produce(struct kafka_producer *p, enum lane_id lane, rd_kafka_topic_t *rkt,
                                 const struct resend *m)
{
    rd_kafka_t *rk = p->lanes[lane].rk;
    void *opaque = (void *)(uintptr_t)m->id;
    if (m->headers == NULL) {
        return rd_kafka_producev(rk, RD_KAFKA_V_RKT(rkt), RD_KAFKA_V_KEY(m->key, m->key_len),
                                 RD_KAFKA_V_VALUE(m->value, m->value_len), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
                                 RD_KAFKA_V_OPAQUE(opaque), RD_KAFKA_V_END);
    }
    return rd_kafka_producev(rk, RD_KAFKA_V_RKT(rkt), RD_KAFKA_V_KEY(m->key, m->key_len),
                             RD_KAFKA_V_VALUE(m->value, m->value_len), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
                             RD_KAFKA_V_HEADERS(m->headers), RD_KAFKA_V_OPAQUE(opaque), RD_KAFKA_V_END);
}
