#include "kafka_producer.h"
#include "kafka_conf.h"
#include "kafka_probe.h"
#include "kafka_producer_faults.h"
#include "kafka_producer_lanes.h"
#include "kafka_producer_resends.h"
#include "kafka_producer_topics.h"
#include "kafka_risks.h"

#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define SLICE_MS 20 /* longest wait on one queue while something else may become due */

_Static_assert(sizeof(void *) >= sizeof(uint64_t), "a record's id travels as librdkafka's message opaque");

int32_t kafka_producer_check(const churn_host *host, const char *brokers, const churn_map *properties, churn_error *err)
{
    rd_kafka_conf_t *conf = lane_conf(host, brokers, properties, KAFKA_LINGER_MANY, BULK, err);
    return conf != NULL ? kafka_conf_try(RD_KAFKA_PRODUCER, conf, properties, err) : CHURN_FATAL;
}

void kafka_producer_probe(const churn_host *host, const char *brokers, const churn_map *properties,
                          const struct kafka_topic *topics, uint32_t count, uint32_t timeout_ms, churn_target_fn fn,
                          void *ctx)
{
    rd_kafka_conf_t *conf = timeout_ms > 0 ? lane_conf(host, brokers, properties, KAFKA_LINGER_MANY, BULK, NULL) : NULL;
    if (timeout_ms == 0) {
        kafka_risks(properties, fn, ctx);
    }
    kafka_probe(host, RD_KAFKA_PRODUCER, conf, brokers, topics, count, timeout_ms, fn, ctx);
}

struct kafka_producer *kafka_producer_new(const churn_host *host, const char *brokers, const churn_map *properties,
                                          const char *linger_ms, churn_error *err)
{
    struct kafka_producer *p = calloc(1, sizeof *p);
    if (p == NULL) {
        (void)churn_fail(err, CHURN_FATAL, "out of memory");
        return NULL;
    }
    p->host = host;
    p->woken = -1;
    p->refusing = stall_new(host, "topic");
    p->brokers = brokers;
    p->properties = properties;
    p->linger_ms = linger_ms;
    p->resends_end = &p->resends;
    p->client = kafka_client_new(host, brokers, p);
    if (p->client == NULL) {
        (void)churn_fail(err, CHURN_FATAL, "out of memory");
    } else if (lane_open(p, BULK, err) == CHURN_OK) {
        return p;
    }
    kafka_producer_free(p, 0);
    return NULL;
}

int32_t kafka_producer_ensure_topic(struct kafka_producer *p, const char *topic, int32_t partitions,
                                    const char *const *config, churn_error *err)
{
    return topics_ensure(p, topic, partitions, config, err);
}

/* --- Sending --- */

static rd_kafka_headers_t *make_headers(const churn_record *record)
{
    rd_kafka_headers_t *headers = rd_kafka_headers_new(record->header_count);
    for (uint32_t i = 0; i < record->header_count; i++) {
        const churn_header *h = &record->headers[i];
        (void)rd_kafka_header_add(headers, h->name, -1, h->value.ptr, (ssize_t)h->value.len);
    }
    return headers;
}

/* Sorts out what librdkafka said of a new record. */
static int32_t taken(struct kafka_producer *p, struct topic *t, uint64_t id, rd_kafka_resp_err_t code, churn_error *err)
{
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {
        p->waiting++;
        return CHURN_OK;
    }
    if (record_at_fault(code)) {
        p->refused[p->refused_count++] = (churn_done){.id = id, .result = CHURN_REJECT, .message = record_fault(code)};
        p->waiting++;
        return CHURN_OK;
    }
    producer_check_fatal(p);
    if (p->failed) {
        return producer_failure(p, err);
    }
    if (code != RD_KAFKA_RESP_ERR__QUEUE_FULL) {
        topic_refuses(p, t, code);
    }
    return CHURN_PENDING;
}

int32_t kafka_producer_send(struct kafka_producer *p, const char *topic, const churn_record *record, churn_error *err)
{
    struct topic *t = p->topics != NULL && strcmp(p->topics->name, topic) == 0 ? p->topics : topics_find(p, topic);
    struct resend m = {.id = record->id,
                       .key = (void *)(uintptr_t)record->key.ptr, /* librdkafka's copying interface is not const */
                       .key_len = record->key.len,
                       .value = (void *)(uintptr_t)record->value.ptr,
                       .value_len = record->value.len};
    rd_kafka_topic_t *rkt;
    rd_kafka_resp_err_t code;
    if (p->failed) {
        return producer_failure(p, err);
    }
    if (t == NULL) {
        return churn_fail(err, CHURN_FATAL, "out of memory");
    }
    if (t->state != TOPIC_READY || p->resends != NULL || p->refused_count == sizeof p->refused / sizeof p->refused[0]) {
        return CHURN_PENDING;
    }
    if ((rkt = lane_topic(p, t, BULK)) == NULL) {
        return producer_failure(p, err);
    }
    m.headers = record->header_count > 0 ? make_headers(record) : NULL;
    code = lane_produce(p, BULK, rkt, &m);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR && m.headers != NULL) {
        rd_kafka_headers_destroy(m.headers);
    }
    return taken(p, t, record->id, code, err);
}

/* --- Answers --- */

/* 1 when the report became an answer, 0 when its record is sent again. */
static int answer(struct kafka_producer *p, enum lane_id lane, const rd_kafka_message_t *m, churn_done *done)
{
    if (m->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
        stall_end(&p->refusing);
        *done = (churn_done){.id = (uintptr_t)m->_private, .result = CHURN_OK};
        return 1;
    }
    if (lane == ALONE && record_at_fault(m->err)) {
        *done = (churn_done){.id = (uintptr_t)m->_private, .result = CHURN_REJECT, .message = record_fault(m->err)};
        return 1;
    }
    producer_check_fatal(p);
    if (!p->failed) {
        resends_take(p, lane, m);
    }
    return 0;
}

