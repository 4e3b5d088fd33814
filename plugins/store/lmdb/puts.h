/* Puts: queued, and run all in one transaction. */
#ifndef LMDB_PUTS_H
#define LMDB_PUTS_H

#include <churn/store.h>

/* The store's calls of these names; see <churn/store.h>. */
int32_t lmdb_put(void *session, const churn_put *put, churn_error *err);
int32_t lmdb_poll(void *session, churn_put_reply *replies, uint32_t max, uint32_t timeout_ms, uint32_t *ret_count,
                  churn_error *err);

#endif
