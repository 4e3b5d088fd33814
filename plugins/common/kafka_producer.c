#include "kafka_producer.h"
#include "kafka_client.h"
#include "kafka_conf.h"
#include "kafka_probe.h"
#include "kafka_risks.h"
#include "stall.h"

#include <stdlib.h>

#define RESEND_DELAY_MS 1000 /* after a failure that is not the record's own */
#define CREATE_DELAY_MS 2000 /* between attempts to create a topic */
#define CREATE_TIMEOUT_MS 5000
#define EXISTS_TIMEOUT_MS 200
#define DESTROY_TIMEOUT_MS 2000
#define SLICE_MS 20 /* longest wait on one queue while something else may become due */

_Static_assert(sizeof(void *) >= sizeof(uint64_t), "a record's id travels as librdkafka's message opaque");

enum topic_state {
    TOPIC_READY, /* there, as far as we know */
    TOPIC_DUE,   /* to be created at `due_ms` */
    TOPIC_ASKED, /* creation requested */
};

enum lane_id { BULK, ALONE, LANES };

/* A topic of this producer. */
struct topic {
    struct topic *next;
    enum topic_state state;
    int created_here; /* ensure_topic was called for it */
    int denied;       /* it may not be created; said once */
    int32_t partitions;
    int64_t due_ms;
    const char *const *config;
    rd_kafka_topic_t *rkt[LANES]; /* NULL: not used yet */
    char name[];
};

/* One librdkafka producer. */
struct lane {
    rd_kafka_t *rk; /* NULL: not needed yet */
    rd_kafka_queue_t *queue;
    rd_kafka_event_t *reports; /* delivery reports being handed out; NULL: none */
};

/* A record whose delivery failed and that is sent again. */
struct resend {
    struct resend *next;
    struct topic *topic;
    rd_kafka_headers_t *headers; /* NULL: none */
    void *key;                   /* NULL: none; inside this allocation, as `value` */
    void *value;                 /* NULL: a tombstone */
    size_t key_len;
    size_t value_len;
    int64_t due_ms;
    uint64_t id;
    enum lane_id lane;
};

/*
 * The broker judges whole batches, so one record at fault fails its neighbours too: what fails by a record's fault is
 * sent again by a second producer that puts each record into a batch of its own, and only what fails there is rejected.
 */
struct kafka_producer {
    const churn_host *host;
    const char *brokers;
    const churn_map *properties;
    struct kafka_client *client;
    struct lane lanes[LANES];
    struct topic *topics;
    struct resend *resends; /* oldest first */
    struct resend **resends_end;
    churn_done refused[64]; /* records that librdkafka did not take at all */
    uint32_t refused_count;
    uint64_t waiting;      /* sent and not yet answered */
    struct stall refusing; /* the last report was a failure */
    int failed;            /* no return: `failure` says why */
    churn_error failure;
};

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
    {"linger.ms", "queue.buffering.max.ms", "5"},
    {"compression.codec", "compression.type", "lz4"},
    {"queue.buffering.max.messages", NULL, "100000"},
    {"queue.buffering.max.kbytes", NULL, "65536"},
    {"message.max.bytes", NULL, "33554432"}, /* a record too large for an event must pass as a dead letter */
    {"reconnect.backoff.max.ms", NULL, "2000"},
    {"topic.metadata.refresh.interval.ms", NULL, "10000"}, /* so that a topic made again is found soon */
};

