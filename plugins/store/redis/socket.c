#include "socket.h"
#include "replies.h"
#include "tls_faults.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#define RECEIVE_SIZE (64 * 1024)
#define ENCRYPTED_AHEAD                                                                                                \
    ((size_t)128 * 1024) /* bytes that wait for the socket; what is behind stays plain until then                      \
                          */

/* Bytes that wait to be sent as they are. */
static struct outbox *wire(struct session *s)
{
    return s->tls != NULL ? &s->tls->out : &s->commands.out;
}

/* Encrypts what the socket may take next, in records as long as they can be. */
static bool encrypt(struct session *s)
{
    struct outbox *plain = &s->commands.out;
    while (outbox_waiting(plain) > 0 && outbox_waiting(&s->tls->out) < ENCRYPTED_AHEAD) {
        size_t len = outbox_waiting(plain) < ENCRYPTED_AHEAD ? outbox_waiting(plain) : ENCRYPTED_AHEAD;
        if (!tls_write(s->tls, plain->bytes + plain->sent, len)) {
            errno = EPROTO;
            return false;
        }
        plain->sent += len;
    }
    return true;
}

bool socket_send(struct session *s)
{
    struct outbox *out = wire(s);
    for (;;) {
        if (s->tls != NULL && tls_is_ready(s->tls) && !encrypt(s)) {
            return false;
        }
        if (outbox_waiting(out) == 0) {
            return true;
        }
        ssize_t n = send(s->connection->fd, out->bytes + out->sent, outbox_waiting(out), MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return errno == EAGAIN || errno == EWOULDBLOCK;
        }
        out->sent += (size_t)n;
    }
    return true;
}

static void break_for_tls(struct session *s)
{
    char text[CHURN_ERROR_MESSAGE_SIZE];
    const char *option = tls_explain(s->tls, &s->store->files, s->where, text, sizeof text);
    s->broken_option = option != NULL && strcmp(option, "tls") == 0 && s->store->url.tls ? "url" : option;
    session_break(s, "%s", text);
}

void socket_break_foreign(struct session *s)
{
    tls_feed(s->tls, "-", 1); /* what it says, or would */
    break_for_tls(s);
}

static void take_encrypted(struct session *s, const char *bytes, size_t len)
{
    char plain[TLS_RECORD_SIZE];
    enum tls_read read;
    size_t plain_len = 0;
    tls_feed(s->tls, bytes, len);
    while ((read = tls_read(s->tls, plain, sizeof plain, &plain_len)) == TLS_BYTES && !session_is_broken(s)) {
        s->heard = true;
        replies_feed(s, plain, plain_len);
    }
    if (read == TLS_FAILED) {
        break_for_tls(s);
    } else if (read == TLS_ENDED) {
        session_break(s, "Redis at %s closed the connection", s->where);
    }
}

static void take(struct session *s, const char *bytes, size_t len)
{
    if (s->tls != NULL) {
        take_encrypted(s, bytes, len);
    } else {
        s->heard = true;
        replies_feed(s, bytes, len);
    }
}

/* During the handshake, or right behind it, where a server that refuses our certificate may do without telling. */
static void break_closed(struct session *s, const char *how)
{
    if (s->tls == NULL || s->heard) {
        session_break(s, "%s", how);
    } else if (!tls_is_ready(s->tls)) {
        session_break(s, "%s during the TLS handshake", how);
    } else {
        session_break(s, "%s right after the TLS handshake%s", how,
                      s->tls->asked ? "; it asked for a client certificate: set `cert_file` and `key_file`" : "");
    }
}

/* Reads what has come, one buffer full at most. False when nothing has. */
static bool receive(struct session *s)
{
    char buffer[RECEIVE_SIZE];
    char how[CHURN_ERROR_MESSAGE_SIZE];
    ssize_t n = recv(s->connection->fd, buffer, sizeof buffer, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) {
        return false;
    }
    if (n < 0) {
        (void)snprintf(how, sizeof how, "the connection to Redis at %s failed: %s", s->where, strerror(errno));
        break_closed(s, how);
        return true;
    }
    if (n == 0) {
        (void)snprintf(how, sizeof how, "Redis at %s closed the connection", s->where);
        break_closed(s, how);
        return true;
    }
    if ((size_t)n == sizeof buffer) { /* a large answer on its way; fewer bytes at a time must make one whole in time */
        patience_renew(&s->patience, session_now(s));
    }
    take(s, buffer, (size_t)n);
    return true;
}

static void break_overdue(struct session *s)
{
    session_break(s, "Redis at %s has not answered for %" PRId64 " ms", s->where, s->store->timeout_ms);
}

/* Sends what is to be sent. False when the socket can be waited for no longer. */
static bool send_or_break(struct session *s)
{
    int cause;
    if (socket_send(s)) {
        return true;
    }
    cause = errno;
    /* What the server said before it closed, such as that it has too many clients, may still be readable. */
    if (!receive(s)) {
        session_break(s, "the connection to Redis at %s failed: %s", s->where, strerror(cause));
    }
    return false;
}

bool socket_move(struct session *s, int64_t wait_ms)
{
    struct pollfd socket = {.fd = s->connection->fd, .events = POLLIN};
    int ready;
    if (!send_or_break(s)) {
        return true;
    }
    if (outbox_waiting(wire(s)) > 0) {
        socket.events |= POLLOUT;
    }
    ready = poll(&socket, 1, wait_ms > 0 ? (int)wait_ms : 0);
    s->patience.looked_ms = session_now(s);
    if (ready > 0 && (socket.revents & ~POLLOUT) != 0) {
        (void)receive(s);
    }
    return ready > 0;
}

void socket_exchange(struct session *s, int64_t wait_ms)
{
    if (!commands_seal(&s->commands)) {
        session_break(s, "out of memory");
    } else if (!patience_lasts(&s->patience, session_now(s))) {
        break_overdue(s);
    } else {
        int64_t left = patience_left(&s->patience, session_now(s));
        if (!socket_move(s, wait_ms < left ? wait_ms : left) &&
            patience_left(&s->patience, s->patience.looked_ms) <= 0) {
            break_overdue(s);
        }
    }
}
