/* What others could read or forge on the way to Redis. */
#ifndef REDIS_RISKS_H
#define REDIS_RISKS_H

#include "settings.h"
#include <churn/target.h>

/* For `probe` without a timeout: names each as CHURN_TARGET_RISK. */
void risks_tell(const struct redis_store *store, churn_target_fn fn, void *ctx);

#endif