static rd_kafka_conf_t *make_conf(const churn_host *host, const char *brokers, const churn_map *properties,
                                  enum lane_id lane, churn_error *err)
{
    rd_kafka_conf_t *conf = kafka_conf_new(host, brokers, properties, owned, err);
    int32_t result = conf != NULL ? CHURN_OK : CHURN_FATAL;
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

int32_t kafka_producer_check(const churn_host *host, const char *brokers, const churn_map *properties, churn_error *err)
{
    rd_kafka_conf_t *conf = make_conf(host, brokers, properties, BULK, err);
    return conf != NULL ? kafka_conf_try(RD_KAFKA_PRODUCER, conf, properties, err) : CHURN_FATAL;
}

void kafka_producer_probe(const churn_host *host, const char *brokers, const churn_map *properties,
                          const struct kafka_topic *topics, uint32_t count, uint32_t timeout_ms, churn_target_fn fn,
                          void *ctx)
{
    rd_kafka_conf_t *conf = timeout_ms > 0 ? make_conf(host, brokers, properties, BULK, NULL) : NULL;
    if (timeout_ms == 0) {
        kafka_risks(properties, fn, ctx);
    }
    kafka_probe(host, RD_KAFKA_PRODUCER, conf, brokers, topics, count, timeout_ms, fn, ctx);
}

static int32_t open_lane(struct kafka_producer *p, enum lane_id id, churn_error *err)
{
    struct lane *lane = &p->lanes[id];
    rd_kafka_conf_t *conf;
    if (lane->rk != NULL) {
        return CHURN_OK;
    }
    conf = make_conf(p->host, p->brokers, p->properties, id, err);
    if (conf == NULL) {
        return CHURN_FATAL;
    }
    rd_kafka_conf_set_events(conf, RD_KAFKA_EVENT_DR);
    lane->rk = kafka_client_open(p->client, RD_KAFKA_PRODUCER, conf, err);
    if (lane->rk == NULL) {
        return CHURN_FATAL;
    }
    lane->queue = rd_kafka_queue_get_main(lane->rk);
    return CHURN_OK;
}

struct kafka_producer *kafka_producer_new(const churn_host *host, const char *brokers, const churn_map *properties,
                                          churn_error *err)
{
    struct kafka_producer *p = calloc(1, sizeof *p);
    if (p == NULL) {
        (void)churn_fail(err, CHURN_FATAL, "out of memory");
        return NULL;
    }
    p->host = host;
    p->refusing = stall_new(host, "topic");
    p->brokers = brokers;
    p->properties = properties;
    p->resends_end = &p->resends;
    p->client = kafka_client_new(host, brokers, p);
    if (p->client == NULL) {
        (void)churn_fail(err, CHURN_FATAL, "out of memory");
    } else if (open_lane(p, BULK, err) == CHURN_OK) {
        return p;
    }
    kafka_producer_free(p, 0);
    return NULL;
}

/* Remembers why this producer cannot go on; each later call says so. */
CHURN_PRINTF(2, 3)
static void fail(struct kafka_producer *p, const char *format, ...)
{
    va_list args;
    if (p->failed) {
        return;
    }
    p->failed = 1;
    va_start(args, format);
    (void)vsnprintf(p->failure.message, sizeof p->failure.message, format, args);
    va_end(args);
}

static int32_t report_failure(const struct kafka_producer *p, churn_error *err)
{
    return churn_fail(err, CHURN_FATAL, "%s", p->failure.message);
}

/* librdkafka's fatal errors: the idempotent producer can no longer say what was written. */
static void check_fatal(struct kafka_producer *p)
{
    char said[384];
    for (int i = 0; i < LANES; i++) {
        rd_kafka_resp_err_t code = p->lanes[i].rk != NULL ? rd_kafka_fatal_error(p->lanes[i].rk, said, sizeof said)
                                                          : RD_KAFKA_RESP_ERR_NO_ERROR;
        if (code == RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED) {
            fail(p, "this Kafka user may write no topic at all: give it WRITE on `%s` and whatever else is written",
                 p->topics != NULL ? p->topics->name : "");
        } else if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
            fail(p, "the Kafka producer failed for good: %s: %s", rd_kafka_err2str(code), said);
        }
    }
}

/* --- Topics --- */

static struct topic *topic_of(struct kafka_producer *p, const char *name)
{
    size_t len = strlen(name) + 1;
    struct topic *t = p->topics;
    while (t != NULL && strcmp(t->name, name) != 0) {
        t = t->next;
    }
    if (t == NULL && (t = calloc(1, sizeof *t + len)) != NULL) {
        memcpy(t->name, name, len);
        t->next = p->topics;
        p->topics = t;
    }
    return t;
}

