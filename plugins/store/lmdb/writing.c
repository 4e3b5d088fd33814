#include "writing.h"
#include "errors.h"
#include "session.h"
#include "transactions.h"

static int32_t write_hash(struct session *s, MDB_txn *txn, const churn_hash *hash, int *ret_rc, churn_error *err)
{
    struct record record = {.expires_ms = txn_expiry(s->store, hash->ttl_ms), .count = hash->count};
    MDB_val name = key_to_lmdb(hash->key), data;
    int32_t result = key_check(hash->key, err);
    if (result == CHURN_OK && !record_encode(&s->record, hash->key, &record, hash->fields, &data)) {
        result = fail_memory(err);
    }
    if (result == CHURN_OK) {
        *ret_rc = mdb_put(txn, s->store->dbi, &name, &data, 0);
    }
    return result;
}

int32_t lmdb_write(void *session, const churn_hash *hashes, uint32_t count, churn_error *err)
{
    struct session *s = session;
    MDB_txn *txn;
    int32_t result = CHURN_OK;
    int rc = mdb_txn_begin(s->store->env, NULL, 0, &txn);
    if (rc != 0) {
        return fail_rc(s->store, rc, err);
    }
    for (uint32_t i = 0; i < count && result == CHURN_OK && rc == 0; i++) {
        result = write_hash(s, txn, &hashes[i], &rc, err);
    }
    return txn_finish(s->store, txn, result, rc, err);
}

static bool has_field(const churn_pair *pairs, uint32_t count, churn_str field, churn_str value)
{
    for (uint32_t i = 0; i < count; i++) {
        if (churn_equal(pairs[i].name, field)) {
            return churn_equal(pairs[i].value, value);
        }
    }
    return false;
}

int32_t lmdb_remove(void *session, churn_str key, churn_str field, churn_str value, churn_error *err)
{
    struct session *s = session;
    MDB_val name = key_to_lmdb(key);
    struct record record;
    MDB_txn *txn;
    int32_t result = key_check(key, err);
    int rc;
    if (result != CHURN_OK) {
        return result;
    }
    rc = mdb_txn_begin(s->store->env, NULL, 0, &txn);
    if (rc != 0) {
        return fail_rc(s->store, rc, err);
    }
    result = txn_load(s, txn, key, &record, err);
    if (result != CHURN_OK || !record.stored ||
        !has_field(s->record.pairs, record_with_version(&s->record, &record), field, value)) {
        mdb_txn_abort(txn);
        return result;
    }
    return txn_finish(s->store, txn, CHURN_OK, mdb_del(txn, s->store->dbi, &name, NULL), err);
}
