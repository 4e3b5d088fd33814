/* The Redis store through the ABI, against a real redis-server of its own and, for what that never says, a scripted
 * one. Exit status 77 (skipped) where no redis-server is installed. */
#include "cunit_main.h"
#include "fake_host.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <fcntl.h>
#include <hiredis/hiredis.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define BATCH 5000

static const churn_plugin *plugin;
static const churn_store_ops *ops;
static struct fake_host fake;
static char folder[256];
static char socket_path[280];
static char port[16];
static char cluster_port[16];
static pid_t server; /* 0: none runs */
static void *store;
static const char *patience = "2s"; /* the store's `timeout` */
static churn_error err;

static int32_t write_one(void *session, churn_str key, const churn_pair *fields, uint32_t count, int64_t ttl_ms,
                         churn_error *why)
{
    churn_hash hash = {.key = key, .fields = fields, .count = count, .ttl_ms = ttl_ms};
    return ops->write(session, &hash, 1, why);
}

/* --- A Redis server --- */

static int listen_somewhere(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, size) != 0 || listen(fd, 8) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &size) != 0) {
        perror("socket");
        exit(1);
    }
    (void)snprintf(port, sizeof port, "%u", ntohs(address.sin_port));
    return fd;
}

static void sleep_ms(long ms)
{
    struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    (void)nanosleep(&t, NULL);
}

/* Runs one command beside the plugin; true when Redis did not refuse it. */
static bool admin(const char *password, const char *command)
{
    redisContext *c = redisConnect("127.0.0.1", (int)strtol(port, NULL, 10));
    redisReply *reply = NULL;
    bool ok;
    if (c != NULL && c->err == 0) {
        if (password != NULL) {
            freeReplyObject(redisCommand(c, "AUTH %s", password));
        }
        reply = redisCommand(c, command);
    }
    ok = reply != NULL && reply->type != REDIS_REPLY_ERROR;
    if (reply != NULL) {
        freeReplyObject(reply);
    }
    if (c != NULL) {
        redisFree(c);
    }
    return ok;
}

static const char *cluster = "no"; /* whether the server is a node of one */

static void start_server(const char *password)
{
    server = fork();
    if (server == 0) {
        int null = open("/dev/null", O_RDWR);
        (void)dup2(null, 1);
        (void)dup2(null, 2);
        (void)execlp("redis-server", "redis-server", "--bind", "127.0.0.1", "--port", port, "--dir", folder,
                     "--unixsocket", socket_path, "--save", "", "--appendonly", "no", "--requirepass",
                     password != NULL ? password : "", "--cluster-enabled", cluster, "--cluster-port", cluster_port,
                     (char *)NULL);
        _exit(77);
    }
    for (unsigned tries = 0; tries < 500; tries++) {
        int status;
        if (admin(password, "PING")) {
            return;
        }
        if (waitpid(server, &status, WNOHANG) == server) {
            exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
        }
        sleep_ms(20);
    }
    (void)fprintf(stderr, "redis-server does not start\n");
    exit(1);
}

static void kill_server(void)
{
    if (server != 0) {
        (void)kill(server, SIGKILL);
        (void)waitpid(server, NULL, 0);
        server = 0;
    }
}

/* --- Set-up --- */

static void open_store(const char *password)
{
    fake_host_init(&fake);
    err = (churn_error){.size = sizeof err};
    store =
        fake_instance_new(plugin, "host", "127.0.0.1", "port", port, "password", password, "timeout", patience, NULL);
    CU_ASSERT_EQUAL_FATAL(ops->create(store, &fake.host, &err), CHURN_OK);
}

static void close_store(void)
{
    ops->destroy(store);
    fake_instance_free(plugin, store);
}

static void begin(void)
{
    CU_ASSERT_FATAL(admin(NULL, "FLUSHALL"));
    open_store("");
}

static void *session_new(void)
{
    void *session = NULL;
    int32_t result = ops->open(store, &session, &err);
    if (result != CHURN_OK) {
        (void)fprintf(stderr, "%s\n", err.message);
    }
    CU_ASSERT_EQUAL_FATAL(result, CHURN_OK);
    return session;
}

/* --- Calls in short --- */

static churn_pair pair(const char *name, const char *value)
{
    return (churn_pair){.name = str(name), .value = str(value)};
}

static int32_t queue(void *session, const char *key, uint64_t version, uint64_t id, const char *name, const char *value,
                     int64_t ttl_ms)
{
    churn_pair field = pair(name, value);
    churn_put put = {.size = sizeof put,
                     .count = 1,
                     .key = str(key),
                     .expected_version = version,
                     .fields = &field,
                     .id = id,
                     .ttl_ms = ttl_ms};
    return ops->put(session, &put, &err);
}

static churn_put_reply poll_one(void *session)
{
    churn_put_reply reply = {0};
    uint32_t count = 0;
    CU_ASSERT_EQUAL_FATAL(ops->poll(session, &reply, 1, 3000, &count, &err), CHURN_OK);
    CU_ASSERT_EQUAL_FATAL(count, 1);
    return reply;
}

static churn_put_reply put_for(void *session, const char *key, uint64_t version, const char *name, const char *value,
                               int64_t ttl_ms)
{
    churn_put_reply reply;
    CU_ASSERT_EQUAL_FATAL(queue(session, key, version, 77, name, value, ttl_ms), CHURN_OK);
    reply = poll_one(session);
    CU_ASSERT_EQUAL(reply.id, 77);
    return reply;
}

static int32_t put_now(void *session, const char *key, uint64_t version, const char *name, const char *value)
{
    return put_for(session, key, version, name, value, 0).result;
}

static bool says(const churn_put_reply *reply, int32_t result, const char *part)
{
    return reply->result == result && reply->message != NULL && strstr(reply->message, part) != NULL;
}

static int by_name(const void *a, const void *b)
{
    const churn_pair *x = a, *y = b;
    uint32_t len = x->name.len < y->name.len ? x->name.len : y->name.len;
    int order = memcmp(x->name.ptr, y->name.ptr, len);
    return order != 0 ? order : (int)x->name.len - (int)y->name.len;
}

static int32_t note(void *ctx, churn_str key, const churn_pair *fields, uint32_t count)
{
    churn_pair sorted[32];
    char *at = ctx;
    if (count > 32) {
        return CHURN_FATAL;
    }
    (void)key;
    memcpy(sorted, fields, count * sizeof *fields);
    qsort(sorted, count, sizeof *sorted, by_name);
    for (uint32_t i = 0; i < count; i++) {
        at += sprintf(at, "%s%.*s=%.*s", i > 0 ? "," : "", (int)sorted[i].name.len, sorted[i].name.ptr,
                      (int)sorted[i].value.len, sorted[i].value.ptr);
    }
    *at = '\0';
    return CHURN_OK;
}

static void check_get(void *session, const char *key, const char *expected)
{
    char text[8192] = "not called";
    CU_ASSERT_EQUAL(ops->get(session, str(key), note, text, &err), CHURN_OK);
    CU_ASSERT_STRING_EQUAL(text, expected);
}

/* --- Tests against the real server --- */

static void puts_merge_and_conflict(void)
{
    void *s, *t;
    churn_put_reply reply;
    uint32_t count;
    begin();
    s = session_new();
    t = session_new();
    CU_ASSERT_EQUAL(ops->embedded, 0);
    CU_ASSERT_EQUAL(ops->poll(s, &reply, 1, 0, &count, &err), CHURN_PENDING);
    check_get(s, "k", "");
    CU_ASSERT_EQUAL(put_now(s, "k", 0, "a", "1"), CHURN_OK);
    CU_ASSERT_EQUAL(put_now(t, "k", 1, "b", "2"), CHURN_OK);
    check_get(s, "k", "_v=2,a=1,b=2");
    reply = put_for(s, "k", 1, "a", "x", 0);
    CU_ASSERT_EQUAL(reply.result, CHURN_CONFLICT);
    CU_ASSERT_EQUAL(reply.version, 2);
    CU_ASSERT_EQUAL(reply.count, 2);
    reply = put_for(s, "none", 3, "a", "x", 0);
    CU_ASSERT_EQUAL(reply.result, CHURN_CONFLICT);
    CU_ASSERT_EQUAL(reply.version, 0);
    CU_ASSERT_EQUAL(reply.count, 0);
    CU_ASSERT_EQUAL(put_now(s, "k", 2, "", ""), CHURN_OK);
    check_get(t, "k", "=,_v=3,a=1,b=2");
    ops->close(s);
    ops->close(t);
    close_store();
}

static void expiry_is_renewed_and_taken_away(void)
{
    void *s;
    begin();
    s = session_new();
    CU_ASSERT_EQUAL(put_for(s, "k", 0, "a", "1", 150).result, CHURN_OK);
    CU_ASSERT_EQUAL(put_for(s, "j", 0, "a", "1", 150).result, CHURN_OK);
    CU_ASSERT_EQUAL(put_now(s, "j", 1, "a", "2"), CHURN_OK);
    sleep_ms(200);
    check_get(s, "k", "");
    check_get(s, "j", "_v=2,a=2");
    CU_ASSERT_EQUAL(put_now(s, "k", 1, "a", "1"), CHURN_CONFLICT);
    CU_ASSERT_EQUAL(put_now(s, "k", 0, "a", "1"), CHURN_OK);
    ops->close(s);
    close_store();
}

