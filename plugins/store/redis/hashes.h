/* Hashes read and written whole. */
#ifndef REDIS_HASHES_H
#define REDIS_HASHES_H

#include "settings.h"
#include <churn/store.h>

/* Names the script that writes, as servers do. */
int32_t hashes_name_scripts(struct redis_store *store, churn_error *err);

/* The store's calls of these names; see <churn/store.h>. */
int32_t redis_get_many(void *session, const churn_str *keys, uint32_t count, churn_fields_fn fn, void *ctx,
                       churn_error *err);
int32_t redis_get(void *session, churn_str key, churn_fields_fn fn, void *ctx, churn_error *err);
int32_t redis_keys(void *session, churn_str prefix, churn_key_fn fn, void *ctx, churn_error *err);
int32_t redis_write(void *session, const churn_hash *hashes, uint32_t count, churn_error *err);
int32_t redis_remove(void *session, churn_str key, churn_str field, churn_str value, churn_error *err);

#endif