/* The description of a topic to create; NULL with `said` filled when librdkafka refuses it. */
static rd_kafka_NewTopic_t *describe_topic(const struct topic *t, char *said, size_t size)
{
    rd_kafka_NewTopic_t *new_topic =
        rd_kafka_NewTopic_new(t->name, t->partitions > 0 ? t->partitions : -1, -1, said, size);
    for (size_t i = 0; new_topic != NULL && t->config != NULL && t->config[i] != NULL; i += 2) {
        rd_kafka_resp_err_t code = rd_kafka_NewTopic_set_config(new_topic, t->config[i], t->config[i + 1]);
        if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
            (void)snprintf(said, size, "%s: %s", t->config[i], rd_kafka_err2str(code));
            rd_kafka_NewTopic_destroy(new_topic);
            new_topic = NULL;
        }
    }
    return new_topic;
}

static void ask_for_topic(struct kafka_producer *p, struct topic *t)
{
    struct lane *lane = &p->lanes[BULK];
    char said[256];
    rd_kafka_NewTopic_t *new_topic = describe_topic(t, said, sizeof said);
    rd_kafka_AdminOptions_t *options;
    if (new_topic == NULL) {
        fail(p, "topic `%s` cannot be created: %s", t->name, said);
        return;
    }
    options = rd_kafka_AdminOptions_new(lane->rk, RD_KAFKA_ADMIN_OP_CREATETOPICS);
    (void)rd_kafka_AdminOptions_set_request_timeout(options, CREATE_TIMEOUT_MS, said, sizeof said);
    rd_kafka_AdminOptions_set_opaque(options, t);
    rd_kafka_CreateTopics(lane->rk, &new_topic, 1, options, lane->queue);
    rd_kafka_AdminOptions_destroy(options);
    rd_kafka_NewTopic_destroy(new_topic);
    t->state = TOPIC_ASKED;
}

int32_t kafka_producer_ensure_topic(struct kafka_producer *p, const char *name, int32_t partitions,
                                    const char *const *config, churn_error *err)
{
    struct topic *t = topic_of(p, name);
    if (t == NULL) {
        return churn_fail(err, CHURN_FATAL, "out of memory");
    }
    t->partitions = partitions;
    t->config = config;
    t->created_here = 1;
    ask_for_topic(p, t);
    return p->failed ? report_failure(p, err) : CHURN_OK;
}

static void topic_denied(struct kafka_producer *p, struct topic *t, const char *said)
{
    t->state = TOPIC_READY;
    if (!t->denied) {
        churn_log(p->host, CHURN_LOG_WARN, "topic `%s` cannot be created by this client: %s; writing to it as it is",
                  t->name, said);
    }
    t->denied = 1;
}

/* 1 when the brokers know the topic. Asks for all topics, for a question about one may create it. */
static int topic_exists(struct kafka_producer *p, const char *name)
{
    const struct rd_kafka_metadata *metadata;
    int found = 0;
    if (rd_kafka_metadata(p->lanes[BULK].rk, 1, NULL, &metadata, EXISTS_TIMEOUT_MS) != RD_KAFKA_RESP_ERR_NO_ERROR) {
        return 0;
    }
    for (int i = 0; i < metadata->topic_cnt && !found; i++) {
        found = strcmp(metadata->topics[i].topic, name) == 0;
    }
    rd_kafka_metadata_destroy(metadata);
    return found;
}

