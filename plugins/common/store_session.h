/* A plugin's own session of the pipeline's store, opened when it is first needed and again after an outage. One thread.
 */
#ifndef STORE_SESSION_H
#define STORE_SESSION_H

#include "stall.h"
#include <churn/ext/storage.h>

struct store_session {
    const churn_host *host;
    const churn_storage *storage;
    const churn_store_ops *ops;
    const char *waiting; /* what waits during an outage */
    void *store;         /* what ops->open takes */
    void *session;       /* NULL: not open */
    int answered;        /* the session has, since it was opened */
    int64_t answered_ms; /* when, the last time (monotonic) */
    int was_idle;        /* before the call that is made on it */
    int64_t retry_at_ms; /* no attempt to open before this (monotonic) */
    struct stall out;    /* of reach */
};

/* Finds the pipeline's store; CHURN_FATAL when it has none. `waiting` names what waits for the store while it is out of
 * reach, in the plural, for messages. */
int32_t store_session_init(struct store_session *s, const churn_host *host, const char *waiting, churn_error *err);

/* CHURN_OK: open. CHURN_RETRY: out of reach for now, ask again later; never waits by itself. CHURN_FATAL. */
int32_t store_session_ready(struct store_session *s, churn_error *err);

/* To be told what each call on the session answered: closes it after CHURN_RETRY, and ends what is said of an outage
 * with the first answer. Returns `result`. */
int32_t store_session_result(struct store_session *s, int32_t result, const churn_error *err);

/* Closes it, if it is open. */
void store_session_close(struct store_session *s);

#endif
