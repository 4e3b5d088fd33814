#include "http_client.h"

#include "grow.h"
#include "http_failure.h"
#include "http_sockets.h"
#include "text_buffer.h"
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#define AWAY_MS 100               /* a pause between two calls counts as time for so long */
#define NO_TIMEOUT_MS 0x7fffffffL /* libcurl's own clock never decides */
#define EVENTS_MAX 256            /* sockets that are served in one turn */

/* Requests under way, the oldest first: all of them, and those that are not connected yet. What takes too long is at
 * the front of one, however many there are. */
enum { UNDER_WAY, CONNECTING, LISTS };

struct links {
    struct slot *next, *previous;
};

struct list {
    struct slot *first, *last;
};

struct slot {
    struct http_client *client;
    CURL *easy;
    struct slot *next_free;
    struct links links[LISTS];
    void *request;
    struct text_buffer body;
    size_t head_len;     /* bytes of status lines, headers, trailers */
    int fd;              /* its connection's; -1: not connected yet */
    uint64_t wire_begin; /* what the connection had received before */
    const char *broken;  /* why the request was ended by us; NULL: it was not */
    int64_t begin_ms;    /* of the client's clock */
    char error[CURL_ERROR_SIZE];
};

struct http_client {
    CURLM *multi;
    struct curl_slist *headers;
    char *url;
    char *origin;
    struct slot *slots;
    struct slot *free_slots;
    uint32_t count;
    uint32_t busy;
    struct list lists[LISTS];
    struct http_sockets sockets; /* of all connections */
    struct slot **asking;        /* by socket: what was asked on it last; NULL: nothing */
    size_t asking_room;
    int epoll;        /* of the sockets that libcurl waits for */
    int woken;        /* an eventfd */
    int64_t timer_ms; /* when libcurl wants to be called; INT64_MAX: it does not */
    int64_t timeout_ms;
    int64_t connect_timeout_ms;
    int64_t clock_ms; /* how long the client was attended */
    int64_t seen_ms;  /* the time of day as of clock_ms */
};

#define TEXT_OF(number) TEXT_OF_(number)
#define TEXT_OF_(number) #number

static int64_t monotonic_ms(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* --- Lists --- */

static void list_add(struct http_client *client, int which, struct slot *slot)
{
    struct list *list = &client->lists[which];
    slot->links[which] = (struct links){.previous = list->last};
    if (list->last != NULL) {
        list->last->links[which].next = slot;
    } else {
        list->first = slot;
    }
    list->last = slot;
}

static void list_remove(struct http_client *client, int which, struct slot *slot)
{
    struct list *list = &client->lists[which];
    const struct links *links = &slot->links[which];
    if (links->previous != NULL) {
        links->previous->links[which].next = links->next;
    } else {
        list->first = links->next;
    }
    if (links->next != NULL) {
        links->next->links[which].previous = links->previous;
    } else {
        list->last = links->previous;
    }
}

/* --- libcurl's calls --- */

/* What libcurl waits for on a socket. */
static int on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *known)
{
    struct http_client *client = arg;
    struct epoll_event event = {.data.fd = fd};
    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        (void)epoll_ctl(client->epoll, EPOLL_CTL_DEL, fd, NULL);
        return 0;
    }
    event.events = ((what & CURL_POLL_IN) != 0 ? EPOLLIN : 0U) | ((what & CURL_POLL_OUT) != 0 ? EPOLLOUT : 0U);
    if (epoll_ctl(client->epoll, known != NULL ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &event) != 0) {
        return -1;
    }
    return known != NULL || curl_multi_assign(client->multi, fd, client) == CURLM_OK ? 0 : -1;
}

static int on_timer(CURLM *multi, long timeout_ms, void *arg)
{
    struct http_client *client = arg;
    (void)multi;
    client->timer_ms = timeout_ms >= 0 ? monotonic_ms() + timeout_ms : INT64_MAX;
    return 0;
}

