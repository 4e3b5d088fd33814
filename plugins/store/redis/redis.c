/*
 * The Redis store: profiles as hashes on a Redis server (7.0 is tested; 4.0 and later have the commands).
 *
 * A put compares the version and writes, in a script; puts that follow each other share a call of it, and a window of
 * calls is one pipeline, which is on its way while the rest of the window is still being made. The session writes the
 * protocol itself and reads it with hiredis' parser, with both directions open at the same time, so
 * a pipeline of any size cannot block on full socket buffers. Replies come in the order of the commands. After an error
 * of the connection a late reply could answer the wrong command, so a broken session is never used again.
 */
#include <churn/plugin.h>
#include <churn/store.h>

#include <ctype.h>
#include <errno.h>
#include <hiredis/hiredis.h>
#include <inttypes.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/socket.h>

#define SHA_LEN 40
#define ARG_ROOM 25 /* bytes around an argument of a command: `$`, its length, two line ends */
#define RECEIVE_SIZE (64 * 1024)
#define BATCH_PUTS 32           /* in one call: more save little, and hold up other clients */
#define BATCH_BYTES (64 * 1024) /* … fewer when they are large */
#define SEND_BYTES (64 * 1024)  /* what is worth a system call before anybody waits */
#define MAX_REPLY_BYTES (64 * 1024 * 1024)
#define MAX_REPLY_LINE (64 * 1024)           /* a number, or an error's text */
#define MAX_REPLY_ELEMENTS (2 * 1024 * 1024) /* some 100 bytes of memory each */
#define STALL_MS 1000 /* without a look at the socket: what this process did meanwhile is not the server's delay */
#define HISTORY_KEY "churnd:history"
#define HISTORY_SIZE 17 /* with its NUL */
#define HISTORY_CODE "HISTORY"
#define CLUSTER_SLOTS 16384
#define CLUSTER_TEXT "Redis at %s is a node of a Redis Cluster, which this version does not support"
#define FORBIDDEN_TEXT                                                                                                 \
    "Redis at %s does not let this user do what is needed (the help of the option `username` lists that)"
#define REPLICAS_WAIT "200" /* ms that one WAIT may hold up the connection */

/* KEYS[1]: the first put's key, by which a Redis Cluster finds the node. ARGV[1]: for each put a MessagePack array of
 * its key, expected version, ttl in ms ("0": none), then name, value, … with _v first. MessagePack, because Redis
 * parses it at less cost than arguments. ARGV[2], ARGV[3], where the session knows its history: where that is named,
 * and its name. The reply is one error for all, or has for each put: 1: written; what is stored; or an error.
 *
 * A script is not rolled back, hence a key's checks come before its first write, and every answer may be an error. HSET
 * takes what Lua can unpack, in one call for any profile of less than 2,000 fields; what follows a first write is
 * refused neither for memory nor for its type. A hash without a version that has marks (_m:) has lost it: it is shown,
 * not begun anew. A ttl of an earlier configuration is taken away when the key is read, which happens before any
 * session writes it; "-1": also when it is written, as this session may have set it. */
static const char put_script[] = "local r, call = {}, redis.pcall "
                                 "if ARGV[2] then "
                                 "local h = call('HGET', ARGV[2], 'id') "
                                 "if h ~= ARGV[3] then "
                                 "return type(h) == 'table' and h or {err = '" HISTORY_CODE " is another one'} end "
                                 "end "
                                 "local function missed(key) "
                                 "local all = call('HGETALL', key) "
                                 "if all.err then return all end "
                                 "for i = 1, #all, 2 do if all[i]:sub(1, 3) == '_m:' then return 'lost' end end "
                                 "end "
                                 "for k, f in ipairs(cmsgpack.unpack(ARGV[1])) do "
                                 "local key, ttl = f[1], f[3] "
                                 "local v = call('HGET', key, '_v') "
                                 "if not v then v = f[2] == '0' and missed(key) or '0' end "
                                 "if type(v) == 'table' then r[k] = v "
                                 "elseif v ~= f[2] then "
                                 "local p = (ttl == '0' or ttl == '-1') and call('PERSIST', key) "
                                 "r[k] = type(p) == 'table' and p or call('HGETALL', key) "
                                 "else "
                                 "local done "
                                 "for i = 4, #f, 4000 do "
                                 "done = call('HSET', key, unpack(f, i, math.min(i + 3999, #f))) "
                                 "if type(done) == 'table' then break end end "
                                 "if type(done) ~= 'table' and ttl ~= '0' then "
                                 "done = ttl == '-1' and call('PERSIST', key) or call('PEXPIRE', key, ttl) end "
                                 "r[k] = type(done) == 'table' and done or 1 "
                                 "end end "
                                 "return r";

/* KEYS[1]: where the history of writes is named; ARGV[1]: its name if it has none yet. Returns its name. */
static const char history_script[] = "local h = redis.call('HGET', KEYS[1], 'id') "
                                     "if not h then h = ARGV[1] redis.call('HSET', KEYS[1], 'id', h) end "
                                     "return h";

/* KEYS[1]. The name of a command that the scripts need and this user may not run on such a key; "": none. Before
 * Redis 7.0 only what changes nothing can be tried. */
static const char allowed_script[] =
    "local k, may = KEYS[1], redis.acl_check_cmd "
    "local reads = {{'HGET', k, 'f'}, {'HGETALL', k}} "
    "local writes = {{'HSET', k, 'f', 'v'}, {'DEL', k}, {'PEXPIRE', k, '1'}, {'PERSIST', k}} "
    "for _, c in ipairs(reads) do "
    "local a = redis.pcall(unpack(c)) "
    "if type(a) == 'table' and a.err and not a.err:find('^WRONGTYPE') then return c[1] end end "
    "for _, c in ipairs(may and writes or {}) do "
    "if not may(unpack(c)) then return c[1] end end "
    "return ''";

/* KEYS[1]; ARGV: ttl in ms (0: none), then name, value, … In a script, so that nobody reads half of it. */
static const char write_script[] = "redis.call('DEL', KEYS[1]) "
                                   "for i = 2, #ARGV, 4000 do "
                                   "redis.call('HSET', KEYS[1], unpack(ARGV, i, math.min(i + 3999, #ARGV))) end "
                                   "if ARGV[1] ~= '0' then redis.call('PEXPIRE', KEYS[1], ARGV[1]) end "
                                   "return 1";

struct redis_store {
    const char *host_name; /* options */
    int64_t port;
    const char *username;
    const char *password;
    int64_t database;
    int64_t timeout_ms;
    int64_t connect_timeout_ms;
    int32_t durability; /* enum durability */
    int64_t replicas;
    _Atomic int durability_said;
    const churn_host *host;
    char where[280];  /* HOST:PORT, for messages */
    char promise[40]; /* the durability, for people */
};

/* What the user of an ACL needs at least. */
#define NEEDED_COMMANDS "info, script|load, eval, evalsha, del, hget, hset, hgetall, persist and pexpire"

/* When a write counts as safe, so that the source may forget its events. */
enum durability { DURABILITY_ACKNOWLEDGED, DURABILITY_REPLICAS, DURABILITY_FSYNC };

static const char *const durabilities[] = {"acknowledged", "replicas", "fsync", NULL};

static const churn_option options[] = {
    {"host", .type = CHURN_OPTION_STRING, .default_text = "localhost",
     .offset = offsetof(struct redis_store, host_name), .help = "Host name or address of the Redis server."},
    {"port", .type = CHURN_OPTION_INT, .default_text = "6379", .min = 1, .max = 65535,
     .offset = offsetof(struct redis_store, port), .help = "TCP port of the Redis server."},
    {"username", .type = CHURN_OPTION_STRING, .default_text = "", .offset = offsetof(struct redis_store, username),
     .help = "User of Redis' ACL; empty: the default user. It must be allowed the keys that begin with `churnd:`, the "
             "store's `key_prefix` and the `cache_prefix` of predictions, and the commands " NEEDED_COMMANDS "; for "
             "`durability: replicas` also wait, for `durability: fsync` config|get, for another `database` select, for "
             "`churnd verify` and `churnd rebuild` scan. client|setname and cluster|info are used where they are "
             "allowed."},
    {"password", .type = CHURN_OPTION_STRING, .default_text = "", .flags = CHURN_OPTION_SECRET,
     .offset = offsetof(struct redis_store, password), .help = "Password; empty: no authentication."},
    {"database", .type = CHURN_OPTION_INT, .default_text = "0", .min = 0, .max = 1000000,
     .offset = offsetof(struct redis_store, database), .help = "Number of the Redis database."},
    {"timeout", .type = CHURN_OPTION_DURATION, .default_text = "5s", .min = 10, .max = 3600000,
     .offset = offsetof(struct redis_store, timeout_ms),
     .help = "Time for a whole answer, after which a connection counts as broken."},
    {"connect_timeout", .type = CHURN_OPTION_DURATION, .default_text = "2s", .min = 10, .max = 3600000,
     .offset = offsetof(struct redis_store, connect_timeout_ms), .help = "Longest wait for a connection."},
    {"durability", .type = CHURN_OPTION_ENUM, .default_text = "acknowledged", .choices = durabilities,
     .offset = offsetof(struct redis_store, durability),
     .help =
         "When offsets may be committed: once Redis has acknowledged the profiles (acknowledged); once `replicas` of "
         "its "
         "replicas have them too (replicas); fsync demands a Redis with appendonly yes and appendfsync always, which "
         "has them on disk when it acknowledges. What a Redis loses all the same after a crash or a failover is read "
         "again from the source."},
    {"replicas", .type = CHURN_OPTION_INT, .default_text = "1", .min = 1, .max = 1000,
     .offset = offsetof(struct redis_store, replicas),
     .help = "With `durability: replicas`: how many replicas must have a write."},
};

