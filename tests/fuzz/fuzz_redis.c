/* What a Redis server may answer: its bytes go through hiredis and the store, whole and in pieces. */
#include "fuzz.h"

#include "core/base/json_text.h"
#include "tests/support/fake_host.h"
#include <errno.h>
#include <fcntl.h>
#include <hiredis/hiredis.h>
#include <poll.h>
#include <sys/socket.h>

#define PUTS 3

static const churn_plugin *plugin;
static const churn_store_ops *ops;
static struct fake_host fake;
static void *store;
static int64_t clock_ms;
static struct {
    const uint8_t *bytes;
    size_t len, at, piece;
} server;

/* ---- in place of the libraries': a connection from which the input comes ---- */

IN_PLACE redisContext *redisConnectWithTimeout(const char *ip, int port, const struct timeval timeout)
{
    (void)ip;
    (void)port;
    (void)timeout;
    return redisConnectFd(open("/dev/null", O_RDWR | O_CLOEXEC));
}

IN_PLACE ssize_t send(int fd, const void *bytes, size_t len, int flags)
{
    (void)fd;
    (void)bytes;
    (void)flags;
    return (ssize_t)len;
}

IN_PLACE ssize_t recv(int fd, void *bytes, size_t size, int flags)
{
    size_t left = server.len - server.at, len = size < server.piece ? size : server.piece;
    (void)fd;
    (void)flags;
    if (left == 0) {
        errno = EAGAIN;
        return -1;
    }
    len = len < left ? len : left;
    memcpy(bytes, server.bytes + server.at, len);
    server.at += len;
    return (ssize_t)len;
}

/* Time passes only while the server, which stays there, has no more to say. */
IN_PLACE int poll(struct pollfd *fds, nfds_t count, int timeout)
{
    int ready = 0;
    for (nfds_t i = 0; i < count; i++) {
        fds[i].revents = (short)(fds[i].events & (server.at < server.len ? POLLIN | POLLOUT : POLLOUT));
        ready += fds[i].revents != 0;
    }
    clock_ms += ready == 0 && timeout > 0 ? timeout : 0;
    return ready;
}

static int64_t monotonic_ms(const churn_host *host)
{
    (void)host;
    return clock_ms;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    churn_error err = {.size = sizeof err};
    (void)argc;
    (void)argv;
    plugin = fake_plugin_load("store", "redis");
    ops = plugin->ops;
    fake_host_init(&fake);
    fake.host.monotonic_ms = monotonic_ms;
    store =
        fake_instance_new(plugin, "host", "127.0.0.1", "port", "1", "durability", "replicas", "timeout", "1h", NULL);
    need(ops->create(store, &fake.host, &err) == CHURN_OK, err.message);
    return 0;
}

/* ---- what the store made of it, line by line ---- */

static void note(struct text *story, const char *what, int32_t result, const char *message)
{
    text_printf(story, "%s: %d %s\n", what, result, result < 0 ? message : "");
    promise(result >= 0 || message[0] != '\0', "%s: a failure has a message", what);
}

static void note_pairs(struct text *story, const churn_pair *pairs, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        promise(pairs[i].name.ptr != NULL && pairs[i].value.ptr != NULL, "a field has a name and a value");
        text_append(story, pairs[i].name.ptr, pairs[i].name.len);
        text_append(story, "=", 1);
        text_append(story, pairs[i].value.ptr, pairs[i].value.len);
        text_append(story, "\n", 1);
    }
}

static int32_t take_fields(void *ctx, churn_str key, const churn_pair *fields, uint32_t count)
{
    text_printf(ctx, "hash %.*s:\n", (int)key.len, key.ptr);
    note_pairs(ctx, fields, count);
    return CHURN_OK;
}

static int32_t take_key(void *ctx, churn_str key)
{
    struct text *story = ctx;
    text_append_string(story, "key ");
    text_append(story, key.ptr, key.len);
    text_append_string(story, "\n");
    return story->len < 100000 ? CHURN_OK : CHURN_END;
}

static void note_reply(struct text *story, const churn_put_reply *reply)
{
    bool told = reply->result == CHURN_RETRY || reply->result == CHURN_REJECT || reply->result == CHURN_FATAL;
    promise(told || reply->result == CHURN_OK || reply->result == CHURN_CONFLICT, "a put is answered as the ABI says");
    promise(!told || (reply->message != NULL && reply->message[0] != '\0'), "a refusal has a message");
    text_printf(story, "put %llu: %d %llu %s\n", (unsigned long long)reply->id, reply->result,
                (unsigned long long)reply->version, told ? reply->message : "");
    note_pairs(story, reply->fields, reply->count);
}

