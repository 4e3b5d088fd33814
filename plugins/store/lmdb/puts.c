#include "puts.h"
#include "errors.h"
#include "record.h"
#include "session.h"
#include "transactions.h"

#include <string.h>

#define SWEEP_PER_PUT 2 /* records looked at: so at most half of all are expired ones, in the long run */

int32_t lmdb_put(void *session, const churn_put *put, churn_error *err)
{
    struct session *s = session;
    void *items = s->puts;
    churn_put *queued;
    bool ok = reserve(&items, &s->put_room, (uint64_t)s->put_count + 1, sizeof *s->puts);
    s->puts = items;
    if (!ok) {
        return fail_memory(err);
    }
    queued = &s->puts[s->put_count];
    *queued = *put;
    queued->fields = copy_pairs(&s->queue, put->fields, put->count, &queued->key);
    if (queued->fields == NULL) {
        return fail_memory(err);
    }
    s->put_count++;
    s->sweep_due += put->ttl_ms > 0 ? SWEEP_PER_PUT : 0;
    return CHURN_OK;
}

/* Joins the put's fields to the decoded ones. Both keep the writer's order as a rule, hence the search goes on where
 * the last one ended. */
static bool merge(struct session *s, struct record *record, const churn_put *put)
{
    uint32_t stored = record->count, at = 0;
    if (!reserve_pairs(s, (uint64_t)stored + put->count + 1)) {
        return false;
    }
    for (uint32_t i = 0; i < put->count; i++) {
        uint32_t tried = 0;
        while (tried < stored && !same_name(&s->pairs[at], &put->fields[i])) {
            at = at + 1 < stored ? at + 1 : 0;
            tried++;
        }
        if (tried < stored) {
            s->pairs[at].value = put->fields[i].value;
            at = at + 1 < stored ? at + 1 : 0;
        } else {
            s->pairs[record->count++] = put->fields[i];
        }
    }
    return true;
}

/* Answers with the stored fields: OK here means that the reply is complete. */
static int32_t answer_conflict(struct session *s, const struct record *record, churn_put_reply *reply, churn_error *err)
{
    const churn_pair *fields = copy_pairs(&s->answers, s->pairs, record->count, NULL);
    if (fields == NULL) {
        return fail_memory(err);
    }
    reply->result = CHURN_CONFLICT;
    reply->version = record->version;
    reply->fields = fields;
    reply->count = record->count;
    return CHURN_OK;
}

/* Carries out one put. What is wrong with this put alone is in `reply`; a result other than CHURN_OK ends the
 * transaction. */
static int32_t put_one(struct session *s, MDB_txn *txn, const churn_put *put, churn_put_reply *reply, churn_error *err)
{
    struct record record;
    MDB_val key = {.mv_data = (void *)(uintptr_t)put->key.ptr, .mv_size = put->key.len}, data;
    int rc;
    reply->result = check_key(put->key, err);
    if (reply->result == CHURN_OK) {
        reply->result = load(s, txn, put->key, &record, err);
    }
    if (reply->result != CHURN_OK) {
        return reply->result == CHURN_RETRY ? CHURN_RETRY : CHURN_OK;
    }
    if (record.version != put->expected_version) {
        return answer_conflict(s, &record, reply, err);
    }
    record.version++;
    record.expires_ms = expiry(s->store, put->ttl_ms);
    if (!merge(s, &record, put) || !encode(s, put->key, &record, s->pairs, &data)) {
        return fail_memory(err);
    }
    rc = mdb_put(txn, s->store->dbi, &key, &data, 0);
    return rc == 0 ? CHURN_OK : fail_rc(s->store, rc, err);
}

static const char *keep_message(struct session *s, const churn_error *err)
{
    size_t size = strlen(err->message) + 1;
    char *copy = arena_alloc(&s->answers, size);
    return copy != NULL ? memcpy(copy, err->message, size) : "out of memory";
}

