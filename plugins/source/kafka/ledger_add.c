#include "ledger_add.h"
#include "kafka_conf.h"
#include "kafka_section.h"

#include <stdlib.h>

#define CLOSE_TIMEOUT_MS 2000
#define POLICY "cleanup.policy"

/* ---- making it ---- */

/* How many replicas a topic has; -1: as the brokers think right. */
static int replicas_of(rd_kafka_t *rk, const char *topic, int timeout_ms)
{
    rd_kafka_topic_t *rkt = rd_kafka_topic_new(rk, topic, NULL);
    const struct rd_kafka_metadata *metadata = NULL;
    int count = -1;
    if (rkt == NULL) {
        return -1;
    }
    if (rd_kafka_metadata(rk, 0, rkt, &metadata, timeout_ms) == RD_KAFKA_RESP_ERR_NO_ERROR) {
        if (metadata->topic_cnt == 1 && metadata->topics[0].partition_cnt > 0) {
            count = metadata->topics[0].partitions[0].replica_cnt;
        }
        rd_kafka_metadata_destroy(metadata);
    }
    rd_kafka_topic_destroy(rkt);
    return count > 0 ? count : -1;
}

static rd_kafka_resp_err_t result_of_making(rd_kafka_event_t *event, char *said, size_t size)
{
    const rd_kafka_CreateTopics_result_t *result = rd_kafka_event_CreateTopics_result(event);
    rd_kafka_resp_err_t code = rd_kafka_event_error(event);
    const char *text = rd_kafka_event_error_string(event);
    size_t count = 0;
    const rd_kafka_topic_result_t **topics = code == RD_KAFKA_RESP_ERR_NO_ERROR && result != NULL
                                                 ? rd_kafka_CreateTopics_result_topics(result, &count)
                                                 : NULL;
    if (count == 1) {
        code = rd_kafka_topic_result_error(topics[0]);
        text = rd_kafka_topic_result_error_string(topics[0]);
    }
    (void)snprintf(said, size, "%s", text != NULL ? text : rd_kafka_err2str(code));
    return code;
}

static int32_t judge_making(const char *topic, rd_kafka_resp_err_t code, const char *said, churn_error *err)
{
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR || code == RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS) {
        return CHURN_OK;
    }
    if (kafka_client_denied(code)) {
        return churn_fail(err, CHURN_FATAL,
                          "topic `%s` does not exist, and this Kafka user may not make it (%s); `kafka-topics.sh "
                          "--create --topic %s --partitions 1 --config cleanup.policy=compact` does, or give the user "
                          "CREATE on the topic",
                          topic, rd_kafka_err2str(code), topic);
    }
    return churn_fail(err, CHURN_FATAL, "topic `%s` cannot be made: %s", topic, said);
}

int32_t ledger_make_topic(struct kafka_source *s, rd_kafka_t *rk, const char *topic, const char *like, int timeout_ms,
                          churn_error *err)
{
    char said[512];
    rd_kafka_resp_err_t code = RD_KAFKA_RESP_ERR__TIMED_OUT;
    rd_kafka_NewTopic_t *made = rd_kafka_NewTopic_new(topic, 1, replicas_of(rk, like, timeout_ms), said, sizeof said);
    rd_kafka_AdminOptions_t *options;
    rd_kafka_queue_t *queue;
    rd_kafka_event_t *event;
    if (made == NULL) {
        return churn_fail(err, CHURN_FATAL, "topic `%s` cannot be made: %s", topic, said);
    }
    (void)rd_kafka_NewTopic_set_config(made, POLICY, "compact");
    options = rd_kafka_AdminOptions_new(rk, RD_KAFKA_ADMIN_OP_CREATETOPICS);
    (void)rd_kafka_AdminOptions_set_request_timeout(options, timeout_ms, said, sizeof said);
    queue = rd_kafka_queue_new(rk);
    rd_kafka_CreateTopics(rk, &made, 1, options, queue);
    event = rd_kafka_queue_poll(queue, timeout_ms + 1000);
    (void)snprintf(said, sizeof said, "%s", rd_kafka_err2str(code));
    if (event != NULL) {
        code = result_of_making(event, said, sizeof said);
        rd_kafka_event_destroy(event);
    }
    rd_kafka_queue_destroy(queue);
    rd_kafka_AdminOptions_destroy(options);
    rd_kafka_NewTopic_destroy(made);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {
        churn_log(s->host, CHURN_LOG_INFO, "topic `%s` was created, compacted", topic);
    }
    return judge_making(topic, code, said, err);
}

