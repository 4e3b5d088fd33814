#include "transactions.h"
#include "errors.h"
#include "files.h"

int32_t commit(const struct lmdb_store *store, MDB_txn *txn, churn_error *err)
{
    int rc = mdb_txn_commit(txn);
    return rc == 0 ? check_place(store, err) : fail_rc(store, rc, err);
}

int begin_read(struct session *s)
{
    return s->reader == NULL ? mdb_txn_begin(s->store->env, NULL, MDB_RDONLY, &s->reader) : mdb_txn_renew(s->reader);
}

int32_t finish(struct session *s, MDB_txn *txn, int32_t result, int rc, churn_error *err)
{
    if (result == CHURN_OK && rc == 0) {
        return commit(s->store, txn, err);
    }
    mdb_txn_abort(txn);
    return result == CHURN_OK ? fail_rc(s->store, rc, err) : result;
}
