/* The Redis store against a server in this program that says whatever the test wants: what is asked, to the byte, and
 * what becomes of every kind of answer. Needs no redis-server. */
#define _GNU_SOURCE /* dladdr */
#include "cunit_main.h"
#include "fake_host.h"
#include "memory_use.h"
#include "open_files.h"

#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <hiredis/hiredis.h>
#include <inttypes.h>
#include <linux/sockios.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

static const churn_plugin *plugin;
static const churn_store_ops *ops;
static struct fake_host fake;
static void *store;
static churn_error err;

/* --- The system's calls in which the session may be let down --- */

#define EXPORT __attribute__((visibility("default")))
#define EVERY_CALL UINT32_MAX

/* Of this thread; the server is another one. */
static _Thread_local struct {
    int send_error, recv_error; /* what the next `sends` and `recvs` fail with */
    unsigned sends, recvs;
    size_t most;         /* bytes that one of them moves; 0: as many as it can */
    unsigned allocation; /* which of those to come fails; 0: none */
    bool hiredis;        /* … its own as well */
    unsigned reader;     /* which of those to come is not made; 0: none */
    bool no_random;
} trouble;

static bool is_in_trouble(unsigned *times, int error)
{
    if (*times == 0) {
        return false;
    }
    *times -= *times != EVERY_CALL;
    errno = error;
    return true;
}

static size_t moved(size_t len)
{
    return trouble.most > 0 && trouble.most < len ? trouble.most : len;
}

EXPORT ssize_t send(int fd, const void *data, size_t len, int flags)
{
    return is_in_trouble(&trouble.sends, trouble.send_error) ? -1 : sendto(fd, data, moved(len), flags, NULL, 0);
}

EXPORT ssize_t recv(int fd, void *data, size_t len, int flags)
{
    ssize_t n;
    if (is_in_trouble(&trouble.recvs, trouble.recv_error)) {
        return -1;
    }
    n = recvfrom(fd, data, moved(len), flags, NULL, NULL);
    errno = n < 0 ? errno : EAGAIN; /* what succeeds leaves anything there */
    return n;
}

EXPORT ssize_t getrandom(void *data, size_t len, unsigned flags)
{
    (void)flags;
    memset(data, 'x', len);
    errno = ENOSYS;
    return trouble.no_random ? -1 : (ssize_t)len;
}

EXPORT redisReader *redisReaderCreate(void)
{
    if (trouble.reader > 0 && --trouble.reader == 0) {
        return NULL;
    }
    return ((__typeof__(&redisReaderCreate))dlsym(RTLD_NEXT, "redisReaderCreate"))();
}

/* Of hiredis' allocations only where a test says so: an old one ends the program when it gets no memory for an answer
 * behind a large one. */
__attribute__((unused)) static bool is_refused(const void *caller)
{
    Dl_info by;
    if (trouble.allocation == 0 || dladdr(caller, &by) == 0) {
        return false;
    }
    return (strstr(by.dli_fname, "/redis.so") != NULL ||
            (trouble.hiredis && strstr(by.dli_fname, "/libhiredis") != NULL)) &&
           --trouble.allocation == 0;
}

#define ALLOCATION_FAILS(caller) is_refused(caller)
#include "../unit/no_leaks.h"

/* A sanitizer has an allocator of its own. */
#ifdef HAS_SANITIZER
#define MEMORY_ENDS false
#else
#define MEMORY_ENDS true
#endif

/* --- The server --- */

#define SHA "0123456789012345678901234567890123456789"
#define WRITE_SHA "511759c0240993b608b43d1109cee027bf71e9a2" /* of the script that writes whole hashes */
#define LOADED "$40\r\n" SHA "\r\n"

/* A command that begins with `begin` is answered with `reply`; "": never; NULL: by hanging up. */
struct rule {
    const char *begin, *reply;
};

static struct {
    pthread_mutex_t lock;
    pthread_t thread;
    int listener;
    char port[16];
    struct rule rules[8];
    char asked[16384]; /* the commands since the last look */
    pthread_cond_t allowed;
    unsigned allowance;       /* commands that it still reads and answers */
    unsigned taken, answered; /* commands of all connections */
    int connection;           /* the newest one */
    atomic_bool serves;       /* a connection is open, or what it took is not freed */
    unsigned values, wrong;   /* large ones that came, and those in which a byte was another */
} server;

#define ALL_COMMANDS UINT32_MAX
#define VALUE_SIZE 66000U

/* The large value of a put, unlike all others. */
static void fill_value(char value[VALUE_SIZE], unsigned put)
{
    for (unsigned i = 0; i < VALUE_SIZE; i++) {
        value[i] = (char)((put * 31 + i * 7 + i / 251) % 251);
    }
}

static void check_value(const redisReply *command)
{
    static char expected[VALUE_SIZE];
    char key[16];
    const redisReply *batch = command->elements == 5 ? command->element[4] : NULL;
    if (batch != NULL && batch->len > VALUE_SIZE) {
        fill_value(expected, server.values);
        (void)snprintf(key, sizeof key, "value%u", server.values);
        server.wrong += strcmp(command->element[3]->str, key) != 0 ||
                        memcmp(batch->str + batch->len - VALUE_SIZE, expected, VALUE_SIZE) != 0;
        server.values++;
    }
}

/* The answers of a server that has nothing against us. */
static const struct rule usual[] = {
    {"SCRIPT LOAD", LOADED},
    {"INFO", "$0\r\n\r\n"},
    {"", "+OK\r\n"}, /* to anything */
};

static const char *reply_to(const char *command)
{
    for (size_t i = 0; i < 8 && server.rules[i].begin != NULL; i++) {
        if (strncmp(command, server.rules[i].begin, strlen(server.rules[i].begin)) == 0) {
            return server.rules[i].reply;
        }
    }
    for (size_t i = 0;; i++) {
        if (strncmp(command, usual[i].begin, strlen(usual[i].begin)) == 0) {
            return usual[i].reply;
        }
    }
}

/* One command for people: scripts by their first letters, other long arguments by their length, bytes that are no
 * letters in hexadecimal. */
static void write_command(const redisReply *command, char *text, size_t size)
{
    char *end = text + size;
    for (size_t i = 0; i < command->elements && end - text > 64; i++) {
        const redisReply *arg = command->element[i];
        text += sprintf(text, "%s", i > 0 ? " " : "");
        if (strncmp(arg->str, "local ", 6) == 0 || strncmp(arg->str, "redis.call", 10) == 0) {
            text += sprintf(text, "<%.10s>", arg->str);
        } else if (arg->len > 300) {
            text += sprintf(text, "<%zu>", arg->len);
        } else {
            for (size_t c = 0; c < arg->len && end - text > 64; c++) {
                unsigned char byte = (unsigned char)arg->str[c];
                text += sprintf(text, byte > ' ' && byte < 0x7f ? "%c" : "\\%02x", byte);
            }
        }
    }
}

/* False when the connection is to be closed. */
static bool answer_command(int fd, const redisReply *command)
{
    char text[4096] = "";
    const char *reply;
    bool open;
    write_command(command, text, sizeof text);
    (void)pthread_mutex_lock(&server.lock);
    while (server.allowance == 0) {
        (void)pthread_cond_wait(&server.allowed, &server.lock);
    }
    server.allowance -= server.allowance != ALL_COMMANDS;
    server.taken++;
    server.connection = fd;
    check_value(command);
    reply = reply_to(text);
    if (strlen(server.asked) + strlen(text) + 2 < sizeof server.asked) {
        (void)strcat(strcat(server.asked, text), "|");
    }
    (void)pthread_mutex_unlock(&server.lock);
    open = reply != NULL && (reply[0] == '\0' || send(fd, reply, strlen(reply), MSG_NOSIGNAL) > 0);
    (void)pthread_mutex_lock(&server.lock);
    server.answered++;
    (void)pthread_mutex_unlock(&server.lock);
    return open;
}

static void serve_one(int fd)
{
    redisReader *reader = redisReaderCreate();
    char buffer[65536];
    bool open = true;
    ssize_t n;
    server.serves = true;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    while (open && (n = recv(fd, buffer, sizeof buffer, 0)) > 0) {
        redisReply *command = NULL;
        (void)redisReaderFeed(reader, buffer, (size_t)n);
        while (open && redisReaderGetReply(reader, (void **)&command) == REDIS_OK && command != NULL) {
            open = answer_command(fd, command);
            freeReplyObject(command);
        }
    }
    redisReaderFree(reader);
    (void)close(fd);
    server.serves = false;
}

static void *serve(void *arg)
{
    int fd;
    (void)arg;
    is_uncounted = true;
    while ((fd = accept(server.listener, NULL, NULL)) >= 0) {
        serve_one(fd);
    }
    return NULL;
}

static void start_server(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    (void)pthread_mutex_init(&server.lock, NULL);
    (void)pthread_cond_init(&server.allowed, NULL);
    server.allowance = ALL_COMMANDS;
    server.listener = socket(AF_INET, SOCK_STREAM, 0);
    if (server.listener < 0 || bind(server.listener, (struct sockaddr *)&address, size) != 0 ||
        listen(server.listener, 64) != 0 || getsockname(server.listener, (struct sockaddr *)&address, &size) != 0 ||
        pthread_create(&server.thread, NULL, serve, NULL) != 0) {
        perror("server");
        exit(1);
    }
    (void)snprintf(server.port, sizeof server.port, "%u", ntohs(address.sin_port));
}

/* How many commands the server reads and answers from now on; it stops behind them. */
static void allow(unsigned commands)
{
    (void)pthread_mutex_lock(&server.lock);
    server.allowance = commands;
    (void)pthread_cond_signal(&server.allowed);
    (void)pthread_mutex_unlock(&server.lock);
}

static void stop_server(void)
{
    allow(ALL_COMMANDS);
    (void)shutdown(server.listener, SHUT_RDWR);
    (void)pthread_join(server.thread, NULL);
    (void)close(server.listener);
}

/* From now on; nothing else is asked at the moment. */
static void rule(unsigned at, const char *begin, const char *reply)
{
    (void)pthread_mutex_lock(&server.lock);
    memset(&server.rules[at], 0, (8 - at) * sizeof server.rules[0]);
    server.rules[at] = (struct rule){begin, reply};
    server.asked[0] = '\0';
    (void)pthread_mutex_unlock(&server.lock);
}

/* So many more, whose answers then lie in the client's socket. */
static void answer_and_arrive(unsigned commands)
{
    bool there = false;
    allow(commands);
    for (unsigned tries = 0; !there && tries < 20000; tries++) {
        int unacknowledged = 1;
        (void)pthread_mutex_lock(&server.lock);
        there = server.allowance == 0 && server.answered == server.taken &&
                ioctl(server.connection, SIOCOUTQ, &unacknowledged) == 0 && unacknowledged == 0;
        (void)pthread_mutex_unlock(&server.lock);
        (void)usleep(500);
    }
    CU_ASSERT(there);
}

static void check_asked(const char *expected)
{
    (void)pthread_mutex_lock(&server.lock);
    CU_ASSERT_STRING_EQUAL(server.asked, expected);
    if (strcmp(server.asked, expected) != 0) {
        (void)fprintf(stderr, "%s\n", server.asked);
    }
    server.asked[0] = '\0';
    (void)pthread_mutex_unlock(&server.lock);
}

/* --- Set-up --- */

/* %W stands for the server's address. */
static const char *with_address(const char *text)
{
    static char full[2048];
    char *at = full;
    for (; *text != '\0'; text++) {
        if (strncmp(text, "%W", 2) == 0) {
            at += sprintf(at, "127.0.0.1:%s", server.port);
            text++;
        } else {
            *at++ = *text;
        }
    }
    *at = '\0';
    return full;
}

static void check_message(const char *expected)
{
    CU_ASSERT_STRING_EQUAL(err.message, with_address(expected));
    if (strcmp(err.message, with_address(expected)) != 0) {
        (void)fprintf(stderr, "%s\n", err.message);
    }
}

static void make_store(const char *key1, const char *value1, const char *key2, const char *value2)
{
    fake_host_init(&fake);
    err = (churn_error){.size = sizeof err};
    store = fake_instance_new(plugin, "host", "127.0.0.1", "port", server.port, "timeout", "10s", key1, value1, key2,
                              value2, NULL);
    CU_ASSERT_EQUAL_FATAL(ops->create(store, &fake.host, &err), CHURN_OK);
    rule(0, NULL, NULL);
}

static void drop_store(void)
{
    ops->destroy(store);
    fake_instance_free(plugin, store);
}

static void *session_new(void)
{
    void *session = NULL;
    int32_t result = ops->open(store, &session, &err);
    CU_ASSERT_STRING_EQUAL(result == CHURN_OK ? "" : err.message, "");
    CU_ASSERT_EQUAL_FATAL(result, CHURN_OK);
    rule(0, NULL, NULL);
    return session;
}