/* Looks at the next records, in the order of their keys, and deletes those that have expired. */
static int sweep(struct session *s, MDB_txn *txn)
{
    uint64_t now_ms = (uint64_t)s->store->host->now_ms(s->store->host);
    MDB_val key = {.mv_data = s->swept, .mv_size = s->swept_len}, data;
    MDB_cursor *cursor;
    int rc = mdb_cursor_open(txn, s->store->dbi, &cursor);
    if (rc != 0) {
        return rc;
    }
    rc = mdb_cursor_get(cursor, &key, &data, s->swept_len == 0 ? MDB_FIRST : MDB_SET_RANGE);
    for (uint32_t i = 0; rc == 0 && i <= s->sweep_due; i++) { /* the first one was looked at before */
        s->swept_len = (uint32_t)key.mv_size;
        memcpy(s->swept, key.mv_data, key.mv_size);
        rc = has_expired(&key, &data, now_ms) ? mdb_cursor_del(cursor, 0) : 0;
        rc = rc == 0 ? mdb_cursor_get(cursor, &key, &data, MDB_NEXT) : rc;
    }
    mdb_cursor_close(cursor);
    if (rc == MDB_NOTFOUND) {
        s->swept_len = 0;
        rc = 0;
    }
    s->sweep_due = 0;
    return rc;
}

/* All queued puts in one transaction; the replies are filled in as if it succeeds. */
static int32_t run_puts(struct session *s, churn_error *err)
{
    MDB_txn *txn;
    int rc = mdb_txn_begin(s->store->env, NULL, 0, &txn);
    if (rc != 0) {
        return fail_rc(s->store, rc, err);
    }
    for (uint32_t i = 0; i < s->put_count; i++) {
        churn_put_reply *reply = &s->replies[i];
        int32_t result = put_one(s, txn, &s->puts[i], reply, err);
        if (result != CHURN_OK) {
            mdb_txn_abort(txn);
            return result;
        }
        if (reply->result < 0) {
            reply->message = keep_message(s, err);
        }
    }
    if (s->sweep_due > 0 && (rc = sweep(s, txn)) != 0) {
        mdb_txn_abort(txn);
        return fail_rc(s->store, rc, err);
    }
    return commit(s->store, txn, err);
}

/* Nothing was written: takes back every OK, and gives the puts that were not reached the same answer. A conflict that
 * was found stands. */
static void fail_replies(struct session *s, int32_t result, const churn_error *err)
{
    const char *message = keep_message(s, err);
    for (uint32_t i = 0; i < s->put_count; i++) {
        churn_put_reply *reply = &s->replies[i];
        if (reply->result == CHURN_OK || reply->result == CHURN_RETRY) {
            reply->result = result;
            reply->message = message;
        }
    }
}

static int32_t commit_puts(struct session *s, churn_error *err)
{
    churn_error failure = {.size = sizeof failure};
    void *items = s->replies;
    int32_t result;
    bool ok = reserve(&items, &s->reply_room, s->put_count, sizeof *s->replies);
    s->replies = items;
    if (!ok) {
        return fail_memory(err);
    }
    arena_reset(&s->answers);
    for (uint32_t i = 0; i < s->put_count; i++) {
        s->replies[i] = (churn_put_reply){.size = sizeof s->replies[i], .id = s->puts[i].id};
    }
    result = run_puts(s, &failure);
    if (result != CHURN_OK) {
        fail_replies(s, result, &failure);
    }
    s->reply_count = s->put_count;
    s->replied = 0;
    s->put_count = 0;
    arena_reset(&s->queue);
    return CHURN_OK;
}

int32_t lmdb_poll(void *session, churn_put_reply *replies, uint32_t max, uint32_t timeout_ms, uint32_t *ret_count,
                  churn_error *err)
{
    struct session *s = session;
    uint32_t n;
    (void)timeout_ms; /* nothing here waits for a peer */
    if (s->replied == s->reply_count && s->put_count > 0) {
        int32_t result = commit_puts(s, err);
        if (result != CHURN_OK) {
            return result;
        }
    }
    n = s->reply_count - s->replied < max ? s->reply_count - s->replied : max;
    if (n > 0) {
        memcpy(replies, s->replies + s->replied, n * sizeof *replies);
    }
    s->replied += n;
    *ret_count = n;
    return n > 0 ? CHURN_OK : CHURN_PENDING;
}
