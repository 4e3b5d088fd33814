#include "opening.h"
#include "calls.h"
#include "checks.h"
#include "commands.h"
#include "errors.h"
#include "replies.h"
#include "resp.h"
#include "session.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int32_t log_in(struct session *s, churn_error *err)
{
    const struct login *login = &s->store->login;
    churn_str args[3] = {churn_text("AUTH")};
    uint32_t count = 1;
    if (login->password[0] == '\0') {
        return CHURN_OK;
    }
    if (login->username[0] != '\0') {
        args[count++] = churn_text(login->username);
    }
    args[count++] = churn_text(login->password);
    return call_demand(s, args, count, err);
}

static int32_t select_database(struct session *s, churn_error *err)
{
    char number[21];
    const churn_str args[] = {churn_text("SELECT"), number_arg(number, (uint64_t)s->store->database)};
    int32_t result = s->store->database == 0 ? CHURN_OK : call_demand(s, args, 2, err);
    if (result == CHURN_FATAL && err != NULL && err->option[0] == '\0') {
        (void)snprintf(err->option, sizeof err->option, "database");
    }
    return result;
}

/* So that `CLIENT LIST` shows whose connection it is. A server that refuses it serves as well. */
static int32_t name_connection(struct session *s, churn_error *err)
{
    char name[128];
    churn_str args[3] = {churn_text("CLIENT"), churn_text("SETNAME")};
    redisReply *reply;
    int32_t result;
    (void)snprintf(name, sizeof name, "churnd-%s", s->store->host->pipeline);
    for (char *c = name; *c != '\0'; c++) {
        if (!isgraph((unsigned char)*c)) {
            *c = '-';
        }
    }
    args[2] = churn_text(name);
    result = call(s, args, 3, &reply, err);
    if (result == CHURN_OK) {
        freeReplyObject(reply);
    }
    return result;
}

static int32_t load_script(struct session *s, churn_error *err)
{
    const churn_str args[] = {churn_text("SCRIPT"), churn_text("LOAD"), churn_text(put_script)};
    redisReply *reply;
    int32_t result = call(s, args, 3, &reply, err);
    if (result != CHURN_OK) {
        return result;
    }
    if (reply->type == REDIS_REPLY_STRING && reply->len == SHA_LEN) {
        memcpy(s->commands.sha, reply->str, SHA_LEN);
    } else {
        result = error_fail_opening(reply->type == REDIS_REPLY_ERROR ? reply->str : "unexpected answer to SCRIPT LOAD",
                                    s->where, err);
    }
    freeReplyObject(reply);
    return result;
}

static int32_t connect_session(struct session *s, churn_error *err)
{
    const struct redis_store *store = s->store;
    struct timeval timeout = {.tv_sec = (time_t)(store->connect_timeout_ms / 1000),
                              .tv_usec = (suseconds_t)(store->connect_timeout_ms % 1000 * 1000)};
    const struct address *to = &store->address;
    s->connection = to->host[0] != '\0' ? redisConnectWithTimeout(to->host, to->port, timeout)
                                        : redisConnectUnixWithTimeout(to->path, timeout);
    if (s->connection == NULL || !replies_open(s)) {
        return fail_memory(err);
    }
    if (s->connection->err != 0) {
        return churn_fail(err, CHURN_RETRY, "Redis at %s cannot be reached: %s", s->where, s->connection->errstr);
    }
    if (to->host[0] != '\0') {
        (void)redisEnableKeepAlive(s->connection);
    }
    return CHURN_OK;
}

void redis_close(void *session)
{
    struct session *s = session;
    held_free(&s->held);
    replies_close(s);
    if (s->connection != NULL) {
        redisFree(s->connection);
    }
    freeReplyObject(s->answers.reply);
    commands_free(&s->commands);
    free(s);
}

static int32_t open_session(struct redis_store *store, struct session **ret, churn_error *err)
{
    static int32_t (*const steps[])(struct session *, churn_error *) = {
        connect_session, log_in,      select_database, check_role,
        check_cluster,   load_script, name_connection, check_durability,
    };
    struct session *s = calloc(1, sizeof *s);
    if (s == NULL) {
        return fail_memory(err);
    }
    s->store = store;
    memcpy(s->where, store->where, sizeof s->where);
    s->patience.most_ms = store->timeout_ms;
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        int32_t result = steps[i](s, err);
        if (result != CHURN_OK) {
            redis_close(s);
            return result;
        }
    }
    *ret = s;
    return CHURN_OK;
}

int32_t redis_open(void *self, void **ret_session, churn_error *err)
{
    struct session *s = NULL;
    int32_t result = open_session(self, &s, err);
    if (result == CHURN_OK) {
        result = check_eviction(s, err);
    }
    if (result == CHURN_OK) {
        *ret_session = s;
    } else if (s != NULL) {
        redis_close(s);
    }
    return result;
}

/* As a session is opened, which writes nothing but the script that Redis caches. */
static int32_t try_session(struct redis_store *store, uint32_t timeout_ms, char *remark, size_t size, churn_error *err)
{
    struct redis_store impatient = *store;
    struct session *s = NULL;
    int32_t result;
    impatient.timeout_ms = store->timeout_ms < timeout_ms ? store->timeout_ms : timeout_ms;
    impatient.connect_timeout_ms = store->connect_timeout_ms < timeout_ms ? store->connect_timeout_ms : timeout_ms;
    impatient.durability_said = 1; /* nothing to be said in the log */
    result = open_session(&impatient, &s, err);
    result = result == CHURN_OK ? check_writable(s, err) : result;
    if (result == CHURN_OK) {
        result = find_eviction(s, remark, size, err);
    }
    if (s != NULL) {
        redis_close(s);
    }
    return result;
}

void redis_probe(void *self, uint32_t timeout_ms, churn_target_fn fn, void *ctx)
{
    struct redis_store *store = self;
    churn_error err = {.size = sizeof err};
    char remark[256] = "";
    churn_target target = {.size = sizeof target,
                           .flags = CHURN_TARGET_READS | CHURN_TARGET_WRITES,
                           .kind = "redis",
                           .name = store->where};
    if (timeout_ms > 0) {
        target.result = try_session(store, timeout_ms, remark, sizeof remark, &err);
        target.option = target.result != CHURN_OK && err.option[0] != '\0' ? err.option : NULL;
        target.message = target.result != CHURN_OK ? err.message : remark[0] != '\0' ? remark : NULL;
    }
    fn(ctx, &target);
}