static void topic_answered(struct kafka_producer *p, struct topic *t, rd_kafka_resp_err_t code, const char *said)
{
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {
        churn_log(p->host, CHURN_LOG_INFO, "topic `%s` was created", t->name);
        t->state = TOPIC_READY;
    } else if (code == RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS || topic_exists(p, t->name)) {
        t->state = TOPIC_READY;
    } else if (kafka_client_denied(code) || code == RD_KAFKA_RESP_ERR__UNSUPPORTED_FEATURE) {
        topic_denied(p, t, said);
    } else if (code == RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION || code == RD_KAFKA_RESP_ERR_INVALID_CONFIG) {
        fail(p, "topic `%s` cannot be created: %s", t->name, said);
    } else {
        int outage = code == RD_KAFKA_RESP_ERR__TIMED_OUT || code == RD_KAFKA_RESP_ERR__TRANSPORT;
        churn_log(p->host, outage ? CHURN_LOG_DEBUG : CHURN_LOG_WARN,
                  "topic `%s` could not be created: %s; trying again", t->name, said);
        t->state = TOPIC_DUE;
        t->due_ms = p->host->monotonic_ms(p->host) + CREATE_DELAY_MS;
    }
}

static void creation_answered(struct kafka_producer *p, rd_kafka_event_t *event)
{
    struct topic *t = rd_kafka_event_opaque(event);
    const rd_kafka_CreateTopics_result_t *result = rd_kafka_event_CreateTopics_result(event);
    rd_kafka_resp_err_t code = rd_kafka_event_error(event);
    const char *said = rd_kafka_event_error_string(event);
    size_t count;
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR && result != NULL) {
        const rd_kafka_topic_result_t **topics = rd_kafka_CreateTopics_result_topics(result, &count);
        if (count == 1) {
            code = rd_kafka_topic_result_error(topics[0]);
            said = rd_kafka_topic_result_error_string(topics[0]);
        }
    }
    topic_answered(p, t, code, said != NULL ? said : rd_kafka_err2str(code));
}

static void create_due_topics(struct kafka_producer *p)
{
    for (struct topic *t = p->topics; t != NULL; t = t->next) {
        if (t->state == TOPIC_DUE && p->host->monotonic_ms(p->host) >= t->due_ms) {
            ask_for_topic(p, t);
        }
    }
}

static int topics_pending(const struct kafka_producer *p)
{
    const struct topic *t = p->topics;
    while (t != NULL && t->state == TOPIC_READY) {
        t = t->next;
    }
    return t != NULL;
}

/* --- Sending --- */

/* What is in the way of a record, for a person; constant text. */
static const char *fault_of(rd_kafka_resp_err_t code)
{
    switch (code) {
    case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
    case RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE:
        return "larger than the topic's max.message.bytes or the client's message.max.bytes";
    case RD_KAFKA_RESP_ERR_INVALID_RECORD:
        return "Kafka calls the record invalid; a compacted topic, for one, takes no record without a key";
    default:
        return rd_kafka_err2str(code);
    }
}

/* 1 when a record of the failed batch, not the broker or its state, is at fault. */
static int record_at_fault(rd_kafka_resp_err_t code)
{
    return code == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE || code == RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE ||
           code == RD_KAFKA_RESP_ERR_INVALID_RECORD || code == RD_KAFKA_RESP_ERR_INVALID_MSG_SIZE ||
           code == RD_KAFKA_RESP_ERR__INVALID_ARG;
}

static rd_kafka_topic_t *handle_of(struct kafka_producer *p, struct topic *t, enum lane_id lane)
{
    if (t->rkt[lane] == NULL) {
        t->rkt[lane] = rd_kafka_topic_new(p->lanes[lane].rk, t->name, NULL);
        if (t->rkt[lane] == NULL) {
            fail(p, "topic `%s`: %s", t->name, rd_kafka_err2str(rd_kafka_last_error()));
        }
    }
    return t->rkt[lane];
}

