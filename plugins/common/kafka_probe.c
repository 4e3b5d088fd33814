#include "kafka_probe.h"
#include "kafka_access.h"
#include "kafka_client.h"

#define PROBE_SLICE_MS 500
#define ACCESS_MS 3000
#define DESTROY_MS 2000
#define PROBE_ENOUGH_MS 1000 /* by then each address of a broker that refuses connections was tried */

static rd_kafka_resp_err_t ask_metadata(struct kafka_client *client, rd_kafka_t *rk, uint32_t timeout_ms,
                                        const struct rd_kafka_metadata **ret_metadata)
{
    rd_kafka_resp_err_t code = RD_KAFKA_RESP_ERR__TIMED_OUT;
    for (uint32_t waited = 0; waited < timeout_ms; waited += PROBE_SLICE_MS) {
        uint32_t left = timeout_ms - waited;
        /* For all topics: a question about one may create it. */
        code = rd_kafka_metadata(rk, 1, NULL, ret_metadata, (int)(left < PROBE_SLICE_MS ? left : PROBE_SLICE_MS));
        if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {
            break;
        }
        (void)rd_kafka_poll(rk, 0); /* calls back with the reason */
        if (kafka_client_reason(client)[0] != '\0' && waited >= PROBE_ENOUGH_MS && !kafka_client_up(client) &&
            !kafka_client_awaits(client, 0)) {
            break;
        }
    }
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR &&
        (kafka_client_up(client) || kafka_client_awaits(client, PROBE_ENOUGH_MS))) {
        kafka_client_silent(client);
    }
    return code;
}

/* Whom and what a probe asks. */
struct probe {
    rd_kafka_t *rk;
    rd_kafka_t *writer; /* NULL: there is none, or it cannot be made */
    rd_kafka_type_t type;
    const struct rd_kafka_metadata *metadata; /* NULL: there is no answer */
    const char *brokers;
    const char *failure; /* then, if it was asked for; or NULL */
    int group_denied;    /* the consumer group may not be used, which librdkafka tells only once */
    char said[512];      /* of the topic that is asked about */
};

/* What a user lacks, for people; "" when nothing is denied. */
static void ask_access(struct probe *probe, const struct kafka_topic *topic, int write, char *ret, size_t size)
{
    rd_kafka_resp_err_t code = RD_KAFKA_RESP_ERR_NO_ERROR;
    char group[256] = "";
    size_t len = sizeof group;
    ret[0] = '\0';
    if (write && (topic->flags & CHURN_TARGET_WRITES) != 0 && probe->writer != NULL &&
        kafka_access_write(probe->writer, topic->name, ACCESS_MS) != RD_KAFKA_RESP_ERR_NO_ERROR) {
        (void)snprintf(ret, size, "this Kafka user may not write it; give it WRITE on the topic");
        return;
    }
    if ((topic->flags & CHURN_TARGET_READS) != 0 && probe->type == RD_KAFKA_CONSUMER) {
        code = probe->group_denied ? RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED
                                   : kafka_access_read(probe->rk, topic->name, ACCESS_MS);
    }
    if (code == RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED) {
        probe->group_denied = 1;
        (void)rd_kafka_conf_get(rd_kafka_conf(probe->rk), "group.id", group, &len);
        (void)snprintf(ret, size, "this Kafka user may not use the consumer group `%s`; give it READ on the group",
                       group);
    } else if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
        (void)snprintf(ret, size, "this Kafka user may not read it; give it READ on the topic");
    }
}

static void report_access(struct probe *probe, const struct kafka_topic *topic, int write, churn_target *target)
{
    ask_access(probe, topic, write, probe->said, sizeof probe->said);
    if (probe->said[0] != '\0') {
        target->result = CHURN_FATAL;
        target->message = probe->said;
    }
}

