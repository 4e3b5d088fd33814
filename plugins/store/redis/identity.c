#include "identity.h"
#include "calls.h"
#include "info.h"
#include "replies.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

/* KEYS[1]: where the history of writes is named; ARGV[1]: its name if it has none yet. Returns its name. */
static const char history_script[] = "local h = redis.call('HGET', KEYS[1], 'id') "
                                     "if not h then h = ARGV[1] redis.call('HSET', KEYS[1], 'id', h) end "
                                     "return h";

static int32_t random_name(char name[HISTORY_SIZE], churn_error *err)
{
    uint64_t random;
    if (getrandom(&random, sizeof random, 0) != (ssize_t)sizeof random) {
        return churn_fail(err, CHURN_RETRY, "no random number: %s", strerror(errno));
    }
    (void)snprintf(name, HISTORY_SIZE, "%016" PRIx64, random);
    return CHURN_OK;
}

/* What the server calls its history of writes, a name that goes when its data goes; it gets one when it has none. From
 * then on the session's puts are written in that one alone. */
static int32_t learn_history(struct session *s, churn_error *err)
{
    char name[HISTORY_SIZE];
    const churn_str args[] = {churn_text("EVAL"),
                              churn_text(history_script),
                              churn_text("1"),
                              churn_text(HISTORY_KEY),
                              {.ptr = name, .len = HISTORY_SIZE - 1}};
    redisReply *reply;
    int32_t result = random_name(name, err);
    result = result == CHURN_OK ? call(s, args, 5, &reply, err) : result;
    if (result != CHURN_OK) {
        return result;
    }
    if (!reply_is_text(reply) || reply->len != HISTORY_SIZE - 1) {
        result = call_fail(s, reply, churn_text(HISTORY_KEY), err);
        return result == CHURN_REJECT ? CHURN_FATAL : result; /* it is nobody's own damage */
    }
    memcpy(s->commands.history, reply->str, HISTORY_SIZE);
    freeReplyObject(reply);
    return CHURN_OK;
}

/* Appends a line's value and a colon to a text of CHURN_IDENTITY_SIZE. */
static void append_value(char *text, const redisReply *info, const char *name)
{
    int len = 0;
    const char *value = info_value(info->str, name, &len);
    size_t used = strlen(text);
    (void)snprintf(text + used, CHURN_IDENTITY_SIZE - used, "%.*s:", len, value != NULL ? value : "");
}

int32_t redis_identity(void *session, char text[CHURN_IDENTITY_SIZE], churn_error *err)
{
    static const char *const sections[] = {"server", "replication"}, *const names[] = {"run_id", "master_replid"};
    struct session *s = session;
    int32_t result = call_begin(s, err);
    text[0] = '\0';
    for (int i = 0; i < 2 && result == CHURN_OK; i++) {
        redisReply *reply = NULL;
        result = info_ask(s, sections[i], &reply, err);
        if (result == CHURN_OK && reply != NULL) {
            append_value(text, reply, names[i]);
            freeReplyObject(reply);
        }
    }
    result = result == CHURN_OK ? learn_history(s, err) : result;
    if (result == CHURN_OK) {
        size_t used = strlen(text);
        (void)snprintf(text + used, CHURN_IDENTITY_SIZE - used, "%s", s->commands.history);
    }
    return result;
}
