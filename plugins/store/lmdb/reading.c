#include "reading.h"
#include "errors.h"
#include "session.h"
#include "transactions.h"

#include <string.h>

/* What of which keys is shown to whom. */
struct scan {
    churn_str prefix;
    churn_str after;   /* behind this key; no `ptr`: from the first */
    uint32_t max;      /* records shown */
    churn_key_fn list; /* is shown the keys alone, those of damaged records too; NULL: … */
    churn_fields_fn fn;
    void *ctx;
};

int32_t lmdb_get(void *session, churn_str key, churn_fields_fn fn, void *ctx, churn_error *err)
{
    struct session *s = session;
    struct record record;
    int32_t result = key_check(key, err);
    int rc;
    if (result != CHURN_OK) {
        return result;
    }
    if ((rc = txn_begin_read(s)) != 0) {
        return fail_rc(s->store, rc, err);
    }
    result = txn_load(s, s->reader, key, &record, err);
    if (result == CHURN_OK) {
        (void)fn(ctx, key, s->record.pairs, record_with_version(&s->record, &record));
    }
    mdb_txn_reset(s->reader);
    return result;
}

/* Shows the record at the cursor. CHURN_END: no more are wanted; CHURN_DROP: expired, so not shown. */
static int32_t show(struct session *s, const struct scan *scan, churn_str key, const MDB_val *data, churn_error *err)
{
    struct record record = {0};
    int32_t result = record_decode(&s->record, key, data, &record);
    if (result == CHURN_RETRY) {
        return fail_memory(err);
    }
    if (result != CHURN_OK && scan->list == NULL) {
        return fail_corrupt(s->store, key, err);
    }
    if (result == CHURN_OK && txn_has_expired(s->store, &record)) {
        return CHURN_DROP;
    }
    result = scan->list != NULL ? scan->list(scan->ctx, key)
                                : scan->fn(scan->ctx, key, s->record.pairs, record_with_version(&s->record, &record));
    return result == CHURN_OK ? CHURN_OK : CHURN_END;
}

static int compare(churn_str a, churn_str b)
{
    int order = memcmp(a.ptr, b.ptr, a.len < b.len ? a.len : b.len);
    return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

/* Puts the cursor on the first key of the scan. */
static int seek_first(MDB_cursor *cursor, const struct scan *scan, MDB_val *name, MDB_val *data)
{
    bool resume = scan->after.ptr != NULL && compare(scan->after, scan->prefix) >= 0;
    churn_str from = resume ? scan->after : scan->prefix;
    int rc;
    *name = key_to_lmdb(from);
    rc = mdb_cursor_get(cursor, name, data, from.len == 0 ? MDB_FIRST : MDB_SET_RANGE);
    if (rc == 0 && resume && churn_equal(key_from_lmdb(name), from)) {
        rc = mdb_cursor_get(cursor, name, data, MDB_NEXT);
    }
    return rc;
}

static int32_t scan_at(struct session *s, MDB_cursor *cursor, const struct scan *scan, churn_error *err)
{
    MDB_val name, data;
    uint32_t shown = 0;
    int rc = seek_first(cursor, scan, &name, &data);
    for (; rc == 0 && shown < scan->max; rc = mdb_cursor_get(cursor, &name, &data, MDB_NEXT)) {
        int32_t result;
        if (name.mv_size < scan->prefix.len || memcmp(name.mv_data, scan->prefix.ptr, scan->prefix.len) != 0) {
            return CHURN_OK;
        }
        result = show(s, scan, key_from_lmdb(&name), &data, err);
        if (result < 0 || result == CHURN_END) {
            return result < 0 ? result : CHURN_OK;
        }
        shown += result == CHURN_OK;
    }
    return rc == 0 || rc == MDB_NOTFOUND ? CHURN_OK : fail_rc(s->store, rc, err);
}

static int32_t scan_all(struct session *s, struct scan scan, churn_error *err)
{
    MDB_cursor *cursor;
    int32_t result;
    int rc;
    if (scan.prefix.ptr == NULL) {
        scan.prefix.ptr = "";
    }
    if (scan.prefix.len > MAX_KEY || scan.after.len > MAX_KEY) {
        return key_check(scan.prefix.len > MAX_KEY ? scan.prefix : scan.after, err);
    }
    if ((rc = txn_begin_read(s)) != 0) {
        return fail_rc(s->store, rc, err);
    }
    rc = mdb_cursor_open(s->reader, s->store->dbi, &cursor);
    if (rc != 0) {
        mdb_txn_reset(s->reader);
        return fail_rc(s->store, rc, err);
    }
    result = scan_at(s, cursor, &scan, err);
    mdb_cursor_close(cursor);
    mdb_txn_reset(s->reader);
    return result;
}

int32_t lmdb_scan(void *session, churn_str prefix, churn_str after, uint32_t max, churn_fields_fn fn, void *ctx,
                  churn_error *err)
{
    struct scan scan = {.prefix = prefix, .after = after, .max = max, .fn = fn, .ctx = ctx};
    return scan_all(session, scan, err);
}

int32_t lmdb_keys(void *session, churn_str prefix, churn_key_fn fn, void *ctx, churn_error *err)
{
    struct scan scan = {.prefix = prefix, .max = UINT32_MAX, .list = fn, .ctx = ctx};
    return scan_all(session, scan, err);
}
