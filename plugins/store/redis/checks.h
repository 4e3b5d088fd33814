/* What a server must be before it is written to. */
#ifndef REDIS_CHECKS_H
#define REDIS_CHECKS_H

#include "session.h"

/* Fails for a replica, which takes no writes. */
int32_t check_role(struct session *s, churn_error *err);

/* Fails for a node of a Redis Cluster. One that has all slots serves as a single server does; of several, or with slots
 * that nobody serves, none can. */
int32_t check_cluster(struct session *s, churn_error *err);

/* Fails when the server cannot give the `durability` that is asked for; says once in the log which one it is. */
int32_t check_durability(struct session *s, churn_error *err);

/* Fails when the server refuses writes at the moment: a full memory or disk, too few replicas. Writes nothing; nobody
 * can tell before Redis 7.0. */
int32_t check_writable(struct session *s, churn_error *err);

/* Writes what is to be said of a server that evicts keys, which loses events that were counted; "" where it does not.
 */
int32_t find_eviction(struct session *s, char *text, size_t size, churn_error *err);

/* … into the log. */
int32_t check_eviction(struct session *s, churn_error *err);

#endif