/* --- Sessions --- */

enum pending_kind { PENDING_PUT, PENDING_FLUSH, PENDING_SCRIPT, PENDING_CALL };

/* A command whose reply has not been read. */
struct pending {
    uint64_t id;     /* PENDING_PUT, PENDING_FLUSH: the caller's */
    uint64_t key_at; /* PENDING_PUT: where its key is, counted from the session's beginning */
    uint32_t key_len;
    enum pending_kind kind;
    uint32_t batch; /* PENDING_PUT that is the first of a call: the number of its puts */
};

/* What the answers handed out last point to. */
struct held {
    redisReply *reply;
    void *memory; /* pairs or a message */
};

#if HIREDIS_MAJOR >= 1
typedef size_t element_count;
#else
typedef int element_count;
#endif

struct session {
    struct redis_store *store;
    redisContext *connection; /* owns the socket; all reading and writing is done here */
    redisReader *reader;
    char *out; /* commands; the first out_sent bytes of out_len are sent */
    size_t out_len;
    size_t out_sent;
    size_t out_room;
    struct pending *pending; /* in the order of sending; those before `head` are answered */
    size_t head;
    size_t pending_count;
    size_t pending_room;
    char *keys; /* of pending puts; keys[0] is at position keys_base */
    size_t keys_len;
    size_t keys_room;
    uint64_t keys_base;
    char *batch; /* MessagePack, an array of the newest puts, which are not among the commands yet */
    size_t batch_len;
    size_t batch_room;
    uint32_t batch_count; /* their number: the last ones pending */
    redisReply *answer;   /* to a call whose puts are not all answered; NULL: none */
    uint32_t answer_count;
    uint32_t answer_at; /* the next one */
    struct held *held;
    size_t held_count;
    size_t held_room;
    size_t reply_bytes;                /* of the reply that is being read */
    size_t reply_elements;             /* … and what its arrays promise */
    redisReplyObjectFunctions objects; /* the reader's, with a limit on arrays */
    void *(*make_array)(const redisReadTask *, element_count);
    int64_t progress_ms; /* when the server answered last; meaningful while `waiting` */
    int64_t looked_ms;   /* when the socket was looked at last */
    bool waiting;
    bool overdue;     /* the time was up when it was looked at last */
    bool script_sent; /* the script is being loaded again */
    bool expires;     /* a put had a ttl: a later one without must take it away */
    char sha[SHA_LEN + 1];
    char history[HISTORY_SIZE];            /* in which alone puts may be written; "": not asked yet */
    char broken[CHURN_ERROR_MESSAGE_SIZE]; /* why the session is of no use any more, or "" */
};

static bool grow(void **memory, size_t *room, size_t count, size_t item_size)
{
    size_t more = *room == 0 ? 64 : *room;
    void *grown;
    if (count <= *room) {
        return true;
    }
    while (more < count) {
        more *= 2;
    }
    grown = realloc(*memory, more * item_size);
    if (grown == NULL) {
        return false;
    }
    *memory = grown;
    *room = more;
    return true;
}

static int32_t fail_memory(churn_error *err)
{
    return churn_fail(err, CHURN_RETRY, "out of memory");
}

/* Marks the session as broken. */
CHURN_PRINTF(2, 3) static void break_session(struct session *s, const char *format, ...)
{
    if (s->broken[0] == '\0') {
        va_list args;
        va_start(args, format);
        (void)vsnprintf(s->broken, sizeof s->broken, format, args);
        va_end(args);
    }
}

static int32_t fail_broken(const struct session *s, churn_error *err)
{
    return churn_fail(err, CHURN_RETRY, "%s", s->broken);
}

/* --- What Redis' errors mean --- */

enum verdict {
    VERDICT_RETRY,   /* this command again later */
    VERDICT_REJECT,  /* not with what is stored under this key */
    VERDICT_FATAL,   /* it never can be done */
    VERDICT_CLUSTER, /* the key lives on another node */
    VERDICT_RELOAD,  /* the script is unknown */
    VERDICT_BREAK,   /* another connection is needed */
    VERDICT_HISTORY  /* … since the data was taken away from under this one */
};

static const struct {
    const char *code;
    enum verdict verdict;
} verdicts[] = {
    {"NOSCRIPT", VERDICT_RELOAD},  {"READONLY", VERDICT_BREAK}, {"LOADING", VERDICT_BREAK},
    {"WRONGTYPE", VERDICT_REJECT}, {"NOAUTH", VERDICT_FATAL},   {"NOPERM", VERDICT_FATAL},
    {"MOVED", VERDICT_CLUSTER},    {"ASK", VERDICT_CLUSTER},    {HISTORY_CODE, VERDICT_HISTORY},
};

static bool has_code(const char *text, const char *code)
{
    size_t len = strlen(code);
    if (strncmp(text, code, len) == 0 && (text[len] == ' ' || text[len] == '\0')) {
        return true;
    }
    /* Redis before 7.0 wraps what a script's command said. */
    return strncmp(text, "ERR Error running script", 24) == 0 && strstr(text, code) != NULL;
}

/* What the ACL forbids within a script has no code of its own: as Redis 7.0 says it, and later ones. */
static bool is_forbidden(const char *text)
{
    return has_code(text, "NOPERM") || strstr(text, "The user executing the script can't") != NULL ||
           strstr(text, "ACL failure in script") != NULL;
}

static enum verdict judge(const char *text)
{
    if (is_forbidden(text)) {
        return VERDICT_FATAL;
    }
    for (size_t i = 0; i < sizeof verdicts / sizeof verdicts[0]; i++) {
        if (has_code(text, verdicts[i].code)) {
            return verdicts[i].verdict;
        }
    }
    return VERDICT_RETRY;
}

/* No other command of the session would fare better. */
static bool is_end(enum verdict verdict)
{
    return verdict == VERDICT_BREAK || verdict == VERDICT_HISTORY;
}

/* Writes the message for an error that a command on `key` got. */
static void explain(const struct session *s, const char *text, churn_str key, char *message, size_t size)
{
    const char *where = s->store->where;
    if (has_code(text, "WRONGTYPE")) {
        (void)snprintf(message, size, "the key %.*s on Redis at %s is no hash; delete it or choose another key prefix",
                       (int)key.len, key.ptr, where);
    } else if (judge(text) == VERDICT_CLUSTER) {
        (void)snprintf(message, size, CLUSTER_TEXT, where);
    } else if (judge(text) == VERDICT_HISTORY) {
        (void)snprintf(
            message, size,
            "Redis at %s lost its data, or other data took its place, under the open connection (FLUSHALL, a "
            "restore): nothing was written to it since",
            where);
    } else if (is_forbidden(text)) {
        (void)snprintf(message, size, FORBIDDEN_TEXT ": %s", where, text);
    } else {
        (void)snprintf(message, size, "Redis at %s: %s", where, text);
    }
}

/* --- Writing the protocol --- */

static churn_str number_arg(char buffer[21], uint64_t n)
{
    char *first = buffer + 21;
    do {
        *--first = (char)('0' + n % 10);
        n /= 10;
    } while (n > 0);
    return (churn_str){.ptr = first, .len = (uint32_t)(buffer + 21 - first)};
}

static char *write_count(char *at, char type, uint64_t n)
{
    char buffer[21];
    churn_str digits = number_arg(buffer, n);
    *at++ = type;
    memcpy(at, digits.ptr, digits.len);
    at += digits.len;
    *at++ = '\r';
    *at++ = '\n';
    return at;
}

static char *write_arg(char *at, churn_str arg)
{
    at = write_count(at, '$', arg.len);
    if (arg.len > 0) {
        memcpy(at, arg.ptr, arg.len);
    }
    at += arg.len;
    *at++ = '\r';
    *at++ = '\n';
    return at;
}

static churn_str text_arg(const char *text)
{
    return (churn_str){.ptr = text, .len = (uint32_t)strlen(text)};
}

static size_t pairs_room(const churn_pair *pairs, uint32_t count)
{
    size_t bytes = 0;
    for (uint32_t i = 0; i < count; i++) {
        bytes += (size_t)pairs[i].name.len + pairs[i].value.len + (size_t)2 * ARG_ROOM;
    }
    return bytes;
}

static char *write_pairs(char *at, const churn_pair *pairs, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        at = write_arg(at, pairs[i].name);
        at = write_arg(at, pairs[i].value);
    }
    return at;
}

/* --- Writing MessagePack (its specification, "Formats") --- */

#define PACK_ROOM 5    /* bytes before a string or an array */
#define ARRAY16_HEAD 3 /* bytes of the head that any array of up to 65,535 items may have */

static char *write_big_endian(char *at, uint32_t n, unsigned bytes)
{
    while (bytes > 0) {
        *at++ = (char)(n >> --bytes * 8);
    }
    return at;
}

/* The head of an array or a string: `fix` for up to `fix_max`, else `wide` and the number in 16 or 32 bits. */
static char *pack_head(char *at, uint32_t n, unsigned fix, uint32_t fix_max, unsigned wide)
{
    if (n <= fix_max) {
        *at++ = (char)(fix | n);
        return at;
    }
    *at++ = (char)(n <= UINT16_MAX ? wide : wide + 1);
    return write_big_endian(at, n, n <= UINT16_MAX ? 2 : 4);
}

