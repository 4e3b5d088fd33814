/* Customers who are forgotten while predictions of theirs are under way: to be asked before each step that makes
 * something of a trigger. What was cached since the newest look at who is forgotten is remembered, and erased if it
 * turns out to be of somebody who was: the process may have been stopped between asking and writing. One thread. */
#ifndef FORGOTTEN_H
#define FORGOTTEN_H

#include "store_session.h"
#include "trigger.h"
#include <churn/ext/forgetting.h>

struct forgotten_cached;

struct forgotten {
    const churn_host *host;
    const churn_forgetting *calls; /* NULL: nobody is forgotten */
    int64_t adopted;
    struct forgotten_cached *cached, **cached_end; /* the oldest first */
};

/* For `start`: takes part from here on. */
void forgotten_init(struct forgotten *f, const churn_host *host);
void forgotten_free(struct forgotten *f);

/* 1: the trigger's event was forgotten with its customer: it is let go of, as if it were done. 0: it was not.
 * CHURN_PENDING: nobody knows at the moment; it waits, and nothing is made of it. */
int32_t forgotten_covers(const struct forgotten *f, const struct trigger *trigger);

/* A prediction of the trigger was written under `key`. CHURN_OK, or CHURN_FATAL: memory ran out. */
int32_t forgotten_note(struct forgotten *f, const struct trigger *trigger, churn_str key, churn_error *err);

/* Whether somebody was forgotten since the last forgotten_adopt; *ret_known is for that. */
int forgotten_news(const struct forgotten *f, int64_t *ret_known);
/* Nothing is held any more that the first `known` cover: erases what of it was cached, and says so. CHURN_RETRY: the
 * store is out of reach. */
int32_t forgotten_adopt(struct forgotten *f, struct store_session *store, int64_t known, churn_error *err);

#endif