static void report_absent(struct probe *probe, const struct kafka_topic *topic, churn_target *target)
{
    if ((topic->flags & CHURN_TARGET_WRITES) == 0) {
        target->message = "does not exist, or this user may not see it; it is waited for";
        report_access(probe, topic, 0, target);
    } else if (!topic->is_made) {
        target->message = "does not exist, or this user may not see it; the brokers may make it";
    } else if (kafka_access_create(probe->rk, topic->name, ACCESS_MS) != RD_KAFKA_RESP_ERR_NO_ERROR) {
        target->result = CHURN_FATAL;
        target->message =
            "does not exist, or this Kafka user may not see it, and may not make it; give it WRITE on the "
            "topic, and make the topic or give it CREATE";
    } else {
        report_access(probe, topic, 0, target); /* a write would make the topic */
    }
}

static void report_topic(struct probe *probe, const struct kafka_topic *topic, churn_target *target)
{
    const struct rd_kafka_metadata_topic *found = NULL;
    for (int i = 0; i < probe->metadata->topic_cnt; i++) {
        if (strcmp(probe->metadata->topics[i].topic, topic->name) == 0) {
            found = &probe->metadata->topics[i];
        }
    }
    if (found == NULL) {
        report_absent(probe, topic, target);
    } else if (found->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
        target->result = kafka_client_denied(found->err) ? CHURN_FATAL : CHURN_RETRY;
        target->message = rd_kafka_err2str(found->err);
    } else {
        report_access(probe, topic, 1, target);
    }
}

static void report_topics(struct probe *probe, const struct kafka_topic *topics, uint32_t count, churn_target_fn fn,
                          void *ctx)
{
    for (uint32_t i = 0; i < count; i++) {
        churn_target target = {.size = sizeof target,
                               .flags = topics[i].flags,
                               .kind = CHURN_TARGET_TOPIC,
                               .name = topics[i].name,
                               .at = probe->brokers,
                               .option = topics[i].option,
                               .message = probe->failure,
                               .result = probe->failure != NULL ? CHURN_RETRY : CHURN_OK};
        if (probe->metadata != NULL) {
            report_topic(probe, &topics[i], &target);
        }
        fn(ctx, &target);
    }
}

static int any_is_written(const struct kafka_topic *topics, uint32_t count)
{
    uint32_t i = 0;
    while (i < count && (topics[i].flags & CHURN_TARGET_WRITES) == 0) {
        i++;
    }
    return i < count;
}

void kafka_probe(const churn_host *host, rd_kafka_type_t type, rd_kafka_conf_t *conf, const char *brokers,
                 const struct kafka_topic *topics, uint32_t count, uint32_t timeout_ms, churn_target_fn fn, void *ctx)
{
    struct probe probe = {.type = type, .brokers = brokers};
    churn_error err = {.size = sizeof err};
    char failure[KAFKA_REASON_SIZE + 128];
    struct kafka_client *client;
    rd_kafka_resp_err_t code;
    if (conf == NULL) {
        report_topics(&probe, topics, count, fn, ctx);
        return;
    }
    probe.writer = any_is_written(topics, count) ? kafka_access_writer(conf) : NULL;
    client = kafka_client_new(host, brokers, NULL);
    probe.rk = client != NULL ? kafka_client_open(client, type, conf, &err) : NULL;
    if (probe.rk == NULL) {
        probe.failure = client != NULL ? err.message : "out of memory";
    } else if ((code = ask_metadata(client, probe.rk, timeout_ms, &probe.metadata)) != RD_KAFKA_RESP_ERR_NO_ERROR) {
        (void)snprintf(failure, sizeof failure, "Kafka cannot be reached: %s%s",
                       kafka_client_reason(client)[0] != '\0' ? kafka_client_reason(client) : rd_kafka_err2str(code),
                       kafka_client_advice(client));
        probe.failure = failure;
    }
    report_topics(&probe, topics, count, fn, ctx);
    if (probe.metadata != NULL) {
        rd_kafka_metadata_destroy(probe.metadata);
    }
    if (client != NULL) {
        kafka_client_destroy(client, probe.writer, 0, DESTROY_MS);
        kafka_client_destroy(client, probe.rk, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE, DESTROY_MS);
    }
    kafka_client_free(client);
}
