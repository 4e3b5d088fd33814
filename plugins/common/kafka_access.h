/* What Kafka's ACLs let a user do, found out without a trace: no record is written, no offset moved, no topic made. */
#ifndef KAFKA_ACCESS_H
#define KAFKA_ACCESS_H

#include <librdkafka/rdkafka.h>
#include <stdint.h>

/* A producer for kafka_access_write; NULL when it cannot be made. `conf` stays the caller's. */
rd_kafka_t *kafka_access_writer(const rd_kafka_conf_t *conf);

/* Each answers what the broker said of access: RD_KAFKA_RESP_ERR_NO_ERROR where it is given, and also where that could
 * not be found out within `timeout_ms`. */

/* May records be written to this topic, which exists? */
rd_kafka_resp_err_t kafka_access_write(rd_kafka_t *writer, const char *topic, int timeout_ms);
/* May the group of this consumer be joined, and this topic be read? */
rd_kafka_resp_err_t kafka_access_read(rd_kafka_t *consumer, const char *topic, int timeout_ms);
/* May this topic, which does not exist, be made? */
rd_kafka_resp_err_t kafka_access_create(rd_kafka_t *rk, const char *topic, int timeout_ms);

#endif