static size_t take_body(char *ptr, size_t size, size_t count, void *arg)
{
    struct slot *slot = arg;
    size_t len = size * count;
    if (slot->body.len + len > HTTP_BODY_MAX) {
        slot->broken = "the answer is larger than " TEXT_OF(HTTP_BODY_MAX) " bytes";
        return 0;
    }
    text_add(&slot->body, ptr, len);
    return slot->body.failed ? 0 : len;
}

/* A status line, a header or a trailer; also of the 1xx answers before the final one. */
static size_t take_head(char *ptr, size_t size, size_t count, void *arg)
{
    struct slot *slot = arg;
    size_t len = size * count;
    (void)ptr;
    slot->head_len += len;
    if (slot->head_len > HTTP_HEAD_MAX) {
        slot->broken = "the headers of the answer are larger than " TEXT_OF(HTTP_HEAD_MAX) " bytes";
        return 0;
    }
    return len;
}

/* Room for who asks on a socket; NULL: memory ran out. */
static struct slot **asking_on(struct http_client *client, int fd)
{
    size_t room = client->asking_room;
    struct slot **asking = grow(client->asking, &client->asking_room, (size_t)fd + 1, sizeof *asking);
    if (asking == NULL) {
        return NULL;
    }
    client->asking = asking;
    for (; room < client->asking_room; room++) {
        asking[room] = NULL;
    }
    return &asking[fd];
}

/* The request has another connection now, or none any more. */
static void leave_connection(struct http_client *client, struct slot *slot)
{
    if (slot->fd < 0) {
        list_remove(client, CONNECTING, slot);
    } else if (client->asking[slot->fd] == slot) {
        client->asking[slot->fd] = NULL;
    }
}

/* The request is about to be sent: which connection it got. */
static int note_connection(void *arg, char *peer, char *ip, int peer_port, int port)
{
    struct slot *slot = arg, **asking;
    struct http_client *client = slot->client;
    int fd = http_sockets_find(&client->sockets, port);
    (void)peer;
    (void)ip;
    (void)peer_port;
    if (fd < 0) {
        return CURL_PREREQFUNC_OK;
    }
    asking = asking_on(client, fd);
    if (asking == NULL) {
        return CURL_PREREQFUNC_ABORT;
    }
    leave_connection(client, slot);
    *asking = slot;
    slot->fd = fd;
    slot->wire_begin = http_sockets_received(fd);
    return CURL_PREREQFUNC_OK;
}

static int set_up_slot(struct http_client *client, struct slot *slot, const struct http_settings *s)
{
    CURL *easy = slot->easy = curl_easy_init();
    slot->client = client;
    return easy != NULL && curl_easy_setopt(easy, CURLOPT_URL, client->url) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_POST, 1L) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_HTTPHEADER, client->headers) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, NO_TIMEOUT_MS) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, http_sockets_open) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, &client->sockets) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, http_sockets_close) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, &client->sockets) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, note_connection) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_PREREQDATA, slot) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_body) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_WRITEDATA, slot) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, take_head) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_HEADERDATA, slot) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, slot->error) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_PRIVATE, slot) == CURLE_OK && http_settings_connection(s, easy) &&
           http_settings_login(s, easy);
}

static int set_up(struct http_client *client, const struct http_settings *s)
{
    client->timeout_ms = s->timeout_ms;
    client->connect_timeout_ms = s->connect_timeout_ms;
    client->seen_ms = monotonic_ms();
    client->url = http_settings_url(s);
    client->multi = curl_multi_init();
    client->slots = calloc(s->concurrency, sizeof *client->slots);
    client->epoll = epoll_create1(EPOLL_CLOEXEC);
    client->woken = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (client->url == NULL || client->multi == NULL || client->slots == NULL || client->epoll < 0 ||
        client->woken < 0 || !http_settings_headers(s, &client->headers) ||
        curl_multi_setopt(client->multi, CURLMOPT_MAXCONNECTS, (long)s->concurrency) != CURLM_OK ||
        curl_multi_setopt(client->multi, CURLMOPT_SOCKETFUNCTION, on_socket) != CURLM_OK ||
        curl_multi_setopt(client->multi, CURLMOPT_SOCKETDATA, client) != CURLM_OK ||
        curl_multi_setopt(client->multi, CURLMOPT_TIMERFUNCTION, on_timer) != CURLM_OK ||
        curl_multi_setopt(client->multi, CURLMOPT_TIMERDATA, client) != CURLM_OK) {
        return 0;
    }
    for (; client->count < s->concurrency; client->count++) {
        struct slot *slot = &client->slots[client->count];
        if (!set_up_slot(client, slot, s)) {
            curl_easy_cleanup(slot->easy);
            return 0;
        }
        slot->next_free = client->free_slots;
        client->free_slots = slot;
    }
    return 1;
}

