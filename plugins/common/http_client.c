#include "http_client.h"

#include "http_failure.h"
#include "http_sockets.h"
#include "text_buffer.h"
#include <stdlib.h>
#include <time.h>

#define AWAY_MS 100               /* a pause between two calls counts as time for so long */
#define NO_TIMEOUT_MS 0x7fffffffL /* libcurl's own clock never decides */

struct slot {
    struct http_client *client;
    CURL *easy;
    struct slot *next_free;
    void *request;
    struct text_buffer body;
    size_t head_len;     /* bytes of status lines, headers, trailers */
    int fd;              /* its connection's; -1: not connected yet */
    uint64_t wire_begin; /* what the connection had received before */
    const char *broken;  /* why the request was ended by us; NULL: it was not */
    int64_t begin_ms;    /* of the client's clock */
    int busy;
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
    struct http_sockets sockets; /* of all connections */
    int64_t timeout_ms;
    int64_t connect_timeout_ms;
    int64_t clock_ms;  /* how long the client was attended */
    int64_t seen_ms;   /* the time of day as of clock_ms */
    http_done_fn done; /* during http_client_run */
    void *arg;
};

#define TEXT_OF(number) TEXT_OF_(number)
#define TEXT_OF_(number) #number

static int64_t monotonic_ms(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
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

/* The request is about to be sent: which connection it got. */
static int note_connection(void *arg, char *peer, char *ip, int peer_port, int port)
{
    struct slot *slot = arg;
    int fd = http_sockets_find(&slot->client->sockets, port);
    (void)peer;
    (void)ip;
    (void)peer_port;
    if (fd >= 0) {
        slot->fd = fd;
        slot->wire_begin = http_sockets_received(fd);
    }
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
    if (client->url == NULL || client->multi == NULL || client->slots == NULL ||
        !http_settings_headers(s, &client->headers) ||
        curl_multi_setopt(client->multi, CURLMOPT_MAXCONNECTS, (long)s->concurrency) != CURLM_OK) {
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
    slot->busy = 1;
    client->busy++;
    return CHURN_OK;
}

static void release(struct http_client *client, struct slot *slot)
{
    slot->busy = 0;
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
    curl_off_t retry_after = 0;
    *result = (struct http_result){.verdict = HTTP_OUTAGE, .reason = ""};
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

static void end_request(struct http_client *client, struct slot *slot, CURLcode code)
{
    struct http_result result;
    char room[CURL_ERROR_SIZE + 128];
    (void)curl_multi_remove_handle(client->multi, slot->easy);
    judge(slot, code, &result, room, sizeof room);
    client->done(client->arg, slot->request, &result);
    release(client, slot);
}

/* Ends what takes too long, or sends too much. */
static void watch(struct http_client *client, struct slot *slot)
{
    int64_t passed = client->clock_ms - slot->begin_ms;
    if (passed >= client->timeout_ms) {
        slot->broken = "timed out before its answer was complete";
    } else if (slot->fd < 0 && passed >= client->connect_timeout_ms) {
        slot->broken = "timed out while connecting";
    } else if (slot->fd >= 0 && http_sockets_received(slot->fd) > slot->wire_begin + HTTP_WIRE_MAX) {
        slot->broken = "the answer is larger than " TEXT_OF(HTTP_WIRE_MAX) " bytes with all that is around it";
    }
    if (slot->broken != NULL) {
        end_request(client, slot, CURLE_OK);
    }
}

int32_t http_client_run(struct http_client *client, http_done_fn done, void *arg, churn_error *err)
{
    int running, left;
    CURLMsg *message;
    CURLMcode code;
    tick(client, AWAY_MS);
    code = curl_multi_perform(client->multi, &running);
    if (code != CURLM_OK) {
        return churn_fail(err, CHURN_FATAL, "HTTP requests cannot go on: %s", curl_multi_strerror(code));
    }
    client->done = done;
    client->arg = arg;
    while ((message = curl_multi_info_read(client->multi, &left)) != NULL) {
        struct slot *slot = NULL;
        CURLcode answer = message->data.result;
        if (message->msg == CURLMSG_DONE &&
            curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&slot) == CURLE_OK) {
            end_request(client, slot, answer);
        }
    }
    for (uint32_t i = 0; i < client->count; i++) {
        if (client->slots[i].busy) {
            watch(client, &client->slots[i]);
        }
    }
    return CHURN_OK;
}

/* How long until the next request takes too long. */
static int64_t time_left(const struct http_client *client)
{
    int64_t left = INT32_MAX;
    for (uint32_t i = 0; i < client->count; i++) {
        const struct slot *slot = &client->slots[i];
        int64_t limit = slot->fd < 0 && client->connect_timeout_ms < client->timeout_ms ? client->connect_timeout_ms
                                                                                        : client->timeout_ms;
        int64_t due = slot->begin_ms + limit - client->clock_ms;
        left = slot->busy && due < left ? due : left;
    }
    return left > 0 ? left : 0;
}

void http_client_wait(struct http_client *client, int timeout_ms)
{
    int64_t left;
    tick(client, AWAY_MS);
    left = time_left(client);
    timeout_ms = left < timeout_ms ? (int)left : timeout_ms;
    (void)curl_multi_poll(client->multi, NULL, 0, timeout_ms, NULL);
    tick(client, INT64_MAX);
}

void http_client_wake(struct http_client *client)
{
    (void)curl_multi_wakeup(client->multi);
}

const char *http_client_origin(const struct http_client *client)
{
    return client->origin;
}

void http_client_abort(struct http_client *client, void (*dropped)(void *request))
{
    for (uint32_t i = 0; i < client->count; i++) {
        struct slot *slot = &client->slots[i];
        if (slot->busy) {
            (void)curl_multi_remove_handle(client->multi, slot->easy);
            release(client, slot);
            if (dropped != NULL) {
                dropped(slot->request);
            }
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
    free(client->sockets.fds);
    free(client->slots);
    free(client->url);
    free(client->origin);
    free(client);
}