static char *pack_array16(char *at, uint32_t n)
{
    *at++ = (char)0xdc;
    return write_big_endian(at, n, 2);
}

static char *pack_text(char *at, churn_str text)
{
    at = pack_head(at, text.len, 0xa0, 31, 0xda);
    if (text.len > 0) {
        memcpy(at, text.ptr, text.len);
    }
    return at + text.len;
}

/* Room for `bytes` more of commands, or NULL. What is sent already is dropped when that is cheap. */
static char *reserve_out(struct session *s, size_t bytes)
{
    void *memory = s->out;
    bool ok;
    if (s->out_sent == s->out_len) {
        s->out_len = s->out_sent = 0;
    } else if (s->out_sent >= s->out_len / 2 && s->out_len + bytes > s->out_room) {
        memmove(s->out, s->out + s->out_sent, s->out_len - s->out_sent);
        s->out_len -= s->out_sent;
        s->out_sent = 0;
    }
    ok = grow(&memory, &s->out_room, s->out_len + bytes, 1);
    s->out = memory;
    return ok ? s->out + s->out_len : NULL;
}

/* Forgets answered commands and their keys once they are most of the list. */
static void compact_pending(struct session *s)
{
    size_t left = s->pending_count - s->head, keys_left;
    if (s->head < 1024 || s->head < left) {
        return;
    }
    memmove(s->pending, s->pending + s->head, left * sizeof *s->pending);
    s->pending_count = left;
    s->head = 0;
    for (size_t i = 0; i < left; i++) {
        if (s->pending[i].kind == PENDING_PUT) {
            uint64_t drop = s->pending[i].key_at - s->keys_base;
            keys_left = s->keys_len - (size_t)drop;
            memmove(s->keys, s->keys + drop, keys_left);
            s->keys_len = keys_left;
            s->keys_base += drop;
            return;
        }
    }
    s->keys_base += s->keys_len;
    s->keys_len = 0;
}

static churn_str pending_key(const struct session *s, const struct pending *put)
{
    return (churn_str){.ptr = s->keys + (put->key_at - s->keys_base), .len = put->key_len};
}

/* Notes that a reply will come; to be called before the command is added, for it may run out of memory. */
static bool expect(struct session *s, enum pending_kind kind, uint64_t id, churn_str key)
{
    void *pending = s->pending, *keys = s->keys;
    bool ok;
    compact_pending(s);
    ok = grow(&pending, &s->pending_room, s->pending_count + 1, sizeof *s->pending);
    s->pending = pending;
    ok = ok && grow(&keys, &s->keys_room, s->keys_len + key.len + 1, 1);
    s->keys = keys;
    if (!ok) {
        return false;
    }
    s->pending[s->pending_count++] =
        (struct pending){.id = id, .key_at = s->keys_base + s->keys_len, .key_len = key.len, .kind = kind};
    if (key.len > 0) {
        memcpy(s->keys + s->keys_len, key.ptr, key.len);
        s->keys_len += key.len;
    }
    return true;
}

/* Makes a call of the newest puts. False when memory ran out. */
static bool seal_batch(struct session *s)
{
    bool guarded = s->history[0] != '\0';
    uint32_t count = s->batch_count;
    char *at;
    if (count == 0) {
        return true;
    }
    struct pending *puts = s->pending + s->pending_count - count;
    at = reserve_out(s, (size_t)8 * ARG_ROOM + SHA_LEN + puts[0].key_len + s->batch_len + sizeof HISTORY_KEY +
                            HISTORY_SIZE);
    if (at == NULL) {
        return false;
    }
    (void)pack_array16(s->batch, count);
    at = write_count(at, '*', guarded ? 7 : 5);
    at = write_arg(at, text_arg("EVALSHA"));
    at = write_arg(at, (churn_str){.ptr = s->sha, .len = SHA_LEN});
    at = write_arg(at, text_arg("1"));
    at = write_arg(at, pending_key(s, &puts[0]));
    at = write_arg(at, (churn_str){.ptr = s->batch, .len = (uint32_t)s->batch_len});
    if (guarded) {
        at = write_arg(at, text_arg(HISTORY_KEY));
        at = write_arg(at, text_arg(s->history));
    }
    s->out_len = (size_t)(at - s->out);
    puts[0].batch = count;
    s->batch_count = 0;
    return true;
}

/* Queues a whole command. */
static bool queue(struct session *s, enum pending_kind kind, uint64_t id, const churn_str *args, uint32_t count)
{
    size_t bytes = ARG_ROOM;
    char *at;
    for (uint32_t i = 0; i < count; i++) {
        bytes += args[i].len + (size_t)ARG_ROOM;
    }
    at = seal_batch(s) ? reserve_out(s, bytes) : NULL;
    if (at == NULL || !expect(s, kind, id, (churn_str){0})) {
        return false;
    }
    at = write_count(at, '*', count);
    for (uint32_t i = 0; i < count; i++) {
        at = write_arg(at, args[i]);
    }
    s->out_len = (size_t)(at - s->out);
    return true;
}

static bool queue_script(struct session *s)
{
    const churn_str args[] = {text_arg("SCRIPT"), text_arg("LOAD"), text_arg(put_script)};
    return queue(s, PENDING_SCRIPT, 0, args, 3);
}

/* --- The socket --- */

static int64_t now(const struct session *s)
{
    return s->store->host->monotonic_ms(s->store->host);
}

/* The server answered. */
static void note_progress(struct session *s)
{
    s->progress_ms = now(s);
    s->overdue = false;
}

/* Sends what the socket takes. False when it fails, for the cause in errno. */
static bool send_out(struct session *s)
{
    while (s->out_sent < s->out_len) {
        ssize_t n =
            send(s->connection->fd, s->out + s->out_sent, s->out_len - s->out_sent, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return errno == EAGAIN || errno == EWOULDBLOCK;
        }
        s->out_sent += (size_t)n;
    }
    return true;
}

/* Reads what has come, one buffer full at most. False when nothing has. */
static bool receive(struct session *s)
{
    char buffer[RECEIVE_SIZE];
    ssize_t n = recv(s->connection->fd, buffer, sizeof buffer, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) {
        return false;
    }
    if (n < 0) {
        break_session(s, "the connection to Redis at %s failed: %s", s->store->where, strerror(errno));
        return true;
    }
    if (n == 0) {
        break_session(s, "Redis at %s closed the connection", s->store->where);
        return true;
    }
    if ((size_t)n == sizeof buffer) {
        note_progress(s); /* a large answer on its way; fewer bytes at a time must make one whole in time */
    }
    s->reply_bytes += (size_t)n;
    if (s->reply_bytes > MAX_REPLY_BYTES) {
        break_session(s, "Redis at %s sent an answer of more than %d MiB, which is refused", s->store->where,
                      MAX_REPLY_BYTES / 1024 / 1024);
    } else if (redisReaderFeed(s->reader, buffer, (size_t)n) != REDIS_OK) {
        break_session(s, "out of memory");
    }
    return true;
}

/* Keeps the clock of what the server owes. False when its time is up: at the second look, for the first one may find
 * the answer waiting. */
static bool is_in_time(struct session *s)
{
    int64_t at = now(s);
    if (!s->waiting) {
        s->waiting = true;
        note_progress(s);
    } else if (at - s->looked_ms >= STALL_MS) {
        s->progress_ms += at - s->looked_ms;
    }
    s->looked_ms = at;
    if (at - s->progress_ms < s->store->timeout_ms) {
        return true;
    }
    if (s->overdue) {
        return false;
    }
    s->overdue = true;
    return true;
}

static void break_overdue(struct session *s)
{
    break_session(s, "Redis at %s has not answered for %" PRId64 " ms", s->store->where, s->store->timeout_ms);
}

/* Moves bytes in both directions, waiting up to `wait_ms` for the first. The session may be broken afterwards. */
static void exchange(struct session *s, int64_t wait_ms)
{
    struct pollfd socket = {.fd = s->connection->fd, .events = POLLIN};
    int64_t patience;
    int ready;
    if (!seal_batch(s)) {
        break_session(s, "out of memory");
        return;
    }
    if (!is_in_time(s)) {
        break_overdue(s);
        return;
    }
    if (!send_out(s)) {
        int cause = errno;
        /* What the server said before it closed, such as that it has too many clients, may still be readable. */
        if (!receive(s)) {
            break_session(s, "the connection to Redis at %s failed: %s", s->store->where, strerror(cause));
        }
        return;
    }
    if (s->out_sent < s->out_len) {
        socket.events |= POLLOUT;
    }
    patience = s->progress_ms + s->store->timeout_ms - now(s);
    wait_ms = wait_ms < patience ? wait_ms : patience;
    ready = poll(&socket, 1, wait_ms > 0 ? (int)wait_ms : 0);
    s->looked_ms = now(s);
    if (ready > 0 && (socket.revents & ~POLLOUT) != 0) {
        (void)receive(s);
    } else if (ready <= 0 && s->looked_ms - s->progress_ms >= s->store->timeout_ms) {
        break_overdue(s);
    }
}

/* --- Replies --- */

static void release_held(struct session *s)
{
    for (size_t i = 0; i < s->held_count; i++) {
        if (s->held[i].reply != NULL) {
            freeReplyObject(s->held[i].reply);
        }
        free(s->held[i].memory);
    }
    s->held_count = 0;
}

