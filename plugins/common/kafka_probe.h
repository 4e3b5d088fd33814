/* Whether the topics exist that a plugin reads or writes, and its user may do so. */
#ifndef KAFKA_PROBE_H
#define KAFKA_PROBE_H

#include <churn/host.h>
#include <churn/target.h>
#include <librdkafka/rdkafka.h>

/* A topic that a plugin reads or writes. */
struct kafka_topic {
    const char *name;
    const char *option; /* which names it */
    uint32_t flags;     /* CHURN_TARGET_… */
    int is_made;        /* the plugin makes it where it does not exist */
};

/* Names the topics as targets (for `probe`). With a `conf`, which it takes, asks the brokers for up to `timeout_ms`
 * whether they exist; none is made by that. */
void kafka_probe(const churn_host *host, rd_kafka_type_t type, rd_kafka_conf_t *conf, const char *brokers,
                 const struct kafka_topic *topics, uint32_t count, uint32_t timeout_ms, churn_target_fn fn, void *ctx);

#endif