static void expiry_of_an_earlier_session_is_taken_away(void)
{
    void *s;
    begin();
    s = session_new();
    CU_ASSERT_EQUAL(put_for(s, "k", 0, "a", "1", 150).result, CHURN_OK);
    ops->close(s);
    s = session_new();
    CU_ASSERT_EQUAL(put_now(s, "k", 0, "a", "2"), CHURN_CONFLICT); /* as any worker's first put of a customer */
    CU_ASSERT_EQUAL(put_now(s, "k", 1, "a", "2"), CHURN_OK);
    sleep_ms(200);
    check_get(s, "k", "_v=2,a=2");
    ops->close(s);
    close_store();
}

static void write_replaces(void)
{
    void *s;
    churn_pair both[] = {pair("a", "1"), pair("b", "")}, one[] = {pair("c", "3")};
    churn_hash two[] = {{.key = str("x"), .fields = one, .count = 1}, {.key = str("y"), .fields = both, .count = 2}};
    begin();
    s = session_new();
    CU_ASSERT_EQUAL(write_one(s, str("w"), both, 2, 0, &err), CHURN_OK);
    check_get(s, "w", "a=1,b=");
    CU_ASSERT_EQUAL(write_one(s, str("w"), one, 1, 100, &err), CHURN_OK);
    check_get(s, "w", "c=3");
    sleep_ms(150);
    check_get(s, "w", "");
    CU_ASSERT(admin(NULL, "SET w text"));
    CU_ASSERT_EQUAL(write_one(s, str("w"), one, 1, 0, &err), CHURN_OK);
    CU_ASSERT_EQUAL(write_one(s, str("w"), NULL, 0, 0, &err), CHURN_OK);
    check_get(s, "w", "");
    CU_ASSERT_EQUAL(ops->write(s, two, 2, &err), CHURN_OK);
    check_get(s, "x", "c=3");
    check_get(s, "y", "a=1,b=");
    ops->close(s);
    close_store();
}

/* What keys gave, joined in order. */
struct listed {
    const char *keys[64];
    char bytes[4096];
    size_t used;
    unsigned count;
    unsigned stop_after;
};

static int32_t list_key(void *ctx, churn_str key)
{
    struct listed *listed = ctx;
    char *copy = listed->bytes + listed->used;
    CU_ASSERT_FATAL(listed->count < 64 && listed->used + key.len < sizeof listed->bytes);
    memcpy(copy, key.ptr, key.len);
    copy[key.len] = '\0';
    listed->used += key.len + 1u;
    listed->keys[listed->count++] = copy;
    return listed->count == listed->stop_after ? CHURN_END : CHURN_OK;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Each of the keys expected, in order, and no other; a SCAN may give one twice. */
static void check_keys(void *session, const char *prefix, const char *const *expected)
{
    struct listed listed = {.count = 0};
    CU_ASSERT_EQUAL(ops->keys(session, str(prefix), list_key, &listed, &err), CHURN_OK);
    qsort((void *)listed.keys, listed.count, sizeof listed.keys[0], by_text);
    for (unsigned i = 0; i < listed.count; i++) {
        if (i == 0 || strcmp(listed.keys[i], listed.keys[i - 1]) != 0) {
            CU_ASSERT_PTR_NOT_NULL_FATAL(*expected);
            CU_ASSERT_STRING_EQUAL(listed.keys[i], *expected);
            expected++;
        }
    }
    CU_ASSERT_PTR_NULL(*expected);
}

static void keys_are_those_with_the_prefix(void)
{
    static const char *const odd[] = {"a*b?[c]\\^:", "aXbY[c]\\^:", "a*b?c\\^:", "a*b?[c]^:", NULL};
    struct listed listed = {.stop_after = 1};
    char name[64];
    void *s;
    begin();
    s = session_new();
    check_keys(s, "", (const char *const[]){NULL});
    for (unsigned i = 0; odd[i] != NULL; i++) {
        (void)snprintf(name, sizeof name, "%sx", odd[i]);
        CU_ASSERT_EQUAL(write_one(s, str(name), (churn_pair[]){pair("a", "1")}, 1, 0, &err), CHURN_OK);
    }
    CU_ASSERT_EQUAL(write_one(s, str("p:"), (churn_pair[]){pair("a", "1")}, 1, 0, &err), CHURN_OK);
    CU_ASSERT_EQUAL(write_one(s, str("p:\xff\n x"), (churn_pair[]){pair("a", "1")}, 1, 0, &err), CHURN_OK);
    CU_ASSERT_EQUAL(write_one(s, str("P:y"), (churn_pair[]){pair("a", "1")}, 1, 0, &err), CHURN_OK);
    CU_ASSERT_EQUAL(write_one(s, str("q"), (churn_pair[]){pair("a", "1")}, 1, 0, &err), CHURN_OK);
    check_keys(s, "p:", (const char *const[]){"p:", "p:\xff\n x", NULL});
    check_keys(s, odd[0], (const char *const[]){"a*b?[c]\\^:x", NULL});
    check_keys(s, "none", (const char *const[]){NULL});
    CU_ASSERT_EQUAL(ops->keys(s, str("p:"), list_key, &listed, &err), CHURN_OK);
    CU_ASSERT_EQUAL(listed.count, 1);
    CU_ASSERT_EQUAL(queue(s, "k", 0, 1, "a", "1", 0), CHURN_OK);
    CU_ASSERT_EQUAL(ops->keys(s, str("p:"), list_key, &listed, &err), CHURN_FATAL);
    CU_ASSERT_EQUAL(poll_one(s).result, CHURN_OK);
    ops->close(s);
    close_store();
}

static int32_t mark_key(void *ctx, churn_str key)
{
    unsigned char *seen = ctx;
    unsigned long number = strtoul(key.ptr + strlen("many:"), NULL, 10);
    CU_ASSERT_FATAL(key.len > 5 && number < BATCH);
    seen[number] = 1;
    return CHURN_OK;
}

static void many_keys_take_many_calls(void)
{
    static unsigned char seen[BATCH];
    unsigned found = 0;
    char name[32];
    void *s;
    begin();
    s = session_new();
    for (unsigned i = 0; i < BATCH; i++) {
        (void)snprintf(name, sizeof name, "%s:%u", i % 2 == 0 ? "many" : "other", i);
        CU_ASSERT_EQUAL(write_one(s, str(name), (churn_pair[]){pair("a", "1")}, 1, 0, &err), CHURN_OK);
    }
    memset(seen, 0, sizeof seen);
    CU_ASSERT_EQUAL(ops->keys(s, str("many:"), mark_key, seen, &err), CHURN_OK);
    for (unsigned i = 0; i < BATCH; i++) {
        found += seen[i];
    }
    CU_ASSERT_EQUAL(found, BATCH / 2);
    ops->close(s);
    close_store();
}

/* Appends what each call was given. */
static int32_t note_behind(void *ctx, churn_str key, const churn_pair *fields, uint32_t count)
{
    char *text = ctx, *end = text + strlen(text);
    end += sprintf(end, "%.*s{", (int)key.len, key.ptr);
    (void)note(end, key, fields, count);
    (void)strcat(text, "}");
    return CHURN_OK;
}

static void many_are_gotten_in_their_order(void)
{
    churn_str keys[] = {str("b"), str("none"), str("a"), str("b")}, bad[] = {str("a"), str("wrong"), str("b")};
    char text[256] = "";
    void *s;
    begin();
    s = session_new();
    CU_ASSERT_EQUAL(put_now(s, "a", 0, "x", "1"), CHURN_OK);
    CU_ASSERT_EQUAL(put_now(s, "b", 0, "x", "2"), CHURN_OK);
    CU_ASSERT_EQUAL(ops->get_many(s, keys, 4, note_behind, text, &err), CHURN_OK);
    CU_ASSERT_STRING_EQUAL(text, "b{_v=1,x=2}none{}a{_v=1,x=1}b{_v=1,x=2}");
    CU_ASSERT(admin(NULL, "SET wrong text"));
    text[0] = '\0';
    CU_ASSERT_EQUAL(ops->get_many(s, bad, 3, note_behind, text, &err), CHURN_REJECT);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.message, "the key wrong "));
    CU_ASSERT_STRING_EQUAL(text, "a{_v=1,x=1}");
    check_get(s, "b", "_v=1,x=2"); /* every answer was read */
    kill_server();
    CU_ASSERT_EQUAL(ops->get_many(s, keys, 4, note_behind, text, &err), CHURN_RETRY);
    start_server(NULL);
    ops->close(s);
    close_store();
}

static void foreign_keys_are_named(void)
{
    char text[64];
    void *s;
    churn_put_reply reply;
    begin();
    s = session_new();
    CU_ASSERT(admin(NULL, "SET wrong text"));
    CU_ASSERT(admin(NULL, "HSET foreign total 5"));
    CU_ASSERT(admin(NULL, "HSET odd _v x1"));
    reply = put_for(s, "wrong", 0, "a", "1", 0);
    CU_ASSERT(says(&reply, CHURN_REJECT, "the key wrong "));
    reply = put_for(s, "foreign", 0, "a", "1", 0);
    CU_ASSERT_EQUAL(reply.result, CHURN_OK); /* the fields of somebody else stay */
    reply = put_for(s, "odd", 0, "a", "1", 0);
    CU_ASSERT(says(&reply, CHURN_REJECT, "the hash odd "));
    check_get(s, "foreign", "_v=1,a=1,total=5");
    for (unsigned i = 0; i < 5; i++) {
        static const char *const bad[] = {"HSET odd _v 0", "HSET odd _v -1", "HSET odd _v 05",
                                          "HSET odd _v 18446744073709551615", "HSET odd _v 18446744073709551616"};
        CU_ASSERT(admin(NULL, bad[i]));
        reply = put_for(s, "odd", 5, "a", "1", 0);
        CU_ASSERT(says(&reply, CHURN_REJECT, "the hash odd "));
    }
    CU_ASSERT_EQUAL(ops->get(s, str("wrong"), note, text, &err), CHURN_REJECT);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.message, "the key wrong "));
    CU_ASSERT_EQUAL(put_now(s, "good", 0, "a", "1"), CHURN_OK);
    ops->close(s);
    close_store();
}