static void *begin(void)
{
    make_store(NULL, NULL, NULL, NULL);
    return session_new();
}

static void end(void *session)
{
    ops->close(session);
    drop_store();
}

/* --- Opening --- */

#define OPENING "INFO replication|INFO cluster|SCRIPT LOAD <local r, c>|CLIENT SETNAME churnd-test|"

static void what_is_asked_at_the_opening(void)
{
    make_store(NULL, NULL, NULL, NULL);
    ops->close(session_new());
    ops->close(session_new());
    CU_ASSERT_EQUAL(fake.log_lines, 1); /* the durability once */
    CU_ASSERT_EQUAL(fake.last_level, CHURN_LOG_INFO);
    CU_ASSERT_STRING_EQUAL(fake.last_log, with_address("Redis at %W: durability: acknowledged"));
    CU_ASSERT_STRING_EQUAL(ops->durability(store), "acknowledged");
    drop_store();
    for (unsigned i = 0; i < 4; i++) {
        void *s = NULL;
        if (i == 0) {
            make_store("username", "u", "password", "p");
        } else if (i == 1) {
            make_store("password", "p", "database", "12");
        } else if (i == 2) {
            make_store("durability", "replicas", "replicas", "2");
        } else {
            make_store("durability", "fsync", NULL, NULL);
            rule(0, "CONFIG GET appendonly", "*2\r\n$1\r\na\r\n$3\r\nyes\r\n");
            rule(1, "CONFIG GET appendfsync", "*2\r\n$1\r\na\r\n$6\r\nalways\r\n");
        }
        fake.host.pipeline = i == 0 ? "a b\tc\x7f\xc3\xa9" : "test";
        CU_ASSERT_EQUAL_FATAL(ops->open(store, &s, &err), CHURN_OK);
        check_asked(i == 0   ? "AUTH u p|INFO replication|INFO cluster|SCRIPT LOAD <local r, c>|"
                               "CLIENT SETNAME churnd-a-b-c---|INFO memory|"
                    : i == 1 ? "AUTH p|SELECT 12|" OPENING "INFO memory|"
                    : i == 2 ? OPENING "WAIT 0 0|INFO memory|"
                             : OPENING "CONFIG GET appendonly|CONFIG GET appendfsync|INFO memory|");
        CU_ASSERT_STRING_EQUAL(ops->durability(store), i == 2 ? "replicas: 2" : i == 3 ? "fsync" : "acknowledged");
        ops->close(s);
        drop_store();
    }
}

#define FORBIDDEN "Redis at %W does not let this user do what is needed (the help of the option `username` lists that)"
#define CLUSTER "Redis at %W is a node of a Redis Cluster, which this version does not support"
#define UNEXPECTED "Redis at %W gave an unexpected answer"
#define CLOSED "Redis at %W closed the connection"
#define INFO_TEXT(text, len) "$" #len "\r\n" text "\r\n"
#define NODE INFO_TEXT("# Cluster\r\ncluster_enabled:1\r\n", 30)

/* The client's end of its connection to the server; -1: there is none. */
static int client_socket(void)
{
    for (int fd = 0; fd < 1024; fd++) {
        struct sockaddr_in peer = {.sin_family = AF_UNSPEC};
        socklen_t size = sizeof peer;
        if (getpeername(fd, (struct sockaddr *)&peer, &size) == 0 && peer.sin_family == AF_INET &&
            ntohs(peer.sin_port) == strtoul(server.port, NULL, 10)) {
            return fd;
        }
    }
    return -1;
}

/* A server whose machine is gone says nothing: the system asks for it while the session is idle. */
static void an_idle_connection_is_kept_alive(void)
{
    void *s = begin();
    int keeps = 0;
    socklen_t size = sizeof keeps;
    CU_ASSERT_EQUAL(getsockopt(client_socket(), SOL_SOCKET, SO_KEEPALIVE, &keeps, &size), 0);
    CU_ASSERT_EQUAL(keeps, 1);
    end(s);
}

/* What each answer to a command of the opening comes to. */
static void answers_at_the_opening(void)
{
    static const struct {
        const char *begin, *reply;
        int32_t result;
        const char *option, *message;
    } rows[] = {
        {"SCRIPT", "-LOADING x\r\n", CHURN_RETRY, "", "Redis at %W: LOADING x"},
        {"SCRIPT", "-BUSY x\r\n", CHURN_RETRY, "", "Redis at %W: BUSY x"},
        {"SCRIPT", "-MASTERDOWN x\r\n", CHURN_RETRY, "", "Redis at %W: MASTERDOWN x"},
        {"SCRIPT", "-TRYAGAIN\r\n", CHURN_RETRY, "", "Redis at %W: TRYAGAIN"},
        {"SCRIPT", "-CLUSTERDOWN x\r\n", CHURN_RETRY, "", "Redis at %W: CLUSTERDOWN x"},
        {"SCRIPT", "-OOM x\r\n", CHURN_RETRY, "", "Redis at %W: OOM x"},
        {"SCRIPT", "-MISCONF x\r\n", CHURN_RETRY, "", "Redis at %W: MISCONF x"},
        {"SCRIPT", "-READONLY x\r\n", CHURN_RETRY, "", "Redis at %W: READONLY x"},
        {"SCRIPT", "-READONLYX x\r\n", CHURN_FATAL, "", "Redis at %W: READONLYX x"},
        {"SCRIPT", "-ERR max number of clients reached\r\n", CHURN_RETRY, "",
         "Redis at %W: ERR max number of clients reached"},
        {"SCRIPT", "-NOAUTH x\r\n", CHURN_FATAL, "password", "Redis at %W asks for a password; set `password`"},
        {"SCRIPT", "-WRONGPASS x\r\n", CHURN_FATAL, "password", "Redis at %W refuses the user name or the password"},
        {"SCRIPT", "-ERR invalid password\r\n", CHURN_FATAL, "password",
         "Redis at %W refuses the user name or the password"},
        {"SCRIPT", "-ERR AUTH x\r\n", CHURN_FATAL, "password", "Redis at %W has no password; leave `password` out"},
        {"SCRIPT", "-ERR Client sent AUTH, but\r\n", CHURN_FATAL, "password",
         "Redis at %W has no password; leave `password` out"},
        {"SCRIPT", "-NOPERM x\r\n", CHURN_FATAL, "", FORBIDDEN ": NOPERM x"},
        {"SCRIPT", "-ERR x\r\n", CHURN_FATAL, "", "Redis at %W: ERR x"},
        {"SCRIPT", "+OK\r\n", CHURN_FATAL, "", "Redis at %W: unexpected answer to SCRIPT LOAD"},
        {"SCRIPT", "$2\r\nxx\r\n", CHURN_FATAL, "", "Redis at %W: unexpected answer to SCRIPT LOAD"},
        {"SCRIPT", "+" SHA "\r\n", CHURN_FATAL, "", "Redis at %W: unexpected answer to SCRIPT LOAD"},
        {"SCRIPT", NULL, CHURN_RETRY, "", CLOSED},
        {"SCRIPT", "hello\r\n", CHURN_RETRY, "",
         "Redis at %W sent what is not Redis' protocol: Protocol error, got \"h\" as reply type byte"},
        {"SELECT", "-ERR DB index is out of range\r\n", CHURN_FATAL, "database",
         "Redis at %W: ERR DB index is out of range"},
        {"SELECT", "-NOAUTH x\r\n", CHURN_FATAL, "password", "Redis at %W asks for a password; set `password`"},
        {"SELECT", "-LOADING x\r\n", CHURN_RETRY, "", "Redis at %W: LOADING x"},
        {"SELECT", NULL, CHURN_RETRY, "", CLOSED},
        {"INFO replication", INFO_TEXT("# R\r\nrole:slave\r\n", 15), CHURN_RETRY, "",
         "Redis at %W is a replica, which takes no writes"},
        {"INFO replication", INFO_TEXT("role:slave", 10), CHURN_RETRY, "",
         "Redis at %W is a replica, which takes no writes"},
        {"INFO replication", INFO_TEXT("role:master\r\n", 13), CHURN_OK, "", ""},
        {"INFO replication", INFO_TEXT("xrole:slave\r\nroles:slave\r\n", 26), CHURN_OK, "", ""},
        {"INFO replication", ":1\r\n", CHURN_RETRY, "", UNEXPECTED " to INFO"},
        {"INFO replication", "-LOADING x\r\n", CHURN_RETRY, "", "Redis at %W: LOADING x"},
        {"INFO replication", NULL, CHURN_RETRY, "", CLOSED},
        {"INFO cluster", INFO_TEXT("cluster_enabled:0\r\n", 19), CHURN_OK, "", ""},
        {"INFO cluster", "-ERR unknown command\r\n", CHURN_OK, "", ""},
        {"INFO cluster", "-ERR Unknown command\r\n", CHURN_OK, "", ""},
        {"INFO cluster", "-NOPERM x\r\n", CHURN_OK, "", ""},
        {"INFO cluster", "-ERR x\r\n", CHURN_FATAL, "", "Redis at %W: ERR x"},
        {"INFO cluster", NULL, CHURN_RETRY, "", CLOSED},
        {"INFO cluster", NODE, CHURN_OK, "", ""}, /* and CLUSTER INFO is no text */
        {"CLUSTER", INFO_TEXT("cluster_slots_assigned:16384\r\ncluster_size:1\r\n", 46), CHURN_OK, "", ""},
        {"CLUSTER", INFO_TEXT("cluster_slots_assigned:16384\r\ncluster_size:0\r\n", 46), CHURN_OK, "", ""},
        {"CLUSTER", INFO_TEXT("cluster_slots_assigned:16384\r\ncluster_size:2\r\n", 46), CHURN_FATAL, "", CLUSTER},
        {"CLUSTER", INFO_TEXT("cluster_slots_assigned:16383\r\ncluster_size:1\r\n", 46), CHURN_FATAL, "", CLUSTER},
        {"CLUSTER", INFO_TEXT("cluster_size:1\r\n", 16), CHURN_FATAL, "", CLUSTER},
        {"CLUSTER", "-ERR unknown subcommand\r\n", CHURN_OK, "", ""},
        {"CLUSTER", "-NOPERM x\r\n", CHURN_OK, "", ""},
        {"CLUSTER", "-BUSY x\r\n", CHURN_RETRY, "", "Redis at %W: BUSY x"},
        {"CLUSTER", NULL, CHURN_RETRY, "", CLOSED},
        {"CLIENT", "-ERR x\r\n", CHURN_OK, "", ""},
        {"CLIENT", NULL, CHURN_RETRY, "", CLOSED},
        {"INFO memory", "-LOADING x\r\n", CHURN_RETRY, "", "Redis at %W: LOADING x"},
        {"INFO memory", ":1\r\n", CHURN_RETRY, "", UNEXPECTED " to INFO"},
        {"INFO memory", NULL, CHURN_RETRY, "", CLOSED},
        {"INFO memory", "-ERR unknown command\r\n", CHURN_OK, "", ""},
    };
    unsigned before = 0;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        void *s = NULL;
        make_store(strcmp(rows[i].begin, "SELECT") == 0 ? "database" : NULL, "1", NULL, NULL);
        rule(0, rows[i].begin, rows[i].reply);
        rule(1, strcmp(rows[i].begin, "CLUSTER") == 0 ? "INFO cluster" : NULL, NODE);
        CU_ASSERT_EQUAL(ops->open(store, &s, &err), rows[i].result);
        check_message(rows[i].message);
        CU_ASSERT_STRING_EQUAL(err.option, rows[i].option);
        if (s != NULL) {
            ops->close(s);
        }
        drop_store();
        before = i == 0 ? open_files() : before;
    }
    for (unsigned tries = 0; open_files() > before && tries < 500; tries++) { /* the server closes its end later */
        (void)usleep(10000);
    }
    CU_ASSERT(open_files() <= before);
}

