#include "puts.h"
#include "commands.h"
#include "errors.h"
#include "replies.h"
#include "resp.h"
#include "socket.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define BATCH_PUTS 32           /* in one call: more save little, and hold up other clients */
#define BATCH_BYTES (64 * 1024) /* … fewer when they are large */
#define SEND_BYTES (64 * 1024)  /* what is worth a system call before anybody waits */
#define REPLICAS_WAIT "200"     /* ms that one WAIT may hold up the connection */

/* Takes `_v` out of the pairs. */
static bool split_version(churn_pair *pairs, uint32_t *count, uint64_t *ret)
{
    *ret = 0;
    for (uint32_t i = 0; i < *count; i++) {
        if (churn_equal(pairs[i].name, churn_text(CHURN_VERSION_FIELD))) {
            bool ok = churn_version_read(pairs[i].value, ret) != 0;
            pairs[i] = pairs[--*count];
            return ok;
        }
    }
    return *count == 0; /* nothing stored */
}

/* Answers a put or a flush with a message of its own. */
CHURN_PRINTF(4, 5)
static void answer_message(struct session *s, churn_put_reply *answer, int32_t result, const char *format, ...)
{
    char *message = malloc(CHURN_ERROR_MESSAGE_SIZE);
    va_list args;
    if (message != NULL) {
        va_start(args, format);
        (void)vsnprintf(message, CHURN_ERROR_MESSAGE_SIZE, format, args);
        va_end(args);
    }
    answer->result = result;
    answer->message = held_add(&s->held, NULL, message) && message != NULL ? message : "out of memory";
}

/* The stored version is another one. */
static void answer_conflict(struct session *s, const redisReply *reply, churn_str key, churn_put_reply *answer)
{
    uint32_t count = 0;
    uint64_t version = 0;
    churn_pair *pairs = reply_pairs(reply, &count);
    bool valid = pairs != NULL && split_version(pairs, &count, &version);
    if (!held_add(&s->held, NULL, pairs) || pairs == NULL) {
        answer->result = CHURN_RETRY;
        answer->message = "out of memory";
        return;
    }
    answer->fields = pairs;
    answer->count = count;
    if (valid) {
        answer->result = CHURN_CONFLICT;
        answer->version = version;
    } else {
        answer_message(
            s, answer, CHURN_REJECT,
            "the hash %.*s on Redis at %s has no version that can be read (_v); put it back, or delete the key",
            (int)key.len, key.ptr, s->where);
    }
}

/* Redis refused a put. False when the session is broken by it. */
static bool answer_error(struct session *s, const redisReply *reply, churn_str key, churn_put_reply *answer)
{
    char message[CHURN_ERROR_MESSAGE_SIZE];
    enum verdict verdict = error_verdict(reply->str);
    error_explain(reply->str, s->where, key, message, sizeof message);
    if (verdict_ends_session(verdict)) {
        session_break(s, "%s", message);
        return false;
    }
    if (verdict == VERDICT_RELOAD) {
        commands_reload_script(&s->commands);
    }
    answer_message(s, answer, verdict_result(verdict), "%s", message);
    return true;
}

/* Turns the reply to a put into its answer. False when the session is broken by it. */
static bool answer_put(struct session *s, const struct pending *put, const redisReply *reply, churn_put_reply *answer)
{
    churn_str key = pending_key(&s->commands.pending, put);
    *answer = (churn_put_reply){.size = sizeof *answer, .id = put->id, .result = CHURN_OK};
    switch (reply->type) {
    case REDIS_REPLY_ERROR:
        return answer_error(s, reply, key, answer);
    case REDIS_REPLY_INTEGER:
        return true;
    default:
        if (reply_is_hash(reply)) {
            answer_conflict(s, reply, key, answer);
            return true;
        }
        session_break(s, "Redis at %s gave an unexpected answer", s->where);
        return false;
    }
}

/* Answers the next put of the call whose reply is here; what refused the whole call refused each of them. False when
 * the session is broken by it. */
static bool answer_next(struct session *s, churn_put_reply *answer)
{
    struct answers *a = &s->answers;
    redisReply *whole = a->reply;
    struct pending put = replies_take(s);
    bool ok = answer_put(s, &put, whole->type == REDIS_REPLY_ARRAY ? whole->element[a->at] : whole, answer);
    a->at++;
    if (a->at == a->count || !ok) {
        a->reply = NULL;
        if (!held_add(&s->held, whole, NULL)) {
            session_break(s, "out of memory");
            return false;
        }
    }
    return ok;
}

/* Takes the reply to a call; takes it over. False when the session is broken by it. */
static bool begin_answers(struct session *s, redisReply *reply)
{
    uint32_t count = pending_next(&s->commands.pending)->batch;
    bool fits = reply->type == REDIS_REPLY_ERROR || (reply->type == REDIS_REPLY_ARRAY && reply->elements == count);
    if (count == 0 || !fits) { /* 0: the call was not even sent */
        freeReplyObject(reply);
        session_break(s, "Redis at %s gave an unexpected answer", s->where);
        return false;
    }
    s->answers = (struct answers){.reply = reply, .count = count};
    return true;
}

