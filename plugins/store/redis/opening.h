/* Sessions opened and closed. */
#ifndef REDIS_OPENING_H
#define REDIS_OPENING_H

#include "session.h"

void redis_close(void *session);

int32_t redis_open(void *self, void **ret_session, churn_error *err);

void redis_probe(void *self, uint32_t timeout_ms, churn_target_fn fn, void *ctx);

#endif
