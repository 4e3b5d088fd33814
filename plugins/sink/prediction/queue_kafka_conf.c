#include "queue_kafka_conf.h"
#include "kafka_conf.h"

void queue_kafka_group(const churn_host *host, const struct settings *s, char group[GROUP_SIZE])
{
    (void)snprintf(group, GROUP_SIZE, "%s%s", s->queue_group[0] != '\0' ? s->queue_group : host->pipeline,
                   s->queue_group[0] != '\0' ? "" : "-predictions");
}

/* `properties` serve the producers too, so theirs are checked there. */
static const char *const owned[] = {"group.id",
                                    "use `queue_group`",
                                    "enable.auto.commit",
                                    "offsets are committed once triggers are served",
                                    "auto.commit.enable",
                                    "offsets are committed once triggers are served",
                                    "enable.auto.offset.store",
                                    "offsets are committed once triggers are served",
                                    "auto.offset.reset",
                                    "no trigger may be skipped",
                                    "partition.assignment.strategy",
                                    "partitions are assigned eagerly",
                                    "group.instance.id",
                                    "instances share the properties, and each needs another one",
                                    "enable.partition.eof",
                                    "the end of a partition must be seen",
                                    NULL};

rd_kafka_conf_t *queue_kafka_conf(const churn_host *host, const struct settings *s, churn_error *err)
{
    const char *const fixed[][2] = {{"enable.auto.commit", "false"},
                                    {"enable.auto.offset.store", "false"},
                                    {"auto.offset.reset", "earliest"},
                                    {"partition.assignment.strategy", "range,roundrobin"},
                                    {"enable.partition.eof", "true"}};
    const char *const defaults[][2] = {{"topic.metadata.refresh.interval.ms", "5000"},
                                       {"session.timeout.ms", "10000"},
                                       {"queued.max.messages.kbytes", "16384"}};
    rd_kafka_conf_t *conf = kafka_conf_new(host, s->brokers, &s->properties, owned, err);
    char group[GROUP_SIZE];
    int32_t rc = conf != NULL ? CHURN_OK : CHURN_FATAL;
    queue_kafka_group(host, s, group);
    for (size_t i = 0; rc == CHURN_OK && i < sizeof fixed / sizeof fixed[0]; i++) {
        rc = kafka_conf_set(conf, fixed[i][0], fixed[i][1], err);
    }
    for (size_t i = 0; rc == CHURN_OK && i < sizeof defaults / sizeof defaults[0]; i++) {
        rc = kafka_conf_default(conf, &s->properties, defaults[i][0], NULL, defaults[i][1], err);
    }
    rc = rc == CHURN_OK ? kafka_conf_set(conf, "group.id", group, err) : rc;
    if (rc == CHURN_OK && churn_is_beside(host)) {
        rc = kafka_conf_set(conf, "client.id", CLIENT_BESIDE, err);
    }
    if (rc != CHURN_OK && conf != NULL) {
        rd_kafka_conf_destroy(conf);
        return NULL;
    }
    return conf;
}
