#include "http_client.h"

#include "text_buffer.h"
#include <curl/curl.h>
#include <stdlib.h>

struct slot {
    CURL *easy;
    struct slot *next_free;
    void *request;
    struct text_buffer body;
    int too_large;
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
};

static int has_control(const char *text)
{
    for (; *text != '\0'; text++) {
        if ((unsigned char)*text < 0x20 || *text == 0x7f) {
            return 1;
        }
    }
    return 0;
}

static int is_header_name(const char *name)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$%&'*+-.^_`|~";
    return name[0] != '\0' && name[strspn(name, allowed)] == '\0';
}

/* Names one of the headers as the option at fault. The message does not: somebody may have written a secret there. */
static int32_t fail_header(churn_error *err, const struct http_settings *s, uint32_t i, const char *fault)
{
    char option[CHURN_ERROR_OPTION_SIZE];
    (void)snprintf(option, sizeof option, "%s.%s", s->headers_option, s->headers->keys[i]);
    return churn_fail_option(err, option, "entry %u %s", i + 1, fault);
}

static int32_t check_headers(const struct http_settings *s, churn_error *err)
{
    for (uint32_t i = 0; s->headers != NULL && i < s->headers->count; i++) {
        if (!is_header_name(s->headers->keys[i])) {
            return fail_header(err, s, i, "is not named as an HTTP header can be");
        }
        if (has_control(s->headers->values[i])) {
            return fail_header(err, s, i, "holds a control character in its value");
        }
    }
    if (s->token != NULL && has_control(s->token)) {
        return churn_fail_option(err, "token", "holds a control character, perhaps a line break at its end");
    }
    return CHURN_OK;
}

/* Scheme, host and port; NULL with a message when the URL is none of ours. */
static char *read_origin(const struct http_settings *s, churn_error *err)
{
    CURLU *url = curl_url();
    char *scheme = NULL, *host = NULL, *port = NULL, *user = NULL, *origin = NULL;
    if (url == NULL || curl_url_set(url, CURLUPART_URL, s->url, 0) != CURLUE_OK ||
        curl_url_get(url, CURLUPART_SCHEME, &scheme, 0) != CURLUE_OK ||
        curl_url_get(url, CURLUPART_HOST, &host, 0) != CURLUE_OK ||
        (strcmp(scheme, "http") != 0 && strcmp(scheme, "https") != 0)) {
        (void)churn_fail_option(err, s->url_option, "must be a URL such as http://localhost:5000");
    } else if (curl_url_get(url, CURLUPART_USER, &user, 0) == CURLUE_OK) {
        (void)churn_fail_option(err, s->url_option,
                                "must not hold a user or a password; use `%s` with an Authorization header",
                                s->headers_option);
    } else {
        struct text_buffer text = {0};
        text_puts(&text, scheme);
        text_puts(&text, "://");
        text_puts(&text, host);
        if (curl_url_get(url, CURLUPART_PORT, &port, 0) == CURLUE_OK) {
            text_puts(&text, ":");
            text_puts(&text, port);
        }
        origin = text.ptr;
        if (text.failed) {
            text_free(&text);
            origin = NULL;
            (void)churn_fail(err, CHURN_FATAL, "out of memory");
        }
    }
    curl_free(user);
    curl_free(port);
    curl_free(host);
    curl_free(scheme);
    curl_url_cleanup(url);
    return origin;
}

int32_t http_client_check(const struct http_settings *settings, churn_error *err)
{
    char *origin = read_origin(settings, err);
    if (origin == NULL) {
        return CHURN_FATAL;
    }
    free(origin);
    return check_headers(settings, err);
}

static size_t ignore_body(char *ptr, size_t size, size_t count, void *arg)
{
    (void)ptr;
    (void)arg;
    return size * count;
}

/* Whether anything answers at `url`; CURLE_OK with any status. */
static CURLcode get(const char *url, const struct http_settings *s, uint32_t timeout_ms, char said[CURL_ERROR_SIZE])
{
    CURL *easy = curl_easy_init();
    CURLcode code = CURLE_OUT_OF_MEMORY;
    said[0] = '\0';
    if (easy != NULL && curl_easy_setopt(easy, CURLOPT_URL, url) == CURLE_OK &&
        curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK &&
        curl_easy_setopt(easy, CURLOPT_PROXY, "") == CURLE_OK &&
        curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
        curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)timeout_ms) == CURLE_OK &&
        curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, ignore_body) == CURLE_OK &&
        curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, said) == CURLE_OK &&
        (s->ca_file == NULL || s->ca_file[0] == '\0' ||
         curl_easy_setopt(easy, CURLOPT_CAINFO, s->ca_file) == CURLE_OK)) {
        code = curl_easy_perform(easy);
    }
    curl_easy_cleanup(easy);
    return code;
}

void http_client_probe(const struct http_settings *settings, uint32_t timeout_ms, churn_target_fn fn, void *ctx)
{
    char said[CURL_ERROR_SIZE], message[CURL_ERROR_SIZE + 128];
    char *origin = read_origin(settings, NULL);
    churn_target target = {.size = sizeof target,
                           .flags = CHURN_TARGET_WRITES,
                           .kind = "http",
                           .name = origin,
                           .option = settings->url_option};
    if (origin == NULL) {
        return; /* create has refused it */
    }
    if (timeout_ms > 0) {
        CURLcode code = get(origin, settings, timeout_ms, said);
        target.result = code == CURLE_OK ? CHURN_OK : CHURN_RETRY;
        (void)snprintf(message, sizeof message, "cannot be reached: %s; start it, or correct `%s`",
                       said[0] != '\0' ? said : curl_easy_strerror(code), settings->url_option);
        target.message = code == CURLE_OK ? NULL : message;
    }
    fn(ctx, &target);
    free(origin);
}

