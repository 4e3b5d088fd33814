/* Transactions begun and ended. */
#ifndef LMDB_TRANSACTIONS_H
#define LMDB_TRANSACTIONS_H

#include "session.h"

/* Commits. In its place afterwards: then so is what was written, wherever somebody takes it later. */
int32_t commit(const struct lmdb_store *store, MDB_txn *txn, churn_error *err);

int begin_read(struct session *s);

/* Ends a transaction: `result` and `rc` say how it went so far. */
int32_t finish(struct session *s, MDB_txn *txn, int32_t result, int rc, churn_error *err);

#endif