/* Each put is answered once, in any order, unless the session breaks. */
static bool put(struct text *story, void *session)
{
    static const churn_pair fields[] = {{.name = {.ptr = "n", .len = 1}, .value = {.ptr = "1", .len = 1}}};
    churn_error err = {.size = sizeof err};
    churn_put_reply replies[PUTS + 1];
    uint32_t open = 0, count;
    bool answered[PUTS + 1] = {false};
    for (uint32_t i = 0; i < PUTS; i++, open++) {
        char key[] = {'k', (char)('0' + i)};
        churn_put one = {.size = sizeof one,
                         .count = 1,
                         .key = {.ptr = key, .len = 2},
                         .expected_version = i,
                         .fields = fields,
                         .id = i,
                         .ttl_ms = i};
        int32_t result = ops->put(session, &one, &err);
        note(story, "put", result, err.message);
        if (result != CHURN_OK) {
            return false;
        }
    }
    int32_t flush = ops->flush(session, PUTS, &err);
    note(story, "flush", flush, err.message);
    open += flush == CHURN_PENDING;
    while (open > 0) {
        int32_t result = ops->poll(session, replies, open, 1000, &count, &err);
        if (result != CHURN_OK) {
            note(story, "poll", result, err.message);
            return false;
        }
        promise(count >= 1 && count <= open, "%u answers to %u puts", count, open);
        for (uint32_t i = 0; i < count; i++) {
            promise(replies[i].id <= PUTS && !answered[replies[i].id], "a put is answered once");
            answered[replies[i].id] = true;
            note_reply(story, &replies[i]);
        }
        open -= count;
    }
    return true;
}

static void use(struct text *story, void *session)
{
    const churn_str keys[] = {{.ptr = "profile:a", .len = 9}, {.ptr = "profile:b", .len = 9}};
    const churn_pair fields[] = {{.name = {.ptr = "n", .len = 1}, .value = {.ptr = "1", .len = 1}}};
    const churn_hash hash = {.key = keys[0], .fields = fields, .count = 1, .ttl_ms = 5};
    churn_error err = {.size = sizeof err};
    char identity[CHURN_IDENTITY_SIZE];
    int32_t result = ops->get_many(session, keys, 2, take_fields, story, &err);
    note(story, "get", result, err.message);
    result = ops->identity(session, identity, &err);
    note(story, "identity", result, err.message);
    promise(memchr(identity, '\0', sizeof identity) != NULL, "an identity ends");
    text_printf(story, "%s\n", result == CHURN_OK ? identity : "");
    if (put(story, session)) {
        note(story, "write", ops->write(session, &hash, 1, &err), err.message);
        note(story, "keys", ops->keys(session, fuzz_str("profile:"), take_key, story, &err), err.message);
        note(story, "allowed", ops->allowed(session, keys, 1, &err), err.message);
    }
}

static void run(struct text *story, const uint8_t *data, size_t size, size_t piece)
{
    churn_error err = {.size = sizeof err};
    void *session = NULL;
    server.bytes = data;
    server.len = size;
    server.at = 0;
    server.piece = piece;
    int32_t result = ops->open(store, &session, &err);
    note(story, "open", result, err.message);
    if (result == CHURN_OK) {
        use(story, session);
        ops->close(session);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct text whole = {0}, pieces = {0};
    if (size == 0) {
        return 0;
    }
    run(&whole, data, size, size);
    run(&pieces, data, size, 1 + data[size - 1] % 7);
    /* Of a session that broke with puts under way, what was read before still counts, which is more when it came at
     * once. */
    bool broke =
        memmem(whole.bytes, whole.len, "poll: -", 7) != NULL || memmem(pieces.bytes, pieces.len, "poll: -", 7) != NULL;
    promise(broke || (whole.len == pieces.len && memcmp(whole.bytes, pieces.bytes, whole.len) == 0),
            "bytes in pieces say the same:\n%.*s\n--- and ---\n%.*s", (int)whole.len, whole.bytes, (int)pieces.len,
            pieces.bytes);
    text_free(&whole);
    text_free(&pieces);
    return 0;
}
