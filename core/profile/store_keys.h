/* What the store is asked for: the keys of profiles, and of the engine's own records beside them. */
#ifndef STORE_KEYS_H
#define STORE_KEYS_H

#include <churn/result.h>
#include <stdbool.h>

#define STORE_KEYS_OWN "churnd:"  /* what the keys of the engine's own records in a store begin with */
#define STORE_KEYS_MAX_PREFIX 255 /* with a customer_id of 128 bytes it fits every store and STORE_KEY_SIZE */

/* The key of a customer's profile beside others of `prefix`, written to `key` of at least STORE_KEY_SIZE bytes; returns
 * its length. */
#define STORE_KEY_SIZE 512
uint32_t store_keys_profile(const char *prefix, churn_str customer_id, char *key);
/* The same for a record of the engine's own about a source partition ("<topic>/<partition>"), beside the profiles of
 * `prefix`: "churnd:<what>:<prefix><source>", with a hash of the source where that is too long for a store. */
uint32_t store_keys_own(const char *what, const char *prefix, churn_str source, char *key);

/* A key of one prefix can be one of the other: a customer_id may hold anything. */
bool store_keys_meet(const char *prefix, const char *other);

#endif