static uint32_t take_refused(struct kafka_producer *p, churn_done *done, uint32_t max)
{
    uint32_t n = p->refused_count < max ? p->refused_count : max;
    for (uint32_t i = 0; i < n; i++) {
        done[i] = p->refused[--p->refused_count];
    }
    return n;
}

/* Hands out reports of the lane's current event. */
static uint32_t take_reports(struct kafka_producer *p, enum lane_id id, churn_done *done, uint32_t max)
{
    struct lane *lane = &p->lanes[id];
    uint32_t n = 0;
    while (lane->reports != NULL && n < max) {
        const rd_kafka_message_t *m = rd_kafka_event_message_next(lane->reports);
        if (m == NULL) {
            rd_kafka_event_destroy(lane->reports);
            lane->reports = NULL;
        } else {
            n += (uint32_t)answer(p, id, m, &done[n]);
        }
    }
    return n;
}

/* Takes one event of the lane's queue; 0 when there was none. */
static int serve_event(struct kafka_producer *p, enum lane_id id, int timeout_ms)
{
    struct lane *lane = &p->lanes[id];
    rd_kafka_event_t *event = lane->rk != NULL ? rd_kafka_queue_poll(lane->queue, timeout_ms) : NULL;
    if (event == NULL) {
        return 0;
    }
    switch (rd_kafka_event_type(event)) {
    case RD_KAFKA_EVENT_DR:
        lane->reports = event;
        return 1;
    case RD_KAFKA_EVENT_CREATETOPICS_RESULT:
        topics_answered(p, event);
        break;
    case RD_KAFKA_EVENT_ERROR:
        if (!rd_kafka_event_error_is_fatal(event)) { /* those are asked for with rd_kafka_fatal_error */
            kafka_client_error(p->client, rd_kafka_event_error(event), rd_kafka_event_error_string(event));
        }
        break;
    default:
        break;
    }
    rd_kafka_event_destroy(event);
    return 1;
}

/* How long to wait on one queue: not long while something else may come first. */
static int slice_ms(const struct kafka_producer *p, int64_t left_ms)
{
    int shared = p->lanes[ALONE].rk != NULL || p->resends != NULL || topics_pending(p);
    return (int)(shared && left_ms > SLICE_MS ? SLICE_MS : left_ms);
}

/* One round over refusals, reports and queues; waits up to `left_ms` when there is nothing. */
static uint32_t serve(struct kafka_producer *p, churn_done *done, uint32_t max, int64_t left_ms)
{
    uint32_t n = take_refused(p, done, max);
    for (int id = 0; id < LANES; id++) {
        n += take_reports(p, (enum lane_id)id, done + n, max - n);
        while (n < max && serve_event(p, (enum lane_id)id, n == 0 && id == BULK ? slice_ms(p, left_ms) : 0)) {
            left_ms = 0; /* wait once a round */
            n += take_reports(p, (enum lane_id)id, done + n, max - n);
        }
    }
    topics_create_due(p);
    resends_send_due(p);
    return n;
}

int32_t kafka_producer_poll(struct kafka_producer *p, churn_done *done, uint32_t max, uint32_t timeout_ms,
                            uint32_t *ret_count, churn_error *err)
{
    const churn_host *host = p->host;
    int wait = p->waiting > 0 || topics_pending(p);
    int64_t deadline = wait ? host->monotonic_ms(host) + timeout_ms : 0;
    int64_t left = wait ? timeout_ms : 0;
    eventfd_t wakes;
    uint32_t n;
    if (p->woken >= 0) {
        (void)eventfd_read(p->woken, &wakes); /* before anything is looked at: what comes later tells anew */
    }
    n = serve(p, done, max, left);
    while (n == 0 && left > 0 && !p->failed && (p->waiting > 0 || topics_pending(p))) {
        left = deadline - host->monotonic_ms(host);
        n = serve(p, done, max, left > 0 ? left : 0);
    }
    p->waiting -= n;
    *ret_count = n;
    (void)kafka_client_check(p->client, p->waiting > 0 || topics_pending(p));
    if (n == 0) {
        producer_check_fatal(p);
        if (p->failed) {
            return producer_failure(p, err);
        }
    }
    return CHURN_OK;
}

int kafka_producer_descriptor(struct kafka_producer *p)
{
    if (p->woken < 0) {
        p->woken = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        for (int id = 0; id < LANES && p->woken >= 0; id++) {
            lane_tell(p, (enum lane_id)id);
        }
    }
    return p->woken;
}

uint64_t kafka_producer_waiting(const struct kafka_producer *p)
{
    return p->waiting;
}

void kafka_producer_free(struct kafka_producer *p, int64_t deadline_ms)
{
    churn_done done[256];
    uint32_t n;
    int64_t end;
    if (p == NULL) {
        return;
    }
    end = p->host->monotonic_ms(p->host) + deadline_ms;
    while (p->waiting > 0 && p->host->monotonic_ms(p->host) < end &&
           kafka_producer_poll(p, done, 256, SLICE_MS, &n, NULL) == CHURN_OK) {
    }
    lane_close(p, ALONE);
    lane_close(p, BULK);
    resends_free(p);
    while (p->topics != NULL) {
        struct topic *t = p->topics;
        p->topics = t->next;
        free(t);
    }
    kafka_client_free(p->client);
    if (p->woken >= 0) {
        (void)close(p->woken);
    }
    free(p);
}
