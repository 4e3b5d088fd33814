#ifndef KAFKA_PRODUCER_STATE_H
#define KAFKA_PRODUCER_STATE_H

#include "kafka_client.h"
#include "kafka_producer.h"
#include "stall.h"

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
    struct kafka_client *client;
    struct lane lanes[LANES];
    struct topic *topics;
    struct resend *resends; /* oldest first */
    struct resend **resends_end;
    churn_done refused[64]; /* records that librdkafka did not take at all */
    uint32_t refused_count;
    uint64_t waiting;      /* sent and not yet answered */
    struct stall refusing; /* the last report was a failure */
    int failed;            /* no return: `failure` says why */
    churn_error failure;
};

CHURN_PRINTF(2, 3)
void fail(struct kafka_producer *p, const char *format, ...);
int32_t report_failure(const struct kafka_producer *p, churn_error *err);
void check_fatal(struct kafka_producer *p);
const char *fault_of(rd_kafka_resp_err_t code);
int record_at_fault(rd_kafka_resp_err_t code);
void warn_refusing(struct kafka_producer *p, const struct topic *t, rd_kafka_resp_err_t code);
rd_kafka_conf_t *make_conf(const churn_host *host, const char *brokers, const churn_map *properties,
                                  enum lane_id lane, churn_error *err);
int32_t open_lane(struct kafka_producer *p, enum lane_id id, churn_error *err);
void close_lane(struct kafka_producer *p, enum lane_id id);
rd_kafka_topic_t *handle_of(struct kafka_producer *p, struct topic *t, enum lane_id lane);
rd_kafka_resp_err_t produce(struct kafka_producer *p, enum lane_id lane, rd_kafka_topic_t *rkt,
                                   const struct resend *m);
struct topic *topic_of(struct kafka_producer *p, const char *name);
void creation_answered(struct kafka_producer *p, rd_kafka_event_t *event);
void create_due_topics(struct kafka_producer *p);
int topics_pending(const struct kafka_producer *p);
void free_resend(struct resend *r);
void send_again(struct kafka_producer *p, enum lane_id lane, const rd_kafka_message_t *m);
void resend_due(struct kafka_producer *p);

#endif