static void the_promise_is_asked_for(void)
{
    static const struct {
        const char *file, *always;
        int32_t result;
        const char *message;
    } rows[] = {
        {"*2\r\n$1\r\na\r\n$3\r\nyes\r\n", "*2\r\n$1\r\na\r\n$6\r\nalways\r\n", CHURN_OK, ""},
        {"*2\r\n$1\r\na\r\n$2\r\nno\r\n", "*2\r\n$1\r\na\r\n$6\r\nalways\r\n", CHURN_FATAL, NULL},
        {"*2\r\n$1\r\na\r\n$3\r\nyes\r\n", "*2\r\n$1\r\na\r\n$8\r\neverysec\r\n", CHURN_FATAL, NULL},
        {"*2\r\n$1\r\na\r\n:1\r\n", "*2\r\n$1\r\na\r\n$6\r\nalways\r\n", CHURN_FATAL, NULL},
        {"*3\r\n$1\r\na\r\n$3\r\nyes\r\n$1\r\nb\r\n", "*2\r\n$1\r\na\r\n$6\r\nalways\r\n", CHURN_FATAL, NULL},
        {"$3\r\nyes\r\n", "*2\r\n$1\r\na\r\n$6\r\nalways\r\n", CHURN_FATAL, NULL},
        {"-NOPERM x\r\n", "-NOPERM x\r\n", CHURN_FATAL, NULL},
        {"-LOADING x\r\n", "*2\r\n$1\r\na\r\n$6\r\nalways\r\n", CHURN_RETRY, "Redis at %W: LOADING x"},
        {"*2\r\n$1\r\na\r\n$3\r\nyes\r\n", "-BUSY x\r\n", CHURN_RETRY, "Redis at %W: BUSY x"},
    };
    void *s = NULL;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        make_store("durability", "fsync", NULL, NULL);
        rule(0, "CONFIG GET appendonly", rows[i].file);
        rule(1, "CONFIG GET appendfsync", rows[i].always);
        CU_ASSERT_EQUAL(ops->open(store, &s, &err), rows[i].result);
        check_message(rows[i].message != NULL
                          ? rows[i].message
                          : "fsync needs a Redis that syncs before it acknowledges, and lets CONFIG "
                            "GET say so: set `appendonly yes` and `appendfsync always` on %W");
        CU_ASSERT_STRING_EQUAL(err.option, rows[i].result == CHURN_FATAL ? "durability" : "");
        if (rows[i].result == CHURN_OK) {
            ops->close(s);
        }
        drop_store();
    }
    make_store("durability", "replicas", NULL, NULL);
    rule(0, "WAIT", "-ERR x\r\n");
    CU_ASSERT_EQUAL(ops->open(store, &s, &err), CHURN_FATAL);
    check_message("Redis at %W: ERR x");
    drop_store();
}

#define EVICTS                                                                                                         \
    "Redis at %W may throw profiles away when its memory is full, and their events are then LOST: maxmemory-policy "   \
    "is "                                                                                                              \
    "allkeys-lru; set it to noeviction"

