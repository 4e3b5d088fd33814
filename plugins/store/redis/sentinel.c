#include "sentinel.h"
#include "calls.h"
#include "connecting.h"
#include "login.h"
#include "replies.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

/* What it answers: the host and the port; nothing, where it watches no such primary. */
static int32_t read_answer(struct session *s, redisReply *reply, struct address *ret, churn_error *err)
{
    const char *master = s->store->given.sentinel.master;
    char text[HOST_SIZE + 16] = "";
    if (reply->type == REDIS_REPLY_ERROR) {
        return call_fail(s, reply, churn_text(master), err);
    }
    if (reply->type == REDIS_REPLY_NIL) {
        freeReplyObject(reply);
        return churn_fail_option(err, "master", "Redis at %s watches no primary '%.100s'; is that its name there?",
                                 s->where, master);
    }
    if (reply->type == REDIS_REPLY_ARRAY && reply->elements == 2 && reply_is_text(reply->element[0]) &&
        reply_is_text(reply->element[1]) && reply->element[0]->len < HOST_SIZE) {
        bool ipv6 = strchr(reply->element[0]->str, ':') != NULL;
        (void)snprintf(text, sizeof text, ipv6 ? "[%s]:%.5s" : "%s:%.5s", reply->element[0]->str,
                       reply->element[1]->str);
    }
    freeReplyObject(reply);
    return address_parse(text, 0, ret) && ret->port != 0
               ? CHURN_OK
               : churn_fail(err, CHURN_RETRY, "Redis at %s gave an unexpected answer", s->where);
}

static int32_t ask(struct session *s, struct address *ret, churn_error *err)
{
    const struct given_sentinels *given = &s->store->given.sentinel;
    const churn_str args[] = {churn_text("SENTINEL"), churn_text("get-master-addr-by-name"), churn_text(given->master)};
    redisReply *reply;
    int32_t result = session_log_in(s, &given->login, err);
    result = result == CHURN_OK ? call(s, args, 3, &reply, err) : result;
    return result == CHURN_OK ? read_answer(s, reply, ret, err) : result;
}

static int32_t ask_one(struct redis_store *store, uint32_t i, struct address *ret, churn_error *err)
{
    struct session *s;
    char where[WHERE_SIZE], place[HOST_SIZE + 16];
    int32_t result;
    address_write(&store->sentinels[i], place, sizeof place);
    (void)snprintf(where, sizeof where, "%s (Sentinel)", place);
    result = session_connect(store, &store->sentinels[i], where, &s, err);
    if (result != CHURN_OK) {
        return result;
    }
    result = ask(s, ret, err);
    session_end(s);
    if (result == CHURN_FATAL && (strcmp(err->option, "password") == 0 || strstr(err->message, "NOAUTH") != NULL)) {
        result = churn_fail_option(err, "sentinel_password",
                                   "Redis at %s asks for a login, or refuses the one that it is given: see "
                                   "`sentinel_username` and `sentinel_password`",
                                   where);
    }
    return result;
}

int32_t sentinel_find(struct redis_store *store, struct address *ret, churn_error *err)
{
    uint32_t first = atomic_load(&store->sentinel_at);
    int32_t result = CHURN_OK;
    for (uint32_t i = 0; i < store->sentinel_count; i++) {
        churn_error why = {.size = sizeof why};
        uint32_t at = (first + i) % store->sentinel_count;
        int32_t one = ask_one(store, at, ret, &why);
        if (one == CHURN_OK) {
            atomic_store(&store->sentinel_at, at);
            return CHURN_OK;
        }
        if (i == 0 || one == CHURN_RETRY) { /* the one that is away may know better */
            result = one;
            (void)churn_fail(err, one, "%s", why.message);
            (void)(err != NULL && snprintf(err->option, sizeof err->option, "%s", why.option));
        }
    }
    return result;
}

void sentinel_doubt(struct redis_store *store)
{
    if (store->sentinel_count > 0) {
        atomic_store(&store->sentinel_at, (atomic_load(&store->sentinel_at) + 1) % store->sentinel_count);
    }
}

void sentinel_try_all(struct redis_store *store, char *text, size_t size)
{
    text[0] = '\0';
    for (uint32_t i = 0; i < store->sentinel_count; i++) {
        churn_error why = {.size = sizeof why};
        struct address found;
        size_t used = strlen(text);
        if (ask_one(store, i, &found, &why) != CHURN_OK) {
            (void)snprintf(text + used, size - used, "%s%s", used > 0 ? "; " : "", why.message);
        }
    }
}