struct http_client *http_client_new(const struct http_settings *settings, churn_error *err)
{
    struct http_client *client;
    char *origin = http_settings_origin(settings, err);
    if (origin == NULL) {
        return NULL;
    }
    client = calloc(1, sizeof *client);
    if (client == NULL) {
        free(origin);
        (void)churn_fail(err, CHURN_FATAL, "out of memory");
        return NULL;
    }
    client->origin = origin;
    client->epoll = client->woken = -1;
    client->timer_ms = INT64_MAX;
    if (!set_up(client, settings)) {
        http_client_free(client);
        (void)churn_fail(err, CHURN_FATAL, "an HTTP client cannot be set up: libcurl lacks memory or a feature");
        return NULL;
    }
    return client;
}

uint32_t http_client_room(const struct http_client *client)
{
    return client->count - client->busy;
}

int32_t http_client_post(struct http_client *client, churn_str body, void *request, churn_error *err)
{
    struct slot *slot = client->free_slots;
    text_clear(&slot->body);
    slot->head_len = 0;
    slot->fd = -1;
    slot->broken = NULL;
    slot->begin_ms = client->clock_ms;
    slot->error[0] = '\0';
    slot->request = request;
    if (curl_easy_setopt(slot->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body.len) != CURLE_OK ||
        curl_easy_setopt(slot->easy, CURLOPT_COPYPOSTFIELDS, body.ptr) != CURLE_OK ||
        curl_multi_add_handle(client->multi, slot->easy) != CURLM_OK) {
        return churn_fail(err, CHURN_FATAL, "an HTTP request cannot be started: libcurl lacks memory");
    }
    client->free_slots = slot->next_free;
    list_add(client, UNDER_WAY, slot);
    list_add(client, CONNECTING, slot);
    client->busy++;
    return CHURN_OK;
}

static void release(struct http_client *client, struct slot *slot)
{
    list_remove(client, UNDER_WAY, slot);
    leave_connection(client, slot);
    slot->next_free = client->free_slots;
    client->free_slots = slot;
    client->busy--;
}

static const char *status_reason(long status, char *room, size_t size)
{
    const char *hint = "";
    if (status == 401 || status == 403) {
        hint = ": it does not accept the credentials; an operator must repair this";
    } else if (status == 404 || status == 405) {
        hint = ": the URL or its path is not the right one; an operator must repair this";
    } else if (status >= 300 && status < 400) {
        hint = ": it redirects, which is not followed; give the final URL";
    }
    (void)snprintf(room, size, "HTTP %ld%s", status, hint);
    return room;
}