static void what_is_logged_at_the_opening(void)
{
    static const char *const rows[][3] = {
        {"INFO memory", INFO_TEXT("maxmemory:100\r\nmaxmemory_policy:allkeys-lru\r\n", 45), EVICTS},
        {"INFO memory", INFO_TEXT("maxmemory:1\r\nmaxmemory_policy:allkeys-lru", 41), EVICTS},
        {"INFO memory", INFO_TEXT("maxmemory:0\r\nmaxmemory_policy:allkeys-lru\r\n", 43), NULL},
        {"INFO memory", INFO_TEXT("maxmemory:100\r\nmaxmemory_policy:noeviction\r\n", 44), NULL},
        {"INFO memory", INFO_TEXT("maxmemory_policy:allkeys-lru\r\n", 30), NULL},
        {"INFO memory", INFO_TEXT("maxmemory:100\r\n", 15), NULL},
        {"INFO replication", "-NOPERM x\r\n", NULL},
        {"INFO memory", INFO_TEXT("maxmemory:100\r\nmaxmemory_policy:volatile-lru\r\n", 46),
         "Redis at %W may throw profiles away that have a `ttl` (no others) when its memory is full, and their events "
         "are then LOST: maxmemory-policy is volatile-lru; set it to noeviction"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        void *s = NULL;
        make_store(NULL, NULL, NULL, NULL);
        rule(0, rows[i][0], rows[i][1]);
        CU_ASSERT_EQUAL_FATAL(ops->open(store, &s, &err), CHURN_OK);
        CU_ASSERT_EQUAL(fake.log_lines, rows[i][2] != NULL || i == 6 ? 2 : 1);
        CU_ASSERT_EQUAL(fake.last_level, rows[i][2] != NULL ? CHURN_LOG_WARN : CHURN_LOG_INFO);
        CU_ASSERT_STRING_EQUAL(fake.last_log,
                               with_address(rows[i][2] != NULL ? rows[i][2] : "Redis at %W: durability: acknowledged"));
        ops->close(s);
        drop_store();
    }
}

/* --- Puts --- */

static int32_t queue(void *session, churn_str key, uint64_t version, uint64_t id, churn_str name, churn_str value,
                     int64_t ttl_ms)
{
    const churn_pair field = {.name = name, .value = value};
    const churn_put put = {.size = sizeof put,
                           .count = 1,
                           .key = key,
                           .expected_version = version,
                           .fields = &field,
                           .id = id,
                           .ttl_ms = ttl_ms};
    return ops->put(session, &put, &err);
}

/* The same of a version that was read by a call of its own. */
static int32_t queue_read(void *session, churn_str key, uint64_t version, int64_t ttl_ms)
{
    const churn_pair field = {.name = str("f"), .value = str("1")};
    const churn_put put = {.size = sizeof put,
                           .count = 1,
                           .key = key,
                           .expected_version = version,
                           .fields = &field,
                           .id = 5,
                           .ttl_ms = ttl_ms,
                           .flags = CHURN_PUT_READ};
    return ops->put(session, &put, &err);
}

static int32_t poll_for(void *session, churn_put_reply *reply)
{
    uint32_t count = 9;
    int32_t result = CHURN_PENDING;
    *reply = (churn_put_reply){0};
    err.message[0] = '\0';
    for (unsigned tries = 0; result == CHURN_PENDING && tries < 20; tries++) {
        result = ops->poll(session, reply, 1, 1000, &count, &err);
    }
    CU_ASSERT_EQUAL(count, result == CHURN_OK);
    return result;
}

#define ONE(reply) "*1\r\n" reply

/* What each answer to a put comes to: R in place of its result where it breaks the session. */
static void answers_to_puts(void)
{
    static const struct {
        const char *reply;
        int32_t result; /* 1: the session is broken */
        const char *message;
    } rows[] = {
        {ONE(":1\r\n"), CHURN_OK, NULL},
        {ONE("-TRYAGAIN later\r\n"), CHURN_RETRY, "Redis at %W: TRYAGAIN later"},
        {ONE("-MOVED 5 x\r\n"), CHURN_FATAL, CLUSTER},
        {ONE("-ASK 5 x\r\n"), CHURN_FATAL, CLUSTER},
        {ONE("-MISCONF x\r\n"), CHURN_RETRY, "Redis at %W: MISCONF x"},
        {ONE("-NOAUTH x\r\n"), CHURN_FATAL, "Redis at %W: NOAUTH x"},
        {ONE("-NOPERM x\r\n"), CHURN_FATAL, FORBIDDEN ": NOPERM x"},
        {ONE("-ERR The user executing the script can't x\r\n"), CHURN_FATAL,
         FORBIDDEN ": ERR The user executing the script can't x"},
        {ONE("-ERR ACL failure in script: x\r\n"), CHURN_FATAL, FORBIDDEN ": ERR ACL failure in script: x"},
        {ONE("-WRONGTYPE\r\n"), CHURN_REJECT,
         "the key key on Redis at %W is no hash; delete it or choose another key prefix"},
        {ONE("-WRONGTYPES x\r\n"), CHURN_RETRY, "Redis at %W: WRONGTYPES x"},
        {ONE("-ERR WRONGTYPE\r\n"), CHURN_RETRY, "Redis at %W: ERR WRONGTYPE"},
        {ONE("-ERR Error running script (f): WRONGTYPE x\r\n"), CHURN_REJECT,
         "the key key on Redis at %W is no hash; delete it or choose another key prefix"},
        {ONE("-READONLY x\r\n"), 1, "Redis at %W: READONLY x"},
        {ONE("-LOADING x\r\n"), 1, "Redis at %W: LOADING x"},
        {ONE("-HISTORY is another one\r\n"), 1,
         "Redis at %W lost its data, or other data took its place, under the open connection (FLUSHALL, a restore): "
         "nothing was written to it since"},
        {ONE("+OK\r\n"), 1, UNEXPECTED},
        {ONE("$1\r\nx\r\n"), 1, UNEXPECTED},
        {ONE("*1\r\n$1\r\nx\r\n"), 1, UNEXPECTED},
        {ONE("*2\r\n$1\r\nx\r\n:1\r\n"), 1, UNEXPECTED},
        {"*0\r\n", 1, UNEXPECTED},
        {"*2\r\n:1\r\n:1\r\n", 1, UNEXPECTED},
        {":1\r\n", 1, UNEXPECTED},
        {"+OK\r\n", 1, UNEXPECTED},
        {"-READONLY x\r\n", 1, "Redis at %W: READONLY x"},
        {"-ERR x\r\n", CHURN_RETRY, "Redis at %W: ERR x"},
        {NULL, 1, CLOSED},
        {"hello\r\n", 1, "Redis at %W sent what is not Redis' protocol: Protocol error, got \"h\" as reply type byte"},
        {ONE("*2\r\n$1\r\na\r\n$1\r\n1\r\n"), CHURN_REJECT,
         "the hash key on Redis at %W has no version that can be read (_v); put it back, or delete the key"},
        {ONE("*4\r\n$1\r\na\r\n$1\r\n1\r\n$2\r\n_v\r\n$1\r\n0\r\n"), CHURN_REJECT,
         "the hash key on Redis at %W has no version that can be read (_v); put it back, or delete the key"},
        {ONE("*2\r\n$2\r\n_v\r\n$2\r\n1:\r\n"), CHURN_REJECT,
         "the hash key on Redis at %W has no version that can be read (_v); put it back, or delete the key"},
        {ONE("*2\r\n$2\r\n_v\r\n$0\r\n\r\n"), CHURN_REJECT,
         "the hash key on Redis at %W has no version that can be read (_v); put it back, or delete the key"},
        {ONE("*2\r\n$2\r\n_v\r\n$20\r\n18446744073709551616\r\n"), CHURN_REJECT,
         "the hash key on Redis at %W has no version that can be read (_v); put it back, or delete the key"},
        {ONE("*2\r\n$2\r\n_x\r\n$1\r\n7\r\n"), CHURN_REJECT,
         "the hash key on Redis at %W has no version that can be read (_v); put it back, or delete the key"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        bool broken = rows[i].result == 1;
        churn_put_reply reply;
        void *s = begin();
        rule(0, "EVALSHA", rows[i].reply);
        CU_ASSERT_EQUAL(queue(s, str("key"), 0, 5, str("f"), str("1"), 0), CHURN_OK);
        CU_ASSERT_EQUAL(poll_for(s, &reply), broken ? CHURN_RETRY : CHURN_OK);
        if (broken) {
            check_message(rows[i].message);
            for (unsigned call = 0; call < 5; call++) { /* for good */
                char identity[CHURN_IDENTITY_SIZE];
                err.message[0] = '\0';
                CU_ASSERT_EQUAL(call == 0   ? queue(s, str("key"), 0, 5, str("f"), str("1"), 0)
                                : call == 1 ? poll_for(s, &reply)
                                : call == 2 ? ops->write(s, NULL, 0, &err)
                                : call == 3 ? ops->identity(s, identity, &err)
                                            : ops->flush(s, 5, &err),
                                CHURN_RETRY);
                check_message(rows[i].message);
            }
        } else {
            CU_ASSERT_EQUAL(reply.id, 5);
            CU_ASSERT_EQUAL(reply.result, rows[i].result);
            CU_ASSERT_EQUAL(reply.size, sizeof reply);
            CU_ASSERT_STRING_EQUAL(reply.message != NULL ? reply.message : "-",
                                   with_address(rows[i].message != NULL ? rows[i].message : "-"));
        }
        end(s);
    }
}

static void check_conflict(const char *text, uint64_t version, const char *expected)
{
    char fields[256] = "";
    churn_put_reply reply;
    void *s = begin();
    rule(0, "EVALSHA", text);
    CU_ASSERT_EQUAL(queue(s, str("key"), 0, 5, str("f"), str("1"), 0), CHURN_OK);
    CU_ASSERT_EQUAL(poll_for(s, &reply), CHURN_OK);
    CU_ASSERT_EQUAL(reply.result, CHURN_CONFLICT);
    CU_ASSERT_EQUAL(reply.version, version);
    CU_ASSERT_PTR_NULL(reply.message);
    for (uint32_t i = 0; i < reply.count; i++) {
        (void)sprintf(fields + strlen(fields), "%.*s=%.*s,", (int)reply.fields[i].name.len, reply.fields[i].name.ptr,
                      (int)reply.fields[i].value.len, reply.fields[i].value.ptr);
    }
    CU_ASSERT_STRING_EQUAL(fields, expected);
    end(s);
}

static void conflicts_show_what_is_stored(void)
{
    check_conflict(ONE("*0\r\n"), 0, "");
    check_conflict(ONE("*2\r\n$2\r\n_v\r\n$20\r\n18446744073709551614\r\n"), UINT64_MAX - 1, "");
    check_conflict(ONE("*6\r\n$2\r\n_v\r\n$2\r\n10\r\n$1\r\na\r\n$2\r\n11\r\n$0\r\n\r\n$0\r\n\r\n"), 10, "=,a=11,");
}

/* The MessagePack of a call: key, version, ttl, then the fields. */
static void what_is_asked_of_puts(void)
{
    static char longs[70000];
    static const unsigned sizes[] = {0, 31, 32, 255, 256};
    churn_put_reply reply;
    char expected[512];
    void *s = begin();
    rule(0, "EVALSHA", ONE(":1\r\n"));
#define CALL(batch) "EVALSHA " SHA " 1 key " batch "|"
#define ASK(version, ttl)                                                                                              \
    (queue(s, str("key"), version, 5, str("f"), str("1"), ttl) == CHURN_OK && poll_for(s, &reply) == CHURN_OK)
    CU_ASSERT(ASK(0, 0));
    check_asked(CALL("\\dc\\00\\01\\97\\a3key\\a10\\a10\\a2_v\\a11\\a1f\\a11"));
    CU_ASSERT(ASK(UINT64_MAX - 1, 5000));
    check_asked(
        CALL("\\dc\\00\\01\\97\\a3key\\b418446744073709551614\\a45000\\a2_v\\b418446744073709551615\\a1f\\a11"));
    CU_ASSERT(ASK(9, 0)); /* an expiry that this session set is to be taken away */
    check_asked(CALL("\\dc\\00\\01\\97\\a3key\\a19\\a2-1\\a2_v\\a210\\a1f\\a11"));
    end(s);
    s = begin();
    rule(0, "EVALSHA", ONE(":1\r\n"));
    CU_ASSERT(ASK(9, 1)); /* the shortest */
    check_asked(CALL("\\dc\\00\\01\\97\\a3key\\a19\\a11\\a2_v\\a210\\a1f\\a11"));
    CU_ASSERT(ASK(9, 0));
    check_asked(CALL("\\dc\\00\\01\\97\\a3key\\a19\\a2-1\\a2_v\\a210\\a1f\\a11"));
    end(s);
    s = begin();
    rule(0, "EVALSHA", ONE(":1\r\n"));
    CU_ASSERT_EQUAL(queue_read(s, str("key"), 9, 0), CHURN_OK); /* nor has anybody looked at one that is there */
    CU_ASSERT_EQUAL(poll_for(s, &reply), CHURN_OK);
    check_asked(CALL("\\dc\\00\\01\\97\\a3key\\a19\\a2-1\\a2_v\\a210\\a1f\\a11"));
    CU_ASSERT(ASK(10, 0));
    check_asked(CALL("\\dc\\00\\01\\97\\a3key\\a210\\a10\\a2_v\\a211\\a1f\\a11"));
    end(s);
    memset(longs, 'x', sizeof longs);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        s = begin();
        rule(0, "EVALSHA", ONE(":1\r\n"));
        CU_ASSERT_EQUAL(queue(s, str("key"), 0, 5, str(""), (churn_str){.ptr = longs, .len = sizes[i]}, 0), CHURN_OK);
        CU_ASSERT_EQUAL(poll_for(s, &reply), CHURN_OK);
        (void)snprintf(expected, sizeof expected, CALL("\\dc\\00\\01\\97\\a3key\\a10\\a10\\a2_v\\a11\\a0%s%.*s"),
                       sizes[i] == 0     ? "\\a0"
                       : sizes[i] == 31  ? "\\bf"
                       : sizes[i] == 32  ? "\\da\\00" /* and a space */
                       : sizes[i] == 255 ? "\\da\\00\\ff"
                                         : "\\da\\01\\00",
                       (int)sizes[i], longs);
        if (sizes[i] == 32) {
            (void)snprintf(expected, sizeof expected,
                           CALL("\\dc\\00\\01\\97\\a3key\\a10\\a10\\a2_v\\a11\\a0\\da\\00\\20%.32s"), longs);
        }
        check_asked(expected);
        end(s);
    }
}

/* Puts that follow each other share a call: 32 of them, or some 64 KiB. */
static void puts_share_calls(void)
{
    static char large[70000];
    void *s = begin();
    char key[16], *at;
    unsigned calls = 0;
    rule(0, "EVALSHA", "-ERR x\r\n");
    for (unsigned i = 0; i < 65; i++) {
        (void)snprintf(key, sizeof key, "k%u", i);
        CU_ASSERT_EQUAL(queue(s, str(key), 0, i, str("f"), str("1"), 0), CHURN_OK);
    }
    for (unsigned i = 0; i < 65; i++) {
        churn_put_reply reply;
        CU_ASSERT_EQUAL(poll_for(s, &reply), CHURN_OK);
        CU_ASSERT_EQUAL(reply.id, i);
        CU_ASSERT_EQUAL(reply.result, CHURN_RETRY);
    }
    for (at = server.asked; (at = strstr(at, "EVALSHA")) != NULL; at++) {
        calls++;
    }
    CU_ASSERT_EQUAL(calls, 3);
    CU_ASSERT_PTR_NOT_NULL(strstr(server.asked, "|EVALSHA " SHA " 1 k32 "));
    CU_ASSERT_PTR_NOT_NULL(strstr(server.asked, "|EVALSHA " SHA " 1 k64 \\dc\\00\\01\\97\\a3k64"));
    rule(0, "EVALSHA", "-ERR x\r\n");
    memset(large, 'x', sizeof large);
    for (unsigned i = 0; i < 3; i++) { /* each fills a call by itself, and is sent before anybody waits */
        (void)snprintf(key, sizeof key, "l%u", i);
        CU_ASSERT_EQUAL(queue(s, str(key), 0, i, str("f"), (churn_str){.ptr = large, .len = i < 2 ? 70000 : 65536}, 0),
                        CHURN_OK);
    }
    for (unsigned i = 0; i < 3; i++) {
        churn_put_reply reply;
        CU_ASSERT_EQUAL(poll_for(s, &reply), CHURN_OK);
        CU_ASSERT_EQUAL(reply.id, i);
    }
    check_asked("EVALSHA " SHA " 1 l0 <70023>|EVALSHA " SHA " 1 l1 <70023>|EVALSHA " SHA " 1 l2 <65559>|");
    end(s);
}

/* Of a server that lost its scripts each put is refused, and the script is loaded once. */
static void the_script_is_loaded_once_more(void)
{
    static const char *const rows[][2] = {
        {"-ERR x\r\n", "Redis at %W does not load the script: ERR x"},
        {"+OK\r\n", "Redis at %W does not load the script: unexpected answer"},
        {"$1\r\nx\r\n", "Redis at %W does not load the script: unexpected answer"},
        {LOADED, ""},
    };
    for (size_t i = 0; i < 4; i++) {
        churn_put_reply reply;
        const char *load;
        int32_t result;
        void *s = begin();
        rule(0, "EVALSHA", "-NOSCRIPT x\r\n");
        rule(1, "SCRIPT LOAD", rows[i][0]);
        for (unsigned n = 0; n < 40; n++) {
            CU_ASSERT_EQUAL(queue(s, str("key"), 0, n, str("f"), str("1"), 0), CHURN_OK);
        }
        for (unsigned n = 0; n < 40; n++) {
            CU_ASSERT_EQUAL(poll_for(s, &reply), CHURN_OK);
            CU_ASSERT_EQUAL(reply.result, CHURN_RETRY);
            CU_ASSERT_STRING_EQUAL(reply.message, with_address("Redis at %W: NOSCRIPT x"));
        }
        CU_ASSERT_EQUAL(queue(s, str("key"), 0, 50, str("f"), str("1"), 0), CHURN_OK);
        result = poll_for(s, &reply);
        CU_ASSERT(i < 3 || result == CHURN_OK);
        if (i < 3) { /* an answer that came along with the refusal counts */
            CU_ASSERT_EQUAL(result == CHURN_OK ? poll_for(s, &reply) : result, CHURN_RETRY);
        } else {
            CU_ASSERT_PTR_NOT_NULL_FATAL(load = strstr(server.asked, "SCRIPT"));
            CU_ASSERT_PTR_NULL(strstr(load + 1, "SCRIPT"));
        }
        check_message(rows[i][1]);
        end(s);
    }
}

static int32_t append(void *ctx, churn_str key, const churn_pair *fields, uint32_t count)
{
    char *text = ctx, *at = text + strlen(text);
    at += sprintf(at, "%.*s{", (int)key.len, key.ptr);
    for (uint32_t i = 0; i < count; i++) {
        at += sprintf(at, "%.*s=%.*s,", (int)fields[i].name.len, fields[i].name.ptr, (int)fields[i].value.len,
                      fields[i].value.ptr);
    }
    (void)strcpy(at, "}");
    return CHURN_END;
}

static void what_nobody_asked_for(void)
{
    char text[64] = "";
    churn_put_reply reply, two[2];
    uint32_t count;
    void *s = begin();
    rule(0, "EVALSHA", ONE(":1\r\n") ":1\r\n");
    CU_ASSERT_EQUAL(queue(s, str("key"), 0, 1, str("f"), str("1"), 0), CHURN_OK);
    CU_ASSERT_EQUAL(poll_for(s, &reply), CHURN_OK);
    CU_ASSERT_EQUAL(queue(s, str("key"), 0, 1, str("f"), str("1"), 0), CHURN_OK);
    CU_ASSERT_EQUAL(poll_for(s, &reply), CHURN_RETRY);
    check_message(UNEXPECTED);
    end(s);
    s = begin();
    rule(0, "EVALSHA", ONE(":1\r\n") ":1\r\n");
    CU_ASSERT_EQUAL(queue(s, str("key"), 0, 1, str("f"), str("1"), 0), CHURN_OK);
    do {
        count = 9;
    } while (ops->poll(s, two, 2, 1000, &count, &err) == CHURN_PENDING);
    CU_ASSERT_EQUAL(count, 1); /* what was answered before counts */
    CU_ASSERT_EQUAL(two[0].result, CHURN_OK);
    CU_ASSERT_EQUAL(poll_for(s, &reply), CHURN_RETRY);
    check_message("Redis at %W sent a reply that nothing asked for");
    end(s);
    s = begin();
    rule(0, "EVALSHA", "*0\r\n" ONE(":1\r\n"));
    CU_ASSERT_EQUAL(queue(s, str("key"), 0, 1, str("f"), str("1"), 0), CHURN_OK);
    CU_ASSERT_EQUAL(poll_for(s, &reply), CHURN_RETRY); /* nothing behind a wrong answer counts */
    check_message(UNEXPECTED);
    end(s);
    s = begin();
    CU_ASSERT_EQUAL(ops->poll(s, &reply, 1, 0, &count, &err), CHURN_PENDING);
    CU_ASSERT_EQUAL(count, 0);
    CU_ASSERT_EQUAL(queue(s, str("key"), 0, 1, str("f"), str("1"), 0), CHURN_OK);
    err.message[0] = '\0';
    CU_ASSERT_EQUAL(ops->get(s, str("key"), append, text, &err), CHURN_FATAL);
    check_message("asked for a hash while puts are unanswered");
    end(s);
}

static void flushes_wait_for_replicas(void)
{
    static const struct {
        const char *reply;
        int32_t result;
        const char *message;
    } rows[] = {
        {":2\r\n", CHURN_OK, NULL},
        {":3\r\n", CHURN_OK, NULL},
        {":1\r\n", CHURN_RETRY, "1 of the 2 replicas that `replicas` asks for have what Redis at %W acknowledged"},
        {":0\r\n", CHURN_RETRY, "0 of the 2 replicas that `replicas` asks for have what Redis at %W acknowledged"},
        {"-ERR x\r\n", CHURN_RETRY, "Redis at %W: WAIT: ERR x"},
        {"-NOPERM x\r\n", CHURN_FATAL, "Redis at %W: WAIT: NOPERM x"},
        {"+OK\r\n", CHURN_RETRY, "Redis at %W gave an unexpected answer to WAIT"},
        {"$1\r\n2\r\n", CHURN_RETRY, "Redis at %W gave an unexpected answer to WAIT"},
        {"$-1\r\n", CHURN_RETRY, "Redis at %W gave an unexpected answer to WAIT"},
        {"*1\r\n:2\r\n", CHURN_RETRY, "Redis at %W gave an unexpected answer to WAIT"},
    };
    char text[64] = "";
    churn_put_reply reply;
    void *s;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        make_store("durability", "replicas", "replicas", "2");
        s = session_new();
        rule(0, "EVALSHA", ONE(":1\r\n"));
        rule(1, "WAIT", rows[i].reply);
        CU_ASSERT_EQUAL(queue(s, str("key"), 0, 4, str("f"), str("1"), 0), CHURN_OK);
        CU_ASSERT_EQUAL(ops->flush(s, 77, &err), CHURN_PENDING);
        CU_ASSERT_EQUAL(ops->get(s, str("key"), append, text, &err), CHURN_FATAL);
        CU_ASSERT_EQUAL(poll_for(s, &reply), CHURN_OK);
        CU_ASSERT_EQUAL(reply.id, 4);
        CU_ASSERT_EQUAL(poll_for(s, &reply), CHURN_OK);
        CU_ASSERT_EQUAL(reply.id, 77);
        CU_ASSERT_EQUAL(reply.result, rows[i].result);
        CU_ASSERT_STRING_EQUAL(reply.message != NULL ? reply.message : "-",
                               with_address(rows[i].message != NULL ? rows[i].message : "-"));
        check_asked("EVALSHA " SHA " 1 key \\dc\\00\\01\\97\\a3key\\a10\\a10\\a2_v\\a11\\a1f\\a11|WAIT 2 200|");
        end(s);
    }
    s = begin();
    CU_ASSERT_EQUAL(ops->flush(s, 1, &err), CHURN_OK);
    check_asked("");
    end(s);
}