static char *join_url(const struct http_settings *s)
{
    const char *path = s->path != NULL ? s->path : "";
    size_t url_len = strlen(s->url), path_len = strlen(path);
    char *joined;
    while (path_len > 0 && url_len > 0 && s->url[url_len - 1] == '/') {
        url_len--;
    }
    joined = malloc(url_len + path_len + 2);
    if (joined != NULL) {
        (void)sprintf(joined, "%.*s%s%s", (int)url_len, s->url, path_len > 0 && path[0] != '/' ? "/" : "", path);
    }
    return joined;
}

static int add_header(struct curl_slist **list, const char *name, const char *value)
{
    struct text_buffer line = {0};
    struct curl_slist *longer = NULL;
    text_puts(&line, name);
    text_puts(&line, value[0] != '\0' ? ": " : ";"); /* curl's way to send a header without a value */
    text_puts(&line, value);
    if (!line.failed) {
        longer = curl_slist_append(*list, line.ptr);
    }
    text_free(&line);
    if (longer == NULL) {
        return 0;
    }
    *list = longer;
    return 1;
}

static int has_header(const struct http_settings *s, const char *name)
{
    for (uint32_t i = 0; s->headers != NULL && i < s->headers->count; i++) {
        if (curl_strequal(s->headers->keys[i], name)) {
            return 1;
        }
    }
    return 0;
}

static int make_headers(struct http_client *client, const struct http_settings *s)
{
    struct curl_slist **list = &client->headers, *expect;
    int ok = has_header(s, "Content-Type") || add_header(list, "Content-Type", "application/json");
    ok = ok && (has_header(s, "Accept") || add_header(list, "Accept", "application/json"));
    ok = ok && (has_header(s, "User-Agent") || add_header(list, "User-Agent", "churnd"));
    if (ok && s->token != NULL && s->token[0] != '\0') {
        struct text_buffer value = {0};
        text_puts(&value, "Bearer ");
        text_puts(&value, s->token);
        ok = !value.failed && add_header(list, "Authorization", value.ptr);
        text_free(&value);
    }
    for (uint32_t i = 0; ok && s->headers != NULL && i < s->headers->count; i++) {
        ok = add_header(list, s->headers->keys[i], s->headers->values[i]);
    }
    /* No `Expect: 100-continue` for large bodies: servers that do not answer it cost a second each. */
    expect = ok ? curl_slist_append(*list, "Expect:") : NULL;
    *list = expect != NULL ? expect : *list;
    return expect != NULL;
}

static size_t take_body(char *ptr, size_t size, size_t count, void *arg)
{
    struct slot *slot = arg;
    size_t len = size * count;
    if (slot->body.len + len > HTTP_BODY_MAX) {
        slot->too_large = 1;
        return 0;
    }
    text_add(&slot->body, ptr, len);
    return slot->body.failed ? 0 : len;
}

static int set_up_slot(struct http_client *client, struct slot *slot, const struct http_settings *s)
{
    CURL *easy = slot->easy = curl_easy_init();
    return easy != NULL && curl_easy_setopt(easy, CURLOPT_URL, client->url) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_PROXY, "") == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_POST, 1L) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_HTTPHEADER, client->headers) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)s->timeout_ms) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)s->connect_timeout_ms) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_body) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_WRITEDATA, slot) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, slot->error) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_PRIVATE, slot) == CURLE_OK &&
           (s->ca_file == NULL || s->ca_file[0] == '\0' ||
            curl_easy_setopt(easy, CURLOPT_CAINFO, s->ca_file) == CURLE_OK);
}

static int set_up(struct http_client *client, const struct http_settings *s)
{
    client->url = join_url(s);
    client->multi = curl_multi_init();
    client->slots = calloc(s->concurrency, sizeof *client->slots);
    if (client->url == NULL || client->multi == NULL || client->slots == NULL || !make_headers(client, s) ||
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
    char *origin = read_origin(settings, err);
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
    slot->too_large = 0;
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
    if (code != CURLE_OK) {
        if (slot->too_large) {
            (void)snprintf(room, size, "the answer is larger than %d bytes", HTTP_BODY_MAX);
        } else {
            (void)snprintf(room, size, "%s", slot->error[0] != '\0' ? slot->error : curl_easy_strerror(code));
        }
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
        result->retry_after_ms =
            retry_after > HTTP_RETRY_AFTER_MAX_MS / 1000 ? HTTP_RETRY_AFTER_MAX_MS : (int64_t)retry_after * 1000;
    }
}

int32_t http_client_run(struct http_client *client, http_done_fn done, void *arg, churn_error *err)
{
    int running, left;
    CURLMsg *message;
    CURLMcode code = curl_multi_perform(client->multi, &running);
    if (code != CURLM_OK) {
        return churn_fail(err, CHURN_FATAL, "HTTP requests cannot go on: %s", curl_multi_strerror(code));
    }
    while ((message = curl_multi_info_read(client->multi, &left)) != NULL) {
        struct http_result result;
        struct slot *slot = NULL;
        CURLcode answer = message->data.result;
        char room[CURL_ERROR_SIZE + 128];
        if (message->msg != CURLMSG_DONE ||
            curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&slot) != CURLE_OK) {
            continue;
        }
        (void)curl_multi_remove_handle(client->multi, slot->easy);
        judge(slot, answer, &result, room, sizeof room);
        done(arg, slot->request, &result);
        release(client, slot);
    }
    return CHURN_OK;
}

void http_client_wait(struct http_client *client, int timeout_ms)
{
    (void)curl_multi_poll(client->multi, NULL, 0, timeout_ms, NULL);
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
    free(client->slots);
    free(client->url);
    free(client->origin);
    free(client);
}
