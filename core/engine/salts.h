/* Each customer's salt, where `protect:` says `customer_keys`: what sinks are given of a customer is encrypted by a key
 * that is derived from it, so that nobody can read it once the salt is erased.
 *
 * A salt is a hash of its own in the store, made once by a conditional put and never changed: all instances have the
 * same. One that was made before its customer was forgotten is as good as none, and is erased; one that was made after
 * carries the tombstone's id, as profiles do. */
#ifndef SALTS_H
#define SALTS_H

#include "base/seal.h"
#include "pipeline/pipeline.h"

#define SALTS_SECTION "protect" /* whose they are, to a person */
#define SALTS_FIELD "salt"

struct salts;

/* Whether the pipeline's customers have any. */
bool salts_wanted(const struct pipeline *pipeline);
/* *ret NULL where they have none. False when memory ran out. [main] */
bool salts_start(struct pipeline *pipeline, struct salts **ret);
/* Before the store is closed; may be NULL. [main] */
void salts_stop(struct salts *salts);

/* CHURN_OK with the customer's salt, which is made where he has none if `make`; CHURN_DROP: he has none; CHURN_RETRY:
 * the store does not answer, or he was forgotten just now, or nobody knows who is: ask again later. [any] */
int32_t salts_find(struct salts *salts, churn_str customer, bool make, unsigned char ret[SEAL_SALT_SIZE],
                   churn_error *err);
/* Nothing of them stays in memory. [any] */
void salts_drop(struct salts *salts);

/* The key of a customer's salt, written to `key` of at least STORE_KEY_SIZE bytes; its length. */
uint32_t salts_key(churn_str customer, char *key);

#endif
