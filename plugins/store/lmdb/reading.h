/* Records read, one by one or in the order of their keys. */
#ifndef LMDB_READING_H
#define LMDB_READING_H

#include <churn/store.h>

/* The store's calls of these names; see <churn/store.h>. */
int32_t lmdb_get(void *session, churn_str key, churn_fields_fn fn, void *ctx, churn_error *err);
int32_t lmdb_scan(void *session, churn_str prefix, churn_str after, uint32_t max, churn_fields_fn fn, void *ctx,
                  churn_error *err);
int32_t lmdb_keys(void *session, churn_str prefix, churn_key_fn fn, void *ctx, churn_error *err);

#endif
