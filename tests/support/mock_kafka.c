#include "mock_kafka.h"

#include <stdio.h>
#include <stdlib.h>

#define ASK_TIMEOUT_MS 10000

struct cluster cluster_new(int brokers, const char *topic, int partitions)
{
    struct cluster c;
    char said[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set_log_cb(conf, NULL);
    c.rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, said, sizeof said);
    c.mock = rd_kafka_mock_cluster_new(c.rk, brokers);
    c.brokers = rd_kafka_mock_cluster_bootstraps(c.mock);
    (void)rd_kafka_mock_topic_create(c.mock, topic, partitions, 1);
    return c;
}

void cluster_free(struct cluster *c)
{
    rd_kafka_mock_cluster_destroy(c->mock);
    rd_kafka_destroy(c->rk);
}

rd_kafka_t *cluster_client(const struct cluster *c, rd_kafka_type_t type, const char *group, rd_kafka_conf_t *conf)
{
    char said[256] = "";
    rd_kafka_t *rk;
    if (conf == NULL) {
        conf = rd_kafka_conf_new();
    }
    rd_kafka_conf_set_log_cb(conf, NULL);
    (void)rd_kafka_conf_set(conf, "bootstrap.servers", c->brokers, said, sizeof said);
    (void)rd_kafka_conf_set(conf, "group.id", group, said, sizeof said);
    rk = rd_kafka_new(type, conf, said, sizeof said);
    if (rk == NULL) {
        (void)fprintf(stderr, "%s\n", said);
        exit(1);
    }
    return rk;
}

rd_kafka_resp_err_t cluster_committed(rd_kafka_t *asker, const char *topic, int partitions, int64_t *offsets)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(partitions);
    rd_kafka_resp_err_t code;
    for (int i = 0; i < partitions; i++) {
        (void)rd_kafka_topic_partition_list_add(list, topic, i);
    }
    code = rd_kafka_committed(asker, list, ASK_TIMEOUT_MS);
    for (int i = 0; i < partitions; i++) {
        code = code == RD_KAFKA_RESP_ERR_NO_ERROR ? list->elems[i].err : code;
        offsets[i] = list->elems[i].offset > 0 ? list->elems[i].offset : 0;
    }
    rd_kafka_topic_partition_list_destroy(list);
    return code;
}
