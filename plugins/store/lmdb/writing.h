/* Writes without a version. */
#ifndef LMDB_WRITING_H
#define LMDB_WRITING_H

#include <churn/store.h>

/* The store's calls of these names; see <churn/store.h>. */
int32_t lmdb_write(void *session, const churn_hash *hashes, uint32_t count, churn_error *err);
int32_t lmdb_remove(void *session, churn_str key, churn_str field, churn_str value, churn_error *err);

#endif
