#include "writing.h"
#include "errors.h"
#include "record.h"
#include "session.h"
#include "transactions.h"

#include <string.h>

static int32_t write_hash(struct session *s, MDB_txn *txn, const churn_hash *hash, int *ret_rc, churn_error *err)
{
    struct record record = {.expires_ms = expiry(s->store, hash->ttl_ms), .count = hash->count};
    MDB_val name = {.mv_data = (void *)(uintptr_t)hash->key.ptr, .mv_size = hash->key.len}, data;
    int32_t result = check_key(hash->key, err);
    if (result == CHURN_OK && !encode(s, hash->key, &record, hash->fields, &data)) {
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
    return finish(s, txn, result, rc, err);
}

static bool has_field(const struct session *s, uint32_t count, churn_str field, churn_str value)
{
    churn_pair wanted = {.name = field, .value = value};
    for (uint32_t i = 0; i < count; i++) {
        const churn_pair *p = &s->pairs[i];
        if (same_name(p, &wanted)) {
            return p->value.len == value.len && memcmp(p->value.ptr, value.ptr, value.len) == 0;
        }
    }
    return false;
}

int32_t lmdb_remove(void *session, churn_str key, churn_str field, churn_str value, churn_error *err)
{
    struct session *s = session;
    MDB_val name = {.mv_data = (void *)(uintptr_t)key.ptr, .mv_size = key.len};
    struct record record;
    MDB_txn *txn;
    int32_t result = check_key(key, err);
    int rc;
    if (result != CHURN_OK) {
        return result;
    }
    rc = mdb_txn_begin(s->store->env, NULL, 0, &txn);
    if (rc != 0) {
        return fail_rc(s->store, rc, err);
    }
    result = load(s, txn, key, &record, err);
    if (result != CHURN_OK || !record.stored || !has_field(s, with_version(s, &record), field, value)) {
        mdb_txn_abort(txn);
        return result;
    }
    return finish(s, txn, CHURN_OK, mdb_del(txn, s->store->dbi, &name, NULL), err);
}
