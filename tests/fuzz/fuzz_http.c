/* What an HTTP server may send: its bytes go through libcurl and the client, whole and in pieces. */
#include "fuzz.h"

#include "answer.h"
#include "http_client.h"
#include <errno.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define MOST_TURNS 1000
#define MOST_BYTES 65536 /* what a socket takes at once */

static struct {
    const uint8_t *bytes; /* of the server, and where it is */
    size_t len, at, piece;
    int peer;
    bool is_up;
    uint64_t now_ns;
} server;

/* ---- in place of the C library's ---- */

/* For the client each look at the clock is a tick: what it does is the same each time. The time of day, by which the
 * fuzzer judges how long an input takes, goes on. */
IN_PLACE int clock_gettime(clockid_t id, struct timespec *ret)
{
    const uint64_t tick_ns = 1000;
    if (!server.is_up || id == CLOCK_REALTIME) {
        return (int)syscall(SYS_clock_gettime, id, ret);
    }
    server.now_ns += tick_ns;
    *ret = (struct timespec){.tv_sec = (time_t)(server.now_ns / 1000000000),
                             .tv_nsec = (long)(server.now_ns % 1000000000)};
    return 0;
}

IN_PLACE int socket(int domain, int type, int protocol)
{
    int ends[2];
    (void)domain;
    (void)type;
    (void)protocol;
    need(server.peer < 0, "one connection for a request");
    need(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) == 0, "socketpair");
    server.peer = ends[1];
    return ends[0];
}

IN_PLACE int connect(int fd, const struct sockaddr *address, socklen_t len)
{
    (void)fd;
    (void)address;
    (void)len;
    return 0;
}

/* ---- the server ---- */

/* Says its next piece, and hangs up behind the last one. */
static void serve(void)
{
    char asked[4096];
    size_t left = server.len - server.at, len = left < server.piece ? left : server.piece;
    if (server.peer < 0) {
        return;
    }
    while (recv(server.peer, asked, sizeof asked, MSG_DONTWAIT) > 0) {
    }
    if (len > 0 && send(server.peer, server.bytes + server.at, len, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 &&
        errno == EAGAIN) {
        return;
    }
    server.at += len;
    if (server.at == server.len) {
        (void)shutdown(server.peer, SHUT_WR);
    }
}

/* ---- the client ---- */

struct outcome {
    unsigned calls;
    enum http_verdict verdict;
    long status;
    int64_t retry_after_ms;
    char reason[512];
    char body[HTTP_BODY_MAX];
    size_t body_len;
};

static void take(void *arg, void *request, const struct http_result *result)
{
    struct outcome *outcome = arg;
    promise(request == (void *)&server, "an answer is to what was asked");
    promise(result->body.len <= HTTP_BODY_MAX, "a body is within its bounds");
    outcome->calls++;
    outcome->verdict = result->verdict;
    outcome->status = result->status;
    outcome->retry_after_ms = result->retry_after_ms;
    (void)snprintf(outcome->reason, sizeof outcome->reason, "%s", result->reason);
    outcome->body_len = result->body.len;
    if (result->body.len > 0) {
        memcpy(outcome->body, result->body.ptr, result->body.len);
    }
}

static void post(const uint8_t *data, size_t size, size_t piece, struct outcome *outcome)
{
    static const struct http_settings settings = {.url = "http://127.0.0.1:1/predict",
                                                  .options = {.url = "url"},
                                                  .timeout_ms = 60000,
                                                  .connect_timeout_ms = 60000,
                                                  .concurrency = 1};
    churn_error err = {.size = sizeof err};
    struct http_client *client;
    server.bytes = data;
    server.len = size;
    server.at = 0;
    server.piece = piece;
    server.peer = -1;
    server.now_ns = UINT64_C(1700000000000000000);
    server.is_up = true;
    client = http_client_new(&settings, &err);
    need(client != NULL, "a client");
    *outcome = (struct outcome){0};
    need(http_client_post(client, fuzz_str("{}"), &server, &err) == CHURN_OK, "a request");
    for (unsigned turn = 0; turn < MOST_TURNS + size && outcome->calls == 0; turn++) {
        serve();
        promise(http_client_run(client, take, outcome, &err) == CHURN_OK, "the client goes on: %s", err.message);
    }
    promise(outcome->calls == 1, "a request ends, once");
    promise(http_client_room(client) == 1, "… and there is room for another");
    http_client_free(client);
    server.is_up = false;
    if (server.peer >= 0) {
        (void)close(server.peer);
        server.peer = -1;
    }
}

static void check(const struct outcome *o)
{
    bool good = o->status >= 200 && o->status < 300, fault = o->status == 400 || o->status == 413 || o->status == 422;
    promise(o->verdict == (good    ? HTTP_DONE
                           : fault ? HTTP_FAULT
                                   : HTTP_OUTAGE),
            "HTTP %ld has verdict %d", o->status, o->verdict);
    promise(o->verdict == HTTP_DONE || o->reason[0] != '\0', "what is not done has a reason");
    promise(o->retry_after_ms >= 0 && (o->retry_after_ms == 0 || !good), "a pause is none in the past");
    if (o->verdict == HTTP_DONE) {
        struct answer answer;
        const char *reason;
        (void)answer_parse((churn_str){.ptr = o->body, .len = (uint32_t)o->body_len}, &answer, &reason);
    }
}

/* What libcurl makes of other status lines, of a NUL and of half a line end is not the same in pieces. */
static bool is_plain(const uint8_t *data, size_t size)
{
    bool is = size > 12 && memcmp(data, "HTTP/1.1 2", 10) == 0 && memchr(data, '\0', size) == NULL;
    for (size_t i = 0; is && i < size; i++) {
        is = data[i] != '\r' || (i + 1 < size && data[i + 1] == '\n');
    }
    return is;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct outcome whole, pieces;
    if (size == 0 || size > MOST_BYTES) {
        return 0;
    }
    post(data, size, size, &whole);
    check(&whole);
    post(data, size, 1 + data[size - 1] % 13, &pieces);
    if (is_plain(data, size) && whole.verdict == HTTP_DONE && pieces.verdict == HTTP_DONE) {
        promise(whole.status == pieces.status && whole.body_len == pieces.body_len &&
                    memcmp(whole.body, pieces.body, whole.body_len) == 0,
                "an answer in pieces is the same: HTTP %ld, %zu bytes, and HTTP %ld, %zu bytes", whole.status,
                whole.body_len, pieces.status, pieces.body_len);
    }
    return 0;
}
