#ifndef PREDICTION_QUEUE_KAFKA_STATE_H
#define PREDICTION_QUEUE_KAFKA_STATE_H

#include "kafka_client.h"
#include "queue.h"
#include "stall.h"

#define REQUEST_MS 1000     /* longest wait for an answer about metadata or offsets */
#define GROUP_HEADER "churn.group"
#define GROUP_SIZE 256

struct offset {
    int64_t offset;
    int served;
};

struct partition {
    uint32_t generation; /* of its assignment; a token of another one is void */
    int assigned;
    int64_t next_offset; /* of what was read: the one to come; -1: nothing is known yet */
    int64_t begin;       /* where reading begins, as far as is known; -1: it is not */
    int64_t committed;   /* asked to be committed last; -1: nothing */
    struct offset *ring; /* read, from the lowest that is not served */
    size_t room;         /* a power of two */
    size_t head;
    size_t count;
    uint64_t first; /* sequence number of the one at `head` */
};

struct back {
    const churn_host *host;
    const struct settings *settings;
    const struct counters *counters;
    struct kafka_client *client;
    rd_kafka_t *rk;
    rd_kafka_queue_t *records; /* of all partitions of ours */
    char group[GROUP_SIZE];
    struct waiting *reading; /* the table to read into; known from the first read on */
    struct partition *partitions;
    int32_t partition_count;
    int subscribed;
    struct kafka_group watch; /* while it has given us nothing */
    struct stall group_stall; /* its coordinator cannot be found */
    int absent;               /* the topic was looked for and does not exist */
    int assigned;             /* the group has given us our part, which may be none */
    uint64_t passed_over;     /* records of other groups since that was last logged */
    int64_t look_at_ms;
    int64_t committed_ms; /* when offsets were committed last */
    int out_of_memory;
    struct stall denied; /* the topic or its group may not be read */
};

extern const struct queue_front_ops front_ops;
extern const struct queue_back_ops back_ops;
int push(struct partition *p, int64_t offset);
void mark_served(struct partition *p, uint64_t sequence);
int64_t safe_offset(const struct partition *p);
void reset(struct partition *p, int assigned);
void group_name(const churn_host *host, const struct settings *s, char group[GROUP_SIZE]);
rd_kafka_conf_t *make_conf(const churn_host *host, const struct settings *s, churn_error *err);
void *front_new(const churn_host *host, const struct settings *settings, churn_error *err);
void front_free(void *arg, int64_t deadline_ms);
void commit_soon(struct back *b);
void commit_now(struct back *b, int timeout_ms);
int32_t back_is_empty(void *arg, int wrote, int *ret_empty, churn_error *err);
int64_t back_count(void *arg, const struct waiting *waiting);
int32_t open_consumer(struct back *b, churn_error *err);
void back_free(void *arg, int64_t deadline_ms);

#endif
