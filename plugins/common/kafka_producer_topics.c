#include "kafka_producer_topics.h"
#include "kafka_producer_faults.h"

#include <stdlib.h>

#define CREATE_DELAY_MS 2000 /* between attempts to create a topic */
#define CREATE_TIMEOUT_MS 5000
#define EXISTS_TIMEOUT_MS 200

struct topic *topics_find(struct kafka_producer *p, const char *name)
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
        producer_fail(p, "topic `%s` cannot be created: %s", t->name, said);
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

int32_t topics_ensure(struct kafka_producer *p, const char *name, int32_t partitions, const char *const *config,
                      churn_error *err)
{
    struct topic *t = topics_find(p, name);
    if (t == NULL) {
        return churn_fail(err, CHURN_FATAL, "out of memory");
    }
    t->partitions = partitions;
    t->config = config;
    t->created_here = 1;
    ask_for_topic(p, t);
    return p->failed ? producer_failure(p, err) : CHURN_OK;
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
        producer_fail(p, "topic `%s` cannot be created: %s", t->name, said);
    } else {
        int outage = code == RD_KAFKA_RESP_ERR__TIMED_OUT || code == RD_KAFKA_RESP_ERR__TRANSPORT;
        churn_log(p->host, outage ? CHURN_LOG_DEBUG : CHURN_LOG_WARN,
                  "topic `%s` could not be created: %s; trying again", t->name, said);
        t->state = TOPIC_DUE;
        t->due_ms = p->host->monotonic_ms(p->host) + CREATE_DELAY_MS;
    }
}

void topics_answered(struct kafka_producer *p, rd_kafka_event_t *event)
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

void topics_create_due(struct kafka_producer *p)
{
    for (struct topic *t = p->topics; t != NULL; t = t->next) {
        if (t->state == TOPIC_DUE && p->host->monotonic_ms(p->host) >= t->due_ms) {
            ask_for_topic(p, t);
        }
    }
}

int topics_pending(const struct kafka_producer *p)
{
    const struct topic *t = p->topics;
    while (t != NULL && t->state == TOPIC_READY) {
        t = t->next;
    }
    return t != NULL;
}
