/* Looks single customers up in the pipeline's store: by a thread and a session of its own, so that nobody who has work
 * waits for it. The session is opened when somebody asks, and closed when nobody has for a while. */
#ifndef LOOKUP_H
#define LOOKUP_H

#include "base/json_text.h"
#include "pipeline/pipeline.h"

#define LOOKUP_ID_MAX 128 /* bytes of a customer_id */

struct lookup;

enum lookup_result {
    LOOKUP_FOUND,
    LOOKUP_UNKNOWN,    /* there is nothing about this customer */
    LOOKUP_NO_STORE,   /* the pipeline has none */
    LOOKUP_UNREADABLE, /* what is stored under the customer's key is no profile */
    LOOKUP_NOT_NOW     /* the store does not answer, or the pipeline is being exchanged */
};

/* What is asked, and the answer. Stays where it is until `ready` was called. */
struct lookup_question {
    struct lookup_question *next;
    int64_t asked_ms;
    char id[LOOKUP_ID_MAX + 1];
    void (*ready)(struct lookup_question *question); /* it is answered; called once */
    void *ctx;
    enum lookup_result result;
    char message[1024];  /* why, for NOT_NOW; of an UNREADABLE or FOUND profile its damage and what to do, else empty */
    struct text profile; /* JSON objects, the caller's to free; empty: there is none */
    struct text prediction;
};

/* Starts the thread; NULL when it could not be. [main] */
struct lookup *lookup_new(void);
/* The pipeline that is looked into from now on, until lookup_detach. [main] */
void lookup_attach(struct lookup *lookup, struct pipeline *pipeline);
/* Its store is not used any more; waits for the question at hand. [main] */
void lookup_detach(struct lookup *lookup);
/* Answers what has waited for too long; called every now and then. [main] */
void lookup_expire(struct lookup *lookup);
/* Ends the thread; what is asked from now on, and what waits, is answered with NOT_NOW. [main] */
void lookup_stop(struct lookup *lookup);
/* May be NULL. [main] */
void lookup_free(struct lookup *lookup);

/* `ready` is called once, by whichever thread: at once where too many wait already, and after some seconds where the
 * store has not answered. It must not ask. [any] */
void lookup_ask(struct lookup *lookup, struct lookup_question *question);

#endif
