/* The prediction API of W3: answers every POST after a fixed delay, at some microseconds each, so that it is never what
 * an engine waits for. `prediction_api PORT DELAY_MS`. Its probability is the profile's events_total, of a thousand, by
 * which a run can be verified: events_total modulo 1,000 as a share of 1,000. GET answers how many POSTs there were.
 * HTTP/1.1 with Content-Length; one request of a connection at a time. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MAX_CONNECTIONS 4096
#define BUFFER 16384
#define EVENTS 256

/* By its descriptor. `uses` tells a connection from an earlier one of the same descriptor. */
struct connection {
    size_t len;
    uint32_t uses;
    char bytes[BUFFER + 1];
};

/* An answer that is due later; all wait equally long, so they are due in their order. */
struct due {
    int64_t at_us;
    int fd;
    uint32_t uses;
    unsigned long long total;
};

struct api {
    int epoll, listener;
    int64_t delay_us;
    unsigned long long posts;
    struct connection *connections[MAX_CONNECTIONS];
    struct due dues[MAX_CONNECTIONS];
    size_t first_due, due_count;
};

static int64_t now_us(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void drop(struct api *api, int fd)
{
    api->connections[fd]->uses++;
    api->connections[fd]->len = 0;
    (void)close(fd);
}

/* A short answer always fits the socket of a client that reads its answers. */
static void send_body(struct api *api, int fd, const char *body)
{
    char text[512];
    int len = snprintf(text, sizeof text,
                       "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
                       strlen(body), body);
    if (send(fd, text, (size_t)len, MSG_NOSIGNAL) != len) {
        drop(api, fd);
    }
}

static void send_prediction(struct api *api, int fd, unsigned long long total)
{
    char body[128];
    (void)snprintf(body, sizeof body,
                   "{\"churn_probability\":0.%03llu,\"risk_level\":\"low\",\"model_version\":\"bench\"}", total % 1000);
    send_body(api, fd, body);
}

/* The number behind "events_total", as a number or as a text; 0: there is none. */
static unsigned long long total_of(const char *body)
{
    const char *at = strstr(body, "\"events_total\"");
    at = at != NULL ? at + strlen("\"events_total\"") : "";
    at += strspn(at, ": \"");
    return strtoull(at, NULL, 10);
}

static void answer(struct api *api, int fd, const char *head, const char *body)
{
    char count[32];
    if (strncmp(head, "GET ", 4) == 0) {
        (void)snprintf(count, sizeof count, "%llu", api->posts);
        send_body(api, fd, count);
        return;
    }
    api->posts++;
    if (api->delay_us == 0 || api->due_count == MAX_CONNECTIONS) {
        send_prediction(api, fd, total_of(body));
        return;
    }
    api->dues[(api->first_due + api->due_count++) % MAX_CONNECTIONS] = (struct due){
        .at_us = now_us() + api->delay_us, .fd = fd, .uses = api->connections[fd]->uses, .total = total_of(body)};
}

/* What Content-Length says; 0: nothing. */
static size_t length_of(const char *head, const char *end)
{
    static const char name[] = "\r\nContent-Length:";
    for (const char *at = head; at < end; at++) {
        if (strncasecmp(at, name, sizeof name - 1) == 0) {
            return strtoul(at + sizeof name - 1, NULL, 10);
        }
    }
    return 0;
}

/* Answers the request once all of it is there. */
static void look(struct api *api, int fd)
{
    struct connection *c = api->connections[fd];
    const char *end;
    size_t whole;
    c->bytes[c->len] = '\0';
    end = strstr(c->bytes, "\r\n\r\n");
    if (end == NULL) {
        return;
    }
    whole = (size_t)(end + 4 - c->bytes) + length_of(c->bytes, end);
    if (c->len >= whole) {
        c->len = 0;
        answer(api, fd, c->bytes, end + 4);
    }
}

static void receive(struct api *api, int fd)
{
    struct connection *c = api->connections[fd];
    ssize_t n = recv(fd, c->bytes + c->len, BUFFER - c->len, MSG_DONTWAIT);
    if (n > 0) {
        c->len += (size_t)n;
        look(api, fd);
    } else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
        drop(api, fd);
    }
}

static void take_connection(struct api *api)
{
    static const int on = 1;
    int fd = accept4(api->listener, NULL, NULL, SOCK_NONBLOCK);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    if (fd < 0) {
        return;
    }
    if (fd < MAX_CONNECTIONS && api->connections[fd] == NULL) {
        api->connections[fd] = calloc(1, sizeof(struct connection));
    }
    if (fd >= MAX_CONNECTIONS || api->connections[fd] == NULL ||
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0 ||
        epoll_ctl(api->epoll, EPOLL_CTL_ADD, fd, &event) != 0) {
        (void)close(fd);
    }
}

/* Sends what is due; the ms until something is, -1: nothing waits. */
static int send_due(struct api *api)
{
    while (api->due_count > 0) {
        const struct due *due = &api->dues[api->first_due];
        int64_t left = due->at_us - now_us();
        if (left > 0) {
            return (int)((left + 999) / 1000);
        }
        api->first_due = (api->first_due + 1) % MAX_CONNECTIONS;
        api->due_count--;
        if (api->connections[due->fd]->uses == due->uses) {
            send_prediction(api, due->fd, due->total);
        }
    }
    return -1;
}

static bool open_api(struct api *api, uint16_t port)
{
    static const int on = 1;
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct epoll_event event = {.events = EPOLLIN};
    api->listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    api->epoll = epoll_create1(0);
    event.data.fd = api->listener;
    return api->listener >= 0 && api->epoll >= 0 &&
           setsockopt(api->listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
           bind(api->listener, (const struct sockaddr *)&address, sizeof address) == 0 &&
           listen(api->listener, SOMAXCONN) == 0 && epoll_ctl(api->epoll, EPOLL_CTL_ADD, api->listener, &event) == 0;
}

int main(int argc, char **argv)
{
    static struct api api;
    struct epoll_event events[EVENTS];
    if (argc != 3) {
        (void)fprintf(stderr, "usage: %s PORT DELAY_MS\n", argv[0]);
        return 2;
    }
    api.delay_us = atoll(argv[2]) * 1000;
    if (!open_api(&api, (uint16_t)atoi(argv[1]))) {
        perror("api");
        return 1;
    }
    for (;;) {
        int count = epoll_wait(api.epoll, events, EVENTS, send_due(&api));
        for (int i = 0; i < count; i++) {
            if (events[i].data.fd == api.listener) {
                take_connection(&api);
            } else {
                receive(&api, events[i].data.fd);
            }
        }
    }
}