/* ---- whether it is compacted ---- */

static enum ledger_compaction judge_policy(rd_kafka_event_t *event, char *said, size_t size)
{
    const rd_kafka_DescribeConfigs_result_t *result = rd_kafka_event_DescribeConfigs_result(event);
    const rd_kafka_ConfigResource_t **resources;
    const rd_kafka_ConfigEntry_t **entries;
    size_t count = 0, entry_count = 0;
    (void)snprintf(said, size, "%s", rd_kafka_err2str(rd_kafka_event_error(event)));
    if (rd_kafka_event_error(event) != RD_KAFKA_RESP_ERR_NO_ERROR || result == NULL) {
        return LEDGER_UNKNOWN;
    }
    resources = rd_kafka_DescribeConfigs_result_resources(result, &count);
    if (count != 1 || rd_kafka_ConfigResource_error(resources[0]) != RD_KAFKA_RESP_ERR_NO_ERROR) {
        (void)snprintf(said, size, "%s",
                       count == 1 ? rd_kafka_err2str(rd_kafka_ConfigResource_error(resources[0])) : "no answer");
        return LEDGER_UNKNOWN;
    }
    entries = rd_kafka_ConfigResource_configs(resources[0], &entry_count);
    for (size_t i = 0; i < entry_count; i++) {
        const char *value = rd_kafka_ConfigEntry_value(entries[i]);
        if (strcmp(rd_kafka_ConfigEntry_name(entries[i]), POLICY) == 0 && value != NULL) {
            (void)snprintf(said, size, "%s", value);
            return strcmp(value, "compact") == 0 ? LEDGER_COMPACTED : LEDGER_EXPIRES;
        }
    }
    (void)snprintf(said, size, "it has no " POLICY);
    return LEDGER_UNKNOWN;
}

enum ledger_compaction ledger_is_compacted(rd_kafka_t *rk, const char *topic, int timeout_ms, char *said, size_t size)
{
    rd_kafka_ConfigResource_t *resource = rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, topic);
    rd_kafka_AdminOptions_t *options = rd_kafka_AdminOptions_new(rk, RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS);
    rd_kafka_queue_t *queue = rd_kafka_queue_new(rk);
    enum ledger_compaction judged = LEDGER_UNKNOWN;
    rd_kafka_event_t *event;
    char refused[256];
    (void)rd_kafka_AdminOptions_set_request_timeout(options, timeout_ms, refused, sizeof refused);
    rd_kafka_DescribeConfigs(rk, &resource, 1, options, queue);
    event = rd_kafka_queue_poll(queue, timeout_ms + 1000);
    (void)snprintf(said, size, "no answer");
    if (event != NULL) {
        judged = judge_policy(event, said, size);
        rd_kafka_event_destroy(event);
    }
    rd_kafka_queue_destroy(queue);
    rd_kafka_AdminOptions_destroy(options);
    rd_kafka_ConfigResource_destroy(resource);
    return judged;
}

/* ---- writing ---- */

struct delivery {
    int done;
    rd_kafka_resp_err_t code;
};

static void on_delivery(rd_kafka_t *rk, const rd_kafka_message_t *m, void *opaque)
{
    struct delivery *delivery = m->_private;
    (void)rk;
    (void)opaque;
    *delivery = (struct delivery){.done = 1, .code = m->err};
}

