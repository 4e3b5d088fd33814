/* What a server must be before it is written to. */
#ifndef REDIS_CHECKS_H
#define REDIS_CHECKS_H

#include "session.h"

/* A replica takes no writes. */
int32_t check_role(struct session *s, churn_error *err);

/* A node that has all slots serves as a single server does; of several, or with slots that nobody serves, none can. */
int32_t check_cluster(struct session *s, churn_error *err);

int32_t check_durability(struct session *s, churn_error *err);

/* A server that evicts keys loses events that were counted; "" where it does not. */
int32_t find_eviction(struct session *s, char *text, size_t size, churn_error *err);

int32_t check_eviction(struct session *s, churn_error *err);

#endif