/* --- Calls --- */

static int32_t append_key(void *ctx, churn_str key)
{
    (void)append(ctx, key, NULL, 0);
    return key.len == 4 ? CHURN_END : CHURN_OK; /* "stop" */
}

enum call { GET, GET_MANY, KEYS, WRITE, ALLOWED, IDENTITY };

static int32_t make_call(void *s, enum call call, char *text)
{
    const churn_str keys[] = {str("a"), str("b")};
    const churn_pair field = {.name = str("f"), .value = str("1")};
    const churn_hash hashes[] = {{.key = str("a"), .fields = &field, .count = 1, .ttl_ms = 1},
                                 {.key = str("b"), .fields = NULL, .count = 0, .ttl_ms = -1}};
    text[0] = err.message[0] = '\0';
    return call == GET        ? ops->get(s, str("a"), append, text, &err)
           : call == GET_MANY ? ops->get_many(s, keys, 2, append, text, &err)
           : call == KEYS     ? ops->keys(s, str("p*"), append_key, text, &err)
           : call == WRITE    ? ops->write(s, hashes, 2, &err)
           : call == ALLOWED  ? ops->allowed(s, keys, 1, &err)
                              : ops->identity(s, text, &err);
}

#define FOREIGN "the key a on Redis at %W is no hash; delete it or choose another key prefix"
#define HISTORY "$16\r\n0123456789abcdef\r\n"
#define ALL_ALLOWED "$0\r\n\r\n"

/* What each answer to a call comes to, and that the session can be used afterwards, or cannot. */
static void answers_to_calls(void)
{
    static const struct {
        enum call call;
        struct rule rules[3];
        int32_t result;
        bool broken;
        const char *text, *message;
    } rows[] = {
        {GET, {{"HGETALL a", "*0\r\n"}}, CHURN_OK, false, "a{}", ""},
        {GET, {{"HGETALL a", "*2\r\n$1\r\nx\r\n$2\r\nyy\r\n"}}, CHURN_OK, false, "a{x=yy,}", ""},
        {GET, {{"HGETALL a", ":1\r\n"}}, CHURN_RETRY, false, "", UNEXPECTED},
        {GET, {{"HGETALL a", "*1\r\n$1\r\nx\r\n"}}, CHURN_RETRY, false, "", UNEXPECTED},
        {GET, {{"HGETALL a", "*2\r\n:1\r\n$1\r\nx\r\n"}}, CHURN_RETRY, false, "", UNEXPECTED},
        {GET, {{"HGETALL a", "-WRONGTYPE x\r\n"}}, CHURN_REJECT, false, "", FOREIGN},
        {GET, {{"HGETALL a", "-NOAUTH x\r\n"}}, CHURN_FATAL, false, "", "Redis at %W: NOAUTH x"},
        {GET, {{"HGETALL a", "-READONLY x\r\n"}}, CHURN_RETRY, true, "", "Redis at %W: READONLY x"},
        {GET, {{"HGETALL a", NULL}}, CHURN_RETRY, true, "", CLOSED},
        {GET_MANY, {{"HGETALL", "*0\r\n"}}, CHURN_OK, false, "a{}b{}", ""},
        {GET_MANY, {{"HGETALL a", "-WRONGTYPE x\r\n"}, {"HGETALL b", "*0\r\n"}}, CHURN_REJECT, false, "", FOREIGN},
        {GET_MANY, {{"HGETALL a", "-WRONGTYPE x\r\n"}, {"HGETALL b", "-ERR x\r\n"}}, CHURN_REJECT, false, "", FOREIGN},
        {GET_MANY,
         {{"HGETALL a", "*0\r\n"}, {"HGETALL b", "-ERR x\r\n"}},
         CHURN_RETRY,
         false,
         "a{}",
         "Redis at %W: ERR x"},
        {GET_MANY, {{"HGETALL a", "*0\r\n"}, {"HGETALL b", NULL}}, CHURN_RETRY, true, "a{}", CLOSED},
        {GET_MANY, {{"HGETALL a", "-WRONGTYPE x\r\n"}, {"HGETALL b", NULL}}, CHURN_REJECT, true, "", FOREIGN},
        {KEYS, {{"SCAN", "*2\r\n$1\r\n0\r\n*2\r\n$1\r\nx\r\n$2\r\nyy\r\n"}}, CHURN_OK, false, "x{}yy{}", ""},
        {KEYS,
         {{"SCAN 0 MATCH p\\** COUNT 1000", "*2\r\n$2\r\n17\r\n*1\r\n$1\r\nx\r\n"},
          {"SCAN 17 MATCH p\\** COUNT 1000", "*2\r\n$1\r\n0\r\n*2\r\n:1\r\n$1\r\ny\r\n"}},
         CHURN_OK,
         false,
         "x{}y{}",
         ""},
        {KEYS,
         {{"SCAN 0", "*2\r\n$2\r\n17\r\n*2\r\n$4\r\nstop\r\n$1\r\nx\r\n"}, {"SCAN 17", NULL}},
         CHURN_OK,
         false,
         "stop{}",
         ""},
        {KEYS, {{"SCAN", "*1\r\n$1\r\n0\r\n"}}, CHURN_RETRY, false, "", UNEXPECTED},
        {KEYS, {{"SCAN", "*3\r\n$1\r\n0\r\n*0\r\n*0\r\n"}}, CHURN_RETRY, false, "", UNEXPECTED},
        {KEYS, {{"SCAN", "*2\r\n:0\r\n*0\r\n"}}, CHURN_RETRY, false, "", UNEXPECTED},
        {KEYS, {{"SCAN", "*2\r\n$1\r\n0\r\n:1\r\n"}}, CHURN_RETRY, false, "", UNEXPECTED},
        {KEYS, {{"SCAN", "$1\r\n0\r\n"}}, CHURN_RETRY, false, "", UNEXPECTED},
        {KEYS, {{"SCAN", "-NOPERM x\r\n"}}, CHURN_FATAL, false, "", FORBIDDEN ": NOPERM x"},
        {KEYS, {{"SCAN", NULL}}, CHURN_RETRY, true, "", CLOSED},
        {WRITE, {{"EVAL", ":1\r\n"}}, CHURN_OK, false, "", ""},
        {WRITE, {{"EVAL", "+OK\r\n"}}, CHURN_RETRY, false, "", UNEXPECTED},
        {WRITE, {{"EVAL", "-NOAUTH x\r\n"}}, CHURN_FATAL, false, "", "Redis at %W: NOAUTH x"},
        {WRITE,
         {{"EVALSHA " WRITE_SHA " 1 a", ":1\r\n"}, {"EVAL", "-OOM x\r\n"}},
         CHURN_RETRY,
         false,
         "",
         "Redis at %W: OOM x"},
        {WRITE,
         {{"EVALSHA " WRITE_SHA " 1 a", "-WRONGTYPE x\r\n"}, {"EVAL", ":1\r\n"}},
         CHURN_REJECT,
         false,
         "",
         FOREIGN},
        {WRITE,
         {{"EVALSHA " WRITE_SHA " 1 b", NULL}, {"EVAL", "-OOM x\r\n"}},
         CHURN_RETRY,
         true,
         "",
         "Redis at %W: OOM x"},
        {WRITE, {{"EVAL", NULL}}, CHURN_RETRY, true, "", CLOSED},
        {ALLOWED, {{"EVALSHA", "*0\r\n"}, {"EVAL", ALL_ALLOWED}}, CHURN_OK, false, "", ""},
        {ALLOWED,
         {{"EVALSHA", "*0\r\n"}, {"EVAL <local k, m> 1 churnd:history", "$4\r\nHSET\r\n"}, {"EVAL", ALL_ALLOWED}},
         CHURN_FATAL,
         false,
         "",
         FORBIDDEN ": it may not use HSET on keys such as churnd:history"},
        {ALLOWED,
         {{"EVALSHA", "*0\r\n"}, {"EVAL <local k, m> 1 a", "$1\r\nX\r\n"}, {"EVAL", ALL_ALLOWED}},
         CHURN_FATAL,
         false,
         "",
         FORBIDDEN ": it may not use X on keys such as a"},
        {ALLOWED,
         {{"EVALSHA", "*0\r\n"}, {"EVAL <local k, m> 1 a", "-NOPERM x\r\n"}, {"EVAL", ALL_ALLOWED}},
         CHURN_FATAL,
         false,
         "",
         FORBIDDEN ": EVAL on keys such as a: NOPERM x"},
        {ALLOWED,
         {{"EVALSHA", "*0\r\n"}, {"EVAL <local k, m> 1 a", "-BUSY x\r\n"}, {"EVAL", ALL_ALLOWED}},
         CHURN_RETRY,
         false,
         "",
         "Redis at %W: BUSY x"},
        {ALLOWED, {{"EVALSHA", "*0\r\n"}, {"EVAL", ":0\r\n"}}, CHURN_RETRY, false, "", UNEXPECTED},
        {ALLOWED,
         {{"EVALSHA", "-NOPERM x\r\n"}, {"EVAL", ALL_ALLOWED}},
         CHURN_FATAL,
         false,
         "",
         FORBIDDEN ": NOPERM x"},
        {ALLOWED, {{"EVALSHA", NULL}, {"EVAL", ALL_ALLOWED}}, CHURN_RETRY, true, "", CLOSED},
        {ALLOWED, {{"EVAL", NULL}}, CHURN_RETRY, true, "", CLOSED},
        {IDENTITY,
         {{"INFO server", INFO_TEXT("# S\r\nrun_id:abc\r\n", 17)},
          {"INFO replication", INFO_TEXT("master_replid:def\r\n", 19)},
          {"EVAL", HISTORY}},
         CHURN_OK,
         false,
         "abc:def:0123456789abcdef",
         ""},
        {IDENTITY, {{"EVAL", HISTORY}}, CHURN_OK, false, "::0123456789abcdef", ""},
        {IDENTITY, {{"INFO", "-NOPERM x\r\n"}, {"EVAL", HISTORY}}, CHURN_OK, false, "0123456789abcdef", ""},
        {IDENTITY, {{"INFO", "-BUSY x\r\n"}, {"EVAL", HISTORY}}, CHURN_RETRY, false, "", "Redis at %W: BUSY x"},
        {IDENTITY, {{"EVAL", "$15\r\n0123456789abcde\r\n"}}, CHURN_RETRY, false, "::", UNEXPECTED},
        {IDENTITY, {{"EVAL", ":1\r\n"}}, CHURN_RETRY, false, "::", UNEXPECTED},
        {IDENTITY,
         {{"EVAL", "-WRONGTYPE x\r\n"}},
         CHURN_FATAL,
         false,
         "::",
         "the key churnd:history on Redis at %W is no hash; delete it or choose another key prefix"},
        {IDENTITY, {{"EVAL", "-READONLY x\r\n"}}, CHURN_RETRY, true, "::", "Redis at %W: READONLY x"},
        {IDENTITY, {{"EVAL", NULL}}, CHURN_RETRY, true, "::", CLOSED},
        {IDENTITY, {{"INFO server", NULL}}, CHURN_RETRY, true, "", CLOSED},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char text[1024];
        int32_t again;
        void *s = begin();
        for (unsigned r = 0; r < 3 && rows[i].rules[r].begin != NULL; r++) {
            rule(r, rows[i].rules[r].begin, rows[i].rules[r].reply);
        }
        CU_ASSERT_EQUAL(make_call(s, rows[i].call, text), rows[i].result);
        CU_ASSERT_STRING_EQUAL(text, rows[i].text);
        check_message(rows[i].message);
        rule(0, "HGETALL", "*0\r\n");
        again = make_call(s, GET, text);
        CU_ASSERT_EQUAL(again, rows[i].broken ? CHURN_RETRY : CHURN_OK);
        check_asked(rows[i].broken ? "" : "HGETALL a|");
        end(s);
    }
}

