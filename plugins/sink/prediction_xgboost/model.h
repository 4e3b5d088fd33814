/* A saved model of XGBoost, ready to score. One thread at a time. */
#ifndef MODEL_H
#define MODEL_H

#include <churn/result.h>

#define MODEL_VERSION_SIZE 17

struct model;

/* Reads, judges and tries the file (for `create`). CHURN_OK, or CHURN_FATAL at the option `model`. */
int32_t model_load(const char *path, struct model **ret, churn_error *err);
void model_free(struct model *model); /* may be NULL */

/* The first 16 digits of the file's SHA-256. */
const char *model_version(const struct model *model);
/* The names of its columns, in their order. */
const char *const *model_features(const struct model *model, uint32_t *ret_count);

/* The probabilities of `count` rows, one after the other; NaN stands for a missing value. CHURN_OK, or CHURN_FATAL. */
int32_t model_score(struct model *model, const float *rows, uint32_t count, float *ret, churn_error *err);

#endif