/* Whoever took a profile's version away did not make another profile of it. */
static void a_version_that_was_taken_away(void)
{
    churn_put_reply reply;
    void *s;
    begin();
    s = session_new();
    CU_ASSERT_EQUAL(put_now(s, "k", 0, "_m:t/0", "1"), CHURN_OK);
    CU_ASSERT(admin(NULL, "HSET k name somebody"));
    CU_ASSERT(admin(NULL, "HDEL k _v"));
    reply = put_for(s, "k", 0, "a", "2", 0);
    CU_ASSERT(says(&reply, CHURN_REJECT, "the hash k "));
    reply = put_for(s, "k", 1, "a", "2", 0);
    CU_ASSERT(says(&reply, CHURN_REJECT, "the hash k "));
    check_get(s, "k", "_m:t/0=1,name=somebody");
    CU_ASSERT(admin(NULL, "HDEL k _m:t/0"));
    CU_ASSERT_EQUAL(put_now(s, "k", 0, "a", "1"), CHURN_OK); /* all of it is somebody's */
    CU_ASSERT(admin(NULL, "HSET k _v ''"));
    reply = put_for(s, "k", 0, "a", "2", 0);
    CU_ASSERT(says(&reply, CHURN_REJECT, "the hash k "));
    ops->close(s);
    close_store();
}

/* The number of a put's fields is packed in one byte, or in three. */
static void puts_of_any_number_of_fields(void)
{
    churn_pair fields[10];
    char names[10][8], expected[256];
    void *s;
    begin();
    s = session_new();
    for (uint32_t count = 0; count <= 10; count++) {
        churn_put put = {.size = sizeof put, .count = count, .key = str("k"), .fields = fields};
        char *at = expected + sprintf(expected, "_v=1");
        for (uint32_t i = 0; i < count; i++) {
            (void)snprintf(names[i], sizeof names[i], "f%u", i);
            fields[i] = pair(names[i], "v");
            at += sprintf(at, ",f%u=v", i);
        }
        CU_ASSERT(admin(NULL, "DEL k"));
        CU_ASSERT_EQUAL(ops->put(s, &put, &err), CHURN_OK);
        CU_ASSERT_EQUAL(poll_one(s).result, CHURN_OK);
        check_get(s, "k", expected);
    }
    ops->close(s);
    close_store();
}

static void unanswered_puts_may_be_dropped(void)
{
    void *s, *t;
    char text[64];
    begin();
    s = session_new();
    CU_ASSERT_EQUAL(queue(s, "k", 0, 1, "a", "1", 0), CHURN_OK);
    CU_ASSERT_EQUAL(ops->get(s, str("k"), note, text, &err), CHURN_FATAL);
    ops->close(s);
    t = session_new();
    CU_ASSERT_EQUAL(put_now(t, "k", 0, "a", "2"), CHURN_OK);
    ops->close(t);
    close_store();
}

/* More bytes than the sockets' buffers take, in both directions, collected a few at a time. */
static void large_windows_do_not_block(void)
{
    static char value[8192];
    churn_put_reply replies[7];
    char key[32];
    void *s;
    memset(value, 'v', sizeof value - 1);
    begin();
    s = session_new();
    for (uint64_t round = 0; round < 3; round++) {
        uint32_t count, answered = 0, good = 0;
        for (unsigned i = 0; i < BATCH; i++) { /* the last round conflicts: large replies */
            (void)snprintf(key, sizeof key, "k%u", i);
            CU_ASSERT_EQUAL_FATAL(queue(s, key, round % 2, i, "a", value, 0), CHURN_OK);
        }
        for (; answered < BATCH; answered += count) {
            CU_ASSERT_EQUAL_FATAL(ops->poll(s, replies, 7, 5000, &count, &err), CHURN_OK);
            for (uint32_t i = 0; i < count; i++) {
                good += replies[i].id == answered + i && replies[i].result == (round < 2 ? CHURN_OK : CHURN_CONFLICT) &&
                        (round < 2 || replies[i].fields[0].value.len == sizeof value - 1);
            }
        }
        CU_ASSERT_EQUAL(good, BATCH);
        CU_ASSERT_EQUAL(ops->poll(s, replies, 7, 0, &count, &err), CHURN_PENDING);
    }
    ops->close(s);
    close_store();
}

/* Windows that overlap: the list of pending commands is never empty. */
static void windows_may_overlap(void)
{
    churn_put_reply replies[64];
    char key[32];
    uint32_t count, answered = 0, queued = 0, good = 0;
    void *s;
    begin();
    s = session_new();
    while (answered < 20000) {
        while (queued < 20000 && queued < answered + 3000) {
            (void)snprintf(key, sizeof key, "key%u", queued);
            CU_ASSERT_EQUAL_FATAL(queue(s, key, queued % 500 == 7, queued, "a", "1", 0), CHURN_OK);
            queued++;
        }
        CU_ASSERT_EQUAL_FATAL(ops->poll(s, replies, 64, 5000, &count, &err), CHURN_OK);
        for (uint32_t i = 0; i < count; i++, answered++) {
            good += replies[i].id == answered && replies[i].result == (answered % 500 == 7 ? CHURN_CONFLICT : CHURN_OK);
        }
    }
    CU_ASSERT_EQUAL(good, 20000);
    CU_ASSERT(admin(NULL, "SET key20001 text"));
    CU_ASSERT_EQUAL(queue(s, "key20000", 0, 1, "a", "1", 0), CHURN_OK);
    CU_ASSERT_EQUAL(queue(s, "key20001", 0, 2, "a", "1", 0), CHURN_OK);
    CU_ASSERT_EQUAL(poll_one(s).result, CHURN_OK);
    replies[0] = poll_one(s);
    CU_ASSERT(says(&replies[0], CHURN_REJECT, "the key key20001 "));
    ops->close(s);
    close_store();
}

static void many_fields_fit(void)
{
    enum { MANY = 9000 };
    static churn_pair fields[MANY];
    static char names[MANY][8];
    churn_put put = {.size = sizeof put, .count = MANY, .key = str("k"), .fields = fields};
    uint32_t count = 0;
    churn_put_reply reply;
    void *s;
    begin();
    s = session_new();
    for (unsigned i = 0; i < MANY; i++) {
        (void)snprintf(names[i], sizeof names[i], "f%u", i);
        fields[i] = pair(names[i], "1");
    }
    CU_ASSERT_EQUAL(ops->put(s, &put, &err), CHURN_OK);
    CU_ASSERT_EQUAL(poll_one(s).result, CHURN_OK);
    reply = put_for(s, "k", 5, "a", "1", 0);
    CU_ASSERT_EQUAL(reply.result, CHURN_CONFLICT);
    count = reply.count;
    CU_ASSERT_EQUAL(count, MANY);
    CU_ASSERT_EQUAL(write_one(s, str("w"), fields, MANY, 0, &err), CHURN_OK);
    ops->close(s);
    close_store();
}

static void the_script_is_loaded_again(void)
{
    void *s;
    churn_put_reply reply;
    begin();
    s = session_new();
    CU_ASSERT(admin(NULL, "SCRIPT FLUSH"));
    CU_ASSERT_EQUAL(queue(s, "a", 0, 1, "x", "1", 0), CHURN_OK);
    CU_ASSERT_EQUAL(queue(s, "b", 0, 2, "x", "1", 0), CHURN_OK);
    reply = poll_one(s);
    CU_ASSERT(says(&reply, CHURN_RETRY, "NOSCRIPT"));
    CU_ASSERT_EQUAL(poll_one(s).result, CHURN_RETRY);
    check_get(s, "a", "");
    CU_ASSERT_EQUAL(put_now(s, "a", 0, "x", "1"), CHURN_OK);
    CU_ASSERT_EQUAL(put_now(s, "b", 0, "x", "1"), CHURN_OK);
    CU_ASSERT(admin(NULL, "SCRIPT FLUSH"));
    CU_ASSERT_EQUAL(put_now(s, "a", 1, "x", "1"), CHURN_RETRY);
    CU_ASSERT_EQUAL(put_now(s, "a", 1, "x", "1"), CHURN_OK);
    ops->close(s);
    close_store();
}

static void check_dead(void *s)
{
    char text[64];
    churn_put_reply reply;
    uint32_t count;
    CU_ASSERT_EQUAL(queue(s, "z", 0, 1, "a", "1", 0), CHURN_RETRY);
    CU_ASSERT_EQUAL(ops->poll(s, &reply, 1, 0, &count, &err), CHURN_RETRY);
    CU_ASSERT_EQUAL(ops->get(s, str("z"), note, text, &err), CHURN_RETRY);
    CU_ASSERT_EQUAL(write_one(s, str("z"), NULL, 0, 0, &err), CHURN_RETRY);
}

