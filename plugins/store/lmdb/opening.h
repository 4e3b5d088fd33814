/* Stores and sessions opened and closed. */
#ifndef LMDB_OPENING_H
#define LMDB_OPENING_H

#include <churn/store.h>

/* The store's calls of these names; see <churn/store.h>. */
int32_t lmdb_open(void *self, void **ret_session, churn_error *err);
void lmdb_close(void *session);
void lmdb_destroy(void *self);

#endif
