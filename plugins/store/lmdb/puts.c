#include "puts.h"
#include "errors.h"
#include "grow.h"
#include "session.h"
#include "transactions.h"

#include <string.h>

int32_t lmdb_put(void *session, const churn_put *put, churn_error *err)
{
    struct session *s = session;
    struct queue *q = &s->queue;
    churn_put *puts = grow(q->puts, &q->room, (size_t)q->count + 1, sizeof *puts), *queued;
    if (puts == NULL) {
        return fail_memory(err);
    }
    q->puts = puts;
    queued = &puts[q->count];
    *queued = *put;
    queued->fields = arena_copy_pairs(&q->memory, put->fields, put->count, &queued->key);
    if (queued->fields == NULL) {
        return fail_memory(err);
    }
    q->count++;
    if (put->ttl_ms > 0) {
        sweep_owe(&s->sweep);
    }
    return CHURN_OK;
}

/* Joins the put's fields to the decoded ones. Both keep the writer's order as a rule, hence the search goes on where
 * the last one ended. */
static bool merge(struct record_memory *m, struct record *record, const churn_put *put)
{
    uint32_t stored = record->count, at = 0;
    if (!record_reserve(m, (size_t)stored + put->count + 1)) {
        return false;
    }
    for (uint32_t i = 0; i < put->count; i++) {
        uint32_t tried = 0;
        while (tried < stored && !churn_equal(m->pairs[at].name, put->fields[i].name)) {
            at = at + 1 < stored ? at + 1 : 0;
            tried++;
        }
        if (tried < stored) {
            m->pairs[at].value = put->fields[i].value;
            at = at + 1 < stored ? at + 1 : 0;
        } else {
            m->pairs[record->count++] = put->fields[i];
        }
    }
    return true;
}

/* Answers with the stored fields: OK here means that the reply is complete. */
static int32_t answer_conflict(struct session *s, const struct record *record, churn_put_reply *reply, churn_error *err)
{
    const churn_pair *fields = arena_copy_pairs(&s->answers.memory, s->record.pairs, record->count, NULL);
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
    MDB_val key = key_to_lmdb(put->key), data;
    int rc;
    reply->result = key_check(put->key, err);
    if (reply->result == CHURN_OK) {
        reply->result = txn_load(s, txn, put->key, &record, err);
    }
    if (reply->result != CHURN_OK) {
        return reply->result == CHURN_RETRY ? CHURN_RETRY : CHURN_OK;
    }
    if (record.version != put->expected_version) {
        return answer_conflict(s, &record, reply, err);
    }
    record.version++;
    record.expires_ms = txn_expiry(s->store, put->ttl_ms);
    if (!merge(&s->record, &record, put) || !record_encode(&s->record, put->key, &record, s->record.pairs, &data)) {
        return fail_memory(err);
    }
    rc = mdb_put(txn, s->store->dbi, &key, &data, 0);
    return rc == 0 ? CHURN_OK : fail_rc(s->store, rc, err);
}

static const char *keep_message(struct answers *a, const churn_error *err)
{
    size_t size = strlen(err->message) + 1;
    char *copy = arena_alloc(&a->memory, size);
    return copy != NULL ? memcpy(copy, err->message, size) : "out of memory";
}

/* All queued puts in one transaction; the replies are filled in as if it succeeds. */
static int32_t run_puts(struct session *s, churn_error *err)
{
    int32_t result = CHURN_OK;
    MDB_txn *txn;
    int rc = mdb_txn_begin(s->store->env, NULL, 0, &txn);
    if (rc != 0) {
        return fail_rc(s->store, rc, err);
    }
    for (uint32_t i = 0; i < s->queue.count && result == CHURN_OK; i++) {
        churn_put_reply *reply = &s->answers.replies[i];
        result = put_one(s, txn, &s->queue.puts[i], reply, err);
        if (result == CHURN_OK && reply->result < 0) {
            reply->message = keep_message(&s->answers, err);
        }
    }
    if (result == CHURN_OK) {
        rc = sweep_run(&s->sweep, s->store, txn);
    }
    return txn_finish(s->store, txn, result, rc, err);
}

/* Nothing was written: takes back every OK, and gives the puts that were not reached the same answer. A conflict that
 * was found stands. */
static void fail_replies(struct answers *a, int32_t result, const churn_error *err)
{
    const char *message = keep_message(a, err);
    for (uint32_t i = 0; i < a->count; i++) {
        churn_put_reply *reply = &a->replies[i];
        if (reply->result == CHURN_OK || reply->result == CHURN_RETRY) {
            reply->result = result;
            reply->message = message;
        }
    }
}

/* A reply to each queued put, so far that it succeeds. False when memory ran out. */
static bool begin_answers(struct answers *a, const struct queue *q)
{
    churn_put_reply *replies = grow(a->replies, &a->room, q->count, sizeof *replies);
    if (replies == NULL) {
        return false;
    }
    a->replies = replies;
    arena_reset(&a->memory);
    for (uint32_t i = 0; i < q->count; i++) {
        replies[i] = (churn_put_reply){.size = sizeof replies[i], .id = q->puts[i].id};
    }
    a->count = q->count;
    a->given = 0;
    return true;
}

static int32_t commit_puts(struct session *s, churn_error *err)
{
    churn_error failure = {.size = sizeof failure};
    int32_t result;
    if (!begin_answers(&s->answers, &s->queue)) {
        return fail_memory(err);
    }
    result = run_puts(s, &failure);
    if (result != CHURN_OK) {
        fail_replies(&s->answers, result, &failure);
    }
    s->queue.count = 0;
    arena_reset(&s->queue.memory);
    return CHURN_OK;
}

int32_t lmdb_poll(void *session, churn_put_reply *replies, uint32_t max, uint32_t timeout_ms, uint32_t *ret_count,
                  churn_error *err)
{
    struct session *s = session;
    struct answers *a = &s->answers;
    uint32_t n;
    (void)timeout_ms; /* nothing here waits for a peer */
    if (a->given == a->count && s->queue.count > 0) {
        int32_t result = commit_puts(s, err);
        if (result != CHURN_OK) {
            return result;
        }
    }
    n = a->count - a->given < max ? a->count - a->given : max;
    if (n > 0) {
        memcpy(replies, a->replies + a->given, n * sizeof *replies);
    }
    a->given += n;
    *ret_count = n;
    return n > 0 ? CHURN_OK : CHURN_PENDING;
}