static void a_killed_server_breaks_the_session(void)
{
    churn_put_reply replies[16];
    char key[32];
    uint32_t count = 0;
    int32_t result;
    void *s, *t = NULL;
    begin();
    s = session_new();
    for (unsigned i = 0; i < 20000; i++) {
        (void)snprintf(key, sizeof key, "k%u", i);
        CU_ASSERT_EQUAL_FATAL(queue(s, key, 0, i, "a", "1", 0), CHURN_OK);
    }
    CU_ASSERT_EQUAL(ops->poll(s, replies, 16, 3000, &count, &err), CHURN_OK);
    kill_server();
    do {
        result = ops->poll(s, replies, 16, 3000, &count, &err);
    } while (result == CHURN_OK);
    CU_ASSERT_EQUAL(result, CHURN_RETRY);
    check_dead(s);
    ops->close(s);
    CU_ASSERT_EQUAL(ops->open(store, &t, &err), CHURN_RETRY);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.message, "cannot be reached: Connection refused"));
    start_server(NULL);
    t = session_new();
    CU_ASSERT_EQUAL(put_now(t, "k", 0, "a", "1"), CHURN_OK);
    ops->close(t);
    close_store();
}

static void a_silent_server_breaks_the_session(void)
{
    churn_put_reply reply;
    uint32_t count = 0;
    void *s;
    begin();
    s = session_new();
    (void)kill(server, SIGSTOP);
    CU_ASSERT_EQUAL(queue(s, "k", 0, 1, "a", "1", 0), CHURN_OK);
    CU_ASSERT_EQUAL(ops->poll(s, &reply, 1, 100, &count, &err), CHURN_PENDING);
    CU_ASSERT_EQUAL(ops->poll(s, &reply, 1, 5000, &count, &err), CHURN_RETRY);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.message, "has not answered for 2000 ms"));
    (void)kill(server, SIGCONT);
    check_dead(s);
    ops->close(s);
    close_store();
}

static void identity_of(void *session, char text[CHURN_IDENTITY_SIZE])
{
    int32_t result = ops->identity(session, text, &err);
    if (result != CHURN_OK) {
        (void)fprintf(stderr, "%s\n", err.message);
    }
    CU_ASSERT_EQUAL_FATAL(result, CHURN_OK);
}

static void the_identity_is_the_servers_and_its_datas(void)
{
    char first[CHURN_IDENTITY_SIZE], other[CHURN_IDENTITY_SIZE];
    void *s, *t;
    begin();
    s = session_new();
    t = session_new();
    identity_of(s, first);
    CU_ASSERT_EQUAL(strlen(first), 40 + 1 + 40 + 1 + 16);
    identity_of(t, other);
    CU_ASSERT_STRING_EQUAL(first, other);
    CU_ASSERT(admin(NULL, "FLUSHALL"));
    identity_of(t, other);
    CU_ASSERT_EQUAL(strncmp(first, other, 82), 0);
    CU_ASSERT_STRING_NOT_EQUAL(first + 82, other + 82);
    CU_ASSERT(admin(NULL, "REPLICAOF 127.0.0.1 1"));
    CU_ASSERT(admin(NULL, "REPLICAOF NO ONE"));
    identity_of(s, first);
    CU_ASSERT_STRING_EQUAL(first + 82, other + 82);
    CU_ASSERT_STRING_NOT_EQUAL(first, other); /* another replication id */
    ops->close(s);
    kill_server();
    start_server(NULL);
    s = session_new();
    identity_of(s, other);
    CU_ASSERT_NOT_EQUAL(strncmp(first, other, 40), 0);
    CU_ASSERT(admin(NULL, "DEL churnd:history"));
    CU_ASSERT(admin(NULL, "SET churnd:history text"));
    CU_ASSERT_EQUAL(ops->identity(s, other, &err), CHURN_FATAL);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.message, "churnd:history"));
    ops->close(t);
    ops->close(s);
    close_store();
}

/* A put in a window that is on its way when all data goes must not begin a profile anew: it would have the mark of
 * events that are gone. */
static void nothing_is_put_into_another_history(void)
{
    static const char *const replace[] = {"FLUSHALL", "FLUSHDB", "SWAPDB 0 5", "DEL churnd:history",
                                          "HSET churnd:history id 0123456789abcdef"};
    char text[CHURN_IDENTITY_SIZE], again[CHURN_IDENTITY_SIZE];
    for (size_t i = 0; i < sizeof replace / sizeof replace[0]; i++) {
        churn_put_reply reply;
        uint32_t count;
        void *s, *t, *unasked;
        begin();
        s = session_new();
        t = session_new();
        unasked = session_new();
        identity_of(s, text);
        identity_of(t, text);
        CU_ASSERT_EQUAL(put_now(s, "k", 0, "a", "1"), CHURN_OK);
        CU_ASSERT(admin(NULL, replace[i]));
        CU_ASSERT_EQUAL(queue(s, "new", 0, 1, "a", "1", 0), CHURN_OK);
        CU_ASSERT_EQUAL(queue(s, "k", 1, 2, "a", "1", 0), CHURN_OK);
        CU_ASSERT_EQUAL(ops->poll(s, &reply, 1, 3000, &count, &err), CHURN_RETRY);
        CU_ASSERT_PTR_NOT_NULL(strstr(err.message, "lost its data"));
        check_dead(s);
        ops->close(s);
        s = session_new();
        check_get(s, "new", "");
        identity_of(s, again);
        CU_ASSERT_STRING_NOT_EQUAL(text, again);
        CU_ASSERT_EQUAL(put_now(s, "new", 0, "a", "1"), CHURN_OK);
        CU_ASSERT_EQUAL(queue(t, "other", 0, 1, "a", "1", 0), CHURN_OK); /* which does not know yet */
        CU_ASSERT_EQUAL(ops->poll(t, &reply, 1, 3000, &count, &err), CHURN_RETRY);
        check_get(s, "other", "");
        CU_ASSERT_EQUAL(put_now(unasked, "mine", 0, "a", "1"), CHURN_OK); /* whose data rests on nothing */
        ops->close(s);
        ops->close(t);
        ops->close(unasked);
        close_store();
    }
}

static void memory_and_roles(void)
{
    churn_put_reply reply;
    uint32_t count;
    void *s, *t;
    begin();
    s = session_new();
    CU_ASSERT_EQUAL(fake.log_lines, 1);
    CU_ASSERT_PTR_NOT_NULL(strstr(fake.last_log, "durability: acknowledged"));
    CU_ASSERT(admin(NULL, "CONFIG SET maxmemory 1"));
    reply = put_for(s, "k", 0, "a", "1", 0);
    CU_ASSERT(says(&reply, CHURN_RETRY, "OOM"));
    CU_ASSERT(admin(NULL, "CONFIG SET maxmemory 1gb"));
    CU_ASSERT_EQUAL(put_now(s, "k", 0, "a", "1"), CHURN_OK);
    CU_ASSERT(admin(NULL, "CONFIG SET maxmemory-policy allkeys-lru"));
    t = session_new();
    CU_ASSERT_PTR_NOT_NULL(strstr(fake.last_log, "maxmemory-policy is allkeys-lru; set it to noeviction"));
    CU_ASSERT_PTR_NOT_NULL(strstr(fake.last_log, "may throw profiles away when its memory is full"));
    ops->close(t);
    CU_ASSERT(admin(NULL, "CONFIG SET maxmemory-policy volatile-lru"));
    t = session_new();
    CU_ASSERT_PTR_NOT_NULL(strstr(fake.last_log, "may throw profiles away that have a `ttl` (no others) when its"));
    CU_ASSERT_PTR_NOT_NULL(strstr(fake.last_log, "maxmemory-policy is volatile-lru; set it to noeviction"));
    ops->close(t);
    CU_ASSERT(admin(NULL, "CONFIG SET maxmemory-policy noeviction"));
    CU_ASSERT(admin(NULL, "CONFIG SET maxmemory 0"));

    CU_ASSERT(admin(NULL, "REPLICAOF 127.0.0.1 1"));
    CU_ASSERT_EQUAL(queue(s, "k", 1, 1, "a", "1", 0), CHURN_OK);
    CU_ASSERT_EQUAL(ops->poll(s, &reply, 1, 3000, &count, &err), CHURN_RETRY);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.message, "READONLY"));
    check_dead(s);
    CU_ASSERT(admin(NULL, "REPLICAOF NO ONE"));
    ops->close(s);
    close_store();
}

#define NEEDED "+info +script|load +eval +evalsha +del +hget +hset +hgetall +persist +pexpire"

/* A user of exactly these rules; the store is theirs. */
static void open_for(const char *rules, const char *durability)
{
    char command[512];
    (void)snprintf(command, sizeof command, "ACL SETUSER app reset on >pw %s", rules);
    CU_ASSERT_FATAL(admin(NULL, command));
    fake_host_init(&fake);
    err = (churn_error){.size = sizeof err};
    store = fake_instance_new(plugin, "host", "127.0.0.1", "port", port, "username", "app", "password", "pw",
                              "durability", durability, NULL);
    CU_ASSERT_EQUAL_FATAL(ops->create(store, &fake.host, &err), CHURN_OK);
}

static void open_as(const char *rules)
{
    open_for(rules, "acknowledged");
}

static void check_use(void *s)
{
    const churn_str keys[] = {str("profile:x"), str("churnd:letters:x")};
    char text[CHURN_IDENTITY_SIZE];
    CU_ASSERT_EQUAL(ops->allowed(s, keys, 2, &err), CHURN_OK);
    identity_of(s, text);
    CU_ASSERT_EQUAL(put_now(s, "profile:1", 0, "a", "1"), CHURN_OK);
    CU_ASSERT_EQUAL(put_now(s, "profile:1", 0, "a", "1"), CHURN_CONFLICT);
    CU_ASSERT_EQUAL(put_for(s, "profile:2", 0, "a", "1", 5000).result, CHURN_OK);
    CU_ASSERT_EQUAL(put_now(s, "profile:2", 1, "a", "1"), CHURN_OK);
    check_get(s, "profile:1", "_v=1,a=1");
    CU_ASSERT_EQUAL(write_one(s, str("churnd:x"), (churn_pair[]){pair("a", "1")}, 1, 5000, &err), CHURN_OK);
}

