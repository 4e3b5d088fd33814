#include "observe/tap_server.h"

#include "audit/audit.h"
#include "base/clock.h"
#include "base/unix_socket.h"
#include "observe/tap_judge.h"
#include "observe/tap_line.h"
#include "pipeline/pipeline.h"
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAX_REQUEST 8192    /* bytes of a wish */
#define OUT_MAX (1u << 20)  /* bytes that wait for a client before it is passed over */
#define ASK_MS 2000         /* for a client to say what it wishes; it may have to give way before */
#define TAKE_MS 30000       /* … to take something of what waits for it */
#define TELL_MS 1000        /* between lines about what was passed over */
#define TURN_MS 10          /* between looks at the rings while somebody watches */
#define IDLE_MS 1000        /* … at clients that have not asked yet */
#define ACCEPT_AGAIN_MS 500 /* after a connection could not be taken, for want of descriptors */
#define LAST_MS 500         /* at the end, for clients to take what waits for them */
#define TAKE_MOST 2000      /* records of a turn */

struct client {
    int fd; /* -1: the place is free */
    char request[MAX_REQUEST];
    size_t request_len;
    bool watching; /* its wish is good */
    bool leaving;  /* once what waits for it is written */
    struct tap_wish wish;
    struct text out;
    size_t written;                      /* of `out` */
    int64_t moved_ms;                    /* when it came, or last took something, or nothing waited */
    uint64_t passed_before, passed_over; /* of all at its point before it came; records that found no room in `out` */
    uint64_t told;                       /* of the sum, how much it knows */
    int64_t told_ms;
};

struct tap_server {
    struct unix_socket socket;
    char *path;
    struct taps *taps;
    int wake; /* an eventfd: the thread is to look up */
    pthread_t thread;
    bool thread_started;
    int64_t accept_ms; /* no connection is taken before */

    pthread_mutex_t lock; /* of all below: held by the thread for all that it does, but for its sleep */
    bool stop;
    const struct pipeline *pipeline;
    struct tap_judge *judge;
    struct client clients[TAPS_WATCHERS];
    struct text json_line, text_line; /* of the record at hand, once somebody wants it */
};

/* ---- clients ---- */

static bool is_free(const struct client *client)
{
    return client->fd < 0;
}

static size_t waiting(const struct client *client)
{
    return client->out.len - client->written;
}

/* Does not wait. */
static ssize_t receive(int fd, char *bytes, size_t size)
{
    /* NOLINTNEXTLINE(clang-analyzer-unix.BlockInCriticalSection): it cannot block, as the flag says */
    return recv(fd, bytes, size, MSG_DONTWAIT);
}

/* What was not read would make the other side lose what it was told last. */
static void drain(int fd)
{
    char rest[4096];
    for (int i = 0; i < 16 && receive(fd, rest, sizeof rest) > 0; i++) {
    }
}

static void let_go(struct tap_server *server, struct client *client)
{
    if (client->watching) {
        taps_unwatch(server->taps, (unsigned)(client - server->clients));
    }
    drain(client->fd);
    (void)close(client->fd);
    tap_wish_free(&client->wish);
    text_free(&client->out);
    *client = (struct client){.fd = -1};
}

/* One line that is no record, such as {"error": MESSAGE}. */
static void say(struct client *client, const char *name, const char *message)
{
    text_printf(&client->out, "={\"%s\":", name);
    text_append_json(&client->out, message, strlen(message));
    text_append_string(&client->out, "}\n");
}

static void dismiss(struct tap_server *server, struct client *client, const char *name, const char *message)
{
    if (client->watching) {
        taps_unwatch(server->taps, (unsigned)(client - server->clients));
    }
    client->watching = false;
    client->leaving = true;
    say(client, name, message);
}

static void write_out(struct tap_server *server, struct client *client, int64_t now_ms)
{
    ssize_t n = 1;
    while (waiting(client) > 0 && n > 0) {
        n = send(client->fd, client->out.bytes + client->written, waiting(client), MSG_NOSIGNAL);
        if (n > 0) {
            client->written += (size_t)n;
            client->moved_ms = now_ms;
        }
    }
    if (client->out.failed || (n < 0 && errno != EAGAIN && errno != EINTR)) {
        let_go(server, client);
    } else if (waiting(client) == 0) {
        client->out.len = client->written = 0;
        client->moved_ms = client->watching ? now_ms : client->moved_ms;
        if (client->leaving) {
            let_go(server, client);
        }
    }
}

