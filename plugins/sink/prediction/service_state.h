/* What the parts of the service share. All of it is the serving thread's but what is said to be shared with the worker.
 * Each part calls only what stands before it: form, giving_up, outcome, sorting_out,
 * reading, asking, and the service itself. */
#ifndef PREDICTION_SERVICE_STATE_H
#define PREDICTION_SERVICE_STATE_H

#include "backoff.h"
#include "breaker.h"
#include "forgotten.h"
#include "kafka_producer.h"
#include "queue.h"
#include "retry_after.h"
#include "stall.h"
#include "store_calls.h"
#include <pthread.h>
#include <stdatomic.h>

/* One POST: what is asked about one or several triggers. */
struct request {
    struct request *next, *previous; /* of those under way */
    uint64_t turn;                   /* the breaker's, as it was started */
    int64_t asked_ms;                /* since when it is under way */
    uint32_t count;
    struct job *jobs[]; /* ASKING */
};

struct service {
    const churn_host *host;
    const struct settings *settings;
    const struct counters *counters;
    const struct queue *queue;
    const char *name;            /* of the sink in the pipeline; NULL: unknown */
    struct store_session *store; /* for what is rare, or of an embedded store: it is waited for */
    struct store_calls *calls;   /* for all else */
    struct store_session calls_session;
    int64_t store_again_ms;  /* it was out of reach: not before */
    uint32_t reading_count;  /* jobs whose profiles are being read */
    struct storing *storing; /* answers that go into the cache together; NULL: none */
    uint32_t caching;        /* … and that are on their way there */
    int cache_busy;          /* a call with some is under way */
    struct http_client *http;
    struct kafka_producer *producer; /* NULL: no topic is written */
    struct waiting waiting;
    struct breaker breaker;
    struct backoff backoff;
    struct retry_after retry_after;
    struct job *settling; /* jobs with an outcome, the oldest first */
    struct job **settling_end;
    uint32_t settling_count;
    uint32_t alerting_count; /* jobs whose alerts are on their way */
    struct crossings crossings;
    struct job *unpublished; /* jobs whose outcome Kafka refused */
    uint32_t unpublished_count;
    int64_t publish_at_ms; /* when they are sent again */
    int64_t publish_pause_ms;
    struct forgotten forgotten;
    int64_t sorted_out;       /* for how many times that customers were forgotten */
    int64_t sort_out_at_ms;   /* not before: the next look whether what was forgotten is gone */
    int unsure;               /* in this turn something waited because nobody knows who is forgotten */
    struct stall publishing;  /* Kafka refuses it */
    struct request *requests; /* under way */
    uint32_t asking;          /* their number */
    uint32_t sent;
    int64_t gauge; /* what predictions_waiting has been told */
    int64_t gauge_at_ms;
    int64_t moved_ms;      /* when something last went on; that a request failed does not count */
    unsigned refused;      /* requests given up since that was last logged */
    int64_t refused_at_ms; /* when it may be logged again */
    int64_t apart_at_ms;   /* … and one that fails alone */
    uint64_t answers;      /* of the API, whatever it said of the request */
    int64_t look_at_ms;    /* when a drain may look at the queue again */
    uint64_t drain;        /* number of the drain that is being answered */
    struct stall failing;  /* the API, so that the breaker is open */
    int64_t drain_told_ms; /* when a drain last said what it waits for */

    /* Shared with the worker. */
    pthread_t thread;
    int joined;
    _Atomic int stopping;
    _Atomic int64_t stop_at_ms;
    _Atomic uint64_t asked;     /* number of the drain that was asked for last */
    _Atomic uint64_t concluded; /* … of the last one for which there is nothing left to do */
    _Atomic uint64_t written;
    uint64_t drained_written; /* the worker's: of the drain asked for */
    pthread_mutex_t lock;     /* guards the two below */
    pthread_cond_t end;
    int ended;
    churn_error error; /* code set: the thread could not go on */
};

#define STORE_PAUSE_MS 20 /* before the store is asked again that was out of reach */

static inline int64_t service_now_ms(const struct service *s)
{
    return s->host->monotonic_ms(s->host);
}

/* Takes note of what a call of the store came to; returns that, with CHURN_FATAL in `err`. */
static inline int32_t service_note_store(struct service *s, const struct store_call *call, churn_error *err)
{
    if (call->result == CHURN_RETRY) {
        s->store_again_ms = service_now_ms(s) + STORE_PAUSE_MS;
    } else if (call->result == CHURN_FATAL) {
        return churn_fail(err, CHURN_FATAL, "%s", call->error.message);
    }
    return call->result;
}

#endif
