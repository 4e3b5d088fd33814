/* The options of the sink, as its parts see them. Constant after create; strings are the host's. */
#ifndef PREDICTION_SETTINGS_H
#define PREDICTION_SETTINGS_H

#include "crossing.h"
#include "http_client.h"
#include "model.h"
#include <churn/option.h>

enum { QUEUE_AUTO, QUEUE_KAFKA, QUEUE_STORE };

struct settings {
    const char *url;
    const char *path;
    int64_t timeout_ms;
    int64_t connect_timeout_ms;
    int64_t concurrency;
    int64_t batch_max;     /* triggers a request; 0 is 1 */
    int64_t batch_wait_ms; /* how long one waits for more */
    int64_t retry_min_ms;
    int64_t retry_max_ms;
    int64_t breaker_failures;
    int64_t breaker_pause_ms;
    int64_t max_attempts;
    const char *bearer;
    const char *token; /* the former name of `bearer` */
    const char *user;
    const char *password;
    churn_map headers;
    const char *ca_file;
    const char *cert_file;
    const char *key_file;
    const char *proxy;
    const char *brokers;
    const char *topic;
    int64_t partitions;
    churn_map properties;
    int32_t queue; /* QUEUE_KAFKA or QUEUE_STORE after create */
    const char *queue_topic;
    const char *queue_group;
    int64_t queue_partitions;
    int64_t max_waiting;
    const char *cache_prefix;
    int64_t cache_ttl_ms;
    int32_t cache_features;
    int64_t min_interval_ms;
    struct crossing_rule alert;
    int32_t shadow; /* answers are published alone */
    const char *dead_letter_topic;
    struct model model;

    struct http_settings http; /* made of the above by create */
};

#endif