/* Who looks at records of customers is worth a line of the log, and of the audit, without which nothing is shown. False
 * with a message. */
static bool note_watcher(const struct tap_server *server, const struct client *client, char *message, size_t size)
{
    const struct tap_wish *wish = &client->wish;
    struct ucred peer = {.pid = -1, .uid = (uid_t)-1};
    socklen_t len = sizeof peer;
    char details[64];
    const struct audit_act act = {.action = "read",
                                  .by = "tap",
                                  .customer = wish->customer[0] != '\0' ? wish->customer : NULL,
                                  .details = details,
                                  .peer = &peer};
    (void)getsockopt(client->fd, SOL_SOCKET, SO_PEERCRED, &peer, &len);
    (void)snprintf(details, sizeof details, "\"what\":\"%s\",\"condition\":%s", taps_point_name(wish->point),
                   wish->when != NULL ? "true" : "false");
    if (!audit_write(server->pipeline->audit, &act, message, size)) {
        return false;
    }
    log_printf(server->pipeline->log, CHURN_LOG_INFO, "tap", "process %ld of user %ld looks at %s", (long)peer.pid,
               (long)peer.uid, taps_point_name(wish->point));
    return true;
}

static void forget_record(void *ctx, const struct tapped *tapped)
{
    (void)ctx, (void)tapped;
}

/* What is left of whoever watched before is nothing new. */
static void discard_old(struct tap_server *server)
{
    bool watched = false;
    for (unsigned i = 0; i < TAPS_WATCHERS; i++) {
        watched = watched || server->clients[i].watching;
    }
    while (!watched && taps_take(server->taps, TAKE_MOST, forget_record, NULL) > 0) {
    }
}

static void take_request(struct tap_server *server, struct client *client, size_t len)
{
    unsigned number = (unsigned)(client - server->clients);
    struct tap_wish *wish = &client->wish;
    char message[TRAIL_MESSAGE_SIZE];
    if (server->judge == NULL) {
        dismiss(server, client, "error", "out of memory");
        return;
    }
    if (!tap_wish_read(wish, client->request, len, message, sizeof message) ||
        !tap_wish_compile(wish, &server->pipeline->catalog, message, sizeof message)) {
        dismiss(server, client, "error", message);
        return;
    }
    if (!note_watcher(server, client, message, sizeof message)) {
        dismiss(server, client, "error", "this look cannot be audited, so nothing is shown; the run's log says why");
        return;
    }
    discard_old(server);
    client->watching = true;
    client->passed_before = taps_passed_over(server->taps, wish->point);
    say(client, "watching", server->pipeline->settings.name);
    taps_watch(server->taps, number, wish->point, wish->customer[0] != '\0' ? wish->customer : NULL);
}

/* Until its wish is whole; later only its end is of interest. */
static void read_in(struct tap_server *server, struct client *client)
{
    char rest[512];
    bool asks = !client->watching && !client->leaving;
    ssize_t n = asks ? receive(client->fd, client->request + client->request_len, MAX_REQUEST - client->request_len)
                     : receive(client->fd, rest, sizeof rest);
    const char *end;
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
        let_go(server, client);
        return;
    }
    if (n < 0 || !asks) {
        return;
    }
    client->request_len += (size_t)n;
    end = memchr(client->request, '\n', client->request_len);
    if (end != NULL) {
        take_request(server, client, (size_t)(end - client->request));
    } else if (client->request_len == MAX_REQUEST) {
        dismiss(server, client, "error", "the request is too long");
    }
}

/* A free place. Where there is none, whoever has said nothing for longest gives way; NULL: all look at something. */
static struct client *find_place(struct tap_server *server)
{
    struct client *oldest = NULL;
    for (unsigned i = 0; i < TAPS_WATCHERS; i++) {
        struct client *client = &server->clients[i];
        if (!is_free(client) && !client->watching && !client->leaving) {
            read_in(server, client); /* its wish may have come meanwhile */
        }
        if (is_free(client)) {
            return client;
        }
        if (!client->watching && !client->leaving && (oldest == NULL || client->moved_ms < oldest->moved_ms)) {
            oldest = client;
        }
    }
    if (oldest != NULL) {
        let_go(server, oldest);
    }
    return oldest;
}

