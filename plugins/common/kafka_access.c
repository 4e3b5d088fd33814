#include "kafka_access.h"
#include "kafka_client.h"

#define NO_PARTITION 2147483646 /* no topic has so many */

/* Only what denies access is an answer here. */
static rd_kafka_resp_err_t denial(rd_kafka_resp_err_t code)
{
    return kafka_client_denied(code) ? code : RD_KAFKA_RESP_ERR_NO_ERROR;
}

/* --- Writing: the broker looks at access first, and refuses the batch then, for no broker takes `acks: 2` --- */

static void on_delivery(rd_kafka_t *rk, const rd_kafka_message_t *m, void *opaque)
{
    rd_kafka_resp_err_t *ret_code = m->_private;
    (void)rk;
    (void)opaque;
    *ret_code = m->err;
}

static void silent(const rd_kafka_t *rk, int level, const char *facility, const char *text)
{
    (void)rk;
    (void)level;
    (void)facility;
    (void)text;
}

rd_kafka_t *kafka_access_writer(const rd_kafka_conf_t *conf)
{
    static const char *const fixed[][2] = {{"enable.idempotence", "false"},
                                           {"acks", "2"},
                                           {"message.send.max.retries", "0"},
                                           {"message.timeout.ms", "5000"},
                                           {"linger.ms", "0"}};
    rd_kafka_conf_t *own = rd_kafka_conf_dup(conf);
    rd_kafka_t *rk;
    char said[256];
    for (size_t i = 0; i < sizeof fixed / sizeof fixed[0]; i++) {
        (void)rd_kafka_conf_set(own, fixed[i][0], fixed[i][1], said, sizeof said);
    }
    rd_kafka_conf_set_dr_msg_cb(own, on_delivery);
    rd_kafka_conf_set_log_cb(own, silent);
    rd_kafka_conf_set_error_cb(own, NULL);
    rk = rd_kafka_new(RD_KAFKA_PRODUCER, own, said, sizeof said);
    if (rk == NULL) {
        rd_kafka_conf_destroy(own);
    }
    return rk;
}

rd_kafka_resp_err_t kafka_access_write(rd_kafka_t *writer, const char *topic, int timeout_ms)
{
    rd_kafka_resp_err_t code = RD_KAFKA_RESP_ERR_NO_ERROR, sent;
    char value[] = "{}";
    sent = rd_kafka_producev(writer, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_VALUE(value, sizeof value - 1),
                             RD_KAFKA_V_OPAQUE(&code), RD_KAFKA_V_END);
    if (sent == RD_KAFKA_RESP_ERR_NO_ERROR && rd_kafka_flush(writer, timeout_ms) != RD_KAFKA_RESP_ERR_NO_ERROR) {
        (void)rd_kafka_purge(writer, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
        (void)rd_kafka_flush(writer, timeout_ms); /* `code` is referred to no more */
    }
    return denial(sent != RD_KAFKA_RESP_ERR_NO_ERROR ? sent : code);
}

/* --- Reading: a commit of a partition that does not exist is refused after access was looked at --- */

/* Where not even the coordinator may be asked for, the commit waits for ever, and the group says why. */
static rd_kafka_resp_err_t what_the_group_says(rd_kafka_t *consumer)
{
    rd_kafka_resp_err_t code = RD_KAFKA_RESP_ERR_NO_ERROR;
    rd_kafka_message_t *m;
    while (code == RD_KAFKA_RESP_ERR_NO_ERROR && (m = rd_kafka_consumer_poll(consumer, 0)) != NULL) {
        code = denial(m->err);
        rd_kafka_message_destroy(m);
    }
    return code;
}

rd_kafka_resp_err_t kafka_access_read(rd_kafka_t *consumer, const char *topic, int timeout_ms)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_queue_t *queue = rd_kafka_queue_new(consumer);
    const rd_kafka_topic_partition_list_t *done;
    rd_kafka_resp_err_t code;
    rd_kafka_event_t *event;
    rd_kafka_topic_partition_list_add(list, topic, NO_PARTITION)->offset = 0;
    code = rd_kafka_commit_queue(consumer, list, queue, NULL, NULL);
    event = code == RD_KAFKA_RESP_ERR_NO_ERROR ? rd_kafka_queue_poll(queue, timeout_ms) : NULL;
    if (event != NULL) {
        code = rd_kafka_event_error(event);
        done = rd_kafka_event_topic_partition_list(event);
        if (!kafka_client_denied(code) && done != NULL && done->cnt == 1) {
            code = done->elems[0].err;
        }
        rd_kafka_event_destroy(event);
    } else if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {
        code = what_the_group_says(consumer);
    }
    rd_kafka_queue_destroy(queue);
    rd_kafka_topic_partition_list_destroy(list);
    return denial(code);
}

/* --- Making a topic: only validated --- */

static rd_kafka_resp_err_t result_of(rd_kafka_event_t *event)
{
    const rd_kafka_CreateTopics_result_t *result = rd_kafka_event_CreateTopics_result(event);
    const rd_kafka_topic_result_t **topics;
    size_t count = 0;
    if (rd_kafka_event_error(event) != RD_KAFKA_RESP_ERR_NO_ERROR || result == NULL) {
        return rd_kafka_event_error(event);
    }
    topics = rd_kafka_CreateTopics_result_topics(result, &count);
    return count == 1 ? rd_kafka_topic_result_error(topics[0]) : RD_KAFKA_RESP_ERR_NO_ERROR;
}

rd_kafka_resp_err_t kafka_access_create(rd_kafka_t *rk, const char *topic, int timeout_ms)
{
    char said[256];
    rd_kafka_NewTopic_t *new_topic = rd_kafka_NewTopic_new(topic, -1, -1, said, sizeof said);
    rd_kafka_AdminOptions_t *options = rd_kafka_AdminOptions_new(rk, RD_KAFKA_ADMIN_OP_CREATETOPICS);
    rd_kafka_queue_t *queue = rd_kafka_queue_new(rk);
    rd_kafka_resp_err_t code = RD_KAFKA_RESP_ERR_NO_ERROR;
    rd_kafka_event_t *event;
    if (new_topic != NULL) {
        (void)rd_kafka_AdminOptions_set_request_timeout(options, timeout_ms, said, sizeof said);
        (void)rd_kafka_AdminOptions_set_validate_only(options, 1, said, sizeof said);
        rd_kafka_CreateTopics(rk, &new_topic, 1, options, queue);
        event = rd_kafka_queue_poll(queue, timeout_ms + 1000);
        if (event != NULL) {
            code = result_of(event);
            rd_kafka_event_destroy(event);
        }
        rd_kafka_NewTopic_destroy(new_topic);
    }
    rd_kafka_queue_destroy(queue);
    rd_kafka_AdminOptions_destroy(options);
    return denial(code);
}
