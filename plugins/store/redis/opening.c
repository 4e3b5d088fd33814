#include "opening.h"
#include "calls.h"
#include "checks.h"
#include "commands.h"
#include "connecting.h"
#include "errors.h"
#include "login.h"
#include "replies.h"
#include "resp.h"
#include "risks.h"
#include "sentinel.h"

#include <ctype.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

static int32_t log_in(struct session *s, churn_error *err)
{
    return session_log_in(s, &s->store->login, err);
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

void redis_close(void *session)
{
    session_end(session);
}

/* A server that ends the connection without a word may have waited for TLS. */
static int32_t fail_for_tls(const struct session *s, const struct address *to, int32_t result, churn_error *err)
{
    if (s->tls != NULL || s->heard || !session_is_broken(s) || !session_server_speaks_tls(s, to)) {
        return result;
    }
    return churn_fail_option(err, s->store->given.url != NULL && s->store->given.url[0] != '\0' ? "url" : "tls",
                             "Redis at %s speaks TLS on this port: set `tls: true`, or begin `url` with rediss://; or "
                             "name its port without TLS",
                             s->where);
}

static int32_t greet(struct session *s, const struct address *to, churn_error *err)
{
    static int32_t (*const steps[])(struct session *, churn_error *) = {
        log_in, select_database, check_role, check_cluster, load_script, name_connection, check_durability,
    };
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        int32_t result = steps[i](s, err);
        if (result != CHURN_OK) {
            return fail_for_tls(s, to, result, err);
        }
    }
    return CHURN_OK;
}

static int32_t find_server(struct redis_store *store, struct address *to, char where[WHERE_SIZE], churn_error *err)
{
    char place[HOST_SIZE + 16];
    int32_t result = CHURN_OK;
    *to = store->address;
    if (store->sentinel_count == 0) {
        memcpy(where, store->where, WHERE_SIZE);
        return CHURN_OK;
    }
    result = sentinel_find(store, to, err);
    if (result == CHURN_OK) {
        address_write(to, place, sizeof place);
        (void)snprintf(where, WHERE_SIZE, "%.*s (%.40s)", WHERE_SIZE - 48, place, store->where);
    }
    return result;
}

/* What whoever runs it must change, or have changed: at the start there is nobody to be let down, so that it is said
 * and ends; later it may be changed here and there at different times, a password or a certificate, and is waited for.
 */
static int32_t settle(const struct redis_store *store, int32_t result, churn_error *err)
{
    static const char *const changeable[] = {"password",  "url",         "tls",    "ca_file",
                                             "cert_file", "server_name", "master", "sentinel_password"};
    if (strcmp(err->option, "password") == 0 && store->url.login.password != NULL) {
        (void)snprintf(err->option, sizeof err->option, "url");
    }
    for (size_t i = 0; i < sizeof changeable / sizeof changeable[0]; i++) {
        if (result != CHURN_OK && strcmp(err->option, changeable[i]) == 0) {
            result = atomic_load(&store->was_open) ? CHURN_RETRY : CHURN_FATAL;
            err->code = result;
        }
    }
    return result;
}

static int32_t open_session(struct redis_store *store, struct session **ret, churn_error *err)
{
    churn_error why = {.size = sizeof why};
    struct address to;
    char where[WHERE_SIZE];
    struct session *s = NULL;
    int32_t result = find_server(store, &to, where, &why);
    result = result == CHURN_OK ? session_connect(store, &to, where, &s, &why) : result;
    result = result == CHURN_OK ? greet(s, &to, &why) : result;
    if (result == CHURN_OK) {
        *ret = s;
        return CHURN_OK;
    }
    if (s != NULL) {
        session_end(s);
    }
    sentinel_doubt(store);
    result = settle(store, result, &why);
    if (err != NULL) {
        (void)churn_fail(err, result, "%s", why.message);
        (void)snprintf(err->option, sizeof err->option, "%s", why.option);
    }
    return result;
}

int32_t redis_open(void *self, void **ret_session, churn_error *err)
{
    struct redis_store *store = self;
    struct session *s = NULL;
    int32_t result = open_session(store, &s, err);
    if (result == CHURN_OK) {
        result = check_eviction(s, err);
    }
    if (result == CHURN_OK) {
        atomic_store(&store->was_open, 1);
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
    if (result == CHURN_OK && remark[0] == '\0') {
        sentinel_try_all(&impatient, remark, size);
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
    char remark[CHURN_ERROR_MESSAGE_SIZE] = "";
    churn_target target = {.size = sizeof target,
                           .flags = CHURN_TARGET_READS | CHURN_TARGET_WRITES,
                           .kind = "redis",
                           .name = store->where};
    if (timeout_ms == 0) {
        risks_tell(store, fn, ctx);
    } else {
        target.result = try_session(store, timeout_ms, remark, sizeof remark, &err);
        target.option = target.result != CHURN_OK && err.option[0] != '\0' ? err.option : NULL;
        target.message = target.result != CHURN_OK ? err.message : remark[0] != '\0' ? remark : NULL;
    }
    fn(ctx, &target);
}
