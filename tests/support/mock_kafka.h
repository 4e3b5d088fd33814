/* librdkafka's mock cluster: Kafka for tests without a server. */
#ifndef TESTS_MOCK_KAFKA_H
#define TESTS_MOCK_KAFKA_H

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

struct cluster {
    rd_kafka_t *rk; /* the cluster lives in it */
    rd_kafka_mock_cluster_t *mock;
    const char *brokers;
};

/* With one topic. Free with cluster_free, after its clients. */
struct cluster cluster_new(int brokers, const char *topic, int partitions);
void cluster_free(struct cluster *c);

/* A client that logs nothing, of a group it is no member of. `conf` may be NULL and is taken. Ends the test program
 * when it cannot be made. */
rd_kafka_t *cluster_client(const struct cluster *c, rd_kafka_type_t type, const char *group, rd_kafka_conf_t *conf);

/* What the group of `asker`, a cluster_client, has committed of the topic's partitions; 0 where it has not. */
rd_kafka_resp_err_t cluster_committed(rd_kafka_t *asker, const char *topic, int partitions, int64_t *offsets);

#endif
