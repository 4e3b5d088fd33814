/* What the program writes to the audit of its pipeline: acts, by whom. */
#ifndef AUDIT_H
#define AUDIT_H

#include "audit/trail.h"
#include "base/log.h"
#include "pipeline/pipeline.h"

#define AUDIT_HASH_SIZE 33 /* of a customer's hash, with its end */

struct audit;
struct ucred;

/* An act. What is left zeroed is not said. */
struct audit_act {
    const char *action;       /* "read"; constant */
    const char *by;           /* how: "page", "tap", "profile"; constant */
    const char *customer;     /* its keyed hash is written */
    const char *details;      /* further JSON members, without a comma in front */
    const char *address;      /* who: whoever showed the token there */
    const struct ucred *peer; /* who: a process of this machine */
    bool as_before;           /* a repeat of the same by the same within ten minutes is not written */
};

/* NULL where the pipeline has none, and then, with a message, when memory ran out. */
struct audit *audit_new(const struct pipeline *pipeline, char *message, size_t size);
/* May be NULL. */
void audit_free(struct audit *audit);

/* Writes an act before it is done. False with a message: it must not be done. `audit` NULL: true. [any] */
bool audit_write(struct audit *audit, const struct audit_act *act, char *message, size_t size);
/* Writes what happens anyway; where that cannot be now, false, it is kept until it can. [main] */
bool audit_note(struct audit *audit, const struct audit_act *act);
/* Writes what was kept, and tells the pipeline's stalls, and so /readyz, whether lines can be written. Called all the
 * time; never waits for another thread that writes one. [main] */
void audit_look(struct audit *audit, struct stalls *stalls);
/* The newest line that this process knows of, for the log and /metrics; and whether lines can be written. Waits for no
 * disk. [any] */
bool audit_state(struct audit *audit, struct chain_head *ret_head);
/* The hash that stands for a customer. */
void audit_hash(const struct key *key, const char *customer, char ret[AUDIT_HASH_SIZE]);
/* Of a pipeline that has one. */
void audit_key(const struct pipeline *pipeline, struct key *ret);

#endif