static void judge(struct slot *slot, CURLcode code, struct http_result *result, char *room, size_t size)
{
    curl_off_t retry_after = 0, sending = 0;
    *result = (struct http_result){.verdict = HTTP_OUTAGE, .reason = ""};
    result->reached = curl_easy_getinfo(slot->easy, CURLINFO_PRETRANSFER_TIME_T, &sending) == CURLE_OK && sending > 0;
    if (code != CURLE_OK || slot->broken != NULL) {
        (void)snprintf(room, size, "%s",
                       slot->broken != NULL ? slot->broken : http_failure(slot->easy, code, slot->error));
        result->reason = room;
        return;
    }
    (void)curl_easy_getinfo(slot->easy, CURLINFO_RESPONSE_CODE, &result->status);
    result->body = (churn_str){.ptr = slot->body.len > 0 ? slot->body.ptr : "", .len = (uint32_t)slot->body.len};
    if (result->status >= 200 && result->status < 300) {
        result->verdict = HTTP_DONE;
        return;
    }
    if (result->status == 400 || result->status == 413 || result->status == 422) {
        result->verdict = HTTP_FAULT;
    }
    result->reason = status_reason(result->status, room, size);
    if (curl_easy_getinfo(slot->easy, CURLINFO_RETRY_AFTER, &retry_after) == CURLE_OK && retry_after > 0) {
        result->retry_after_ms = (int64_t)(retry_after < INT64_MAX / 1000 ? retry_after : INT64_MAX / 1000) * 1000;
    }
}

/* Time goes on, by no more than `most_ms`. */
static void tick(struct http_client *client, int64_t most_ms)
{
    int64_t now = monotonic_ms(), passed = now - client->seen_ms;
    client->clock_ms += passed < most_ms ? passed : most_ms;
    client->seen_ms = now;
}

/* What http_client_run was called with. */
struct taker {
    struct http_client *client;
    http_done_fn done;
    void *arg;
};

static void end_request(const struct taker *taker, struct slot *slot, CURLcode code)
{
    struct http_result result;
    char room[CURL_ERROR_SIZE + 128];
    (void)curl_multi_remove_handle(taker->client->multi, slot->easy);
    judge(slot, code, &result, room, sizeof room);
    taker->done(taker->arg, slot->request, &result);
    release(taker->client, slot);
}

static void break_off(const struct taker *taker, struct slot *slot, const char *why)
{
    slot->broken = why;
    end_request(taker, slot, CURLE_OK);
}

static void end_overdue(const struct taker *taker)
{
    const struct http_client *client = taker->client;
    struct slot *slot;
    while ((slot = client->lists[UNDER_WAY].first) != NULL && client->clock_ms - slot->begin_ms >= client->timeout_ms) {
        break_off(taker, slot, "timed out before its answer was complete");
    }
    while ((slot = client->lists[CONNECTING].first) != NULL &&
           client->clock_ms - slot->begin_ms >= client->connect_timeout_ms) {
        break_off(taker, slot, "timed out while connecting");
    }
}

static void end_finished(const struct taker *taker)
{
    CURLMsg *message;
    int left;
    while ((message = curl_multi_info_read(taker->client->multi, &left)) != NULL) {
        struct slot *slot = NULL;
        CURLcode answer = message->data.result;
        if (message->msg == CURLMSG_DONE &&
            curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&slot) == CURLE_OK) {
            end_request(taker, slot, answer);
        }
    }
}

/* The answer that comes on a socket may not have bytes without end. */
static void end_endless(const struct taker *taker, int fd)
{
    const struct http_client *client = taker->client;
    struct slot *slot = (size_t)fd < client->asking_room ? client->asking[fd] : NULL;
    if (slot != NULL && http_sockets_received(fd) > slot->wire_begin + HTTP_WIRE_MAX) {
        break_off(taker, slot, "the answer is larger than " TEXT_OF(HTTP_WIRE_MAX) " bytes with all that is around it");
    }
}