static void what_is_asked_of_calls(void)
{
    char text[1024];
    const char *name;
    churn_put_reply reply;
    void *s = begin();
    rule(0, "EVAL", ":1\r\n");
    CU_ASSERT_EQUAL(make_call(s, WRITE, text), CHURN_OK);
    check_asked("EVALSHA " WRITE_SHA " 1 a 1 f 1|EVALSHA " WRITE_SHA " 1 b 0|");
    rule(0, "EVALSHA " WRITE_SHA " 1 b", "-NOSCRIPT x\r\n"); /* it was restarted, or told to forget */
    rule(1, "EVAL", ":1\r\n");
    CU_ASSERT_EQUAL(make_call(s, WRITE, text), CHURN_OK);
    check_asked("EVALSHA " WRITE_SHA " 1 a 1 f 1|EVALSHA " WRITE_SHA
                " 1 b 0|EVAL <redis.call> 1 a 1 f 1|EVAL <redis.call> 1 b 0|");
    rule(0, "SCAN", "*2\r\n$1\r\n0\r\n*0\r\n");
    CU_ASSERT_EQUAL(ops->keys(s, (churn_str){.ptr = "a\0*?[]\\b", .len = 8}, append_key, text, &err), CHURN_OK);
    check_asked("SCAN 0 MATCH a\\00\\*\\?\\[\\]\\\\b* COUNT 1000|");
    rule(0, "EVALSHA", "*0\r\n");
    rule(1, "EVAL", ALL_ALLOWED);
    CU_ASSERT_EQUAL(make_call(s, ALLOWED, text), CHURN_OK);
    check_asked("EVAL <local k, m> 1 churnd:history|EVAL <local k, m> 1 a|EVALSHA " SHA " 1 a \\90|");
    rule(0, "EVALSHA", ONE(":1\r\n"));
    rule(1, "EVAL", HISTORY);
    CU_ASSERT_EQUAL(make_call(s, IDENTITY, text), CHURN_OK);
    name = strstr(server.asked, "EVAL <local h = > 1 churnd:history ");
    CU_ASSERT_PTR_NOT_NULL_FATAL(name);
    CU_ASSERT_EQUAL(strspn(name + 35, "0123456789abcdef"), 16);
    CU_ASSERT_STRING_EQUAL(name + 35 + 16, "|");
    rule(2, NULL, NULL);
    CU_ASSERT(ASK(0, 0)); /* in that history alone */
    check_asked("EVALSHA " SHA
                " 1 key \\dc\\00\\01\\97\\a3key\\a10\\a10\\a2_v\\a11\\a1f\\a11 churnd:history 0123456789abcdef|");
    end(s);
}

/* --- Much at once --- */

static void queue_values(void *s, unsigned from, unsigned to)
{
    static char value[VALUE_SIZE];
    for (unsigned i = from; i < to; i++) {
        char key[16];
        (void)snprintf(key, sizeof key, "value%u", i);
        fill_value(value, i);
        CU_ASSERT_EQUAL(queue(s, str(key), 0, i, str("f"), (churn_str){.ptr = value, .len = VALUE_SIZE}, 0), CHURN_OK);
    }
}

static void check_answered(void *s, unsigned from, unsigned to)
{
    for (unsigned i = from; i < to; i++) {
        churn_put_reply reply;
        if (poll_for(s, &reply) != CHURN_OK) {
            CU_FAIL("not answered");
            return;
        }
        CU_ASSERT_EQUAL(reply.id, i);
        CU_ASSERT_EQUAL(reply.result, CHURN_OK);
    }
}

/* A server that does not read lets commands pile up here, some of them sent in part; more come when it has read most of
 * them. */
static void every_byte_arrives(void)
{
    churn_put_reply reply;
    static char whole[8 * 1024 * 1024];
    void *s = begin();
    rule(0, "EVALSHA", ONE(":1\r\n"));
    server.values = server.wrong = 0;
    allow(0);
    queue_values(s, 0, 480);
    CU_ASSERT_EQUAL(ops->poll(s, &reply, 1, 0, &(uint32_t){0}, &err), CHURN_PENDING);
    allow(260);
    check_answered(s, 0, 260);
    queue_values(s, 480, 580);
    allow(ALL_COMMANDS);
    check_answered(s, 260, 580);
    CU_ASSERT_EQUAL(server.values, 580);
    CU_ASSERT_EQUAL(server.wrong, 0);
    memset(whole, 'x', sizeof whole); /* one that is answered when the last part of it is sent */
    CU_ASSERT_EQUAL(queue(s, str("key"), 0, 580, str("f"), (churn_str){.ptr = whole, .len = sizeof whole}, 0),
                    CHURN_OK);
    check_answered(s, 580, 581);
    end(s);
}

static void queue_keys(void *s, unsigned from, unsigned to)
{
    for (unsigned i = from; i < to; i++) {
        char key[16];
        (void)snprintf(key, sizeof key, "key%u", i);
        CU_ASSERT_EQUAL(queue(s, str(key), 0, i, str("f"), str("1"), 0), CHURN_OK);
    }
}

static void check_refused(void *s, unsigned from, unsigned to)
{
    for (unsigned i = from; i < to; i++) {
        churn_put_reply reply;
        char message[128];
        (void)snprintf(message, sizeof message, "the key key%u on Redis at", i);
        if (poll_for(s, &reply) != CHURN_OK) {
            CU_FAIL("not answered");
            return;
        }
        CU_ASSERT_EQUAL(reply.id, i);
        CU_ASSERT_EQUAL(reply.result, CHURN_REJECT);
        CU_ASSERT_EQUAL(strncmp(reply.message, message, strlen(message)), 0);
    }
}

/* What is answered is forgotten while other puts, or a flush, still wait. */
static void each_answer_finds_its_key(void)
{
    static const struct {
        unsigned before, flush, behind, read; /* puts before and behind a flush (1), answered before more come */
    } rows[] = {{1152, 0, 0, 1152}, {1152, 1, 0, 1152}, {1152, 1, 64, 1152}, {1152, 1, 64, 1130}, {1500, 0, 0, 1130}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        unsigned queued = rows[i].before + rows[i].behind;
        void *s;
        make_store("durability", "replicas", NULL, NULL);
        s = session_new();
        rule(0, "EVALSHA", "-WRONGTYPE x\r\n");
        rule(1, "WAIT", ":1\r\n");
        allow(36);
        queue_keys(s, 0, rows[i].before);
        if (rows[i].flush == 1) {
            CU_ASSERT_EQUAL(ops->flush(s, 9999, &err), CHURN_PENDING);
        }
        queue_keys(s, rows[i].before, queued);
        check_refused(s, 0, rows[i].read);
        queue_keys(s, queued, queued + 100);
        allow(ALL_COMMANDS);
        check_refused(s, rows[i].read, rows[i].before);
        if (rows[i].flush == 1) {
            check_answered(s, 9999, 10000);
        }
        queue_keys(s, queued + 100, queued + 1400);
        check_refused(s, rows[i].before, queued + 1400);
        end(s);
    }
}

/* An answer may have 2,097,152 elements in all its arrays. What follows here is no protocol, so the first fault counts.
 */