/* Turns the reply to WAIT into the answer to a flush; takes over `reply`. */
static void answer_flush(struct session *s, uint64_t id, redisReply *reply, churn_put_reply *answer)
{
    const struct redis_store *store = s->store;
    *answer = (churn_put_reply){.size = sizeof *answer, .id = id, .result = CHURN_OK};
    if (reply->type == REDIS_REPLY_ERROR) {
        bool fatal = error_verdict(reply->str) == VERDICT_FATAL;
        answer_message(s, answer, fatal ? CHURN_FATAL : CHURN_RETRY, "Redis at %s: WAIT: %s", s->where, reply->str);
    } else if (reply->type != REDIS_REPLY_INTEGER) {
        answer_message(s, answer, CHURN_RETRY, "Redis at %s gave an unexpected answer to WAIT", s->where);
    } else if (reply->integer < store->replicas) {
        answer_message(s, answer, CHURN_RETRY,
                       "%lld of the %" PRId64 " replicas that `replicas` asks for have what Redis at %s acknowledged",
                       reply->integer, store->replicas, s->where);
    }
    freeReplyObject(reply);
}

/* Takes the next reply. False when there is none, or the session is broken by it. */
static bool take_reply(struct session *s, churn_put_reply *replies, uint32_t *count)
{
    redisReply *reply = replies_next(s);
    if (reply == NULL) {
        return false;
    }
    if (pending_next(&s->commands.pending)->kind == PENDING_PUT) {
        return begin_answers(s, reply);
    }
    struct pending pending = replies_take(s);
    if (pending.kind == PENDING_SCRIPT) {
        replies_script_loaded(s, reply);
    } else {
        answer_flush(s, pending.id, reply, &replies[(*count)++]);
    }
    return true;
}

/* Answers puts from what has been read. */
static uint32_t collect(struct session *s, churn_put_reply *replies, uint32_t max)
{
    uint32_t count = 0;
    while (count < max) {
        if (s->answers.reply == NULL && !take_reply(s, replies, &count)) {
            break;
        }
        if (s->answers.reply != NULL) {
            if (!answer_next(s, &replies[count])) {
                break;
            }
            count++;
        }
    }
    return count;
}

/* Gets a full batch on its way. False when memory ran out. */
static bool hand_over(struct session *s)
{
    struct commands *c = &s->commands;
    if (!commands_seal(c)) {
        return false;
    }
    if (outbox_waiting(&c->out) >= SEND_BYTES) {
        (void)socket_send(s); /* what fails here fails in `socket_exchange` too, which says so */
    }
    return true;
}

int32_t redis_put(void *session, const churn_put *put, churn_error *err)
{
    struct session *s = session;
    const struct batch *batch = &s->commands.batch;
    bool ok;
    held_release(&s->held);
    if (session_is_broken(s)) {
        return session_fail(s, err);
    }
    ok = commands_add_put(&s->commands, put);
    if (ok && (batch->count == BATCH_PUTS || batch->len >= BATCH_BYTES)) {
        ok = hand_over(s);
    }
    return ok ? CHURN_OK : fail_memory(err);
}

int32_t redis_flush(void *session, uint64_t id, churn_error *err)
{
    struct session *s = session;
    char number[21];
    const churn_str args[] = {churn_text("WAIT"), number_arg(number, (uint64_t)s->store->replicas),
                              churn_text(REPLICAS_WAIT)};
    held_release(&s->held);
    if (session_is_broken(s)) {
        return session_fail(s, err);
    }
    if (s->store->durability != DURABILITY_REPLICAS) {
        return CHURN_OK; /* an acknowledgement is all there is, or the server syncs before it acknowledges */
    }
    return commands_add(&s->commands, PENDING_FLUSH, id, args, 3) ? CHURN_PENDING : fail_memory(err);
}

int32_t redis_poll(void *session, churn_put_reply *replies, uint32_t max, uint32_t timeout_ms, uint32_t *ret_count,
                   churn_error *err)
{
    struct session *s = session;
    int64_t deadline = session_now(s) + timeout_ms, left = 0;
    held_release(&s->held);
    *ret_count = 0;
    for (;;) {
        /* What was read before the connection broke still counts. */
        if (!session_is_broken(s) && !pending_is_empty(&s->commands.pending)) {
            socket_exchange(s, left);
        }
        *ret_count = collect(s, replies, max);
        if (*ret_count > 0) {
            return CHURN_OK;
        }
        if (session_is_broken(s)) {
            return session_fail(s, err);
        }
        left = deadline - session_now(s);
        if (pending_is_empty(&s->commands.pending) || left <= 0) {
            return CHURN_PENDING;
        }
    }
}