static void the_documented_permissions_are_enough(void)
{
    churn_put_reply reply;
    struct listed listed = {.count = 0};
    void *s;
    CU_ASSERT_FATAL(admin(NULL, "FLUSHALL"));
    open_as("~profile:* ~churnd:* " NEEDED);
    s = session_new();
    CU_ASSERT_PTR_NULL(strstr(fake.last_log, "INFO"));
    check_use(s);
    CU_ASSERT_EQUAL(ops->keys(s, str("profile:"), list_key, &listed, &err), CHURN_FATAL);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.message, "does not let this user"));
    reply = put_for(s, "other", 0, "a", "1", 0);
    CU_ASSERT(says(&reply, CHURN_FATAL, "does not let this user"));
    ops->close(s);
    close_store();
    open_as("~profile:* ~churnd:* +scan " NEEDED);
    s = session_new();
    CU_ASSERT_EQUAL(ops->keys(s, str("profile:"), list_key, &listed, &err), CHURN_OK);
    CU_ASSERT_EQUAL(listed.count, 2);
    ops->close(s);
    close_store();
    CU_ASSERT(admin(NULL, "ACL DELUSER app"));
}

/* Each is missed before anything is written, and by name; a put that meets it all the same is refused for good, so that
 * nobody asks again for ever. */
static void every_permission_is_missed(void)
{
    static const char *const inside[] = {"del", "hget", "hset", "hgetall", "persist", "pexpire"};
    static const char *const outside[] = {"eval", "evalsha"};
    static const char *const patterns[] = {"~profile:*", "~churnd:*", "~profile:* ~churnd:letters:*"};
    const churn_str keys[] = {str("profile:x"), str("churnd:letters:x")};
    char rules[512], name[16], identity[CHURN_IDENTITY_SIZE];
    for (size_t i = 0; i < sizeof inside / sizeof inside[0]; i++) {
        churn_put_reply reply;
        void *s;
        CU_ASSERT_FATAL(admin(NULL, "FLUSHALL"));
        CU_ASSERT_FATAL(admin(NULL, "HSET profile:1 _v 1 a 1"));
        (void)snprintf(rules, sizeof rules, "~profile:* ~churnd:* " NEEDED " -%s", inside[i]);
        open_as(rules);
        s = session_new();
        CU_ASSERT_EQUAL(ops->allowed(s, keys, 2, &err), CHURN_FATAL);
        for (size_t c = 0; c <= strlen(inside[i]); c++) {
            name[c] = (char)toupper((unsigned char)inside[i][c]);
        }
        CU_ASSERT_PTR_NOT_NULL(strstr(err.message, name));
        CU_ASSERT_PTR_NOT_NULL(strstr(err.message, "does not let this user"));
        /* Of these puts each command is needed by one. */
        reply = put_for(s, "profile:1", 0, "a", "2", 0);
        if (reply.result == CHURN_CONFLICT) {
            reply = put_for(s, "profile:1", 1, "a", "2", 5000);
        }
        if (reply.result == CHURN_OK) {
            reply = put_for(s, "profile:2", 0, "a", "2", 0);
        }
        if (reply.result == CHURN_OK) { /* by a write only */
            CU_ASSERT_STRING_EQUAL(name, "DEL");
            CU_ASSERT_EQUAL(write_one(s, str("churnd:x"), NULL, 0, 0, &err), CHURN_FATAL);
        } else {
            CU_ASSERT(says(&reply, CHURN_FATAL, "does not let this user"));
        }
        ops->close(s);
        close_store();
    }
    for (size_t i = 0; i < sizeof outside / sizeof outside[0]; i++) {
        void *s;
        (void)snprintf(rules, sizeof rules, "~profile:* ~churnd:* " NEEDED " -%s", outside[i]);
        open_as(rules);
        s = session_new();
        CU_ASSERT_EQUAL(ops->allowed(s, keys, 2, &err), CHURN_FATAL);
        CU_ASSERT_PTR_NOT_NULL(strstr(err.message, outside[i]));
        ops->close(s);
        close_store();
    }
    for (size_t i = 0; i < sizeof patterns / sizeof patterns[0]; i++) {
        void *s;
        (void)snprintf(rules, sizeof rules, "%s " NEEDED, patterns[i]);
        open_as(rules);
        s = session_new();
        CU_ASSERT_EQUAL(ops->allowed(s, keys, 2, &err), CHURN_FATAL);
        CU_ASSERT_PTR_NOT_NULL(strstr(err.message, "does not let this user"));
        CU_ASSERT_EQUAL(ops->identity(s, identity, &err), i == 1 ? CHURN_OK : CHURN_FATAL);
        ops->close(s);
        close_store();
    }
    open_as("~* " NEEDED " -script|load");
    void *none;
    CU_ASSERT_EQUAL(ops->open(store, &none, &err), CHURN_FATAL);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.message, "does not let this user"));
    close_store();
    open_for("~* " NEEDED, "replicas");
    CU_ASSERT_EQUAL(ops->open(store, &none, &err), CHURN_FATAL);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.message, "does not let this user"));
    close_store();
    open_for("~* +wait " NEEDED, "replicas");
    none = session_new();
    CU_ASSERT_EQUAL(ops->flush(none, 5, &err), CHURN_PENDING);
    churn_put_reply flushed = poll_one(none);
    CU_ASSERT(says(&flushed, CHURN_RETRY, "0 of the 1 replicas")); /* it may ask; there is none */
    ops->close(none);
    close_store();
    open_for("~* " NEEDED, "fsync");
    CU_ASSERT_EQUAL(ops->open(store, &none, &err), CHURN_FATAL);
    CU_ASSERT_STRING_EQUAL(err.option, "durability");
    close_store();
    open_as("~* " NEEDED " -info");
    none = session_new();
    CU_ASSERT_PTR_NOT_NULL(strstr(fake.last_log, "durability"));
    ops->close(none);
    close_store();
    CU_ASSERT(admin(NULL, "ACL DELUSER app"));
}

/* A script of somebody else runs for long: that is waited for, and nothing else is said about it. */
static void a_busy_server_is_waited_for(void)
{
    redisContext *c;
    char text[CHURN_IDENTITY_SIZE];
    void *s, *t;
    begin();
    s = session_new();
    CU_ASSERT(admin(NULL, "CONFIG SET busy-reply-threshold 1"));
    c = redisConnect("127.0.0.1", (int)strtol(port, NULL, 10));
    CU_ASSERT_FATAL(c != NULL && c->err == 0);
    (void)redisAppendCommand(c, "EVAL %s 0", "while true do end");
    for (int done = 0; done == 0;) {
        (void)redisBufferWrite(c, &done);
    }
    for (unsigned tries = 0; admin(NULL, "PING") && tries < 500; tries++) {
        sleep_ms(10);
    }
    CU_ASSERT_EQUAL(ops->open(store, &t, &err), CHURN_RETRY);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.message, "BUSY"));
    CU_ASSERT_PTR_NULL(strstr(fake.last_log, "INFO"));
    CU_ASSERT_EQUAL(ops->identity(s, text, &err), CHURN_RETRY);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.message, "BUSY"));
    CU_ASSERT(admin(NULL, "SCRIPT KILL"));
    for (unsigned tries = 0; !admin(NULL, "PING") && tries < 500; tries++) {
        sleep_ms(10);
    }
    identity_of(s, text);
    redisFree(c);
    ops->close(s);
    close_store();
}

static void check_open(const char *password, int32_t result, const char *option, const char *part)
{
    void *s;
    open_store(password);
    CU_ASSERT_EQUAL(ops->open(store, &s, &err), result);
    CU_ASSERT_STRING_EQUAL(err.option, option);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.message, part));
    CU_ASSERT_PTR_NULL(strstr(err.message, "secret"));
    close_store();
}

static void passwords(void)
{
    void *s;
    check_open("secret", CHURN_FATAL, "password", "has no password");
    kill_server();
    start_server("secret");
    check_open("", CHURN_FATAL, "password", "asks for a password");
    check_open("secret2", CHURN_FATAL, "password", "refuses");
    open_store("secret");
    s = session_new();
    CU_ASSERT_EQUAL(put_now(s, "k", 0, "a", "1"), CHURN_OK);
    ops->close(s);
    close_store();
    kill_server();
    start_server(NULL);
}

/* The one place that a probe tells of, as "kind name result option message". */
static void note_target(void *ctx, const churn_target *target)
{
    char *text = ctx;
    CU_ASSERT_EQUAL(text[0], '\0');
    CU_ASSERT_EQUAL(target->flags, CHURN_TARGET_READS | CHURN_TARGET_WRITES);
    (void)snprintf(text, 1024, "%s %s %d %s %s", target->kind, target->name, target->result,
                   target->option != NULL ? target->option : "-", target->message != NULL ? target->message : "-");
}

static void check_probe(uint32_t timeout_ms, const char *result, const char *part)
{
    char text[1024] = "", expected[128];
    (void)snprintf(expected, sizeof expected, "redis 127.0.0.1:%s %s", port, result);
    ops->probe(store, timeout_ms, note_target, text);
    CU_ASSERT_EQUAL(strncmp(text, expected, strlen(expected)), 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, part));
    CU_ASSERT_EQUAL(fake.log_lines, 0);
}

