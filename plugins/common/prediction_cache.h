/* The hash under which a customer's newest prediction is kept: `<prefix><customer_id>`. */
#ifndef PREDICTION_CACHE_H
#define PREDICTION_CACHE_H

#include <churn/store.h>

struct cached_prediction {
    churn_str churn_probability; /* decimal text */
    churn_str risk_level;        /* len 0: not stored */
    churn_str model_version;     /* len 0: not stored */
    churn_str predicted_at;      /* UTC, ms */
    churn_str event_id;
    churn_str model;    /* its name; published only; len 0: unknown */
    churn_str features; /* a JSON object of what the model was given; len 0: not stored */
};

#define PREDICTION_CACHE_FIELDS 6

/* The fields of the hash; returns how many. They point into `prediction`. */
uint32_t prediction_cache_fields(const struct cached_prediction *prediction,
                                 churn_pair fields[PREDICTION_CACHE_FIELDS]);

/* Joins a key of a prefix and a customer; the caller frees `ret_key->ptr`. 0 when memory ran out. */
int prediction_cache_key(const char *prefix, churn_str customer_id, churn_str *ret_key);

#endif
