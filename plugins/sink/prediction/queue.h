/* Where triggers wait durably. The front belongs to the worker's thread, the back to the serving thread; they share
 * nothing but what is stored. */
#ifndef PREDICTION_QUEUE_H
#define PREDICTION_QUEUE_H

#include "counter.h"
#include "settings.h"
#include "store_session.h"
#include "waiting.h"
#include <churn/sink.h>

#define QUEUE_STORE_PREFIX "prediction-request:" /* of the keys in an embedded store */

struct counters {
    struct counter requested;
    struct counter answered;
    struct counter failed;
    struct counter waiting;
    struct counter coalesced;
    struct counter dead_lettered;
    struct counter unwanted;
    struct counter recent;
    struct counter forgotten;
    struct counter letters; /* of the engine's own names: dead letters of all reasons, and of this one */
    struct counter letters_by_sink;
    struct counter breaker_open; /* gauge */
    struct measure request;      /* in ms */
};

struct queue_front_ops {
    /* As the sink's write and poll: a record is answered OK once it is durable in the queue. */
    int32_t (*write)(void *front, const churn_record *records, uint32_t count, uint32_t *ret_taken, churn_error *err);
    int32_t (*poll)(void *front, churn_done *done, uint32_t max, uint32_t timeout_ms, uint32_t *ret_count,
                    churn_error *err);
    void (*free)(void *front, int64_t deadline_ms);
};

struct queue_back_ops {
    /* Reads triggers into `waiting` while it has room, without waiting. *ret_more: more can be read at once.
     * CHURN_OK; CHURN_RETRY: out of reach for now; CHURN_FATAL. */
    int32_t (*read)(void *back, struct waiting *waiting, int *ret_more, churn_error *err);
    /* What is readable once `read` has something new, for poll(2). NULL: `read` must be tried now and then. */
    int (*descriptor)(void *back);
    /* Removes the triggers of a job that is done. CHURN_OK, CHURN_RETRY, CHURN_FATAL. */
    int32_t (*remove)(void *back, const struct job *job, churn_error *err);
    /* Optional: a drain begins: what is written from now on, as by other instances, is not waited for. */
    void (*bound)(void *back);
    /* *ret_empty 1: nothing waits for this instance of what was written before the drain (without `bound`: nothing at
     * all), as of a look that began after the call. `wrote`: the front has made something durable in this run. Where
     * there is no `bound`, asked only while `waiting` is empty; may take a moment. As read. */
    int32_t (*is_empty)(void *back, int wrote, int *ret_empty, churn_error *err);
    /* Triggers that wait for this instance, as far as is known; `waiting` holds those that were read. */
    int64_t (*count)(void *back, const struct waiting *waiting);
    /* Stores what is done, leaves and frees; called by the serving thread at its end, or before it was started. */
    void (*free)(void *back, int64_t deadline_ms);
};

struct queue {
    const struct queue_front_ops *front_ops;
    void *front; /* NULL: not open */
    const struct queue_back_ops *back_ops;
    void *back; /* NULL: not open */
};

/* Checks only, for create. */
int32_t queue_kafka_check(const churn_host *host, const struct settings *settings, churn_error *err);

/* The topic as a target, for the sink's own probe. */
void queue_kafka_probe(const churn_host *host, const struct settings *settings, uint32_t timeout_ms, churn_target_fn fn,
                       void *ctx);

/* Fill `queue`; what was opened before a failure is freed. `counters` and `session` outlive the queue; the session is
 * the serving thread's. */
int32_t queue_kafka_open(struct queue *queue, const churn_host *host, const struct settings *settings,
                         const struct counters *counters, churn_error *err);
int32_t queue_store_open(struct queue *queue, const churn_host *host, const struct settings *settings,
                         const struct counters *counters, struct store_session *session, churn_error *err);

#endif
