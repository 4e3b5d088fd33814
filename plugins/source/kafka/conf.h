/* The configuration of the source's librdkafka clients. */
#ifndef SOURCE_CONF_H
#define SOURCE_CONF_H

#include "source.h"

/* A consumer's configuration, which the caller owns (kafka_client_open takes it). NULL on error. */
rd_kafka_conf_t *conf_new(const struct kafka_source *s, churn_error *err);

/* How long the group waits for a member that died; of the client that is open. */
int64_t conf_session_ms(const struct kafka_source *s);

#endif
