/* The configuration of a librdkafka client, of whatever plugin: what users pass through is checked, and told to them by
 * name. */
#ifndef KAFKA_CONF_H
#define KAFKA_CONF_H

#include <churn/host.h>
#include <churn/option.h>
#include <librdkafka/rdkafka.h>

/* Makes a configuration with `bootstrap.servers`, `client.id` and the pass-through `properties` (librdkafka's own
 * names, each checked by librdkafka). A property in `owned` (NULL-terminated "name", "reason", … pairs; may be NULL) is
 * refused with its reason. librdkafka's log lines and errors go to the host's log. The caller owns the result
 * (rd_kafka_new takes it). NULL on error, with err->option = "properties.NAME" or "brokers". Values of properties are
 * never printed. */
rd_kafka_conf_t *kafka_conf_new(const churn_host *host, const char *brokers, const churn_map *properties,
                                const char *const *owned, churn_error *err);

/* rd_kafka_conf_set for what the plugin itself decides; a refusal is a bug and is reported as CHURN_FATAL. */
int32_t kafka_conf_set(rd_kafka_conf_t *conf, const char *name, const char *value, churn_error *err);

/* As kafka_conf_set, where `properties` names neither `name` nor its `alias` (may be NULL). */
int32_t kafka_conf_default(rd_kafka_conf_t *conf, const churn_map *properties, const char *name, const char *alias,
                           const char *value, churn_error *err);

/* Finds out what librdkafka refuses only when a client is made, such as a missing certificate file, without a
 * connection. Takes `conf`. CHURN_OK, or CHURN_FATAL with err->option = "properties", and one of `properties` where the
 * message names it. */
int32_t kafka_conf_try(rd_kafka_type_t type, rd_kafka_conf_t *conf, const churn_map *properties, churn_error *err);

/* Writes a log line of librdkafka's to the host's log; for debugging only where it is repeated while brokers are away,
 * or reported as an error besides. `level`: syslog's. */
void kafka_conf_log(const churn_host *host, int level, const char *facility, const char *text);

#endif