static void elements_are_counted(void)
{
    static const struct {
        const char *reply;
        bool fits;
    } rows[] = {
        {"*2097152\r\nx", true},
        {"*2097153\r\nx", false},
        {"*2\r\n*2097150\r\nx", true},
        {"*2\r\n*2097151\r\nx", false},
        {"*1\r\n*2097151\r\nx", true},
        {"*1\r\n*2097152\r\nx", false},
        {"*2\r\n*0\r\n*2097150\r\nx", true},
        {"*2\r\n*0\r\n*2097151\r\nx", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        churn_put_reply reply;
        void *s = begin();
        rule(0, "EVALSHA", ONE("*2\r\n$2\r\n_v\r\n$1\r\n7\r\n")); /* of each answer anew */
        CU_ASSERT(ASK(0, 0));
        rule(0, "EVALSHA", rows[i].reply);
        CU_ASSERT(!ASK(0, 0));
        check_message(rows[i].fits
                          ? "Redis at %W sent what is not Redis' protocol: Protocol error, got \"x\" as reply type byte"
                          : "Redis at %W sent an answer of more than 2097152 elements, which is refused");
        end(s);
    }
}

/* --- A socket that fails, and memory that ends --- */

#define FAILED "the connection to Redis at %W failed: "

/* What is over soon is waited for; what is not is said. */
static void calls_of_the_socket_fail(void)
{
    static const struct {
        int send_error;
        unsigned sends;
        int recv_error;
        unsigned recvs;
        const char *message; /* "": it goes on */
    } rows[] = {
        {EINTR, 3, 0, 0, ""},
        {EAGAIN, 3, 0, 0, ""},
        {0, 0, EINTR, 3, ""},
        {0, 0, EAGAIN, 3, ""},
        {EPIPE, EVERY_CALL, 0, 0, FAILED "Broken pipe"},
        {ECONNRESET, EVERY_CALL, 0, 0, FAILED "Connection reset by peer"},
        {0, 0, ECONNRESET, 1, FAILED "Connection reset by peer"},
        {EPIPE, EVERY_CALL, ECONNRESET, EVERY_CALL, FAILED "Connection reset by peer"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int32_t result = rows[i].message[0] == '\0' ? CHURN_OK : CHURN_RETRY;
        for (unsigned put = 0; put < 2; put++) {
            char text[1024];
            churn_put_reply reply;
            void *s = begin();
            rule(0, "EVALSHA", ONE(":1\r\n"));
            rule(1, "HGETALL", "*0\r\n");
            CU_ASSERT_EQUAL(queue(s, str("key"), 0, 5, str("f"), str("1"), 0), CHURN_OK);
            if (put == 0) {
                CU_ASSERT_EQUAL(poll_for(s, &reply), CHURN_OK);
            }
            trouble.send_error = rows[i].send_error;
            trouble.sends = rows[i].sends;
            trouble.recv_error = rows[i].recv_error;
            trouble.recvs = rows[i].recvs;
            CU_ASSERT_EQUAL(put == 1 ? poll_for(s, &reply) : make_call(s, GET, text), result);
            check_message(rows[i].message);
            memset(&trouble, 0, sizeof trouble);
            CU_ASSERT_EQUAL(make_call(s, GET, text), result); /* a broken session stays so */
            check_message(rows[i].message);
            end(s);
        }
    }
}

/* A large call is sent before anybody waits; what fails then is tried again, from where it was. */
static void bytes_move_as_they_can(void)
{
    static const size_t sizes[] = {1, 5, 4096};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        char text[1024];
        churn_put_reply reply;
        void *s = begin();
        rule(0, "EVALSHA", ONE("*4\r\n$2\r\n_v\r\n$2\r\n10\r\n$1\r\na\r\n$2\r\n11\r\n"));
        rule(1, "HGETALL", "*2\r\n$1\r\nx\r\n$2\r\nyy\r\n");
        trouble.most = sizes[i];
        CU_ASSERT_EQUAL(queue(s, str("key"), 0, 5, str("f"), str("1"), 0), CHURN_OK);
        CU_ASSERT_EQUAL(poll_for(s, &reply), CHURN_OK);
        CU_ASSERT_EQUAL(reply.result, CHURN_CONFLICT);
        CU_ASSERT_EQUAL(reply.version, 10);
        CU_ASSERT_EQUAL(reply.count, 1);
        CU_ASSERT_EQUAL(make_call(s, GET, text), CHURN_OK);
        CU_ASSERT_STRING_EQUAL(text, "a{x=yy,}");
        check_asked("EVALSHA " SHA " 1 key \\dc\\00\\01\\97\\a3key\\a10\\a10\\a2_v\\a11\\a1f\\a11|HGETALL a|");
        rule(0, "EVALSHA", ONE(":1\r\n"));
        trouble.most = sizes[2];
        trouble.send_error = i == 0 ? EPIPE : EAGAIN;
        trouble.sends = 1;
        server.values = server.wrong = 0;
        queue_values(s, 0, 3);
        CU_ASSERT_EQUAL(trouble.sends, 0);
        check_answered(s, 0, 3);
        CU_ASSERT_EQUAL(server.values, 3);
        CU_ASSERT_EQUAL(server.wrong, 0);
        memset(&trouble, 0, sizeof trouble);
        end(s);
    }
}

/* What the server said before nothing could be sent any more is read to its end, in however many pieces it is there. */
static void what_was_said_before_the_end_counts(void)
{
    churn_put_reply reply;
    void *s = begin();
    rule(0, "EVALSHA", "-ERR x\r\n");
    allow(0);
    queue_keys(s, 0, 1);
    CU_ASSERT_EQUAL(ops->poll(s, &reply, 1, 0, &(uint32_t){0}, &err), CHURN_PENDING);
    answer_and_arrive(1);
    queue_keys(s, 1, 2);
    trouble.send_error = EPIPE;
    trouble.sends = EVERY_CALL;
    trouble.most = 3;
    CU_ASSERT_EQUAL(poll_for(s, &reply), CHURN_OK);
    CU_ASSERT_EQUAL(reply.id, 0);
    CU_ASSERT_EQUAL(poll_for(s, &reply), CHURN_RETRY);
    check_message(FAILED "Broken pipe");
    memset(&trouble, 0, sizeof trouble);
    allow(ALL_COMMANDS);
    end(s);
}

static void without_a_random_number_there_is_no_identity(void)
{
    char text[1024];
    void *s = begin();
    trouble.no_random = true;
    CU_ASSERT_EQUAL(make_call(s, IDENTITY, text), CHURN_RETRY);
    check_message("no random number: Function not implemented");
    check_asked("INFO server|INFO replication|");
    trouble.no_random = false;
    rule(0, "EVAL", HISTORY);
    CU_ASSERT_EQUAL(make_call(s, IDENTITY, text), CHURN_OK);
    check_asked("INFO server|INFO replication|EVAL <local h = > 1 churnd:history 7878787878787878|");
    end(s);
}

#define LARGE (1024 * 1024)
#define LARGE_HEAD "*4\r\n$2\r\n_v\r\n$1\r\n7\r\n$1\r\na\r\n$1048576\r\n"

/* A hash of version 7 with a field of a MiB. */
static const char *large_answer(const char *head)
{
    static char large[LARGE + 64];
    size_t len = strlen(head);
    memset(large, 'x', sizeof large);
    memcpy(large, head, len);
    (void)strcpy(large + len + LARGE, "\r\n");
    return large;
}

/* What an answer points to is given back by the next call, whichever that is. */
static void answers_last_until_the_next_call(void)
{
    const char *large = large_answer(ONE(LARGE_HEAD));
    for (unsigned call = 0; call <= 4 + IDENTITY; call++) {
        char text[1024];
        churn_put_reply reply;
        size_t before;
        void *s = begin();
        rule(0, "EVALSHA", large);
        CU_ASSERT_EQUAL(queue(s, str("key"), 0, 5, str("f"), str("1"), 0), CHURN_OK);
        CU_ASSERT_EQUAL(poll_for(s, &reply), CHURN_OK);
        CU_ASSERT_EQUAL_FATAL(reply.count, 1);
        CU_ASSERT_EQUAL(reply.fields[0].value.len, LARGE);
        CU_ASSERT_EQUAL(memcmp(reply.fields[0].value.ptr, strchr(large, 'x'), LARGE), 0);
        before = memory_in_use();
        if (call == 0) {
            CU_ASSERT_EQUAL(queue(s, str("key"), 0, 6, str("f"), str("1"), 0), CHURN_OK);
        } else if (call == 1) {
            CU_ASSERT_EQUAL(ops->flush(s, 6, &err), CHURN_OK);
        } else if (call == 2) {
            CU_ASSERT_EQUAL(ops->poll(s, &reply, 1, 0, &(uint32_t){0}, &err), CHURN_PENDING);
        } else if (call > 3) {
            (void)make_call(s, (enum call)(call - 4), text);
        }
        CU_ASSERT(before == 0 || call == 3 || memory_in_use() < before - LARGE / 2);
        CU_ASSERT(call != 3 || memory_in_use() >= before);
        end(s);
    }
}

static int32_t count_hash(void *ctx, churn_str key, const churn_pair *fields, uint32_t count)
{
    (void)ctx;
    CU_ASSERT(key.len == 1 ? count == 1 && fields[0].value.len == 2 : count == 2 && fields[1].value.len == LARGE);
    return CHURN_OK;
}

static void wait_until_idle(void)
{
    for (unsigned tries = 0; server.serves && tries < 5000; tries++) {
        (void)usleep(1000);
    }
}

enum { ONE_PUT, MANY_PUTS, MANY_GETS, MANY_WRITES, LONG_PREFIX, OTHER_CALLS };

#define MANY 130U

/* What some puts and a flush behind them come to: each has its answer, in order. Where the memory for a message was
 * not there, that is the message. */
static int32_t put_many(void *s, unsigned count, churn_str last, unsigned flushed)
{
    churn_put_reply replies[MANY + 1];
    unsigned answered = 0;
    int32_t result = CHURN_OK;
    bool untold = false;
    for (unsigned i = 0; i < count && result == CHURN_OK; i++) {
        result = queue(s, str("key"), 0, i, str("f"), i + 1 < count ? str("1") : last, 0);
    }
    if (result == CHURN_OK) {
        result = flushed == 1 ? ops->flush(s, count, &err) : CHURN_PENDING;
    }
    while (result == CHURN_PENDING && answered < count + flushed) {
        uint32_t n = 0;
        int32_t polled = ops->poll(s, replies, MANY + 1, 1000, &n, &err);
        for (uint32_t i = 0; i < n; i++, answered++) {
            bool empty = replies[i].message != NULL && strcmp(replies[i].message, "out of memory") == 0;
            untold = untold || empty;
            CU_ASSERT_EQUAL(replies[i].id, answered);
            CU_ASSERT(replies[i].result == (answered == count ? CHURN_OK
                                            : count > 1       ? CHURN_FATAL
                                            : empty           ? CHURN_RETRY
                                                              : CHURN_CONFLICT));
        }
        result = polled == CHURN_OK ? result : polled;
    }
    if (untold) {
        (void)strcpy(err.message, "out of memory");
    }
    return result != CHURN_PENDING ? result : untold ? CHURN_RETRY : CHURN_OK;
}

static int32_t call_with_much(void *s, unsigned what, char *text)
{
    static char memory[LARGE / 4];
    static churn_str keys[MANY];
    static churn_hash hashes[MANY];
    const churn_str large = {.ptr = memory, .len = sizeof memory};
    const churn_pair field = {.name = str("f"), .value = large};
    memset(memory, 'x', sizeof memory);
    for (unsigned i = 0; i < MANY; i++) {
        keys[i] = i == MANY / 2 ? large : str("k");
        hashes[i] = (churn_hash){.key = keys[i]};
    }
    hashes[MANY - 1].fields = &field;
    hashes[MANY - 1].count = 1;
    text[0] = '\0';
    return what == ONE_PUT       ? put_many(s, 1, (churn_str){.ptr = memory, .len = 20000}, 0)
           : what == MANY_PUTS   ? put_many(s, MANY, large, 1)
           : what == MANY_GETS   ? ops->get_many(s, keys, MANY, count_hash, text, &err)
           : what == MANY_WRITES ? ops->write(s, hashes, MANY, &err)
           : what == LONG_PREFIX ? ops->keys(s, large, append_key, text, &err)
                                 : make_call(s, (enum call)(what - OTHER_CALLS), text);
}

static void answer_with_much(unsigned what)
{
    bool writes = what == MANY_WRITES || what == OTHER_CALLS + (unsigned)WRITE;
    rule(0, "EVALSHA",
         what == ONE_PUT     ? large_answer(ONE(LARGE_HEAD))
         : what == MANY_PUTS ? "-NOAUTH x\r\n"
         : writes            ? ":1\r\n"
                             : "*0\r\n");
    rule(1, "WAIT", ":1\r\n");
    rule(2, "SCAN", "*2\r\n$1\r\n0\r\n*1\r\n$1\r\nx\r\n");
    rule(3, "EVALSHA " WRITE_SHA, ":1\r\n");
    rule(4, "EVAL <local h", HISTORY);
    rule(5, "EVAL", ALL_ALLOWED);
    rule(6, "HGETALL", "*2\r\n$1\r\nx\r\n$2\r\nyy\r\n");
    if (what == MANY_GETS) {
        rule(6, "HGETALL <", large_answer(LARGE_HEAD));
        rule(7, "HGETALL", "*2\r\n$1\r\nx\r\n$2\r\nyy\r\n");
    }
}

/* Whichever piece of memory is not there: that is said, to be tried again, and nothing is kept. A session that is of
 * use afterwards gets no answer to what was asked before. */
static void memory_may_end(void)
{
    for (unsigned what = ONE_PUT; what <= OTHER_CALLS + IDENTITY && MEMORY_ENDS; what++) {
        size_t before = 0;
        bool over = false;
        for (unsigned at = 1; !over && at < 1000; at++) {
            char text[1024];
            void *s;
            wait_until_idle();
            before = at == 2 ? memory_in_use() : before;
            make_store("durability", "replicas", NULL, NULL);
            s = session_new();
            answer_with_much(what);
            trouble.hiredis = what >= OTHER_CALLS;
            trouble.allocation = at;
            err.message[0] = '\0';
            CU_ASSERT_EQUAL(call_with_much(s, what, text), trouble.allocation > 0 ? CHURN_OK : CHURN_RETRY);
            over = trouble.allocation > 0;
            memset(&trouble, 0, sizeof trouble);
            CU_ASSERT(over || strcmp(err.message, "out of memory") == 0);
            if (what > MANY_PUTS) {
                rule(6, "HGETALL", "*2\r\n$1\r\nz\r\n$1\r\n1\r\n");
                CU_ASSERT(make_call(s, GET, text) == CHURN_OK ? strcmp(text, "a{z=1,}") == 0
                                                              : strcmp(err.message, "out of memory") == 0);
            }
            end(s);
        }
        CU_ASSERT(over);
        wait_until_idle();
        CU_ASSERT(memory_in_use() < before + LARGE / 8);
    }
}

/* False when there was enough of it. */
static bool fails_to_open(unsigned *lacking, unsigned at)
{
    void *s = NULL;
    bool lacked;
    make_store("database", "1", "password", "p");
    *lacking = at;
    CU_ASSERT_EQUAL(ops->open(store, &s, &err), *lacking > 0 ? CHURN_OK : CHURN_RETRY);
    lacked = *lacking == 0;
    *lacking = 0;
    CU_ASSERT_EQUAL(s == NULL, lacked);
    CU_ASSERT(!lacked || strcmp(err.message, "out of memory") == 0);
    if (s != NULL) {
        ops->close(s);
    }
    drop_store();
    return lacked;
}

/* Nor is a session opened. */
static void a_session_needs_memory(void)
{
    unsigned at = 1;
    while (fails_to_open(&trouble.reader, at)) {
        at++;
    }
    CU_ASSERT(at > 1);
    for (at = 1; MEMORY_ENDS && at < 1000 && fails_to_open(&trouble.allocation, at); at++) {
    }
    CU_ASSERT(at < 1000);
}

/* --- Time --- */

static int64_t the_time;

static int64_t test_clock(const churn_host *host)
{
    (void)host;
    return the_time;
}

/* A session of a store whose server has 500 ms. */
static void *begin_clocked(void)
{
    void *s;
    make_store("timeout", "500ms", NULL, NULL);
    the_time = 1000000;
    fake.host.monotonic_ms = test_clock;
    s = session_new();
    rule(0, "EVALSHA", ONE(":1\r\n"));
    return s;
}

static int32_t poll_after(void *s, int64_t ms)
{
    churn_put_reply reply;
    the_time += ms;
    err.message[0] = '\0';
    return ops->poll(s, &reply, 1, 0, &(uint32_t){0}, &err);
}

#define SILENT "Redis at %W has not answered for 500 ms"

static void end_silent(void *s)
{
    check_message(SILENT);
    allow(ALL_COMMANDS);
    end(s);
}

static void a_server_has_its_time(void)
{
    churn_put_reply reply;
    void *s = begin_clocked();
    CU_ASSERT(ASK(0, 0));
    the_time += 800; /* in which nothing was asked */
    allow(0);
    queue_keys(s, 0, 1);
    CU_ASSERT_EQUAL(poll_after(s, 0), CHURN_PENDING);
    CU_ASSERT_EQUAL(poll_after(s, 499), CHURN_PENDING);
    CU_ASSERT_EQUAL(poll_after(s, 1), CHURN_RETRY);
    end_silent(s);
    s = begin_clocked();
    allow(0);
    queue_keys(s, 0, 1);
    CU_ASSERT_EQUAL(poll_after(s, 0), CHURN_PENDING);
    CU_ASSERT_EQUAL(poll_after(s, 1000), CHURN_PENDING); /* a second without a look is our own delay */
    CU_ASSERT_EQUAL(poll_after(s, 1000), CHURN_PENDING);
    CU_ASSERT_EQUAL(poll_after(s, 499), CHURN_PENDING);
    CU_ASSERT_EQUAL(poll_after(s, 1), CHURN_RETRY);
    end_silent(s);
    s = begin_clocked();
    allow(0);
    queue_keys(s, 0, 1);
    CU_ASSERT_EQUAL(poll_after(s, 0), CHURN_PENDING);
    CU_ASSERT_EQUAL(poll_after(s, 999), CHURN_RETRY);
    end_silent(s);
}

static void an_answer_gives_more_time(void)
{
    void *s = begin_clocked();
    rule(0, "EVALSHA", "-ERR x\r\n");
    allow(0);
    queue_keys(s, 0, 65); /* three calls */
    CU_ASSERT_EQUAL(poll_after(s, 0), CHURN_PENDING);
    for (unsigned call = 0; call < 2; call++) {
        answer_and_arrive(1);
        CU_ASSERT_EQUAL(poll_after(s, 500), CHURN_OK); /* it lay there at the last moment */
        for (unsigned i = 1; i < 32; i++) {
            CU_ASSERT_EQUAL(poll_after(s, 0), CHURN_OK);
        }
        CU_ASSERT_EQUAL(poll_after(s, 0), CHURN_PENDING);
    }
    CU_ASSERT_EQUAL(poll_after(s, 499), CHURN_PENDING);
    CU_ASSERT_EQUAL(poll_after(s, 1), CHURN_RETRY);
    end_silent(s);
    s = begin_clocked();
    allow(0);
    rule(0, "EVALSHA", "*1\r\n:"); /* half an answer gives none */
    queue_keys(s, 0, 1);
    CU_ASSERT_EQUAL(poll_after(s, 0), CHURN_PENDING);
    answer_and_arrive(1);
    CU_ASSERT_EQUAL(poll_after(s, 500), CHURN_PENDING);
    CU_ASSERT_EQUAL(poll_after(s, 0), CHURN_RETRY);
    end_silent(s);
}

struct probed {
    churn_target target;
    char option[64], message[512];
    unsigned calls;
};

static void see_target(void *ctx, const churn_target *target)
{
    struct probed *probed = ctx;
    probed->target = *target;
    probed->calls++;
    (void)snprintf(probed->message, sizeof probed->message, "%s", target->message != NULL ? target->message : "-");
    CU_ASSERT_EQUAL(target->size, sizeof *target);
    CU_ASSERT_EQUAL(target->flags, CHURN_TARGET_READS | CHURN_TARGET_WRITES);
    CU_ASSERT_STRING_EQUAL(target->kind, "redis");
    CU_ASSERT_STRING_EQUAL(target->name, with_address("%W"));
    (void)snprintf(probed->option, sizeof probed->option, "%s", target->option != NULL ? target->option : "-");
}

/* A probe asks as a session does that is opened, in the shorter one of its own time and the store's; in none at all it
 * asks nothing. */
static void probes_have_their_time(void)
{
    static const struct {
        const char *timeout;
        struct rule rule;
        uint32_t timeout_ms;
        int32_t result;
        const char *option, *message, *asked;
    } rows[] = {
        {"10s", {"x", ""}, 0, CHURN_OK, "-", "-", ""},
        {"10s", {"x", ""}, 9000, CHURN_OK, "-", "-", OPENING "EVAL #!lua\\0areturn\\201 0|INFO memory|"},
        {"10s", {"INFO replication", ""}, 60, CHURN_RETRY, "-", "Redis at %W has not answered for 60 ms", NULL},
        {"60ms", {"INFO replication", ""}, 9000, CHURN_RETRY, "-", "Redis at %W has not answered for 60 ms", NULL},
        {"10s", {"INFO replication", ""}, 1, CHURN_RETRY, "-", NULL, NULL},
        {"10s",
         {"SCRIPT", "-NOAUTH x\r\n"},
         9000,
         CHURN_FATAL,
         "password",
         "Redis at %W asks for a password; set `password`",
         NULL},
        {"10s", {"SCRIPT", "-NOPERM x\r\n"}, 9000, CHURN_FATAL, "-", FORBIDDEN ": NOPERM x", NULL},
        {"10s",
         {"INFO memory", "-LOADING x\r\n"},
         9000,
         CHURN_RETRY,
         "-",
         "Redis at %W: LOADING x",
         OPENING "EVAL #!lua\\0areturn\\201 0|INFO memory|"},
        {"10s",
         {"INFO memory", INFO_TEXT("maxmemory:1\r\nmaxmemory_policy:allkeys-lru", 41)},
         9000,
         CHURN_OK,
         "-",
         "may throw profiles away when its memory is full, and their events are then LOST: maxmemory-policy is "
         "allkeys-lru; set it to noeviction",
         OPENING "EVAL #!lua\\0areturn\\201 0|INFO memory|"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct probed probed = {0};
        make_store("timeout", rows[i].timeout, NULL, NULL);
        rule(0, rows[i].rule.begin, rows[i].rule.reply);
        ops->probe(store, rows[i].timeout_ms, see_target, &probed);
        CU_ASSERT_EQUAL(probed.calls, 1);
        CU_ASSERT_EQUAL(probed.target.result, rows[i].result);
        CU_ASSERT_STRING_EQUAL(probed.option, rows[i].option);
        if (rows[i].message != NULL) {
            CU_ASSERT_STRING_EQUAL(probed.message, with_address(rows[i].message));
        }
        if (rows[i].asked != NULL) {
            check_asked(rows[i].asked);
        }
        CU_ASSERT_EQUAL(fake.log_lines, 0);
        drop_store();
    }
}

/* An answer that came in time counts, however late it is looked at. */
static void an_answer_may_lie_there(void)
{
    churn_put_reply reply;
    void *s;
    make_store("timeout", "500ms", NULL, NULL);
    s = session_new();
    rule(0, "EVALSHA", ONE(":1\r\n"));
    CU_ASSERT_EQUAL(queue(s, str("key"), 0, 5, str("f"), str("1"), 0), CHURN_OK);
    (void)pthread_mutex_lock(&server.lock); /* it does not answer yet */
    CU_ASSERT_EQUAL(ops->poll(s, &reply, 1, 0, &(uint32_t){0}, &err), CHURN_PENDING);
    (void)pthread_mutex_unlock(&server.lock);
    (void)usleep(700000);
    CU_ASSERT_EQUAL(poll_for(s, &reply), CHURN_OK);
    end(s);
}

/* … nor of a session that is closed while an answer is not given to the end. */
static void a_session_ends_among_answers(void)
{
    churn_put_reply reply;
    void *s = begin();
    rule(0, "EVALSHA", "*2\r\n:1\r\n:1\r\n");
    CU_ASSERT_EQUAL(queue(s, str("key"), 0, 1, str("f"), str("1"), 0), CHURN_OK);
    CU_ASSERT_EQUAL(queue(s, str("other"), 0, 2, str("f"), str("1"), 0), CHURN_OK);
    CU_ASSERT_EQUAL(poll_for(s, &reply), CHURN_OK);
    CU_ASSERT_EQUAL(reply.result, CHURN_OK);
    end(s);
}

static void nothing_is_kept(void)
{
    enum { ROUNDS = 200 }; /* a leak grows with them, what the allocator keeps for each thread does not */
    size_t before = 0;
    unsigned files = 0;
    for (unsigned i = 0; i < 2 * ROUNDS; i++) {
        char text[1024];
        churn_put_reply reply;
        void *s;
        wait_until_idle();
        if (i == ROUNDS) {
            before = memory_in_use();
            files = open_files();
        }
        s = begin();
        rule(0, "EVALSHA", ONE("*2\r\n$2\r\n_v\r\n$1\r\n7\r\n"));
        CU_ASSERT(ASK(0, 0));
        rule(0, "EVALSHA", ONE("-NOPERM x\r\n"));
        CU_ASSERT(ASK(0, 0));
        rule(0, "EVALSHA", "-NOSCRIPT x\r\n"); /* the script comes before the next call */
        CU_ASSERT(ASK(0, 0));
        for (enum call call = GET; call <= IDENTITY; call++) {
            static const struct rule good[] = {{"HGETALL", "*2\r\n$1\r\nx\r\n$2\r\nyy\r\n"},
                                               {"SCAN", "*2\r\n$1\r\n0\r\n*1\r\n$1\r\nx\r\n"},
                                               {"EVALSHA " WRITE_SHA, ":1\r\n"},
                                               {"EVAL <local h", HISTORY},
                                               {"EVALSHA", "*0\r\n"},
                                               {"EVAL", ALL_ALLOWED}};
            for (unsigned r = 0; r < 6; r++) {
                rule(r, good[r].begin, good[r].reply);
            }
            CU_ASSERT_EQUAL(make_call(s, call, text), CHURN_OK);
            rule(0, "SCAN", "-ERR x\r\n");
            rule(1, "INFO", "-ERR x\r\n");
            rule(2, "", "*1\r\n:1\r\n");
            CU_ASSERT(make_call(s, call, text) < 0);
        }
        rule(0, "EVALSHA", "*40\r\n:1\r\n");
        CU_ASSERT_EQUAL(queue(s, str("key"), 0, 1, str("f"), str("1"), 0), CHURN_OK);
        (void)ops->poll(s, &reply, 1, 0, &(uint32_t){0}, &err);
        end(s);
    }
    wait_until_idle();
    CU_ASSERT(open_files() <= files);
    CU_ASSERT(memory_in_use() < before + MEMORY_LEAK(ROUNDS));
}

static void options_have_their_bounds(void)
{
    static const char *const expected[] = {"url  0 0",
                                           "host localhost 0 0",
                                           "port 6379 1 65535",
                                           "username  0 0",
                                           "password  0 0",
                                           "database 0 0 1000000",
                                           "tls false 0 0",
                                           "ca_file  0 0",
                                           "cert_file  0 0",
                                           "key_file  0 0",
                                           "server_name  0 0",
                                           "check_name true 0 0",
                                           "sentinels - 0 0",
                                           "master  0 0",
                                           "sentinel_username  0 0",
                                           "sentinel_password  0 0",
                                           "timeout 5s 10 3600000",
                                           "connect_timeout 2s 10 3600000",
                                           "durability acknowledged 0 0",
                                           "replicas 1 1 1000"};
    char text[128];
    CU_ASSERT_EQUAL_FATAL(plugin->option_count, 20);
    for (uint32_t i = 0; i < 20; i++) {
        const churn_option *o = &plugin->options[i];
        (void)snprintf(text, sizeof text, "%s %s %" PRId64 " %" PRId64, o->name,
                       o->default_text != NULL ? o->default_text : "-", o->min, o->max);
        CU_ASSERT_STRING_EQUAL(text, expected[i]);
    }
}

int main(void)
{
    CU_TestInfo tests[] = {TEST(what_is_asked_at_the_opening),
                           TEST(an_idle_connection_is_kept_alive),
                           TEST(answers_at_the_opening),
                           TEST(the_promise_is_asked_for),
                           TEST(what_is_logged_at_the_opening),
                           TEST(answers_to_puts),
                           TEST(conflicts_show_what_is_stored),
                           TEST(what_is_asked_of_puts),
                           TEST(puts_share_calls),
                           TEST(the_script_is_loaded_once_more),
                           TEST(what_nobody_asked_for),
                           TEST(flushes_wait_for_replicas),
                           TEST(answers_to_calls),
                           TEST(what_is_asked_of_calls),
                           TEST(every_byte_arrives),
                           TEST(each_answer_finds_its_key),
                           TEST(elements_are_counted),
                           TEST(calls_of_the_socket_fail),
                           TEST(bytes_move_as_they_can),
                           TEST(what_was_said_before_the_end_counts),
                           TEST(without_a_random_number_there_is_no_identity),
                           TEST(answers_last_until_the_next_call),
                           TEST(memory_may_end),
                           TEST(a_session_needs_memory),
                           TEST(a_server_has_its_time),
                           TEST(an_answer_gives_more_time),
                           TEST(probes_have_their_time),
                           TEST(an_answer_may_lie_there),
                           TEST(a_session_ends_among_answers),
                           TEST(nothing_is_kept),
                           TEST(options_have_their_bounds),
                           CU_TEST_INFO_NULL};
    int failed;
    plugin = fake_plugin_load("store", "redis");
    ops = plugin->ops;
    start_server();
    failed = run_tests_without_leaks("store/redis: calls", tests);
    stop_server();
    return failed;
}