static void take_client(struct tap_server *server, int fd, int64_t now_ms)
{
    static const char full[] = "={\"error\":\"as many look at this run as can; one of them must end first\"}\n";
    struct client *client = find_place(server);
    if (client != NULL) {
        *client = (struct client){.fd = fd, .moved_ms = now_ms};
    } else {
        (void)send(fd, full, sizeof full - 1, MSG_NOSIGNAL);
        (void)close(fd);
    }
}

static void accept_clients(struct tap_server *server, int64_t now_ms)
{
    int fd;
    while (now_ms >= server->accept_ms &&
           (fd = accept4(server->socket.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0) {
        take_client(server, fd, now_ms);
    }
    if (now_ms >= server->accept_ms && errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) {
        server->accept_ms = now_ms + ACCEPT_AGAIN_MS;
    }
}

static void tell_passed_over(const struct tap_server *server, struct client *client, int64_t now_ms, bool last)
{
    uint64_t sum = client->passed_over + taps_passed_over(server->taps, client->wish.point) - client->passed_before;
    bool now = last || (now_ms - client->told_ms >= TELL_MS && waiting(client) < OUT_MAX);
    if (client->watching && sum > client->told && now) {
        text_printf(&client->out, "={\"passed_over\":%" PRIu64 "}\n", sum);
        client->told = sum;
        client->told_ms = now_ms;
    }
}

static bool is_late(const struct client *client, int64_t now_ms)
{
    return now_ms - client->moved_ms >= (client->watching ? TAKE_MS : ASK_MS);
}

static void serve_clients(struct tap_server *server, int64_t now_ms)
{
    for (unsigned i = 0; i < TAPS_WATCHERS; i++) {
        struct client *client = &server->clients[i];
        if (!is_free(client)) {
            read_in(server, client);
        }
        if (!is_free(client)) {
            tell_passed_over(server, client, now_ms, false);
            write_out(server, client, now_ms);
        }
        if (!is_free(client) && is_late(client, now_ms)) {
            let_go(server, client);
        }
    }
}

/* ---- records ---- */

/* The record's line in the client's format, made once for all who want it. */
static const struct text *line_for(struct tap_server *server, const struct client *client, const struct tapped *tapped)
{
    struct text *line = client->wish.text ? &server->text_line : &server->json_line;
    if (line->len == 0) {
        text_append_string(line, "+");
        (client->wish.text ? tap_line_append_text : tap_line_append_json)(line, tapped,
                                                                          tap_judge_is_json(server->judge));
    }
    return line;
}

static void show(void *ctx, const struct tapped *tapped)
{
    struct tap_server *server = ctx;
    if (server->judge == NULL) {
        return; /* memory ran out at a reload, and whoever watched has been told */
    }
    server->json_line.len = server->text_line.len = 0;
    tap_judge_begin(server->judge, tapped);
    for (unsigned i = 0; i < TAPS_WATCHERS; i++) {
        struct client *client = &server->clients[i];
        if (!client->watching || !tap_judge_matches(server->judge, &client->wish)) {
            continue;
        }
        const struct text *line = line_for(server, client, tapped);
        if (waiting(client) < OUT_MAX && !line->failed) {
            text_append(&client->out, line->bytes, line->len);
        } else {
            client->passed_over++;
        }
    }
}

/* ---- the thread ---- */

/* Sleeps until something is to be done, up to a while. */
static void sleep_until_needed(struct tap_server *server, bool more)
{
    struct pollfd fds[2 + TAPS_WATCHERS] = {
        {.fd = server->wake, .events = POLLIN},
        {.fd = clock_monotonic_ms() >= server->accept_ms ? server->socket.fd : -1, .events = POLLIN}};
    int timeout_ms = fds[1].fd < 0 ? ACCEPT_AGAIN_MS : -1;
    (void)pthread_mutex_lock(&server->lock);
    for (unsigned i = 0; i < TAPS_WATCHERS; i++) {
        const struct client *client = &server->clients[i];
        fds[2 + i] = (struct pollfd){.fd = client->fd, .events = (short)(POLLIN | (waiting(client) > 0 ? POLLOUT : 0))};
        timeout_ms = client->watching ? TURN_MS : !is_free(client) && timeout_ms != TURN_MS ? IDLE_MS : timeout_ms;
    }
    (void)pthread_mutex_unlock(&server->lock);
    (void)poll(fds, 2 + TAPS_WATCHERS, more ? 0 : timeout_ms);
}

/* The run has ended: what waits is shown, and clients have a moment to take it. */
static void say_goodbye(struct tap_server *server)
{
    int64_t deadline_ms = clock_monotonic_ms() + LAST_MS;
    bool any = true;
    while (taps_take(server->taps, TAKE_MOST, show, server) > 0) {
    }
    for (unsigned i = 0; i < TAPS_WATCHERS; i++) {
        if (!is_free(&server->clients[i])) {
            tell_passed_over(server, &server->clients[i], deadline_ms, true);
            dismiss(server, &server->clients[i], "end", "the run has ended");
        }
    }
    while (any && clock_monotonic_ms() < deadline_ms) {
        any = false;
        for (unsigned i = 0; i < TAPS_WATCHERS; i++) {
            struct client *client = &server->clients[i];
            if (!is_free(client)) {
                write_out(server, client, clock_monotonic_ms());
                any = any || !is_free(client);
            }
        }
        (void)poll(NULL, 0, any ? TURN_MS : 0);
    }
}

static void *serve(void *argument)
{
    struct tap_server *server = argument;
    bool more = false, stop = false;
    while (!stop) {
        sleep_until_needed(server, more);
        (void)pthread_mutex_lock(&server->lock);
        accept_clients(server, clock_monotonic_ms());
        more = taps_take(server->taps, TAKE_MOST, show, server) == TAKE_MOST;
        serve_clients(server, clock_monotonic_ms());
        stop = server->stop;
        (void)pthread_mutex_unlock(&server->lock);
    }
    say_goodbye(server);
    return NULL;
}

/* ---- for main ---- */

static bool start(struct tap_server *server, char *message, size_t size)
{
    server->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    server->judge = tap_judge_new(&server->pipeline->catalog);
    if (server->wake < 0 || server->judge == NULL || server->path == NULL) {
        (void)snprintf(message, size, "out of memory or descriptors");
        return false;
    }
    if (!unix_socket_listen(&server->socket, server->path, message, size)) {
        return false;
    }
    server->thread_started = pthread_create(&server->thread, NULL, serve, server) == 0;
    if (!server->thread_started) {
        (void)snprintf(message, size, "a thread could not be started");
    }
    return server->thread_started;
}

struct tap_server *tap_server_start(const char *path, struct taps *taps, const struct pipeline *pipeline, char *message,
                                    size_t size)
{
    struct tap_server *server = calloc(1, sizeof *server);
    if (server == NULL || pthread_mutex_init(&server->lock, NULL) != 0) {
        free(server);
        (void)snprintf(message, size, "out of memory");
        return NULL;
    }
    server->taps = taps;
    server->path = strdup(path);
    server->pipeline = pipeline;
    server->socket = (struct unix_socket){.fd = -1, .lock = -1};
    for (unsigned i = 0; i < TAPS_WATCHERS; i++) {
        server->clients[i].fd = -1;
    }
    if (!start(server, message, size)) {
        tap_server_stop(server);
        return NULL;
    }
    return server;
}

void tap_server_use(struct tap_server *server, const struct pipeline *pipeline)
{
    struct tap_judge *judge = tap_judge_new(&pipeline->catalog);
    char message[640];
    (void)pthread_mutex_lock(&server->lock);
    server->pipeline = pipeline;
    tap_judge_free(server->judge);
    server->judge = judge;
    for (unsigned i = 0; i < TAPS_WATCHERS; i++) {
        struct client *client = &server->clients[i];
        if (client->watching && judge == NULL) {
            dismiss(server, client, "error", "out of memory");
        } else if (client->watching && !tap_wish_compile(&client->wish, &pipeline->catalog, message, sizeof message)) {
            dismiss(server, client, "error", message);
        }
    }
    (void)pthread_mutex_unlock(&server->lock);
}

void tap_server_stop(struct tap_server *server)
{
    if (server == NULL) {
        return;
    }
    if (server->thread_started) {
        (void)pthread_mutex_lock(&server->lock);
        server->stop = true;
        (void)pthread_mutex_unlock(&server->lock);
        (void)eventfd_write(server->wake, 1);
        (void)pthread_join(server->thread, NULL);
    }
    for (unsigned i = 0; i < TAPS_WATCHERS; i++) {
        if (!is_free(&server->clients[i])) {
            let_go(server, &server->clients[i]);
        }
    }
    unix_socket_close(&server->socket);
    if (server->wake >= 0) {
        (void)close(server->wake);
    }
    tap_judge_free(server->judge);
    text_free(&server->json_line);
    text_free(&server->text_line);
    (void)pthread_mutex_destroy(&server->lock);
    free(server->path);
    free(server);
}
