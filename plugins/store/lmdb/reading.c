#include "reading.h"
#include "errors.h"
#include "record.h"
#include "session.h"
#include "transactions.h"

#include <string.h>

int32_t lmdb_get(void *session, churn_str key, churn_fields_fn fn, void *ctx, churn_error *err)
{
    struct session *s = session;
    struct record record;
    int32_t result = check_key(key, err);
    int rc;
    if (result != CHURN_OK) {
        return result;
    }
    if ((rc = begin_read(s)) != 0) {
        return fail_rc(s->store, rc, err);
    }
    result = load(s, s->reader, key, &record, err);
    if (result == CHURN_OK) {
        (void)fn(ctx, key, s->pairs, with_version(s, &record));
    }
    mdb_txn_reset(s->reader);
    return result;
}

/* What a listing of keys is for. */
struct listing {
    churn_key_fn fn;
    void *ctx;
};

static int32_t list_key(void *ctx, churn_str key, const churn_pair *fields, uint32_t count)
{
    const struct listing *listing = ctx;
    (void)fields;
    (void)count;
    return listing->fn(listing->ctx, key);
}

/* Shows the record at the cursor to `fn`. CHURN_END: fn wants no more; CHURN_DROP: expired, so not shown. A list of
 * keys has those of damaged records too. */
static int32_t show(struct session *s, const MDB_val *name, const MDB_val *data, churn_fields_fn fn, void *ctx,
                    churn_error *err)
{
    churn_str key = {.ptr = name->mv_data, .len = (uint32_t)name->mv_size};
    struct record record = {0};
    int32_t result = decode(s, key, data, &record);
    if (result == CHURN_RETRY) {
        return fail_memory(err);
    }
    if (result != CHURN_OK && fn == list_key) {
        return list_key(ctx, key, NULL, 0) == CHURN_OK ? CHURN_OK : CHURN_END;
    }
    if (result != CHURN_OK) {
        return fail_corrupt(s->store, key, err);
    }
    if (record.expires_ms != 0 && record.expires_ms <= (uint64_t)s->store->host->now_ms(s->store->host)) {
        return CHURN_DROP;
    }
    return fn(ctx, key, s->pairs, with_version(s, &record)) == CHURN_OK ? CHURN_OK : CHURN_END;
}

static int compare(churn_str a, churn_str b)
{
    int order = memcmp(a.ptr, b.ptr, a.len < b.len ? a.len : b.len);
    return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

/* Puts the cursor on the first key of the scan. */
static int seek_first(MDB_cursor *cursor, churn_str prefix, churn_str after, MDB_val *name, MDB_val *data)
{
    bool resume = after.ptr != NULL && compare(after, prefix) >= 0;
    churn_str from = resume ? after : prefix;
    int rc;
    *name = (MDB_val){.mv_data = (void *)(uintptr_t)from.ptr, .mv_size = from.len};
    rc = mdb_cursor_get(cursor, name, data, from.len == 0 ? MDB_FIRST : MDB_SET_RANGE);
    if (rc == 0 && resume && name->mv_size == after.len && memcmp(name->mv_data, after.ptr, after.len) == 0) {
        rc = mdb_cursor_get(cursor, name, data, MDB_NEXT);
    }
    return rc;
}

static int32_t scan_keys(struct session *s, MDB_cursor *cursor, churn_str prefix, churn_str after, uint32_t max,
                         churn_fields_fn fn, void *ctx, churn_error *err)
{
    MDB_val name, data;
    uint32_t shown = 0;
    int rc = seek_first(cursor, prefix, after, &name, &data);
    for (; rc == 0 && shown < max; rc = mdb_cursor_get(cursor, &name, &data, MDB_NEXT)) {
        int32_t result;
        if (name.mv_size < prefix.len || memcmp(name.mv_data, prefix.ptr, prefix.len) != 0) {
            return CHURN_OK;
        }
        result = show(s, &name, &data, fn, ctx, err);
        if (result < 0 || result == CHURN_END) {
            return result < 0 ? result : CHURN_OK;
        }
        shown += result == CHURN_OK;
    }
    return rc == 0 || rc == MDB_NOTFOUND ? CHURN_OK : fail_rc(s->store, rc, err);
}

int32_t lmdb_scan(void *session, churn_str prefix, churn_str after, uint32_t max, churn_fields_fn fn, void *ctx,
                  churn_error *err)
{
    struct session *s = session;
    MDB_cursor *cursor;
    int32_t result;
    int rc;
    if (prefix.ptr == NULL) {
        prefix.ptr = "";
    }
    if (prefix.len > MAX_KEY || after.len > MAX_KEY) {
        return check_key(prefix.len > MAX_KEY ? prefix : after, err);
    }
    if ((rc = begin_read(s)) != 0) {
        return fail_rc(s->store, rc, err);
    }
    rc = mdb_cursor_open(s->reader, s->store->dbi, &cursor);
    if (rc != 0) {
        mdb_txn_reset(s->reader);
        return fail_rc(s->store, rc, err);
    }
    result = scan_keys(s, cursor, prefix, after, max, fn, ctx, err);
    mdb_cursor_close(cursor);
    mdb_txn_reset(s->reader);
    return result;
}

int32_t lmdb_keys(void *session, churn_str prefix, churn_key_fn fn, void *ctx, churn_error *err)
{
    struct listing listing = {.fn = fn, .ctx = ctx};
    return lmdb_scan(session, prefix, (churn_str){0}, UINT32_MAX, list_key, &listing, err);
}