/* Lets libcurl serve what is ready: the sockets that it waits for, and its timer. */
static CURLMcode serve(struct http_client *client, const struct epoll_event *events, int count)
{
    CURLMcode code = CURLM_OK;
    int running;
    for (int i = 0; i < count && code == CURLM_OK; i++) {
        int ready = ((events[i].events & (EPOLLIN | EPOLLHUP)) != 0 ? CURL_CSELECT_IN : 0) |
                    ((events[i].events & EPOLLOUT) != 0 ? CURL_CSELECT_OUT : 0) |
                    ((events[i].events & EPOLLERR) != 0 ? CURL_CSELECT_ERR : 0);
        code = curl_multi_socket_action(client->multi, events[i].data.fd, ready, &running);
    }
    if (code == CURLM_OK && client->timer_ms <= monotonic_ms()) {
        client->timer_ms = INT64_MAX; /* libcurl sets it again where it wants */
        code = curl_multi_socket_action(client->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    }
    return code;
}

int32_t http_client_run(struct http_client *client, http_done_fn done, void *arg, churn_error *err)
{
    const struct taker taker = {.client = client, .done = done, .arg = arg};
    struct epoll_event events[EVENTS_MAX];
    int count = epoll_wait(client->epoll, events, EVENTS_MAX, 0);
    CURLMcode code;
    tick(client, AWAY_MS);
    code = serve(client, events, count);
    if (code != CURLM_OK) {
        return churn_fail(err, CHURN_FATAL, "HTTP requests cannot go on: %s", curl_multi_strerror(code));
    }
    end_finished(&taker);
    for (int i = 0; i < count; i++) {
        end_endless(&taker, events[i].data.fd);
    }
    end_overdue(&taker);
    return CHURN_OK;
}

static int64_t until(const struct http_client *client, int which, int64_t limit_ms)
{
    const struct slot *first = client->lists[which].first;
    return first != NULL ? first->begin_ms + limit_ms - client->clock_ms : INT32_MAX;
}

/* How long until the next request takes too long, or libcurl wants to be called. */
static int64_t time_left(const struct http_client *client)
{
    int64_t answer = until(client, UNDER_WAY, client->timeout_ms);
    int64_t connected = until(client, CONNECTING, client->connect_timeout_ms);
    int64_t timer = client->timer_ms != INT64_MAX ? client->timer_ms - client->seen_ms : INT32_MAX;
    int64_t left = answer < connected ? answer : connected;
    left = timer < left ? timer : left;
    return left > 0 ? left : 0;
}

void http_client_wait(struct http_client *client, const struct pollfd *others, uint32_t count, int timeout_ms)
{
    struct pollfd all[2 + HTTP_OTHERS_MAX] = {{.fd = client->epoll, .events = POLLIN},
                                              {.fd = client->woken, .events = POLLIN}};
    uint64_t wakes;
    int64_t left;
    count = count < HTTP_OTHERS_MAX ? count : HTTP_OTHERS_MAX;
    for (uint32_t i = 0; i < count; i++) {
        all[2 + i] = others[i];
    }
    tick(client, AWAY_MS);
    left = time_left(client);
    timeout_ms = left < timeout_ms ? (int)left : timeout_ms;
    if (poll(all, 2 + (nfds_t)count, timeout_ms) > 0 && all[1].revents != 0) {
        (void)!read(client->woken, &wakes, sizeof wakes);
    }
    tick(client, INT64_MAX);
}

void http_client_wake(struct http_client *client)
{
    (void)eventfd_write(client->woken, 1);
}

const char *http_client_origin(const struct http_client *client)
{
    return client->origin;
}

void http_client_abort(struct http_client *client, void (*dropped)(void *request))
{
    struct slot *slot;
    while ((slot = client->lists[UNDER_WAY].first) != NULL) {
        (void)curl_multi_remove_handle(client->multi, slot->easy);
        release(client, slot);
        if (dropped != NULL) {
            dropped(slot->request);
        }
    }
}

void http_client_free(struct http_client *client)
{
    if (client == NULL) {
        return;
    }
    http_client_abort(client, NULL);
    for (uint32_t i = 0; i < client->count; i++) {
        curl_easy_cleanup(client->slots[i].easy);
        text_free(&client->slots[i].body);
    }
    (void)curl_multi_cleanup(client->multi);
    curl_slist_free_all(client->headers);
    if (client->epoll >= 0) {
        (void)close(client->epoll);
    }
    if (client->woken >= 0) {
        (void)close(client->woken);
    }
    free(client->sockets.list);
    free(client->asking);
    free(client->slots);
    free(client->url);
    free(client->origin);
    free(client);
}