/* Keeps both until the next call; takes them over also when it fails. */
static bool hold(struct session *s, redisReply *reply, void *memory)
{
    void *items = s->held;
    bool ok = grow(&items, &s->held_room, s->held_count + 1, sizeof *s->held);
    s->held = items;
    if (!ok) {
        if (reply != NULL) {
            freeReplyObject(reply);
        }
        free(memory);
        return false;
    }
    s->held[s->held_count++] = (struct held){.reply = reply, .memory = memory};
    return true;
}

/* In place of the reader's own, which takes memory for whatever number a server writes. */
static void *create_array(const redisReadTask *task, element_count elements)
{
    struct session *s = task->privdata;
    s->reply_elements += elements > 0 ? (size_t)elements : 0;
    if (s->reply_elements > MAX_REPLY_ELEMENTS) {
        break_session(s, "Redis at %s sent an answer of more than %d elements, which is refused", s->store->where,
                      MAX_REPLY_ELEMENTS);
        return NULL;
    }
    return s->make_array(task, elements);
}

/* A line that does not end would be looked through again with every buffer. */
static void check_line(struct session *s)
{
    const redisReader *reader = s->reader;
    if (reader->len - reader->pos > MAX_REPLY_LINE && memchr(reader->buf + reader->pos, '\n', MAX_REPLY_LINE) == NULL) {
        break_session(s, "Redis at %s sent a line of more than %d KiB, which is refused", s->store->where,
                      MAX_REPLY_LINE / 1024);
    }
}

/* The next reply that has been read whole, or NULL. */
static redisReply *next_reply(struct session *s)
{
    void *reply = NULL;
    if (redisReaderGetReply(s->reader, &reply) != REDIS_OK) {
        break_session(s, "Redis at %s sent what is not Redis' protocol: %s", s->store->where, s->reader->errstr);
        return NULL;
    }
    if (reply == NULL) {
        check_line(s);
        return NULL;
    }
    note_progress(s);
    s->reply_elements = 0;
    s->reply_bytes = s->reader->len - s->reader->pos;
    if (s->head == s->pending_count) {
        break_session(s, "Redis at %s sent a reply that nothing asked for", s->store->where);
        freeReplyObject(reply);
        return NULL;
    }
    return reply;
}

static struct pending take_pending(struct session *s)
{
    struct pending pending = s->pending[s->head++];
    if (s->head == s->pending_count) {
        s->head = s->pending_count = 0;
        s->waiting = false;
    }
    return pending;
}

/* The answer to a script that was loaded again. Without it nothing can be put. */
static void script_loaded(struct session *s, redisReply *reply)
{
    s->script_sent = false;
    if (reply->type != REDIS_REPLY_STRING || reply->len != SHA_LEN) {
        break_session(s, "Redis at %s does not load the script: %s", s->store->where,
                      reply->type == REDIS_REPLY_ERROR ? reply->str : "unexpected answer");
    }
    freeReplyObject(reply);
}

static bool is_text(const redisReply *reply)
{
    return reply->type == REDIS_REPLY_STRING && reply->len <= UINT32_MAX;
}

/* Is it an answer to HGETALL? */
static bool is_hash(const redisReply *reply)
{
    bool ok = reply->type == REDIS_REPLY_ARRAY && reply->elements % 2 == 0;
    for (size_t i = 0; ok && i < reply->elements; i++) {
        ok = is_text(reply->element[i]);
    }
    return ok;
}

/* Makes pairs of it; NULL when memory ran out. The caller frees them. */
static churn_pair *pairs_of(const redisReply *reply, uint32_t *ret_count)
{
    uint32_t count = (uint32_t)(reply->elements / 2);
    churn_pair *pairs = malloc(((size_t)count + 1) * sizeof *pairs);
    for (uint32_t i = 0; i < count && pairs != NULL; i++) {
        const redisReply *name = reply->element[2 * i], *value = reply->element[2 * i + 1];
        pairs[i] = (churn_pair){.name = {.ptr = name->str, .len = (uint32_t)name->len},
                                .value = {.ptr = value->str, .len = (uint32_t)value->len}};
    }
    *ret_count = count;
    return pairs;
}

static bool read_version(churn_str text, uint64_t *ret)
{
    uint64_t n = 0;
    for (uint32_t i = 0; i < text.len; i++) {
        unsigned digit = (unsigned)(text.ptr[i] - '0');
        if (digit > 9 || __builtin_mul_overflow(n, 10, &n) || __builtin_add_overflow(n, digit, &n)) {
            return false;
        }
    }
    *ret = n;
    return text.len > 0;
}

/* Takes `_v` out of the pairs. */
static bool split_version(churn_pair *pairs, uint32_t *count, uint64_t *ret)
{
    *ret = 0;
    for (uint32_t i = 0; i < *count; i++) {
        if (pairs[i].name.len == 2 && memcmp(pairs[i].name.ptr, "_v", 2) == 0) {
            bool ok = read_version(pairs[i].value, ret);
            pairs[i] = pairs[--*count];
            return ok && *ret > 0;
        }
    }
    return *count == 0; /* nothing stored */
}

/* Answers a put or a flush with a message of its own. */
CHURN_PRINTF(4, 5)
static void answer_message(struct session *s, churn_put_reply *answer, int32_t result, const char *format, ...)
{
    char *message = malloc(CHURN_ERROR_MESSAGE_SIZE);
    va_list args;
    if (message != NULL) {
        va_start(args, format);
        (void)vsnprintf(message, CHURN_ERROR_MESSAGE_SIZE, format, args);
        va_end(args);
    }
    answer->result = result;
    answer->message = hold(s, NULL, message) && message != NULL ? message : "out of memory";
}

static int32_t result_of(enum verdict verdict)
{
    return verdict == VERDICT_REJECT                                ? CHURN_REJECT
           : verdict == VERDICT_FATAL || verdict == VERDICT_CLUSTER ? CHURN_FATAL
                                                                    : CHURN_RETRY;
}

/* The stored version is another one. */
static void answer_conflict(struct session *s, const redisReply *reply, churn_str key, churn_put_reply *answer)
{
    uint32_t count = 0;
    uint64_t version = 0;
    churn_pair *pairs = pairs_of(reply, &count);
    bool valid = pairs != NULL && split_version(pairs, &count, &version);
    if (!hold(s, NULL, pairs) || pairs == NULL) {
        answer->result = CHURN_RETRY;
        answer->message = "out of memory";
        return;
    }
    answer->fields = pairs;
    answer->count = count;
    if (valid) {
        answer->result = CHURN_CONFLICT;
        answer->version = version;
    } else {
        answer_message(
            s, answer, CHURN_REJECT,
            "the hash %.*s on Redis at %s has no version that can be read (_v); put it back, or delete the key",
            (int)key.len, key.ptr, s->store->where);
    }
}

/* Redis refused a put. False when the session is broken by it. */
static bool answer_error(struct session *s, const redisReply *reply, churn_str key, churn_put_reply *answer)
{
    char message[CHURN_ERROR_MESSAGE_SIZE];
    enum verdict verdict = judge(reply->str);
    explain(s, reply->str, key, message, sizeof message);
    if (is_end(verdict)) {
        break_session(s, "%s", message);
        return false;
    }
    if (verdict == VERDICT_RELOAD && !s->script_sent) {
        s->script_sent = queue_script(s);
    }
    answer_message(s, answer, result_of(verdict), "%s", message);
    return true;
}

/* Turns the reply to a put into its answer. False when the session is broken by it. */
static bool answer_put(struct session *s, const struct pending *put, const redisReply *reply, churn_put_reply *answer)
{
    churn_str key = pending_key(s, put);
    *answer = (churn_put_reply){.size = sizeof *answer, .id = put->id, .result = CHURN_OK};
    switch (reply->type) {
    case REDIS_REPLY_ERROR:
        return answer_error(s, reply, key, answer);
    case REDIS_REPLY_INTEGER:
        return true;
    default:
        if (is_hash(reply)) {
            answer_conflict(s, reply, key, answer);
            return true;
        }
        break_session(s, "Redis at %s gave an unexpected answer", s->store->where);
        return false;
    }
}

/* Answers the next put of the call that `s->answer` is the reply to; what refused the whole call refused each of them.
 * False when the session is broken by it. */
static bool answer_next(struct session *s, churn_put_reply *answer)
{
    const redisReply *whole = s->answer;
    struct pending put = take_pending(s);
    bool ok = answer_put(s, &put, whole->type == REDIS_REPLY_ARRAY ? whole->element[s->answer_at] : whole, answer);
    s->answer_at++;
    if (s->answer_at == s->answer_count || !ok) {
        s->answer = NULL;
        if (!hold(s, (redisReply *)whole, NULL)) {
            break_session(s, "out of memory");
            return false;
        }
    }
    return ok;
}

/* Takes the reply to a call; takes it over. False when the session is broken by it. */
static bool begin_answers(struct session *s, redisReply *reply)
{
    uint32_t count = s->pending[s->head].batch;
    bool fits = reply->type == REDIS_REPLY_ERROR || (reply->type == REDIS_REPLY_ARRAY && reply->elements == count);
    if (count == 0 || !fits) { /* 0: the call was not even sent */
        freeReplyObject(reply);
        break_session(s, "Redis at %s gave an unexpected answer", s->store->where);
        return false;
    }
    s->answer = reply;
    s->answer_count = count;
    s->answer_at = 0;
    return true;
}

