/* Sessions opened and closed. */
#ifndef REDIS_OPENING_H
#define REDIS_OPENING_H

#include <churn/store.h>

/* The store's calls of these names; see <churn/store.h>. */
int32_t redis_open(void *self, void **ret_session, churn_error *err);
void redis_close(void *session);
void redis_probe(void *self, uint32_t timeout_ms, churn_target_fn fn, void *ctx);

#endif
