/* The hash under which a customer's newest prediction is kept: `<prefix><customer_id>`. */
#ifndef PREDICTION_CACHE_H
#define PREDICTION_CACHE_H

#include "store_session.h"

struct cached_prediction {
    churn_str churn_probability; /* decimal text */
    churn_str risk_level;        /* len 0: not stored */
    churn_str model_version;     /* len 0: not stored */
    churn_str predicted_at;      /* UTC, ms */
    churn_str event_id;
};

/* Writes it through an open session. CHURN_OK, CHURN_RETRY (the session was closed: ask again later), CHURN_FATAL. */
int32_t prediction_cache_write(struct store_session *s, const char *prefix, churn_str customer_id,
                               const struct cached_prediction *prediction, int64_t ttl_ms, churn_error *err);

/* Joins a key of a prefix and a customer; the caller frees `ret_key->ptr`. 0 when memory ran out. */
int prediction_cache_key(const char *prefix, churn_str customer_id, churn_str *ret_key);

#endif