/* Turns the reply to WAIT into the answer to a flush; takes over `reply`. */
static void answer_flush(struct session *s, uint64_t id, redisReply *reply, churn_put_reply *answer)
{
    const struct redis_store *store = s->store;
    *answer = (churn_put_reply){.size = sizeof *answer, .id = id, .result = CHURN_OK};
    if (reply->type == REDIS_REPLY_ERROR) {
        bool fatal = judge(reply->str) == VERDICT_FATAL;
        answer_message(s, answer, fatal ? CHURN_FATAL : CHURN_RETRY, "Redis at %s: WAIT: %s", store->where, reply->str);
    } else if (reply->type == REDIS_REPLY_INTEGER && reply->integer < store->replicas) {
        answer_message(s, answer, CHURN_RETRY,
                       "%lld of the %" PRId64 " replicas that `replicas` asks for have what Redis at %s acknowledged",
                       reply->integer, store->replicas, store->where);
    }
    freeReplyObject(reply);
}

/* Takes the next reply. False when there is none, or the session is broken by it. */
static bool take_reply(struct session *s, churn_put_reply *replies, uint32_t *count)
{
    redisReply *reply = next_reply(s);
    if (reply == NULL) {
        return false;
    }
    if (s->pending[s->head].kind == PENDING_PUT) {
        return begin_answers(s, reply);
    }
    struct pending pending = take_pending(s);
    if (pending.kind == PENDING_SCRIPT) {
        script_loaded(s, reply);
    } else {
        answer_flush(s, pending.id, reply, &replies[(*count)++]);
    }
    return true;
}

/* Answers puts from what has been read. */
static uint32_t collect(struct session *s, churn_put_reply *replies, uint32_t max)
{
    uint32_t count = 0;
    while (count < max) {
        if (s->answer == NULL && !take_reply(s, replies, &count)) {
            break;
        }
        if (s->answer != NULL) {
            if (!answer_next(s, &replies[count])) {
                break;
            }
            count++;
        }
        if (s->pending_count == 0) {
            s->keys_base += s->keys_len;
            s->keys_len = 0;
        }
    }
    return count;
}

/* --- Calls that wait for their reply --- */

static bool puts_pending(const struct session *s)
{
    for (size_t i = s->head; i < s->pending_count; i++) {
        if (s->pending[i].kind == PENDING_PUT || s->pending[i].kind == PENDING_FLUSH) {
            return true;
        }
    }
    return false;
}

/* Waits for the reply to the command queued last; the caller frees it. */
static int32_t await(struct session *s, redisReply **ret, churn_error *err)
{
    for (;;) {
        redisReply *reply = next_reply(s);
        if (reply != NULL) {
            if (take_pending(s).kind == PENDING_CALL) {
                *ret = reply;
                return CHURN_OK;
            }
            script_loaded(s, reply);
        }
        if (s->broken[0] != '\0') {
            return fail_broken(s, err);
        }
        if (reply == NULL) {
            exchange(s, s->store->timeout_ms);
        }
    }
}

/* A session that may be asked something now. */
static int32_t check_free(struct session *s, churn_error *err)
{
    release_held(s);
    if (s->broken[0] != '\0') {
        return fail_broken(s, err);
    }
    return puts_pending(s) ? churn_fail(err, CHURN_FATAL, "asked for a hash while puts are unanswered") : CHURN_OK;
}

static int32_t call(struct session *s, const churn_str *args, uint32_t count, redisReply **ret, churn_error *err)
{
    return queue(s, PENDING_CALL, 0, args, count) ? await(s, ret, err) : fail_memory(err);
}

/* Reports an error reply on `key`, which it frees. */
static int32_t fail_reply(struct session *s, redisReply *reply, churn_str key, churn_error *err)
{
    char message[CHURN_ERROR_MESSAGE_SIZE];
    enum verdict verdict = VERDICT_RETRY;
    if (reply->type == REDIS_REPLY_ERROR) {
        verdict = judge(reply->str);
        explain(s, reply->str, key, message, sizeof message);
    } else {
        (void)snprintf(message, sizeof message, "Redis at %s gave an unexpected answer", s->store->where);
    }
    freeReplyObject(reply);
    if (is_end(verdict)) {
        break_session(s, "%s", message);
    }
    return churn_fail(err, result_of(verdict), "%s", message);
}

/* Shows the answer to a HGETALL of `key`; frees it. */
static int32_t give_hash(struct session *s, redisReply *reply, churn_str key, churn_fields_fn fn, void *ctx,
                         churn_error *err)
{
    churn_pair *pairs;
    uint32_t count = 0;
    if (!is_hash(reply)) {
        return fail_reply(s, reply, key, err);
    }
    pairs = pairs_of(reply, &count);
    if (pairs == NULL) {
        freeReplyObject(reply);
        return fail_memory(err);
    }
    (void)fn(ctx, key, pairs, count);
    free(pairs);
    freeReplyObject(reply);
    return CHURN_OK;
}

static bool queue_get(struct session *s, churn_str key)
{
    const churn_str args[] = {text_arg("HGETALL"), key};
    return queue(s, PENDING_CALL, 0, args, 2);
}

static int32_t redis_get_many(void *session, const churn_str *keys, uint32_t count, churn_fields_fn fn, void *ctx,
                              churn_error *err)
{
    struct session *s = session;
    int32_t result = check_free(s, err);
    uint32_t queued = 0;
    if (result != CHURN_OK) {
        return result;
    }
    for (; queued < count && queue_get(s, keys[queued]); queued++) {
    }
    for (uint32_t i = 0; i < queued; i++) { /* every answer is read, or the next call would get it */
        redisReply *reply;
        int32_t one = await(s, &reply, result == CHURN_OK ? err : NULL);
        if (one == CHURN_OK && result == CHURN_OK) {
            result = give_hash(s, reply, keys[i], fn, ctx, err);
        } else if (one == CHURN_OK) {
            freeReplyObject(reply);
        } else if (result == CHURN_OK) {
            result = one;
        }
    }
    return result == CHURN_OK && queued < count ? fail_memory(err) : result;
}

static int32_t redis_get(void *session, churn_str key, churn_fields_fn fn, void *ctx, churn_error *err)
{
    return redis_get_many(session, &key, 1, fn, ctx, err);
}

/* The pattern of SCAN that exactly the keys with `prefix` match; the caller frees it. */
static char *pattern_of(churn_str prefix, churn_str *ret)
{
    char *pattern = malloc((size_t)2 * prefix.len + 1), *at = pattern;
    for (uint32_t i = 0; i < prefix.len && pattern != NULL; i++) {
        if (prefix.ptr[i] != '\0' && strchr("*?[]\\", prefix.ptr[i]) != NULL) {
            *at++ = '\\';
        }
        *at++ = prefix.ptr[i];
    }
    if (pattern != NULL) {
        *at++ = '*';
        *ret = (churn_str){.ptr = pattern, .len = (uint32_t)(at - pattern)};
    }
    return pattern;
}

static bool is_scan(const redisReply *reply)
{
    return reply->type == REDIS_REPLY_ARRAY && reply->elements == 2 && is_text(reply->element[0]) &&
           reply->element[1]->type == REDIS_REPLY_ARRAY;
}

/* False when `fn` wants no more. */
static bool give_keys(const redisReply *list, churn_key_fn fn, void *ctx)
{
    for (size_t i = 0; i < list->elements; i++) {
        const redisReply *key = list->element[i];
        if (is_text(key) && fn(ctx, (churn_str){.ptr = key->str, .len = (uint32_t)key->len}) != CHURN_OK) {
            return false;
        }
    }
    return true;
}

/* One SCAN from `cursor`, which becomes that of the next one; "0" behind the last. */
static int32_t scan_once(struct session *s, churn_str pattern, char cursor[24], churn_key_fn fn, void *ctx,
                         churn_error *err)
{
    const churn_str args[] = {text_arg("SCAN"), text_arg(cursor),  text_arg("MATCH"),
                              pattern,          text_arg("COUNT"), text_arg("1000")};
    redisReply *reply;
    int32_t result = call(s, args, 6, &reply, err);
    if (result != CHURN_OK) {
        return result;
    }
    if (!is_scan(reply)) {
        return fail_reply(s, reply, pattern, err);
    }
    (void)snprintf(cursor, 24, "%s", give_keys(reply->element[1], fn, ctx) ? reply->element[0]->str : "0");
    freeReplyObject(reply);
    return CHURN_OK;
}

static int32_t redis_keys(void *session, churn_str prefix, churn_key_fn fn, void *ctx, churn_error *err)
{
    struct session *s = session;
    churn_str pattern;
    char cursor[24] = "0", *memory;
    int32_t result = check_free(s, err);
    if (result != CHURN_OK) {
        return result;
    }
    memory = pattern_of(prefix, &pattern);
    if (memory == NULL) {
        return fail_memory(err);
    }
    do {
        result = scan_once(s, pattern, cursor, fn, ctx, err);
    } while (result == CHURN_OK && strcmp(cursor, "0") != 0);
    free(memory);
    return result;
}

static bool queue_write(struct session *s, const churn_hash *hash)
{
    const churn_str script = text_arg(write_script);
    char number[21], *at;
    size_t bytes = (size_t)6 * ARG_ROOM + 16 + script.len + hash->key.len + pairs_room(hash->fields, hash->count);
    at = seal_batch(s) ? reserve_out(s, bytes) : NULL;
    if (at == NULL || !expect(s, PENDING_CALL, 0, (churn_str){0})) {
        return false;
    }
    at = write_count(at, '*', 5 + (uint64_t)2 * hash->count);
    at = write_arg(at, text_arg("EVAL"));
    at = write_arg(at, script);
    at = write_arg(at, text_arg("1"));
    at = write_arg(at, hash->key);
    at = write_arg(at, number_arg(number, hash->ttl_ms > 0 ? (uint64_t)hash->ttl_ms : 0));
    s->out_len = (size_t)(write_pairs(at, hash->fields, hash->count) - s->out);
    return true;
}

