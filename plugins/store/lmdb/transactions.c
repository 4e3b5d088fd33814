#include "transactions.h"
#include "errors.h"
#include "files.h"

int txn_begin_read(struct session *s)
{
    return s->reader == NULL ? mdb_txn_begin(s->store->env, NULL, MDB_RDONLY, &s->reader) : mdb_txn_renew(s->reader);
}

int32_t txn_load(struct session *s, MDB_txn *txn, churn_str key, struct record *ret, churn_error *err)
{
    MDB_val name = key_to_lmdb(key), data;
    int32_t result;
    int rc = mdb_get(txn, s->store->dbi, &name, &data);
    *ret = (struct record){0};
    if (rc == MDB_NOTFOUND) {
        return CHURN_OK;
    }
    if (rc != 0) {
        return fail_rc(s->store, rc, err);
    }
    result = record_decode(&s->record, key, &data, ret);
    if (result != CHURN_OK) {
        return result == CHURN_RETRY ? fail_memory(err) : fail_corrupt(s->store, key, err);
    }
    if (txn_has_expired(s->store, ret)) {
        *ret = (struct record){0};
    }
    return CHURN_OK;
}

int32_t txn_finish(const struct lmdb_store *store, MDB_txn *txn, int32_t result, int rc, churn_error *err)
{
    if (result != CHURN_OK || rc != 0) {
        mdb_txn_abort(txn);
        return result != CHURN_OK ? result : fail_rc(store, rc, err);
    }
    rc = mdb_txn_commit(txn);
    return rc == 0 ? files_check_place(store, err) : fail_rc(store, rc, err);
}

uint64_t txn_expiry(const struct lmdb_store *store, int64_t ttl_ms)
{
    int64_t at;
    if (ttl_ms <= 0 || __builtin_add_overflow(store_now_ms(store), ttl_ms, &at) || at <= 0) {
        return 0;
    }
    return (uint64_t)at;
}
