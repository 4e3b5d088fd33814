/* Triggers that a model in this process answers: joined by customer, the profiles read, scored together, alerts raised
 * where scores crossed, and once these are answered what came of it stored in one write, since a write may wait for the
 * disk. One thread. */
#ifndef SCORING_H
#define SCORING_H

#include "counter.h"
#include "crossing.h"
#include "forgotten.h"
#include "store_session.h"
#include "trigger.h"
#include <churn/ext/answers.h>
#include <churn/sink.h>

#define SCORING_MAX 256 /* triggers that are taken and not yet answered */

struct scoring_model {
    void *ctx;
    const char *version;
    int decimals; /* of the probability; 0: as many as tell any two floats apart */
    /* The profile of the customer of `trigger`, whose score is to be the one at `row`; without fields where nothing is
     * stored. */
    void (*take)(void *ctx, uint32_t row, const struct trigger *trigger, const churn_pair *fields, uint32_t count);
    /* Scores the rows 0 to count - 1. CHURN_OK, or CHURN_FATAL. */
    int32_t (*score)(void *ctx, uint32_t count, double *ret, churn_error *err);
};

struct scoring {
    const churn_host *host;
    struct scoring_model model;
    const churn_answers *answers; /* of a test, which stand for the model's; NULL: there are none */
    const char *cache_prefix;
    int64_t cache_ttl_ms;
    const struct crossing_rule *alert;
    struct crossings crossings;
    struct batch *batch; /* whose alerts are not all answered; NULL: none */
    struct store_session store;
    struct counter answered;
    struct counter failed;
    struct counter passed_over; /* triggers of customers who are forgotten */
    struct forgotten forgotten;
    struct scoring_record {
        uint64_t id;
        struct trigger *trigger; /* owned; NULL: malformed */
        int picked;              /* the batch under way answers it, too */
        int done;                /* its prediction, or that of a newer trigger of its customer, is stored */
        int damaged;             /* done, without one: the stored profile cannot be read */
        int forgotten;           /* … its event was forgotten with its customer */
    } records[SCORING_MAX];
    uint32_t count;
    churn_error malformed; /* the newest message of a malformed trigger */
    churn_error damaged;   /* … of a profile that cannot be read */
};

/* What plugins of this kind count (for `create`). */
void scoring_init(struct scoring *scoring, const churn_host *host);

/* Finds the store (for `start`). */
int32_t scoring_start(struct scoring *scoring, churn_error *err);

/* Whether scoring_serve is to be called. */
int scoring_has_work(const struct scoring *scoring);
int scoring_has_room(const struct scoring *scoring);
/* Takes a trigger over, where there is room. NULL: it was malformed, as `why` says. */
void scoring_add(struct scoring *scoring, uint64_t id, struct trigger *trigger, const churn_error *why);

/* Predicts for each customer who waits. CHURN_PENDING: alerts are on their way, and what they are about waits for them.
 * CHURN_RETRY: the store is out of reach; everything waits. */
int32_t scoring_serve(struct scoring *scoring, churn_error *err);

/* Hands out up to `max` answers; how many. Their messages are valid until the next scoring_serve. */
uint32_t scoring_answers(struct scoring *scoring, churn_done *done, uint32_t max);

/* Closes the session of the store. */
void scoring_stop(struct scoring *scoring);
void scoring_free(struct scoring *scoring);

/* What it writes, for a sink's `probe`. */
void scoring_probe(const char *cache_prefix, churn_target_fn fn, void *ctx);

#endif