static int32_t await_write(struct session *s, churn_str key, churn_error *err)
{
    redisReply *reply;
    int32_t result = await(s, &reply, err);
    if (result != CHURN_OK) {
        return result;
    }
    if (reply->type != REDIS_REPLY_INTEGER) {
        return fail_reply(s, reply, key, err);
    }
    freeReplyObject(reply);
    return CHURN_OK;
}

static int32_t redis_write(void *session, const churn_hash *hashes, uint32_t count, churn_error *err)
{
    struct session *s = session;
    int32_t result = check_free(s, err);
    uint32_t queued = 0;
    if (result != CHURN_OK) {
        return result;
    }
    for (; queued < count && queue_write(s, &hashes[queued]); queued++) {
    }
    for (uint32_t i = 0; i < queued; i++) { /* every answer is read, or the next call would get it */
        int32_t one = await_write(s, hashes[i].key, result == CHURN_OK ? err : NULL);
        result = result == CHURN_OK ? one : result;
    }
    return result == CHURN_OK && queued < count ? fail_memory(err) : result;
}

/* --- Puts --- */

/* Adds a put to the newest ones; false when memory ran out. */
static bool pack_put(struct session *s, const churn_put *put)
{
    size_t bytes = 2 * PACK_ROOM + put->key.len + 4 * (size_t)(PACK_ROOM + 21);
    size_t used = s->batch_count > 0 ? s->batch_len : ARRAY16_HEAD;
    void *memory = s->batch;
    char number[21], *at;
    bool ok;
    for (uint32_t i = 0; i < put->count; i++) {
        bytes += (size_t)put->fields[i].name.len + put->fields[i].value.len + (size_t)2 * PACK_ROOM;
    }
    ok = grow(&memory, &s->batch_room, used + bytes, 1);
    s->batch = memory;
    if (!ok || !expect(s, PENDING_PUT, put->id, put->key)) {
        return false;
    }
    at = pack_head(s->batch + used, 5 + 2 * put->count, 0x90, 15, 0xdc);
    at = pack_text(at, put->key);
    at = pack_text(at, number_arg(number, put->expected_version));
    s->expires = s->expires || put->ttl_ms > 0;
    at = pack_text(at, put->ttl_ms > 0 ? number_arg(number, (uint64_t)put->ttl_ms) : text_arg(s->expires ? "-1" : "0"));
    at = pack_text(at, text_arg("_v"));
    at = pack_text(at, number_arg(number, put->expected_version + 1));
    for (uint32_t i = 0; i < put->count; i++) {
        at = pack_text(at, put->fields[i].name);
        at = pack_text(at, put->fields[i].value);
    }
    s->batch_len = (size_t)(at - s->batch);
    s->batch_count++;
    return true;
}

static int32_t redis_put(void *session, const churn_put *put, churn_error *err)
{
    struct session *s = session;
    release_held(s);
    if (s->broken[0] != '\0') {
        return fail_broken(s, err);
    }
    if (!pack_put(s, put)) {
        return fail_memory(err);
    }
    if (s->batch_count == BATCH_PUTS || s->batch_len >= BATCH_BYTES) {
        if (!seal_batch(s)) {
            return fail_memory(err);
        }
        if (s->out_len - s->out_sent >= SEND_BYTES) {
            (void)send_out(s); /* what fails here fails in `exchange` too, which says so */
        }
    }
    return CHURN_OK;
}

static int32_t redis_flush(void *session, uint64_t id, churn_error *err)
{
    struct session *s = session;
    char number[21];
    const churn_str args[] = {text_arg("WAIT"), number_arg(number, (uint64_t)s->store->replicas),
                              text_arg(REPLICAS_WAIT)};
    release_held(s);
    if (s->broken[0] != '\0') {
        return fail_broken(s, err);
    }
    if (s->store->durability != DURABILITY_REPLICAS) {
        return CHURN_OK; /* an acknowledgement is all there is, or the server syncs before it acknowledges */
    }
    return queue(s, PENDING_FLUSH, id, args, 3) ? CHURN_PENDING : fail_memory(err);
}

static int32_t redis_poll(void *session, churn_put_reply *replies, uint32_t max, uint32_t timeout_ms,
                          uint32_t *ret_count, churn_error *err)
{
    struct session *s = session;
    int64_t deadline = now(s) + timeout_ms, left = 0;
    release_held(s);
    *ret_count = 0;
    for (;;) {
        /* What was read before the connection broke still counts. */
        if (s->broken[0] == '\0' && s->pending_count > 0) {
            exchange(s, left);
        }
        *ret_count = collect(s, replies, max);
        if (*ret_count > 0) {
            return CHURN_OK;
        }
        if (s->broken[0] != '\0') {
            return fail_broken(s, err);
        }
        left = deadline - now(s);
        if (s->pending_count == 0 || left <= 0) {
            return CHURN_PENDING;
        }
    }
}

/* --- Opening --- */

/* Redis refused to let us in. */
static int32_t fail_open(const struct session *s, const char *text, churn_error *err)
{
    static const char *const passing[] = {"LOADING",     "BUSY", "MASTERDOWN", "TRYAGAIN",
                                          "CLUSTERDOWN", "OOM",  "MISCONF",    "READONLY"};
    const char *where = s->store->where;
    for (size_t i = 0; i < sizeof passing / sizeof passing[0]; i++) {
        if (has_code(text, passing[i])) {
            return churn_fail(err, CHURN_RETRY, "Redis at %s: %s", where, text);
        }
    }
    if (strncmp(text, "ERR max number of clients", 25) == 0) {
        return churn_fail(err, CHURN_RETRY, "Redis at %s: %s", where, text);
    }
    if (has_code(text, "NOAUTH")) {
        return churn_fail_option(err, "password", "Redis at %s asks for a password; set `password`", where);
    }
    if (has_code(text, "WRONGPASS") || strncmp(text, "ERR invalid password", 20) == 0) {
        return churn_fail_option(err, "password", "Redis at %s refuses the user name or the password", where);
    }
    if (strncmp(text, "ERR AUTH", 8) == 0 || strncmp(text, "ERR Client sent AUTH", 20) == 0) {
        return churn_fail_option(err, "password", "Redis at %s has no password; leave `password` out", where);
    }
    if (is_forbidden(text)) {
        return churn_fail(err, CHURN_FATAL, FORBIDDEN_TEXT ": %s", where, text);
    }
    return churn_fail(err, CHURN_FATAL, "Redis at %s: %s", where, text);
}

/* A call whose success is needed; nobody reads what it says. */
static int32_t demand(struct session *s, const churn_str *args, uint32_t count, churn_error *err)
{
    redisReply *reply;
    int32_t result = call(s, args, count, &reply, err);
    if (result != CHURN_OK) {
        return result;
    }
    if (reply->type == REDIS_REPLY_ERROR) {
        result = fail_open(s, reply->str, err);
    }
    freeReplyObject(reply);
    return result;
}

static int32_t log_in(struct session *s, churn_error *err)
{
    const struct redis_store *store = s->store;
    churn_str args[3] = {text_arg("AUTH")};
    uint32_t count = 1;
    if (store->password[0] == '\0') {
        return CHURN_OK;
    }
    if (store->username[0] != '\0') {
        args[count++] = text_arg(store->username);
    }
    args[count++] = text_arg(store->password);
    return demand(s, args, count, err);
}

static int32_t select_database(struct session *s, churn_error *err)
{
    char number[21];
    const churn_str args[] = {text_arg("SELECT"), number_arg(number, (uint64_t)s->store->database)};
    int32_t result = s->store->database == 0 ? CHURN_OK : demand(s, args, 2, err);
    if (result == CHURN_FATAL && err != NULL && err->option[0] == '\0') {
        (void)snprintf(err->option, sizeof err->option, "database");
    }
    return result;
}

/* So that `CLIENT LIST` shows whose connection it is. A server that refuses it serves as well. */
static int32_t name_connection(struct session *s, churn_error *err)
{
    char name[128];
    churn_str args[3] = {text_arg("CLIENT"), text_arg("SETNAME")};
    redisReply *reply;
    int32_t result;
    (void)snprintf(name, sizeof name, "churnd-%s", s->store->host->pipeline);
    for (char *c = name; *c != '\0'; c++) {
        if (!isgraph((unsigned char)*c)) {
            *c = '-';
        }
    }
    args[2] = text_arg(name);
    result = call(s, args, 3, &reply, err);
    if (result == CHURN_OK) {
        freeReplyObject(reply);
    }
    return result;
}

/* The value of a line `name:value` of INFO, up to the line's end; NULL when there is none. */
static const char *info_value(const char *info, const char *name, int *ret_len)
{
    size_t len = strlen(name);
    for (const char *line = info; line != NULL; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, name, len) == 0 && line[len] == ':') {
            *ret_len = (int)strcspn(line + len + 1, "\r\n");
            return line + len + 1;
        }
    }
    return NULL;
}

/* Asks for what may be forbidden, or unknown to the server: then *ret is NULL, for nobody can tell. The caller frees
 * it. */