/* Nothing is asked of the server without a timeout; with one it is tried as a session would find it. */
static void a_probe_says_what_came_of_it(void)
{
    char text[64];
    begin();
    check_probe(0, "0 - -", "");
    check_probe(2000, "0 - -", "");
    CU_ASSERT(admin(NULL, "CONFIG SET maxmemory 1gb"));
    CU_ASSERT(admin(NULL, "CONFIG SET maxmemory-policy allkeys-lru"));
    check_probe(2000, "0 - ", "may throw profiles away");
    CU_ASSERT(admin(NULL, "CONFIG SET maxmemory-policy noeviction"));
    CU_ASSERT(admin(NULL, "CONFIG SET maxmemory 0"));
    close_store();
    open_store("secret");
    (void)snprintf(text, sizeof text, "%d password ", CHURN_FATAL);
    check_probe(2000, text, "has no password");
    close_store();
    open_store("");
    (void)kill(server, SIGSTOP);
    (void)snprintf(text, sizeof text, "%d - ", CHURN_RETRY);
    check_probe(100, text, "has not answered for 100 ms");
    (void)kill(server, SIGCONT);
    kill_server();
    check_probe(0, "0 - -", "");
    check_probe(2000, text, "Connection refused");
    start_server(NULL);
    close_store();
}

/* What no attempt could ever reach would be waited for like a server that is down. */
static void hosts_are_checked(void)
{
    static const char *const refused[][2] = {
        {"rediss://x", "write it as `url`"},    {"redis://u:p@x:6379/0", "is a URL"},
        {"/run/redis.sock", "is a path"},       {"unix:/run/redis.sock", "unix:///PATH"},
        {"./redis.sock", "is a path"},          {"x:6379", "has a port in it"},
        {"127.0.0.1:6379", "has a port in it"}, {"[::1]", "without brackets"},
        {"[::1]:6379", "without brackets"},     {" x", "neither a host name"},
        {"x y", "neither a host name"},         {"a,b", "neither a host name"},
        {"user@x", "neither a host name"},      {"", "is empty"},
    };
    static const char *const taken[] = {"localhost", "redis-1.internal_net.example.", "10.0.0.1", "::1",
                                        "fe80::1%eth0"};
    fake_host_init(&fake);
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        err = (churn_error){.size = sizeof err};
        store = fake_instance_new(plugin, "host", refused[i][0], NULL);
        CU_ASSERT_EQUAL(ops->create(store, &fake.host, &err), CHURN_FATAL);
        CU_ASSERT_STRING_EQUAL(err.option, "host");
        CU_ASSERT_PTR_NOT_NULL(strstr(err.message, refused[i][1]));
        fake_instance_free(plugin, store);
    }
    for (size_t i = 0; i < sizeof taken / sizeof taken[0]; i++) {
        store = fake_instance_new(plugin, "host", taken[i], NULL);
        CU_ASSERT_EQUAL(ops->create(store, &fake.host, &err), CHURN_OK);
        close_store();
    }
}

static void note_name(void *ctx, const churn_target *target)
{
    (void)snprintf(ctx, 400, "%s", target->name);
}

/* What is refused repeats nothing of the URL, in which there may be a password. */
static void urls_are_checked(void)
{
    static const char *const refused[][2] = {
        {"localhost:6379", "must begin with redis://"},
        {"REDIS://x", "must begin with redis://"},
        {"http://x", "must begin with redis://"},
        {"redis:/x", "must begin with redis://"},
        {"redis://", "no host and port"},
        {"redis://:6379", "no host and port"},
        {"redis://u:canary@", "no host and port"},
        {"redis://x:", "no host and port"},
        {"redis://x:0", "no host and port"},
        {"redis://x:65536", "no host and port"},
        {"redis://x:99999999999999999999", "no host and port"},
        {"redis://x:63a9", "no host and port"},
        {"redis://x:+1", "no host and port"},
        {"redis://::1", "no host and port"},
        {"redis://[::1", "no host and port"},
        {"redis://[::1]6379", "no host and port"},
        {"redis://[]:6379", "no host and port"},
        {"redis://x y", "no host and port"},
        {"redis://a,b", "no host and port"},
        {"redis://x/one", "no number of a database"},
        {"redis://x/1/", "no number of a database"},
        {"redis://x/-1", "no number of a database"},
        {"redis://x/1000001", "no number of a database"},
        {"redis://x?db=1", "options of their own"},
        {"redis://x/1?db=1", "no number of a database"},
        {"redis://x#1", "options of their own"},
        {"redis://:can/ary@x", "write these as %2F"},
        {"redis://:can?ary@x", "write these as %2F"},
        {"redis://:can#ary@x", "write these as %2F"},
        {"redis://:canary%@x", "two hexadecimal digits"},
        {"redis://:canary%4@x", "two hexadecimal digits"},
        {"redis://:canary%4g@x", "two hexadecimal digits"},
        {"redis://:canary%00@x", "two hexadecimal digits"},
        {"redis://%zz:canary@x", "two hexadecimal digits"},
        {"redis://canary@x", "needs a `password`"},
        {"unix://", "unix:///PATH"},
        {"unix://run/redis.sock", "unix:///PATH"},
        {"unix:///run/redis.sock?db=1", "options of their own"},
        {"unix:///run/%zz", "two hexadecimal digits"},
        {"unix:///0123456789/0123456789/0123456789/0123456789/0123456789/0123456789/0123456789/0123456789/"
         "0123456789/01234567",
         "too long"},
    };
    static const char *const taken[][2] = {
        {"redis://x", "x:6379"},
        {"redis://x/", "x:6379"},
        {"redis://x:7/3", "x:7"},
        {"redis://[::1]", "[::1]:6379"},
        {"redis://[::1]:7/0", "[::1]:7"},
        {"redis://10.0.0.1:65535", "10.0.0.1:65535"},
        {"redis://:canary@x", "x:6379"},
        {"redis://u:canary@x:7", "x:7"},
        {"redis://u:can:ary@x:7", "x:7"},
        {"redis://u:can@ary@x:7", "x:7"},
        {"redis://:%63anary%2F%40@x", "x:6379"},
        {"unix:///run/redis.sock", "/run/redis.sock"},
        {"unix:///run/my%20redis%25.sock", "/run/my redis%.sock"},
    };
    char name[400];
    fake_host_init(&fake);
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        err = (churn_error){.size = sizeof err};
        store = fake_instance_new(plugin, "url", refused[i][0], NULL);
        CU_ASSERT_EQUAL(ops->create(store, &fake.host, &err), CHURN_FATAL);
        CU_ASSERT_STRING_EQUAL(err.option, "url");
        CU_ASSERT_PTR_NOT_NULL(strstr(err.message, refused[i][1]));
        CU_ASSERT_PTR_NULL(strstr(err.message, "canary"));
        if (strstr(err.message, refused[i][1]) == NULL) {
            (void)printf("%s: %s\n", refused[i][0], err.message);
        }
        fake_instance_free(plugin, store);
    }
    for (size_t i = 0; i < sizeof taken / sizeof taken[0]; i++) {
        store = fake_instance_new(plugin, "url", taken[i][0], NULL);
        CU_ASSERT_EQUAL_FATAL(ops->create(store, &fake.host, &err), CHURN_OK);
        ops->probe(store, 0, note_name, name);
        CU_ASSERT_STRING_EQUAL(name, taken[i][1]);
        close_store();
    }
}

/* One of the two would be ignored. */
static void nothing_is_said_twice(void)
{
    static const char *const rows[][3] = {{"redis://x", "host", "x"},
                                          {"redis://x", "host", ""},
                                          {"redis://x", "port", "6379"},
                                          {"unix:///x", "host", "x"},
                                          {"unix:///x", "port", "1"},
                                          {"redis://u:canary@x", "username", "u"},
                                          {"redis://:canary@x", "password", "canary"},
                                          {"redis://x/3", "database", "3"}};
    fake_host_init(&fake);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        err = (churn_error){.size = sizeof err};
        store = fake_instance_new(plugin, "url", rows[i][0], rows[i][1], rows[i][2], NULL);
        CU_ASSERT_EQUAL(ops->create(store, &fake.host, &err), CHURN_FATAL);
        CU_ASSERT_STRING_EQUAL(err.option, rows[i][1]);
        CU_ASSERT_PTR_NOT_NULL(strstr(err.message, "what `url` says already"));
        fake_instance_free(plugin, store);
    }
}

/* Through whatever way, it is one server: what was put through the first is there for the others. */
static void ways_to_one_server(void)
{
    char urls[5][400];
    kill_server();
    start_server("p@s/s:%");
    CU_ASSERT(admin("p@s/s:%", "ACL SETUSER some:one on >p%%2F ~* +@all"));
    (void)snprintf(urls[0], sizeof urls[0], "redis://:p%%40s%%2Fs:%%25@127.0.0.1:%s/3", port);
    (void)snprintf(urls[1], sizeof urls[1], "redis://some%%3Aone:p%%252F@localhost:%s/3", port);
    (void)snprintf(urls[2], sizeof urls[2], "redis://127.0.0.1:%s", port);
    (void)snprintf(urls[3], sizeof urls[3], "unix://%s", socket_path);
    (void)snprintf(urls[4], sizeof urls[4], "redis://some%%3Aone@127.0.0.1:%s/3", port);
    fake_host_init(&fake);
    for (unsigned i = 0; i < 5; i++) {
        bool plain = i == 2 || i == 3;
        void *s;
        store = i == 4 ? fake_instance_new(plugin, "url", urls[i], "password", "p%2F", NULL)
                       : fake_instance_new(plugin, "url", urls[i], "password", plain ? "p@s/s:%" : "", "database",
                                           plain ? "3" : "0", NULL);
        CU_ASSERT_EQUAL_FATAL(ops->create(store, &fake.host, &err), CHURN_OK);
        s = session_new();
        CU_ASSERT_EQUAL(put_now(s, "k", i, "a", "1"), CHURN_OK);
        ops->close(s);
        close_store();
    }
    kill_server();
    store = fake_instance_new(plugin, "url", urls[3], NULL);
    CU_ASSERT_EQUAL_FATAL(ops->create(store, &fake.host, &err), CHURN_OK);
    CU_ASSERT_EQUAL(ops->open(store, &(void *){NULL}, &err), CHURN_RETRY);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.message, "redis.sock cannot be reached: "));
    close_store();
    start_server(NULL);
}