/* Queues a message with librdkafka, which copies key and value; takes `headers` when it succeeds. */
static rd_kafka_resp_err_t produce(struct kafka_producer *p, enum lane_id lane, rd_kafka_topic_t *rkt,
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

static rd_kafka_headers_t *make_headers(const churn_record *record)
{
    rd_kafka_headers_t *headers = rd_kafka_headers_new(record->header_count);
    for (uint32_t i = 0; i < record->header_count; i++) {
        const churn_header *h = &record->headers[i];
        (void)rd_kafka_header_add(headers, h->name, -1, h->value.ptr, (ssize_t)h->value.len);
    }
    return headers;
}

/* Says that a topic is not written to for a reason that may pass. */
static void warn_refusing(struct kafka_producer *p, const struct topic *t, rd_kafka_resp_err_t code)
{
    stall_begin(&p->refusing, "topic `%s` cannot be written to: %s; waiting", t->name,
                code == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED ? "this Kafka user lacks WRITE on it"
                                                                     : rd_kafka_err2str(code));
}

/* Sorts out what librdkafka said of a new record. */
static int32_t taken(struct kafka_producer *p, struct topic *t, uint64_t id, rd_kafka_resp_err_t code, churn_error *err)
{
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {
        p->waiting++;
        return CHURN_OK;
    }
    if (record_at_fault(code)) {
        p->refused[p->refused_count++] = (churn_done){.id = id, .result = CHURN_REJECT, .message = fault_of(code)};
        p->waiting++;
        return CHURN_OK;
    }
    check_fatal(p);
    if (p->failed) {
        return report_failure(p, err);
    }
    if (code != RD_KAFKA_RESP_ERR__QUEUE_FULL) {
        warn_refusing(p, t, code);
    }
    return CHURN_PENDING;
}

int32_t kafka_producer_send(struct kafka_producer *p, const char *topic, const churn_record *record, churn_error *err)
{
    struct topic *t = p->topics != NULL && strcmp(p->topics->name, topic) == 0 ? p->topics : topic_of(p, topic);
    struct resend m = {.id = record->id,
                       .key = (void *)(uintptr_t)record->key.ptr, /* librdkafka's copying interface is not const */
                       .key_len = record->key.len,
                       .value = (void *)(uintptr_t)record->value.ptr,
                       .value_len = record->value.len};
    rd_kafka_topic_t *rkt;
    rd_kafka_resp_err_t code;
    if (p->failed) {
        return report_failure(p, err);
    }
    if (t == NULL) {
        return churn_fail(err, CHURN_FATAL, "out of memory");
    }
    if (t->state != TOPIC_READY || p->resends != NULL || p->refused_count == sizeof p->refused / sizeof p->refused[0]) {
        return CHURN_PENDING;
    }
    if ((rkt = handle_of(p, t, BULK)) == NULL) {
        return report_failure(p, err);
    }
    m.headers = record->header_count > 0 ? make_headers(record) : NULL;
    code = produce(p, BULK, rkt, &m);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR && m.headers != NULL) {
        rd_kafka_headers_destroy(m.headers);
    }
    return taken(p, t, record->id, code, err);
}

/* --- Sending again --- */

static void free_resend(struct resend *r)
{
    if (r->headers != NULL) {
        rd_kafka_headers_destroy(r->headers);
    }
    free(r);
}

/* A copy of a message that failed; NULL when memory ran out. */
static struct resend *copy_message(const rd_kafka_message_t *m)
{
    rd_kafka_headers_t *headers;
    struct resend *r = calloc(1, sizeof *r + m->key_len + m->len);
    if (r == NULL) {
        return NULL;
    }
    r->id = (uintptr_t)m->_private;
    r->key_len = m->key_len;
    r->value_len = m->len;
    r->key = m->key != NULL ? (char *)(r + 1) : NULL;
    r->value = m->payload != NULL ? (char *)(r + 1) + m->key_len : NULL;
    if (m->key_len > 0) {
        memcpy(r->key, m->key, m->key_len);
    }
    if (m->len > 0) {
        memcpy(r->value, m->payload, m->len);
    }
    if (rd_kafka_message_headers(m, &headers) == RD_KAFKA_RESP_ERR_NO_ERROR) {
        r->headers = rd_kafka_headers_copy(headers);
    }
    return r;
}

