#include "connecting.h"
#include "replies.h"
#include "socket.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define ANSWER_MS 1000 /* for the first byte of an answer */

static redisContext *connect_socket(const struct redis_store *store, const struct address *to)
{
    struct timeval timeout = {.tv_sec = (time_t)(store->connect_timeout_ms / 1000),
                              .tv_usec = (suseconds_t)(store->connect_timeout_ms % 1000 * 1000)};
    return to->host[0] != '\0' ? redisConnectWithTimeout(to->host, to->port, timeout)
                               : redisConnectUnixWithTimeout(to->path, timeout);
}

static int32_t open_socket(struct session *s, const struct address *to, churn_error *err)
{
    s->connection = connect_socket(s->store, to);
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

/* The first byte that the server answers to these, on a connection of their own; -1: none, or there is none. */
static int first_answer(const struct redis_store *store, const struct address *to, const char *bytes, size_t len)
{
    redisContext *connection = connect_socket(store, to);
    int first = -1;
    if (connection != NULL && connection->err == 0 &&
        send(connection->fd, bytes, len, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)len) {
        struct pollfd socket = {.fd = connection->fd, .events = POLLIN};
        unsigned char byte;
        first = poll(&socket, 1, ANSWER_MS) == 1 && recv(connection->fd, &byte, 1, MSG_DONTWAIT) == 1 ? byte : -1;
    }
    if (connection != NULL) {
        redisFree(connection);
    }
    return first;
}

/* A server that speaks no TLS waits for more of what it takes for a command; to a whole one it says something. */
static void break_overdue(struct session *s, const struct address *to)
{
    int first = s->tls->first < 0 ? first_answer(s->store, to, "PING\r\n", 6) : -1;
    if (first == '+' || first == '-') {
        socket_break_foreign(s);
    } else {
        session_break(s, "Redis at %s has not answered the TLS handshake for %" PRId64 " ms", s->where,
                      s->store->connect_timeout_ms);
    }
}

static void shake_hands(struct session *s, const struct address *to, int64_t deadline_ms)
{
    while (!session_is_broken(s) && !tls_is_ready(s->tls)) {
        int64_t left = deadline_ms - session_now(s);
        if (left > 0) {
            (void)socket_move(s, left);
        } else {
            break_overdue(s, to);
        }
    }
    if (!session_is_broken(s)) {
        (void)socket_send(s); /* our last message of it; what fails here fails again with the first command */
    }
}

static int32_t open_tls(struct session *s, const struct address *to, int64_t deadline_ms, churn_error *err)
{
    const struct given_tls *given = &s->store->given.tls;
    const char *name = given->server_name != NULL && given->server_name[0] != '\0' ? given->server_name : to->host;
    if (s->store->tls == NULL) {
        return CHURN_OK;
    }
    s->tls = tls_new(s->store->tls, s->where, name, given->check_name != 0, err);
    if (s->tls == NULL) {
        return CHURN_RETRY;
    }
    shake_hands(s, to, deadline_ms);
    return session_is_broken(s) ? session_fail(s, err) : CHURN_OK;
}

int32_t session_connect(struct redis_store *store, const struct address *to, const char *where, struct session **ret,
                        churn_error *err)
{
    struct session *s = calloc(1, sizeof *s);
    int64_t deadline_ms;
    int32_t result;
    if (s == NULL) {
        return fail_memory(err);
    }
    s->store = store;
    (void)snprintf(s->where, sizeof s->where, "%s", where);
    s->patience.most_ms = store->timeout_ms;
    deadline_ms = session_now(s) + store->connect_timeout_ms;
    result = open_socket(s, to, err);
    result = result == CHURN_OK ? open_tls(s, to, deadline_ms, err) : result;
    if (result != CHURN_OK) {
        session_end(s);
        return result;
    }
    *ret = s;
    return CHURN_OK;
}

bool session_server_speaks_tls(const struct session *s, const struct address *to)
{
    static const struct tls_files none = {0};
    struct tls_context *context = NULL;
    struct tls *tls = to->host[0] != '\0' && tls_context_new(&none, &context, NULL) == CHURN_OK
                          ? tls_new(context, s->where, to->host, false, NULL)
                          : NULL;
    int first = tls != NULL ? first_answer(s->store, to, tls->out.bytes, tls->out.len) : -1;
    tls_free(tls);
    tls_context_free(context);
    return first == 0x15 || first == 0x16;
}

void session_end(struct session *s)
{
    held_free(&s->held);
    replies_close(s);
    tls_free(s->tls);
    if (s->connection != NULL) {
        redisFree(s->connection);
    }
    freeReplyObject(s->answers.reply);
    commands_free(&s->commands);
    free(s);
}