/* What a run would meet, a probe meets: a server that answers, but takes no writes. */
static void a_probe_meets_refused_writes(void)
{
    char text[64], primary[64];
    (void)snprintf(text, sizeof text, "%d - ", CHURN_RETRY);
    begin();
    CU_ASSERT(admin(NULL, "CONFIG SET maxmemory 1"));
    check_probe(2000, text, "refuses writes: its memory is full; raise maxmemory, or make room (OOM ");
    CU_ASSERT(admin(NULL, "CONFIG SET maxmemory 0"));
    CU_ASSERT(admin(NULL, "CONFIG SET min-replicas-to-write 1"));
    check_probe(2000, text, "refuses writes: fewer replicas are in reach than its min-replicas-to-write (NOREPLICAS ");
    CU_ASSERT(admin(NULL, "CONFIG SET min-replicas-to-write 0"));
    (void)snprintf(primary, sizeof primary, "REPLICAOF 127.0.0.1 %s", cluster_port);
    CU_ASSERT(admin(NULL, primary));
    check_probe(2000, text, "is a replica, which takes no writes");
    CU_ASSERT(admin(NULL, "REPLICAOF NO ONE"));
    check_probe(2000, "0 - -", "");
    close_store();
}

static void options_are_checked(void)
{
    void *s;
    fake_host_init(&fake);
    err = (churn_error){.size = sizeof err};
    store = fake_instance_new(plugin, "username", "someone", NULL);
    CU_ASSERT_EQUAL(ops->create(store, &fake.host, &err), CHURN_FATAL);
    CU_ASSERT_STRING_EQUAL(err.option, "username");
    fake_instance_free(plugin, store);
    store = fake_instance_new(plugin, "host", "127.0.0.1", "port", port, "database", "999", NULL);
    CU_ASSERT_EQUAL(ops->create(store, &fake.host, &err), CHURN_OK);
    CU_ASSERT_EQUAL(ops->open(store, &s, &err), CHURN_FATAL);
    CU_ASSERT_STRING_EQUAL(err.option, "database");
    close_store();
    store = fake_instance_new(plugin, "host", "127.0.0.1", "port", port, "database", "3", NULL);
    CU_ASSERT_EQUAL(ops->create(store, &fake.host, &err), CHURN_OK);
    s = session_new();
    CU_ASSERT_EQUAL(put_now(s, "k", 0, "a", "1"), CHURN_OK);
    ops->close(s);
    close_store();
}

/* It serves as a single server does, also puts whose keys are of different slots. */
static void a_node_that_has_all_slots(void)
{
    char key[32], text[CHURN_IDENTITY_SIZE], nodes[300];
    const churn_str keys[] = {str("a"), str("b")};
    unsigned good = 0;
    void *s;
    kill_server();
    cluster = "yes";
    start_server(NULL);
    CU_ASSERT(admin(NULL, "CLUSTER ADDSLOTSRANGE 0 16383"));
    for (unsigned tries = 0; !admin(NULL, "SET x 1") && tries < 500; tries++) {
        sleep_ms(20);
    }
    begin();
    s = session_new();
    CU_ASSERT_EQUAL(ops->allowed(s, keys, 2, &err), CHURN_OK);
    identity_of(s, text);
    for (unsigned i = 0; i < 100; i++) {
        (void)snprintf(key, sizeof key, "key:%u", i);
        CU_ASSERT_EQUAL(queue(s, key, 0, i, "a", "1", 0), CHURN_OK);
    }
    for (unsigned i = 0; i < 100; i++) {
        good += poll_one(s).result == CHURN_OK;
    }
    CU_ASSERT_EQUAL(good, 100);
    CU_ASSERT_EQUAL(put_now(s, "key:99", 0, "a", "1"), CHURN_CONFLICT);
    ops->close(s);
    close_store();
    kill_server();
    (void)snprintf(nodes, sizeof nodes, "%s/nodes.conf", folder);
    (void)unlink(nodes);
    cluster = "no";
    start_server(NULL);
}

/* --- A scripted server: a proper beginning, then fixed texts for the calls of puts, then the end of the connection ---
 */

struct script {
    int listener;
    bool whole;                 /* each text answers a call, not one of its puts */
    const char *const *answers; /* NULL-terminated */
    char text[4096];
};

/* Of a call of puts: an array of as many of the fixed texts as it has puts. */
static const char *answer_call(struct script *script, const redisReply *command)
{
    const unsigned char *batch = (const unsigned char *)command->element[4]->str;
    long puts = batch[1] << 8 | batch[2]; /* a MessagePack array of 16 bits */
    if (script->whole || *script->answers == NULL) {
        return *script->answers != NULL ? *script->answers++ : NULL;
    }
    (void)snprintf(script->text, sizeof script->text, "*%ld\r\n", puts);
    for (long i = 0; i < puts && *script->answers != NULL; i++) {
        (void)strcat(script->text, *script->answers++);
    }
    return script->text;
}

static const char *answer_to(struct script *script, const redisReply *command)
{
    const char *name = command->element[0]->str;
    if (strcmp(name, "SCRIPT") == 0) {
        return "$40\r\n0123456789012345678901234567890123456789\r\n";
    }
    return strcmp(name, "EVALSHA") == 0 ? answer_call(script, command)
           : strcmp(name, "INFO") == 0  ? "$0\r\n\r\n"
                                        : "+OK\r\n";
}

static void *serve(void *arg)
{
    struct script *script = arg;
    int fd = accept(script->listener, NULL, NULL);
    redisReader *reader = redisReaderCreate();
    char buffer[4096];
    ssize_t n;
    bool open = true;
    while (open && (n = recv(fd, buffer, sizeof buffer, 0)) > 0) {
        redisReply *command = NULL;
        (void)redisReaderFeed(reader, buffer, (size_t)n);
        while (open && redisReaderGetReply(reader, (void **)&command) == REDIS_OK && command != NULL) {
            const char *answer = answer_to(script, command);
            open = answer != NULL && send(fd, answer, strlen(answer), MSG_NOSIGNAL) > 0;
            freeReplyObject(command);
        }
    }
    (void)close(fd);
    redisReaderFree(reader);
    return NULL;
}

/* Puts against the scripted answers; the results as one letter each: o c r f, R for the session, and - after it. */
static void check_script(const char *const *answers, bool whole, const char *expected)
{
    struct script script = {.answers = answers, .whole = whole};
    char real_port[16], got[64] = "";
    size_t puts = strlen(expected);
    pthread_t thread;
    void *s;
    (void)memcpy(real_port, port, sizeof port);
    script.listener = listen_somewhere();
    CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, serve, &script), 0);
    open_store("");
    s = session_new();
    for (size_t i = 0; i < puts; i++) {
        CU_ASSERT_EQUAL(queue(s, "key", 0, i, "a", "1", 0), CHURN_OK);
    }
    for (size_t i = 0; i < puts; i++) {
        churn_put_reply reply;
        uint32_t count;
        int32_t result = ops->poll(s, &reply, 1, 3000, &count, &err);
        got[i] = result != CHURN_OK               ? 'R'
                 : reply.result == CHURN_OK       ? 'o'
                 : reply.result == CHURN_CONFLICT ? 'c'
                 : reply.result == CHURN_RETRY    ? 'r'
                                                  : 'f';
        if (result != CHURN_OK) {
            memset(got + i + 1, '-', puts - i - 1); /* never answered */
            break;
        }
    }
    CU_ASSERT_STRING_EQUAL(got, expected);
    ops->close(s);
    (void)pthread_join(thread, NULL);
    (void)close(script.listener);
    close_store();
    (void)memcpy(port, real_port, sizeof port);
}

static void odd_answers(void)
{
    static const char *const errors[] = {
        "-TRYAGAIN later\r\n",
        "-MOVED 5 127.0.0.1:7\r\n",
        "-ASK 5 127.0.0.1:7\r\n",
        "-MISCONF cannot save\r\n",
        "-ERR Error running script (call to f_0): @user_script:1: WRONGTYPE Operation\r\n",
        "-ERR Error running script (call to f_0): @user_script: 1: -OOM command\r\n",
        ":1\r\n",
        "*0\r\n",
        "*2\r\n$2\r\n_v\r\n$1\r\n7\r\n",
        NULL};
    static const char *const loading[] = {":1\r\n", "-LOADING Redis is loading\r\n", ":1\r\n", NULL};
    static const char *const garbage[] = {":1\r\n", "hello\r\n", NULL};
    static const char *const cut[] = {":1\r\n", "*2\r\n$2\r\n_v\r\n$5\r\n12", NULL};
    static const char *const status[] = {"+OK\r\n", NULL};
    static const char *const numbers[] = {":1\r\n", "*2\r\n:1\r\n:2\r\n", NULL};
    static const char *const odd[] = {":1\r\n", "*1\r\n$2\r\n_v\r\n", NULL};
    check_script(errors, false, "rffrfrocc");
    check_script(numbers, false, "oR");
    check_script(odd, false, "oR");
    check_script(loading, false, "oR-");
    check_script(garbage, false, "R-");
    check_script(cut, false, "R-");
    check_script(status, false, "R");
}

