/* What the parts of the producer share (kafka_producer.h). Each calls only what stands before it: faults, lanes,
 * topics, resends, and the producer itself. One thread. */
#ifndef KAFKA_PRODUCER_STATE_H
#define KAFKA_PRODUCER_STATE_H

#include "kafka_client.h"
#include "stall.h"
#include <churn/option.h>
#include <churn/sink.h>

enum topic_state {
    TOPIC_READY, /* there, as far as we know */
    TOPIC_DUE,   /* to be created at `due_ms` */
    TOPIC_ASKED, /* creation requested */
};

enum lane_id { BULK, ALONE, LANES };

/* A topic of this producer. */
struct topic {
    struct topic *next;
    enum topic_state state;
    int created_here; /* ensure_topic was called for it */
    int denied;       /* it may not be created; said once */
    int32_t partitions;
    int64_t due_ms;
    const char *const *config;
    rd_kafka_topic_t *rkt[LANES]; /* NULL: not used yet */
    char name[];
};

/* One librdkafka producer. */
struct lane {
    rd_kafka_t *rk; /* NULL: not needed yet */
    rd_kafka_queue_t *queue;
    rd_kafka_event_t *reports; /* delivery reports being handed out; NULL: none */
};

/* A record whose delivery failed and that is sent again. */
struct resend {
    struct resend *next;
    struct topic *topic;
    rd_kafka_headers_t *headers; /* NULL: none */
    void *key;                   /* NULL: none; inside this allocation, as `value` */
    void *value;                 /* NULL: a tombstone */
    size_t key_len;
    size_t value_len;
    int64_t due_ms;
    uint64_t id;
    enum lane_id lane;
};

/*
 * The broker judges whole batches, so one record at fault fails its neighbours too: what fails by a record's fault is
 * sent again by a second producer that puts each record into a batch of its own, and only what fails there is rejected.
 */
struct kafka_producer {
    const churn_host *host;
    const char *brokers;
    const churn_map *properties;
    const char *linger_ms;
    struct kafka_client *client;
    struct lane lanes[LANES];
    struct topic *topics;
    struct resend *resends; /* oldest first */
    struct resend **resends_end;
    churn_done refused[64]; /* records that librdkafka did not take at all */
    uint32_t refused_count;
    uint64_t waiting;      /* sent and not yet answered */
    struct stall refusing; /* the last report was a failure */
    int woken;  /* an eventfd that lanes write to once their queue is not empty any more; -1: not asked for */
    int failed; /* no return: `failure` says why */
    churn_error failure;
};

#endif