static int32_t ask(struct session *s, const churn_str *args, uint32_t count, redisReply **ret, churn_error *err)
{
    redisReply *reply;
    int32_t result = call(s, args, count, &reply, err);
    if (result != CHURN_OK) {
        return result;
    }
    *ret = reply;
    if (reply->type == REDIS_REPLY_ERROR) {
        bool untold = is_forbidden(reply->str) || strncasecmp(reply->str, "ERR unknown", 11) == 0;
        *ret = NULL;
        result = untold ? CHURN_OK : fail_open(s, reply->str, err);
        freeReplyObject(reply);
    }
    return result;
}

static int32_t ask_info(struct session *s, const char *section, redisReply **ret, churn_error *err)
{
    const churn_str args[] = {text_arg("INFO"), text_arg(section)};
    int32_t result = ask(s, args, 2, ret, err);
    if (result == CHURN_OK && *ret != NULL && !is_text(*ret)) {
        freeReplyObject(*ret);
        *ret = NULL;
        result = churn_fail(err, CHURN_RETRY, "Redis at %s gave an unexpected answer to INFO", s->store->where);
    }
    return result;
}

/* A server that evicts keys loses events that were counted; "" where it does not. */
static int32_t find_eviction(struct session *s, char *text, size_t size, churn_error *err)
{
    const char *limit, *policy;
    redisReply *reply;
    int limit_len = 0, policy_len = 0;
    int32_t result = ask_info(s, "memory", &reply, err);
    text[0] = '\0';
    if (result != CHURN_OK || reply == NULL) {
        return result;
    }
    limit = info_value(reply->str, "maxmemory", &limit_len);
    policy = info_value(reply->str, "maxmemory_policy", &policy_len);
    if (limit != NULL && policy != NULL && strtoull(limit, NULL, 10) != 0 && strncmp(policy, "noeviction", 10) != 0) {
        bool keeps_lasting = strncmp(policy, "volatile-", 9) == 0; /* what has no ttl: it refuses writes instead */
        (void)snprintf(text, size,
                       "may throw profiles away %swhen its memory is full, and their events are then LOST: "
                       "maxmemory-policy is %.*s; set it to noeviction",
                       keeps_lasting ? "that have a `ttl` (no others) " : "", policy_len, policy);
    }
    freeReplyObject(reply);
    return CHURN_OK;
}

static int32_t check_eviction(struct session *s, churn_error *err)
{
    char text[256];
    int32_t result = find_eviction(s, text, sizeof text, err);
    if (result == CHURN_OK && text[0] != '\0') {
        churn_log(s->store->host, CHURN_LOG_WARN, "Redis at %s %s", s->store->where, text);
    }
    return result;
}

/* What the server calls its history of writes, a name that goes when its data goes; it gets one when it has none. From
 * then on the session's puts are written in that one alone. */
static int32_t learn_history(struct session *s, churn_error *err)
{
    char name[HISTORY_SIZE];
    const churn_str args[] = {text_arg("EVAL"),
                              text_arg(history_script),
                              text_arg("1"),
                              text_arg(HISTORY_KEY),
                              {.ptr = name, .len = HISTORY_SIZE - 1}};
    uint64_t random;
    redisReply *reply;
    int32_t result;
    if (getrandom(&random, sizeof random, 0) != (ssize_t)sizeof random) {
        return churn_fail(err, CHURN_RETRY, "no random number: %s", strerror(errno));
    }
    (void)snprintf(name, sizeof name, "%016" PRIx64, random);
    result = call(s, args, 5, &reply, err);
    if (result != CHURN_OK) {
        return result;
    }
    if (!is_text(reply) || reply->len != HISTORY_SIZE - 1) {
        result = fail_reply(s, reply, text_arg(HISTORY_KEY), err);
        return result == CHURN_REJECT ? CHURN_FATAL : result; /* it is nobody's own damage */
    }
    memcpy(s->history, reply->str, HISTORY_SIZE);
    freeReplyObject(reply);
    return CHURN_OK;
}

/* Appends a line's value and a colon to a text of CHURN_IDENTITY_SIZE. */
static void append_value(char *text, const redisReply *info, const char *name)
{
    int len = 0;
    const char *value = info_value(info->str, name, &len);
    size_t used = strlen(text);
    (void)snprintf(text + used, CHURN_IDENTITY_SIZE - used, "%.*s:", len, value != NULL ? value : "");
}

/* `run_id` changes with every start of the server, `master_replid` also when its data was replaced by another server's
 * while it ran, the name of the history when it was emptied. */
static int32_t redis_identity(void *session, char text[CHURN_IDENTITY_SIZE], churn_error *err)
{
    static const char *const sections[] = {"server", "replication"}, *const names[] = {"run_id", "master_replid"};
    struct session *s = session;
    int32_t result = check_free(s, err);
    text[0] = '\0';
    for (int i = 0; i < 2 && result == CHURN_OK; i++) {
        redisReply *reply = NULL;
        result = ask_info(s, sections[i], &reply, err);
        if (result == CHURN_OK && reply != NULL) {
            append_value(text, reply, names[i]);
            freeReplyObject(reply);
        }
    }
    result = result == CHURN_OK ? learn_history(s, err) : result;
    if (result == CHURN_OK) {
        size_t used = strlen(text);
        (void)snprintf(text + used, CHURN_IDENTITY_SIZE - used, "%s", s->history);
    }
    return result;
}

/* Which of the commands is forbidden on such a key. */
static int32_t check_commands(struct session *s, churn_str key, churn_error *err)
{
    const churn_str args[] = {text_arg("EVAL"), text_arg(allowed_script), text_arg("1"), key};
    redisReply *reply;
    int32_t result = call(s, args, 4, &reply, err);
    if (result != CHURN_OK) {
        return result;
    }
    if (reply->type == REDIS_REPLY_ERROR && is_forbidden(reply->str)) {
        result = churn_fail(err, CHURN_FATAL, FORBIDDEN_TEXT ": EVAL on keys such as %.*s: %s", s->store->where,
                            (int)key.len, key.ptr, reply->str);
    } else if (!is_text(reply)) {
        return fail_reply(s, reply, key, err);
    } else if (reply->len > 0) {
        result = churn_fail(err, CHURN_FATAL, FORBIDDEN_TEXT ": it may not use %s on keys such as %.*s",
                            s->store->where, reply->str, (int)key.len, key.ptr);
    }
    freeReplyObject(reply);
    return result;
}

/* A call of the put script without a put. */
static int32_t check_puts(struct session *s, churn_str key, churn_error *err)
{
    const churn_str args[] = {
        text_arg("EVALSHA"), {.ptr = s->sha, .len = SHA_LEN}, text_arg("1"), key, text_arg("\x90")};
    redisReply *reply;
    int32_t result = call(s, args, 5, &reply, err);
    if (result != CHURN_OK) {
        return result;
    }
    if (reply->type == REDIS_REPLY_ERROR) {
        return fail_reply(s, reply, key, err);
    }
    freeReplyObject(reply);
    return CHURN_OK;
}

static int32_t redis_allowed(void *session, const churn_str *keys, uint32_t count, churn_error *err)
{
    struct session *s = session;
    int32_t result = check_free(s, err);
    result = result == CHURN_OK ? check_commands(s, text_arg(HISTORY_KEY), err) : result;
    for (uint32_t i = 0; i < count && result == CHURN_OK; i++) {
        result = check_commands(s, keys[i], err);
        result = result == CHURN_OK ? check_puts(s, keys[i], err) : result;
    }
    return result;
}

/* A replica takes no writes. */
static int32_t check_role(struct session *s, churn_error *err)
{
    redisReply *reply;
    const char *role;
    int len = 0;
    bool replica;
    int32_t result = ask_info(s, "replication", &reply, err);
    if (result != CHURN_OK) {
        return result;
    }
    if (reply == NULL) {
        churn_log(s->store->host, CHURN_LOG_WARN,
                  "Redis at %s does not let this user call INFO: a failover that loses writes can go unnoticed",
                  s->store->where);
        return CHURN_OK;
    }
    role = info_value(reply->str, "role", &len);
    replica = role != NULL && strncmp(role, "slave", 5) == 0;
    freeReplyObject(reply);
    return replica ? churn_fail(err, CHURN_RETRY, "Redis at %s is a replica, which takes no writes", s->store->where)
                   : CHURN_OK;
}

static long info_number(const char *info, const char *name)
{
    int len = 0;
    const char *value = info_value(info, name, &len);
    return value != NULL ? strtol(value, NULL, 10) : -1;
}

/* A node that has all slots serves as a single server does; of several, or with slots that nobody serves, none can. */
static int32_t check_cluster(struct session *s, churn_error *err)
{
    const churn_str args[] = {text_arg("CLUSTER"), text_arg("INFO")};
    redisReply *reply;
    bool is_node, alone = true;
    int32_t result = ask_info(s, "cluster", &reply, err);
    if (result != CHURN_OK || reply == NULL) {
        return result;
    }
    is_node = info_number(reply->str, "cluster_enabled") == 1;
    freeReplyObject(reply);
    if (!is_node || (result = ask(s, args, 2, &reply, err)) != CHURN_OK || reply == NULL) {
        return result;
    }
    if (is_text(reply)) {
        alone = info_number(reply->str, "cluster_size") <= 1 &&
                info_number(reply->str, "cluster_slots_assigned") == CLUSTER_SLOTS;
    }
    freeReplyObject(reply);
    return alone ? CHURN_OK : churn_fail(err, CHURN_FATAL, CLUSTER_TEXT, s->store->where);
}