/* What is a consumer's own is left out. NULL on error. */
static rd_kafka_conf_t *writer_conf(const struct kafka_source *s, uint32_t timeout_ms, churn_error *err)
{
    char patience[16];
    const char *const fixed[][2] = {
        {"enable.idempotence", "true"}, {"acks", "all"}, {"message.timeout.ms", patience}, {"linger.ms", "0"}};
    uint32_t count = s->properties.count;
    const char **names = calloc(2 * (size_t)count + 1, sizeof *names), **values;
    churn_map properties = {.keys = names};
    rd_kafka_conf_t *conf;
    if (names == NULL) {
        (void)churn_fail(err, CHURN_FATAL, "out of memory");
        return NULL;
    }
    properties.values = values = names + count;
    for (uint32_t i = 0; i < count; i++) {
        if (kafka_section_connects(s->properties.keys[i])) {
            names[properties.count] = s->properties.keys[i];
            values[properties.count++] = s->properties.values[i];
        }
    }
    conf = kafka_conf_new(s->host, s->brokers, &properties, NULL, err);
    free(names);
    (void)snprintf(patience, sizeof patience, "%u", timeout_ms);
    for (size_t i = 0; conf != NULL && i < sizeof fixed / sizeof fixed[0]; i++) {
        if (kafka_conf_set(conf, fixed[i][0], fixed[i][1], err) != CHURN_OK) {
            rd_kafka_conf_destroy(conf);
            conf = NULL;
        }
    }
    if (conf != NULL) {
        rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
    }
    return conf;
}

static int32_t judge_delivery(const char *topic, rd_kafka_resp_err_t code, churn_error *err)
{
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {
        return CHURN_OK;
    }
    if (kafka_client_denied(code)) {
        return churn_fail(err, CHURN_FATAL,
                          "topic `%s` may not be written by this Kafka user (%s); give it WRITE on the topic", topic,
                          rd_kafka_err2str(code));
    }
    return churn_fail(err, CHURN_RETRY, "topic `%s` could not be written: %s", topic, rd_kafka_err2str(code));
}

static int32_t send_one(rd_kafka_t *rk, const char *topic, churn_str key, churn_str value, uint32_t timeout_ms,
                        churn_error *err)
{
    struct delivery delivery = {.code = RD_KAFKA_RESP_ERR__TIMED_OUT};
    rd_kafka_resp_err_t code = rd_kafka_producev(
        rk, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_KEY(key.ptr, key.len),
        RD_KAFKA_V_VALUE((void *)(uintptr_t)value.ptr, value.len), /* copied, though the macro's type is not const */
        RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_OPAQUE(&delivery), RD_KAFKA_V_END);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR && rd_kafka_flush(rk, (int)timeout_ms) != RD_KAFKA_RESP_ERR_NO_ERROR) {
        (void)rd_kafka_purge(rk, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
        (void)rd_kafka_flush(rk, CLOSE_TIMEOUT_MS); /* `delivery` is referred to no more */
    }
    return judge_delivery(topic, code != RD_KAFKA_RESP_ERR_NO_ERROR ? code : delivery.code, err);
}

int32_t ledger_produce(struct kafka_source *s, const char *topic, churn_str key, churn_str value, uint32_t timeout_ms,
                       churn_error *err)
{
    struct kafka_client *client = kafka_client_new(s->host, s->brokers, s);
    rd_kafka_conf_t *conf = client != NULL ? writer_conf(s, timeout_ms, err) : NULL;
    rd_kafka_t *rk = conf != NULL ? kafka_client_open(client, RD_KAFKA_PRODUCER, conf, err) : NULL;
    int32_t result = client == NULL ? churn_fail(err, CHURN_FATAL, "out of memory") : CHURN_FATAL;
    if (rk != NULL) {
        result = send_one(rk, topic, key, value, timeout_ms, err);
        kafka_client_destroy(client, rk, 0, CLOSE_TIMEOUT_MS);
    }
    kafka_client_free(client);
    return result;
}
