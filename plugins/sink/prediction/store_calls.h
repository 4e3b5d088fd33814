/* Calls of the store that the serving thread does not wait for: a thread of their own makes them, in the order in which
 * they were given, so that neither a store that hangs nor one that cannot be opened holds up anything else. An embedded
 * store answers at once, and is called at once. */
#ifndef PREDICTION_STORE_CALLS_H
#define PREDICTION_STORE_CALLS_H

#include "store_session.h"

/* One call; the first member of what its owner knows of it. */
struct store_call {
    struct store_call *next;
    /* Makes it, on the calling thread: of its owner's things it may use those alone that nobody changes until it is
     * taken. CHURN_OK, CHURN_RETRY (out of reach), CHURN_FATAL. */
    int32_t (*make)(struct store_call *call, struct store_session *session, churn_error *err);
    /* What came of it, on the serving thread; frees it. CHURN_OK or CHURN_FATAL. */
    int32_t (*take)(struct store_call *call, void *ctx, churn_error *err);
    void (*free)(struct store_call *call); /* nobody takes it */
    int32_t result;
    churn_error error;
};

struct store_calls;

/* `session` is its own from here on until store_calls_free. NULL on error. */
struct store_calls *store_calls_new(struct store_session *session, churn_error *err);

/* Takes a call over. */
void store_calls_give(struct store_calls *calls, struct store_call *call);

/* Hands those that were made to their `take`. CHURN_OK or CHURN_FATAL. */
int32_t store_calls_take(struct store_calls *calls, void *ctx, churn_error *err);

/* What is readable once there is something to be taken, for poll(2). */
int store_calls_descriptor(const struct store_calls *calls);

/* Waits for the call under way, closes the session and frees; may be NULL. */
void store_calls_free(struct store_calls *calls);

#endif
