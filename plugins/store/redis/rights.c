#include "rights.h"
#include "calls.h"
#include "errors.h"
#include "replies.h"

/* KEYS[1]. The name of a command that the scripts need and this user may not run on such a key; "": none. Before
 * Redis 7.0 only what changes nothing can be tried. */
static const char allowed_script[] =
    "local k, may = KEYS[1], redis.acl_check_cmd "
    "local reads = {{'HGET', k, 'f'}, {'HGETALL', k}} "
    "local writes = {{'HSET', k, 'f', 'v'}, {'DEL', k}, {'PEXPIRE', k, '1'}, {'PERSIST', k}} "
    "for _, c in ipairs(reads) do "
    "local a = redis.pcall(unpack(c)) "
    "if type(a) == 'table' and a.err and not a.err:find('^WRONGTYPE') then return c[1] end end "
    "for _, c in ipairs(may and writes or {}) do "
    "if not may(unpack(c)) then return c[1] end end "
    "return ''";

/* Which of the commands is forbidden on such a key. */
static int32_t check_commands(struct session *s, churn_str key, churn_error *err)
{
    const churn_str args[] = {churn_text("EVAL"), churn_text(allowed_script), churn_text("1"), key};
    redisReply *reply;
    int32_t result = call(s, args, 4, &reply, err);
    if (result != CHURN_OK) {
        return result;
    }
    if (reply->type == REDIS_REPLY_ERROR && error_is_forbidden(reply->str)) {
        result = churn_fail(err, CHURN_FATAL, FORBIDDEN_TEXT ": EVAL on keys such as %.*s: %s", s->where, (int)key.len,
                            key.ptr, reply->str);
    } else if (!reply_is_text(reply)) {
        return call_fail(s, reply, key, err);
    } else if (reply->len > 0) {
        result = churn_fail(err, CHURN_FATAL, FORBIDDEN_TEXT ": it may not use %s on keys such as %.*s", s->where,
                            reply->str, (int)key.len, key.ptr);
    }
    freeReplyObject(reply);
    return result;
}

/* A call of the put script without a put. */
static int32_t check_puts(struct session *s, churn_str key, churn_error *err)
{
    const churn_str args[] = {
        churn_text("EVALSHA"), {.ptr = s->commands.sha, .len = SHA_LEN}, churn_text("1"), key, churn_text("\x90")};
    redisReply *reply;
    int32_t result = call(s, args, 5, &reply, err);
    if (result != CHURN_OK) {
        return result;
    }
    if (reply->type == REDIS_REPLY_ERROR) {
        return call_fail(s, reply, key, err);
    }
    freeReplyObject(reply);
    return CHURN_OK;
}

int32_t redis_allowed(void *session, const churn_str *keys, uint32_t count, churn_error *err)
{
    struct session *s = session;
    int32_t result = call_begin(s, err);
    result = result == CHURN_OK ? check_commands(s, churn_text(HISTORY_KEY), err) : result;
    for (uint32_t i = 0; i < count && result == CHURN_OK; i++) {
        result = check_commands(s, keys[i], err);
        result = result == CHURN_OK ? check_puts(s, keys[i], err) : result;
    }
    return result;
}
