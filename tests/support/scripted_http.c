#include "scripted_http.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct connection {
    struct scripted_http *server;
    int slot;
    int fd;
};

static int send_all(int fd, const char *text, size_t len)
{
    while (len > 0) {
        ssize_t n = send(fd, text, len, MSG_NOSIGNAL);
        if (n <= 0) {
            return 0;
        }
        text += n;
        len -= (size_t)n;
    }
    return 1;
}

/* One request: its head in `text`, its body behind; 0 when the connection ended. */
static char *read_request(int fd, size_t *head_len)
{
    size_t room = 1 << 16, len = 0, want = 0;
    char *text = malloc(room + 1), *end = NULL;
    for (;;) {
        ssize_t n = recv(fd, text + len, room - len, 0);
        if (n <= 0) {
            free(text);
            return NULL;
        }
        len += (size_t)n;
        text[len] = '\0';
        if (end == NULL && (end = strstr(text, "\r\n\r\n")) != NULL) {
            const char *length = strstr(text, "\r\nContent-Length:");
            *head_len = (size_t)(end - text) + 4;
            want = *head_len + (length != NULL ? strtoul(length + 17, NULL, 10) : 0);
        }
        if (end != NULL && len >= want) {
            return text;
        }
        if (len == room) {
            room *= 2;
            text = realloc(text, room + 1);
            end = end != NULL ? text + *head_len - 4 : NULL;
        }
    }
}

/* Until the other side has enough. */
static int flood(struct scripted_http *s, int fd, const struct scripted_reply *reply)
{
    char block[16384];
    size_t unit = reply->flood != NULL ? strlen(reply->flood) : 0, len = 0;
    int ok = send_all(fd, reply->raw, strlen(reply->raw)) && unit > 0;
    while (ok && len + unit <= (reply->drip_ms > 0 ? unit : sizeof block)) {
        memcpy(block + len, reply->flood, unit);
        len += unit;
    }
    while (ok && send_all(fd, block, len)) {
        (void)pthread_mutex_lock(&s->lock);
        s->flooded += len;
        (void)pthread_mutex_unlock(&s->lock);
        (void)poll(NULL, 0, reply->drip_ms);
    }
    return 0;
}

static int answer(struct scripted_http *s, int fd, char *text, size_t head_len)
{
    struct scripted_reply reply = {.status = 200};
    char head[512], *blanks;
    int n, ok;
    (void)pthread_mutex_lock(&s->lock);
    text[head_len - 1] = '\0';
    s->asking++;
    s->asking_max = s->asking > s->asking_max ? s->asking : s->asking_max;
    s->script(s->ctx, s->count, text, text + head_len, &reply);
    if (s->count < SCRIPTED_REQUESTS) {
        s->bodies[s->count] = strdup(text + head_len);
    }
    s->count++;
    (void)pthread_mutex_unlock(&s->lock);
    (void)poll(NULL, 0, reply.delay_ms);
    (void)pthread_mutex_lock(&s->lock);
    s->asking--;
    (void)pthread_mutex_unlock(&s->lock);
    if (reply.raw != NULL) {
        return flood(s, fd, &reply);
    }
    if (reply.status == 0) {
        return 0;
    }
    n = snprintf(head, sizeof head, "HTTP/1.1 %d Scripted\r\nContent-Length: %zu\r\n%s\r\n", reply.status,
                 strlen(reply.body) + reply.padding, reply.headers);
    blanks = malloc(reply.padding + 1);
    memset(blanks, ' ', reply.padding + 1);
    ok = send_all(fd, head, (size_t)n) && send_all(fd, reply.body, strlen(reply.body)) &&
         send_all(fd, blanks, reply.padding);
    free(blanks);
    return ok;
}

static void *serve(void *arg)
{
    struct connection *c = arg;
    struct scripted_http *s = c->server;
    size_t head_len;
    char *text;
    int ok = 1;
    while (ok && (text = read_request(c->fd, &head_len)) != NULL) {
        ok = answer(s, c->fd, text, head_len);
        free(text);
    }
    (void)pthread_mutex_lock(&s->lock);
    (void)close(c->fd);
    s->fds[c->slot] = -1;
    s->open--;
    (void)pthread_mutex_unlock(&s->lock);
    free(c);
    return NULL;
}

static void start_connection(struct scripted_http *s, int fd)
{
    struct connection *c = malloc(sizeof *c);
    pthread_t thread;
    int slot = 0, one = 1;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    (void)pthread_mutex_lock(&s->lock);
    while (s->fds[slot] != -1) {
        slot++;
    }
    s->fds[slot] = fd;
    s->open++;
    s->connections++;
    *c = (struct connection){.server = s, .slot = slot, .fd = fd};
    (void)pthread_create(&thread, NULL, serve, c);
    (void)pthread_detach(thread);
    (void)pthread_mutex_unlock(&s->lock);
}

static void *accept_all(void *arg)
{
    struct scripted_http *s = arg;
    int fd;
    while ((fd = accept(s->listener, NULL, NULL)) >= 0) {
        start_connection(s, fd);
    }
    return NULL;
}

void scripted_http_start(struct scripted_http *s, int port, scripted_fn script, void *ctx)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    socklen_t len = sizeof address;
    int one = 1;
    memset(s, 0, sizeof *s);
    s->script = script;
    s->ctx = ctx;
    for (size_t i = 0; i < sizeof s->fds / sizeof s->fds[0]; i++) {
        s->fds[i] = -1;
    }
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    (void)pthread_mutex_init(&s->lock, NULL);
    s->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    (void)setsockopt(s->listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(s->listener, (struct sockaddr *)(void *)&address, sizeof address) != 0 || listen(s->listener, 128) != 0 ||
        getsockname(s->listener, (struct sockaddr *)(void *)&address, &len) != 0) {
        perror("scripted_http");
        exit(1);
    }
    s->port = ntohs(address.sin_port);
    (void)snprintf(s->url, sizeof s->url, "http://127.0.0.1:%d", s->port);
    (void)pthread_create(&s->acceptor, NULL, accept_all, s);
}

void scripted_http_stop(struct scripted_http *s)
{
    unsigned open = 1;
    if (s->listener < 0) {
        return;
    }
    (void)shutdown(s->listener, SHUT_RDWR);
    (void)pthread_join(s->acceptor, NULL);
    (void)close(s->listener);
    s->listener = -1;
    while (open > 0) {
        (void)pthread_mutex_lock(&s->lock);
        for (size_t i = 0; i < sizeof s->fds / sizeof s->fds[0]; i++) {
            if (s->fds[i] >= 0) {
                (void)shutdown(s->fds[i], SHUT_RDWR);
            }
        }
        open = s->open;
        (void)pthread_mutex_unlock(&s->lock);
        (void)poll(NULL, 0, 1);
    }
}

void scripted_http_free(struct scripted_http *s)
{
    scripted_http_stop(s);
    for (unsigned i = 0; i < SCRIPTED_REQUESTS; i++) {
        free(s->bodies[i]);
    }
    (void)pthread_mutex_destroy(&s->lock);
}

unsigned scripted_http_count(struct scripted_http *s)
{
    unsigned count;
    (void)pthread_mutex_lock(&s->lock);
    count = s->count;
    (void)pthread_mutex_unlock(&s->lock);
    return count;
}
