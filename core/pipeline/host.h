/* The host's tables that plugins call (<churn/host.h> and its extensions). */
#ifndef HOST_H
#define HOST_H

#include "base/clock.h"
#include "pipeline/pipeline.h"

/* Fills `instance->host`; the instance is its context and must not move. */
void host_init(struct instance *instance, unsigned worker);

/* The store's key of a customer's profile, written to `key` of at least HOST_KEY_SIZE bytes; returns its length. */
#define HOST_KEY_SIZE 512
uint32_t host_profile_key(const struct pipeline *pipeline, churn_str customer_id, char *key);
/* The same for a record of the engine's own about a source partition ("<topic>/<partition>"), beside the profiles of
 * `prefix`: "churnd:<what>:<prefix><source>", with a hash of the source where that is too long for a store. */
uint32_t host_own_key(const char *what, const char *prefix, churn_str source, char *key);

#endif
