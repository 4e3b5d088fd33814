/* The configuration of the source's librdkafka clients. */
#include "conf.h"
#include "kafka_conf.h"

#include <stdlib.h>

static const char *const owned[] = {
    "group.id",
    "use `group_id`",
    "auto.offset.reset",
    "use `start` for a new group; an existing one never jumps silently",
    "enable.auto.commit",
    "churnd commits after the store's acknowledgement",
    "auto.commit.enable",
    "churnd commits after the store's acknowledgement",
    "enable.auto.offset.store",
    "churnd commits after the store's acknowledgement",
    "enable.partition.eof",
    "churnd needs it",
    "queued.max.messages.kbytes",
    "use `buffer`",
    NULL,
};

static const struct {
    const char *name, *alias, *value;
} defaults[] = {
    {"allow.auto.create.topics", NULL, "false"},
    {"check.crcs", NULL, "true"}, /* librdkafka would count what a disk or a broker's memory has spoilt */
    {"fetch.wait.max.ms", NULL, "50"},
    {"fetch.message.max.bytes", "max.partition.fetch.bytes",
     "262144"},                                /* so that one fetch exceeds `buffer` by little */
    {"queued.min.messages", NULL, "10000000"}, /* librdkafka waits up to a second beyond it; `buffer` is the bound */
    {"topic.metadata.refresh.interval.ms", NULL, "5000"}, /* so that a topic that appears later is found soon */
    {"reconnect.backoff.max.ms", NULL, "2000"},
};

int64_t conf_session_ms(const struct kafka_source *s)
{
    char text[32] = "45000";
    size_t size = sizeof text;
    (void)rd_kafka_conf_get(rd_kafka_conf(s->rk), "session.timeout.ms", text, &size);
    return strtoll(text, NULL, 10);
}

static int32_t set_own(const struct kafka_source *s, rd_kafka_conf_t *conf, churn_error *err)
{
    char kbytes[32];
    const char *const own[][2] = {
        {"group.id", s->group},
        {"enable.auto.commit", "false"},
        {"enable.auto.offset.store", "false"},
        {"auto.offset.reset", churn_is_beside(s->host) ? "earliest" : "error"},
        {"enable.partition.eof", "true"}, /* tells that behind the last record there is none, markers or not */
        {"queued.max.messages.kbytes", kbytes},
    };
    (void)snprintf(kbytes, sizeof kbytes, "%lld", (long long)(s->buffer / 2 / 1024)); /* see turns.c */
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++) {
        if (kafka_conf_set(conf, own[i][0], own[i][1], err) != CHURN_OK) {
            return CHURN_FATAL;
        }
    }
    for (size_t i = 0; i < sizeof defaults / sizeof defaults[0]; i++) {
        if (kafka_conf_default(conf, &s->properties, defaults[i].name, defaults[i].alias, defaults[i].value, err) !=
            CHURN_OK) {
            return CHURN_FATAL;
        }
    }
    return CHURN_OK;
}

static int32_t check_strategy(const struct kafka_source *s, churn_error *err)
{
    for (uint32_t i = 0; i < s->properties.count; i++) {
        if (strcmp(s->properties.keys[i], "partition.assignment.strategy") == 0 &&
            strstr(s->properties.values[i], "cooperative") != NULL && rd_kafka_version() < 0x020a0000) {
            return churn_fail_option(err, "properties.partition.assignment.strategy",
                                     "cooperative-sticky can lose an assignment in librdkafka before 2.10 (this is "
                                     "%s); use range or roundrobin",
                                     rd_kafka_version_str());
        }
    }
    return CHURN_OK;
}

/* Members of a group with one group.instance.id fence each other, and each worker is a member. */
static int32_t tell_workers_apart(const struct kafka_source *s, rd_kafka_conf_t *conf, churn_error *err)
{
    char id[256];
    for (uint32_t i = 0; i < s->properties.count && s->host->worker > 0; i++) {
        if (strcmp(s->properties.keys[i], "group.instance.id") == 0) {
            (void)snprintf(id, sizeof id, "%s-%u", s->properties.values[i], s->host->worker);
            return kafka_conf_set(conf, "group.instance.id", id, err);
        }
    }
    return CHURN_OK;
}

rd_kafka_conf_t *conf_new(const struct kafka_source *s, churn_error *err)
{
    rd_kafka_conf_t *conf = kafka_conf_new(s->host, s->brokers, &s->properties, owned, err);
    if (conf != NULL && (check_strategy(s, err) != CHURN_OK || set_own(s, conf, err) != CHURN_OK ||
                         tell_workers_apart(s, conf, err) != CHURN_OK)) {
        rd_kafka_conf_destroy(conf);
        conf = NULL;
    }
    return conf;
}
