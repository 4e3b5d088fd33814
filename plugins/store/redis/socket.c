#include "socket.h"
#include "commands.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#define RECEIVE_SIZE (64 * 1024)
#define MAX_REPLY_BYTES (64 * 1024 * 1024)
#define STALL_MS 1000 /* without a look at the socket: what this process did meanwhile is not the server's delay */

int64_t now(const struct session *s)
{
    return s->store->host->monotonic_ms(s->store->host);
}

void note_progress(struct session *s)
{
    s->progress_ms = now(s);
    s->overdue = false;
}

bool send_out(struct session *s)
{
    while (s->out_sent < s->out_len) {
        ssize_t n =
            send(s->connection->fd, s->out + s->out_sent, s->out_len - s->out_sent, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return errno == EAGAIN || errno == EWOULDBLOCK;
        }
        s->out_sent += (size_t)n;
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
        break_session(s, "the connection to Redis at %s failed: %s", s->store->where, strerror(errno));
        return true;
    }
    if (n == 0) {
        break_session(s, "Redis at %s closed the connection", s->store->where);
        return true;
    }
    if ((size_t)n == sizeof buffer) {
        note_progress(s); /* a large answer on its way; fewer bytes at a time must make one whole in time */
    }
    s->reply_bytes += (size_t)n;
    if (s->reply_bytes > MAX_REPLY_BYTES) {
        break_session(s, "Redis at %s sent an answer of more than %d MiB, which is refused", s->store->where,
                      MAX_REPLY_BYTES / 1024 / 1024);
    } else if (redisReaderFeed(s->reader, buffer, (size_t)n) != REDIS_OK) {
        break_session(s, "out of memory");
    }
    return true;
}

/* Keeps the clock of what the server owes. False when its time is up: at the second look, for the first one may find
 * the answer waiting. */
static bool is_in_time(struct session *s)
{
    int64_t at = now(s);
    if (!s->waiting) {
        s->waiting = true;
        note_progress(s);
    } else if (at - s->looked_ms >= STALL_MS) {
        s->progress_ms += at - s->looked_ms;
    }
    s->looked_ms = at;
    if (at - s->progress_ms < s->store->timeout_ms) {
        return true;
    }
    if (s->overdue) {
        return false;
    }
    s->overdue = true;
    return true;
}

static void break_overdue(struct session *s)
{
    break_session(s, "Redis at %s has not answered for %" PRId64 " ms", s->store->where, s->store->timeout_ms);
}

void exchange(struct session *s, int64_t wait_ms)
{
    struct pollfd socket = {.fd = s->connection->fd, .events = POLLIN};
    int64_t patience;
    int ready;
    if (!seal_batch(s)) {
        break_session(s, "out of memory");
        return;
    }
    if (!is_in_time(s)) {
        break_overdue(s);
        return;
    }
    if (!send_out(s)) {
        int cause = errno;
        /* What the server said before it closed, such as that it has too many clients, may still be readable. */
        if (!receive(s)) {
            break_session(s, "the connection to Redis at %s failed: %s", s->store->where, strerror(cause));
        }
        return;
    }
    if (s->out_sent < s->out_len) {
        socket.events |= POLLOUT;
    }
    patience = s->progress_ms + s->store->timeout_ms - now(s);
    wait_ms = wait_ms < patience ? wait_ms : patience;
    ready = poll(&socket, 1, wait_ms > 0 ? (int)wait_ms : 0);
    s->looked_ms = now(s);
    if (ready > 0 && (socket.revents & ~POLLOUT) != 0) {
        (void)receive(s);
    } else if (ready <= 0 && s->looked_ms - s->progress_ms >= s->store->timeout_ms) {
        break_overdue(s);
    }
}