/* *ret: CONFIG says that it is; false also where CONFIG is forbidden. */
static int32_t config_is(struct session *s, const char *name, const char *value, bool *ret, churn_error *err)
{
    const churn_str args[] = {text_arg("CONFIG"), text_arg("GET"), text_arg(name)};
    redisReply *reply;
    int32_t result = ask(s, args, 3, &reply, err);
    if (result == CHURN_OK && reply != NULL) {
        *ret = reply->type == REDIS_REPLY_ARRAY && reply->elements == 2 && is_text(reply->element[1]) &&
               strcmp(reply->element[1]->str, value) == 0;
        freeReplyObject(reply);
    }
    return result;
}

static int32_t check_durability(struct session *s, churn_error *err)
{
    const churn_str wait[] = {text_arg("WAIT"), text_arg("0"), text_arg("0")};
    bool file = false, always = false;
    int32_t result = s->store->durability == DURABILITY_REPLICAS ? demand(s, wait, 3, err) : CHURN_OK;
    if (s->store->durability == DURABILITY_FSYNC) {
        result = config_is(s, "appendonly", "yes", &file, err);
        result = result == CHURN_OK ? config_is(s, "appendfsync", "always", &always, err) : result;
        if (result == CHURN_OK && !(file && always)) {
            result = churn_fail_option(err, "durability",
                                       "fsync needs a Redis that syncs before it acknowledges, and lets CONFIG GET say "
                                       "so: set `appendonly yes` and `appendfsync always` on %s",
                                       s->store->where);
        }
    }
    if (result == CHURN_OK && atomic_exchange(&s->store->durability_said, 1) == 0) {
        churn_log(s->store->host, CHURN_LOG_INFO, "Redis at %s: durability: %s", s->store->where, s->store->promise);
    }
    return result;
}

static int32_t load_script(struct session *s, churn_error *err)
{
    const churn_str args[] = {text_arg("SCRIPT"), text_arg("LOAD"), text_arg(put_script)};
    redisReply *reply;
    int32_t result = call(s, args, 3, &reply, err);
    if (result != CHURN_OK) {
        return result;
    }
    if (reply->type == REDIS_REPLY_STRING && reply->len == SHA_LEN) {
        memcpy(s->sha, reply->str, SHA_LEN);
    } else {
        result = fail_open(s, reply->type == REDIS_REPLY_ERROR ? reply->str : "unexpected answer to SCRIPT LOAD", err);
    }
    freeReplyObject(reply);
    return result;
}

static redisReader *new_reader(struct session *s)
{
    redisReader *reader = redisReaderCreate();
    if (reader != NULL) {
        s->objects = *reader->fn;
        s->make_array = s->objects.createArray;
        s->objects.createArray = create_array;
        reader->fn = &s->objects;
        reader->privdata = s;
    }
    return reader;
}

static int32_t connect_session(struct session *s, churn_error *err)
{
    const struct redis_store *store = s->store;
    struct timeval timeout = {.tv_sec = (time_t)(store->connect_timeout_ms / 1000),
                              .tv_usec = (suseconds_t)(store->connect_timeout_ms % 1000 * 1000)};
    s->connection = redisConnectWithTimeout(store->host_name, (int)store->port, timeout);
    s->reader = new_reader(s);
    if (s->connection == NULL || s->reader == NULL) {
        return fail_memory(err);
    }
    if (s->connection->err != 0) {
        return churn_fail(err, CHURN_RETRY, "Redis at %s cannot be reached: %s", store->where, s->connection->errstr);
    }
    (void)redisEnableKeepAlive(s->connection);
    return CHURN_OK;
}

static void redis_close(void *session)
{
    struct session *s = session;
    release_held(s);
    if (s->reader != NULL) {
        redisReaderFree(s->reader);
    }
    if (s->connection != NULL) {
        redisFree(s->connection);
    }
    freeReplyObject(s->answer);
    free(s->out);
    free(s->batch);
    free(s->pending);
    free(s->keys);
    free(s->held);
    free(s);
}

static int32_t open_session(struct redis_store *store, struct session **ret, churn_error *err)
{
    static int32_t (*const steps[])(struct session *, churn_error *) = {
        connect_session, log_in,      select_database, check_role,
        check_cluster,   load_script, name_connection, check_durability,
    };
    struct session *s = calloc(1, sizeof *s);
    if (s == NULL) {
        return fail_memory(err);
    }
    s->store = store;
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        int32_t result = steps[i](s, err);
        if (result != CHURN_OK) {
            redis_close(s);
            return result;
        }
    }
    *ret = s;
    return CHURN_OK;
}

static int32_t redis_open(void *self, void **ret_session, churn_error *err)
{
    struct session *s = NULL;
    int32_t result = open_session(self, &s, err);
    if (result == CHURN_OK) {
        result = check_eviction(s, err);
    }
    if (result == CHURN_OK) {
        *ret_session = s;
    } else if (s != NULL) {
        redis_close(s);
    }
    return result;
}

/* As a session is opened, which writes nothing but the script that Redis caches. */
static int32_t try_session(struct redis_store *store, uint32_t timeout_ms, char *remark, size_t size, churn_error *err)
{
    struct redis_store impatient = *store;
    struct session *s = NULL;
    int32_t result;
    impatient.timeout_ms = store->timeout_ms < timeout_ms ? store->timeout_ms : timeout_ms;
    impatient.connect_timeout_ms = store->connect_timeout_ms < timeout_ms ? store->connect_timeout_ms : timeout_ms;
    impatient.durability_said = 1; /* nothing to be said in the log */
    result = open_session(&impatient, &s, err);
    if (result == CHURN_OK) {
        result = find_eviction(s, remark, size, err);
    }
    if (s != NULL) {
        redis_close(s);
    }
    return result;
}

static void redis_probe(void *self, uint32_t timeout_ms, churn_target_fn fn, void *ctx)
{
    struct redis_store *store = self;
    churn_error err = {.size = sizeof err};
    char remark[256] = "";
    churn_target target = {.size = sizeof target,
                           .flags = CHURN_TARGET_READS | CHURN_TARGET_WRITES,
                           .kind = "redis",
                           .name = store->where};
    if (timeout_ms > 0) {
        target.result = try_session(store, timeout_ms, remark, sizeof remark, &err);
        target.option = target.result != CHURN_OK && err.option[0] != '\0' ? err.option : NULL;
        target.message = target.result != CHURN_OK ? err.message : remark[0] != '\0' ? remark : NULL;
    }
    fn(ctx, &target);
}

/* What could never be resolved would be waited for like a server that is down. */
static int32_t check_host(const struct redis_store *store, churn_error *err)
{
    const char *name = store->host_name, *colon = strchr(name, ':');
    if (name[0] == '\0') {
        return churn_fail_option(err, "host", "is empty");
    }
    if (strstr(name, "://") != NULL) {
        return churn_fail_option(err, "host",
                                 "is a URL; write the name alone, the rest as `port`, `username`, `password` and "
                                 "`database`%s",
                                 strncmp(name, "rediss:", 7) == 0 ? ". TLS is not spoken here: put a TLS proxy such as "
                                                                    "stunnel beside churnd, and name that"
                                                                  : "");
    }
    if (strchr(name, '/') != NULL) {
        return churn_fail_option(err, "host", "is a path; Redis is reached over TCP only: name its host");
    }
    if (colon != NULL && strchr(colon + 1, ':') == NULL) { /* an IPv6 address has more of them */
        return churn_fail_option(err, "host", "has a port in it; write that as `port`");
    }
    if (name[strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-_:%")] != '\0') {
        return churn_fail_option(err, "host",
                                 "is neither a host name nor an address (an IPv6 address stands without brackets)");
    }
    return CHURN_OK;
}

static int32_t redis_create(void *self, const churn_host *host, churn_error *err)
{
    struct redis_store *store = self;
    int32_t result;
    store->host = host;
    if ((result = check_host(store, err)) != CHURN_OK) {
        return result;
    }
    if (store->username[0] != '\0' && store->password[0] == '\0') {
        return churn_fail_option(err, "username", "needs a `password`");
    }
    (void)snprintf(store->where, sizeof store->where, "%s:%" PRId64, store->host_name, store->port);
    if (store->durability == DURABILITY_REPLICAS) {
        (void)snprintf(store->promise, sizeof store->promise, "replicas: %" PRId64, store->replicas);
    } else {
        (void)snprintf(store->promise, sizeof store->promise, "%s", durabilities[store->durability]);
    }
    return CHURN_OK;
}

static const char *redis_durability(void *self)
{
    return ((const struct redis_store *)self)->promise;
}

static void redis_destroy(void *self)
{
    (void)self; /* sessions own everything */
}

static const churn_store_ops ops = {
    .size = sizeof(churn_store_ops),
    .create = redis_create,
    .open = redis_open,
    .put = redis_put,
    .poll = redis_poll,
    .get = redis_get,
    .write = redis_write,
    .close = redis_close,
    .destroy = redis_destroy,
    .identity = redis_identity,
    .flush = redis_flush,
    .keys = redis_keys,
    .get_many = redis_get_many,
    .durability = redis_durability,
    .probe = redis_probe,
    .allowed = redis_allowed,
};

CHURN_PLUGIN(.kind = CHURN_KIND_STORE, .name = "redis", .version = "1.0.0",
             .summary = "Keeps profiles as hashes on a Redis server", CHURN_OPTIONS(options, struct redis_store),
             .ops = &ops);