/* Takes a failed message over: a record that may be at fault goes alone and at once, another waits a little. */
static void send_again(struct kafka_producer *p, enum lane_id lane, const rd_kafka_message_t *m)
{
    int suspect = record_at_fault(m->err);
    struct resend *r = copy_message(m);
    struct topic *t = topic_of(p, rd_kafka_topic_name(m->rkt));
    if (r == NULL || t == NULL) {
        free(r);
        fail(p, "out of memory");
        return;
    }
    if (!suspect) {
        warn_refusing(p, t, m->err);
    }
    if ((m->err == RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC || m->err == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART) &&
        t->created_here && !t->denied && t->state == TOPIC_READY) {
        t->state = TOPIC_DUE; /* deleted: make it again */
        t->due_ms = 0;
    }
    r->topic = t;
    r->lane = suspect ? ALONE : lane;
    r->due_ms = suspect ? 0 : p->host->monotonic_ms(p->host) + RESEND_DELAY_MS;
    *p->resends_end = r;
    p->resends_end = &r->next;
}

/* Sends what is due, oldest first. A message that librdkafka does not take now stays first. */
static void resend_due(struct kafka_producer *p)
{
    int64_t now = p->resends != NULL ? p->host->monotonic_ms(p->host) : 0;
    while (p->resends != NULL && p->resends->due_ms <= now && p->resends->topic->state == TOPIC_READY && !p->failed) {
        struct resend *r = p->resends;
        rd_kafka_topic_t *rkt;
        rd_kafka_resp_err_t code;
        if (open_lane(p, r->lane, &p->failure) != CHURN_OK) {
            p->failed = 1;
            return;
        }
        if ((rkt = handle_of(p, r->topic, r->lane)) == NULL) {
            return;
        }
        code = produce(p, r->lane, rkt, r);
        if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
            r->due_ms = code == RD_KAFKA_RESP_ERR__QUEUE_FULL ? now : now + RESEND_DELAY_MS;
            check_fatal(p);
            return;
        }
        r->headers = NULL; /* librdkafka's now */
        p->resends = r->next;
        if (p->resends == NULL) {
            p->resends_end = &p->resends;
        }
        free_resend(r);
    }
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
        *done = (churn_done){.id = (uintptr_t)m->_private, .result = CHURN_REJECT, .message = fault_of(m->err)};
        return 1;
    }
    check_fatal(p);
    if (!p->failed) {
        send_again(p, lane, m);
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
        creation_answered(p, event);
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
    create_due_topics(p);
    resend_due(p);
    return n;
}

int32_t kafka_producer_poll(struct kafka_producer *p, churn_done *done, uint32_t max, uint32_t timeout_ms,
                            uint32_t *ret_count, churn_error *err)
{
    const churn_host *host = p->host;
    int wait = p->waiting > 0 || topics_pending(p);
    int64_t deadline = wait ? host->monotonic_ms(host) + timeout_ms : 0;
    int64_t left = wait ? timeout_ms : 0;
    uint32_t n = serve(p, done, max, left);
    while (n == 0 && left > 0 && !p->failed && (p->waiting > 0 || topics_pending(p))) {
        left = deadline - host->monotonic_ms(host);
        n = serve(p, done, max, left > 0 ? left : 0);
    }
    p->waiting -= n;
    *ret_count = n;
    (void)kafka_client_check(p->client, p->waiting > 0 || topics_pending(p));
    if (n == 0) {
        check_fatal(p);
        if (p->failed) {
            return report_failure(p, err);
        }
    }
    return CHURN_OK;
}

uint64_t kafka_producer_waiting(const struct kafka_producer *p)
{
    return p->waiting;
}

static void close_lane(struct kafka_producer *p, enum lane_id id)
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
    close_lane(p, ALONE);
    close_lane(p, BULK);
    while (p->resends != NULL) {
        struct resend *r = p->resends;
        p->resends = r->next;
        free_resend(r);
    }
    while (p->topics != NULL) {
        struct topic *t = p->topics;
        p->topics = t->next;
        free(t);
    }
    kafka_client_free(p->client);
    free(p);
}
