#include "calls.h"
#include "commands.h"
#include "errors.h"
#include "replies.h"
#include "socket.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

int32_t call_wait(struct session *s, redisReply **ret, churn_error *err)
{
    for (;;) {
        redisReply *reply = replies_next(s);
        if (reply != NULL) {
            if (replies_take(s).kind == PENDING_CALL) {
                *ret = reply;
                return CHURN_OK;
            }
            replies_script_loaded(s, reply);
        }
        if (session_is_broken(s)) {
            return session_fail(s, err);
        }
        if (reply == NULL) {
            socket_exchange(s, s->store->timeout_ms);
        }
    }
}

int32_t call_begin(struct session *s, churn_error *err)
{
    held_release(&s->held);
    if (session_is_broken(s)) {
        return session_fail(s, err);
    }
    return pending_has_puts(&s->commands.pending)
               ? churn_fail(err, CHURN_FATAL, "asked for a hash while puts are unanswered")
               : CHURN_OK;
}

int32_t call(struct session *s, const churn_str *args, uint32_t count, redisReply **ret, churn_error *err)
{
    return commands_add(&s->commands, PENDING_CALL, 0, args, count) ? call_wait(s, ret, err) : fail_memory(err);
}

int32_t call_fail(struct session *s, redisReply *reply, churn_str key, churn_error *err)
{
    char message[CHURN_ERROR_MESSAGE_SIZE];
    enum verdict verdict = VERDICT_RETRY;
    if (reply->type == REDIS_REPLY_ERROR) {
        verdict = error_verdict(reply->str);
        error_explain(reply->str, s->where, key, message, sizeof message);
    } else {
        (void)snprintf(message, sizeof message, "Redis at %s gave an unexpected answer", s->where);
    }
    freeReplyObject(reply);
    if (verdict_ends_session(verdict)) {
        session_break(s, "%s", message);
    }
    return churn_fail(err, verdict_result(verdict), "%s", message);
}

int32_t call_demand(struct session *s, const churn_str *args, uint32_t count, churn_error *err)
{
    redisReply *reply;
    int32_t result = call(s, args, count, &reply, err);
    if (result != CHURN_OK) {
        return result;
    }
    if (reply->type == REDIS_REPLY_ERROR) {
        result = error_fail_opening(reply->str, s->where, err);
    }
    freeReplyObject(reply);
    return result;
}

int32_t call_ask(struct session *s, const churn_str *args, uint32_t count, redisReply **ret, churn_error *err)
{
    redisReply *reply;
    int32_t result = call(s, args, count, &reply, err);
    if (result != CHURN_OK) {
        return result;
    }
    *ret = reply;
    if (reply->type == REDIS_REPLY_ERROR) {
        bool untold = error_is_forbidden(reply->str) || strncasecmp(reply->str, "ERR unknown", 11) == 0;
        *ret = NULL;
        result = untold ? CHURN_OK : error_fail_opening(reply->str, s->where, err);
        freeReplyObject(reply);
    }
    return result;
}
