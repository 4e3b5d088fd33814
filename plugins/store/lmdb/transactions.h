/* Transactions: begun, read within, and ended. */
#ifndef LMDB_TRANSACTIONS_H
#define LMDB_TRANSACTIONS_H

#include "session.h"

/* Renews the session's transaction for reading; whoever has read resets it. 0, or LMDB's error. */
int txn_begin_read(struct session *s);

/* Reads what is stored now under `key`, into the session's record memory; expired counts as nothing. */
int32_t txn_load(struct session *s, MDB_txn *txn, churn_str key, struct record *ret, churn_error *err);

/* Ends a transaction that writes, of which `result` and `rc` say how it went so far: commits it, or takes it back. The
 * store is in its place after a commit: then so is what was written, wherever somebody takes it later. */
int32_t txn_finish(const struct lmdb_store *store, MDB_txn *txn, int32_t result, int rc, churn_error *err);

/* When a record that is written now expires; 0: never. */
uint64_t txn_expiry(const struct lmdb_store *store, int64_t ttl_ms);

/* Has a record that was read expired? The clock is asked only for one that ever does. */
static inline bool txn_has_expired(const struct lmdb_store *store, const struct record *record)
{
    return record->expires_ms != 0 && record_is_over(record->expires_ms, store_now_ms(store));
}

#endif