static void odd_answers_to_calls(void)
{
    static const char *const moved[] = {"-MOVED 5 127.0.0.1:7\r\n", NULL};
    static const char *const misconf[] = {"-MISCONF cannot save\r\n", NULL};
    static const char *const loading[] = {"-LOADING Redis is loading\r\n", NULL};
    static const char *const number[] = {":1\r\n", NULL};
    static const char *const fewer[] = {"*2\r\n:1\r\n:1\r\n", NULL};
    static const char *const more[] = {"*4\r\n:1\r\n:1\r\n:1\r\n:1\r\n", NULL};
    check_script(moved, true, "fff");
    check_script(misconf, true, "rrr");
    check_script(loading, true, "R--");
    check_script(number, true, "R");
    check_script(fewer, true, "R--");
    check_script(more, true, "R--");
}

#define FOUR(x) x x x x

/* The answers to a call that was read whole count, whatever becomes of the next one. */
static void a_call_counts_before_the_connection_breaks(void)
{
    static const char good[] = "*32\r\n" FOUR(FOUR(":1\r\n:1\r\n"));
    static const char *const garbage[] = {good, "hello\r\n", NULL};
    static const char *const cut[] = {good, "*1\r\n*2\r\n$2\r\n_v\r\n$5\r\n12", NULL};
    static const char *const closed[] = {good, NULL};
    static const char expected[] = FOUR(FOUR("oo")) "R";
    check_script(garbage, true, expected);
    check_script(cut, true, expected);
    check_script(closed, true, expected);
}

/* What a server may send that never is an answer. */
static const char *const endless[] = {
    "+",               /* a line without an end */
    "$9\r\n",          /* less than it promised, again and again */
    "*1000\r\n$1\r\n", /* … in an array */
};

struct flood {
    int listener;
    const char *begin; /* of the answer */
    size_t chunk;      /* bytes at a time, until the session is closed */
    long pause_ms;     /* between them */
};

static void send_flood(const struct flood *flood, int fd)
{
    static char bytes[1 << 20];
    ssize_t n = send(fd, flood->begin, strlen(flood->begin), MSG_NOSIGNAL);
    memset(bytes, 'x', sizeof bytes);
    while (n > 0) {
        n = send(fd, bytes, flood->chunk, MSG_NOSIGNAL);
        if (flood->pause_ms > 0) {
            sleep_ms(flood->pause_ms);
        }
    }
}

static void *serve_flood(void *arg)
{
    const struct flood *flood = arg;
    struct script script = {.answers = NULL};
    int fd = accept(flood->listener, NULL, NULL);
    redisReader *reader = redisReaderCreate();
    char buffer[4096];
    ssize_t n;
    bool put = false;
    while (!put && (n = recv(fd, buffer, sizeof buffer, 0)) > 0) {
        redisReply *command = NULL;
        (void)redisReaderFeed(reader, buffer, (size_t)n);
        while (!put && redisReaderGetReply(reader, (void **)&command) == REDIS_OK && command != NULL) {
            put = strcmp(command->element[0]->str, "EVALSHA") == 0;
            const char *answer = put ? "" : answer_to(&script, command);
            (void)send(fd, answer, strlen(answer), MSG_NOSIGNAL);
            freeReplyObject(command);
        }
    }
    send_flood(flood, fd);
    (void)close(fd);
    redisReaderFree(reader);
    return NULL;
}

/* A put that meets it is given up within the timeout, or at the limit, and says so. */
static void check_flood(const char *begin_with, size_t chunk, long pause_ms, const char *said)
{
    struct flood flood = {.begin = begin_with, .chunk = chunk, .pause_ms = pause_ms};
    char real_port[16];
    churn_put_reply reply;
    uint32_t count;
    int32_t result = CHURN_PENDING;
    pthread_t thread;
    void *s;
    (void)memcpy(real_port, port, sizeof port);
    flood.listener = listen_somewhere();
    CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, serve_flood, &flood), 0);
    open_store("");
    s = session_new();
    CU_ASSERT_EQUAL(queue(s, "key", 0, 1, "a", "1", 0), CHURN_OK);
    for (unsigned polls = 0; result == CHURN_PENDING && polls < 2000; polls++) {
        result = ops->poll(s, &reply, 1, 20, &count, &err);
    }
    CU_ASSERT_EQUAL(result, CHURN_RETRY);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.message, said));
    ops->close(s);
    (void)pthread_join(thread, NULL);
    (void)close(flood.listener);
    close_store();
    (void)memcpy(port, real_port, sizeof port);
}

static void an_answer_must_be_whole_in_time(void)
{
    patience = "300ms";
    for (size_t i = 0; i < sizeof endless / sizeof endless[0]; i++) {
        check_flood(endless[i], 1, 20, i == 0 ? "has not answered for 300 ms" : "Redis at 127.0.0.1:");
    }
    check_flood("*1000\r\n", 0, 0, "Redis at 127.0.0.1:"); /* it hangs up */
    check_flood("$100000000\r\n", 1000, 20, "has not answered for 300 ms");
    patience = "2s";
}

static void an_answer_has_an_end(void)
{
    patience = "1h";
    check_flood("+", 1 << 20, 0, "a line of more than 64 KiB");
    check_flood("*5\r\n-ERR ", 1 << 20, 0, "a line of more than 64 KiB");
    check_flood("$500000000\r\n", 1 << 20, 0, "an answer of more than 64 MiB");
    check_flood("*1000000000\r\n", 1, 20, "an answer of more than 2097152 elements");
    check_flood("*2147483647\r\n", 1, 20, "an answer of more than 2097152 elements");
    check_flood("*2\r\n*2000000\r\n*2000000\r\n", 1, 20, "an answer of more than 2097152 elements");
    patience = "2s";
}

/* One that was not looked at for longer than that has not been late. */
static void a_pause_of_our_own_is_no_delay(void)
{
    void *s;
    patience = "500ms";
    begin();
    s = session_new();
    CU_ASSERT_EQUAL(queue(s, "k", 0, 1, "a", "1", 0), CHURN_OK);
    CU_ASSERT_EQUAL(ops->poll(s, &(churn_put_reply){0}, 0, 0, &(uint32_t){0}, &err), CHURN_PENDING);
    sleep_ms(1200);
    CU_ASSERT_EQUAL(poll_one(s).result, CHURN_OK);
    ops->close(s);
    close_store();
    patience = "2s";
}

static void nothing_is_left_open(void)
{
    void *s;
    begin();
    s = session_new();
    ops->close(s);
    close_store();
    CU_ASSERT(admin(NULL, "PING"));
}

int main(void)
{
    CU_TestInfo tests[] = {TEST(puts_merge_and_conflict),
                           TEST(expiry_is_renewed_and_taken_away),
                           TEST(expiry_of_an_earlier_session_is_taken_away),
                           TEST(write_replaces),
                           TEST(keys_are_those_with_the_prefix),
                           TEST(many_keys_take_many_calls),
                           TEST(many_are_gotten_in_their_order),
                           TEST(foreign_keys_are_named),
                           TEST(a_version_that_was_taken_away),
                           TEST(puts_of_any_number_of_fields),
                           TEST(unanswered_puts_may_be_dropped),
                           TEST(large_windows_do_not_block),
                           TEST(windows_may_overlap),
                           TEST(many_fields_fit),
                           TEST(the_script_is_loaded_again),
                           TEST(a_killed_server_breaks_the_session),
                           TEST(a_silent_server_breaks_the_session),
                           TEST(the_identity_is_the_servers_and_its_datas),
                           TEST(nothing_is_put_into_another_history),
                           TEST(memory_and_roles),
                           TEST(the_documented_permissions_are_enough),
                           TEST(every_permission_is_missed),
                           TEST(a_busy_server_is_waited_for),
                           TEST(passwords),
                           TEST(a_probe_says_what_came_of_it),
                           TEST(hosts_are_checked),
                           TEST(urls_are_checked),
                           TEST(nothing_is_said_twice),
                           TEST(ways_to_one_server),
                           TEST(a_probe_meets_refused_writes),
                           TEST(options_are_checked),
                           TEST(odd_answers),
                           TEST(odd_answers_to_calls),
                           TEST(a_call_counts_before_the_connection_breaks),
                           TEST(an_answer_must_be_whole_in_time),
                           TEST(an_answer_has_an_end),
                           TEST(a_pause_of_our_own_is_no_delay),
                           TEST(a_node_that_has_all_slots),
                           TEST(nothing_is_left_open),
                           CU_TEST_INFO_NULL};
    const char *tmp = getenv("TMPDIR");
    int failed;
    plugin = fake_plugin_load("store", "redis");
    ops = plugin->ops;
    (void)snprintf(folder, sizeof folder, "%s/churn-redis-XXXXXX", tmp != NULL ? tmp : "/tmp");
    if (mkdtemp(folder) == NULL) {
        perror(folder);
        return 1;
    }
    (void)snprintf(socket_path, sizeof socket_path, "%s/redis.sock", folder);
    (void)close(listen_somewhere()); /* a free port */
    (void)memcpy(cluster_port, port, sizeof port);
    (void)close(listen_somewhere());
    (void)atexit(kill_server);
    start_server(NULL);
    failed = run_tests("store/redis", tests);
    kill_server();
    (void)unlink(socket_path);
    (void)rmdir(folder);
    return failed;
}
