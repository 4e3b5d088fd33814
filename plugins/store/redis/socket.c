#include "socket.h"
#include "replies.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#define RECEIVE_SIZE (64 * 1024)

bool socket_send(struct session *s)
{
    struct outbox *out = &s->commands.out;
    while (outbox_waiting(out) > 0) {
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

/* Reads what has come, one buffer full at most. False when nothing has. */
static bool receive(struct session *s)
{
    char buffer[RECEIVE_SIZE];
    ssize_t n = recv(s->connection->fd, buffer, sizeof buffer, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) {
        return false;
    }
    if (n < 0) {
        session_break(s, "the connection to Redis at %s failed: %s", s->where, strerror(errno));
        return true;
    }
    if (n == 0) {
        session_break(s, "Redis at %s closed the connection", s->where);
        return true;
    }
    if ((size_t)n == sizeof buffer) { /* a large answer on its way; fewer bytes at a time must make one whole in time */
        patience_renew(&s->patience, session_now(s));
    }
    replies_feed(s, buffer, (size_t)n);
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

/* Waits for the socket to take or to have bytes, and receives those. */
static void wait_and_receive(struct session *s, int64_t wait_ms)
{
    struct pollfd socket = {.fd = s->connection->fd, .events = POLLIN};
    int64_t left = patience_left(&s->patience, session_now(s));
    int ready;
    if (outbox_waiting(&s->commands.out) > 0) {
        socket.events |= POLLOUT;
    }
    wait_ms = wait_ms < left ? wait_ms : left;
    ready = poll(&socket, 1, wait_ms > 0 ? (int)wait_ms : 0);
    s->patience.looked_ms = session_now(s);
    if (ready > 0 && (socket.revents & ~POLLOUT) != 0) {
        (void)receive(s);
    } else if (ready <= 0 && patience_left(&s->patience, s->patience.looked_ms) <= 0) {
        break_overdue(s);
    }
}

void socket_exchange(struct session *s, int64_t wait_ms)
{
    if (!commands_seal(&s->commands)) {
        session_break(s, "out of memory");
    } else if (!patience_lasts(&s->patience, session_now(s))) {
        break_overdue(s);
    } else if (send_or_break(s)) {
        wait_and_receive(s, wait_ms);
    }
}
