#include "sweep.h"
#include "record.h"

#include <string.h>

#define SWEEP_PER_PUT 2 /* records looked at: so at most half of all are expired ones, in the long run */

void sweep_owe(struct sweep *sweep)
{
    sweep->due += SWEEP_PER_PUT;
}

static void note(struct sweep *sweep, const MDB_val *key)
{
    sweep->last_len = (uint32_t)key->mv_size;
    memcpy(sweep->last, key->mv_data, key->mv_size);
}

int sweep_run(struct sweep *sweep, const struct lmdb_store *store, MDB_txn *txn)
{
    MDB_val key = {.mv_data = sweep->last, .mv_size = sweep->last_len}, data;
    MDB_cursor *cursor;
    int64_t now_ms;
    int rc;
    if (sweep->due == 0) {
        return 0;
    }
    if ((rc = mdb_cursor_open(txn, store->dbi, &cursor)) != 0) {
        return rc;
    }
    now_ms = store_now_ms(store);
    rc = mdb_cursor_get(cursor, &key, &data, sweep->last_len == 0 ? MDB_FIRST : MDB_SET_RANGE);
    for (uint32_t i = 0; rc == 0 && i <= sweep->due; i++) { /* the first one was looked at before */
        note(sweep, &key);
        rc = record_has_expired(key_from_lmdb(&key), &data, now_ms) ? mdb_cursor_del(cursor, 0) : 0;
        rc = rc == 0 ? mdb_cursor_get(cursor, &key, &data, MDB_NEXT) : rc;
    }
    mdb_cursor_close(cursor);
    if (rc == MDB_NOTFOUND) {
        sweep->last_len = 0;
        rc = 0;
    }
    sweep->due = 0;
    return rc;
}
