/* The LMDB store's calls: each one of LMDB's fails once, and everything that was begun is ended; what is said then, to
 * the last byte; the files that are taken away; what is asked of LMDB and of the system. */
#define _GNU_SOURCE /* RTLD_NEXT */
#include "../unit/no_leaks.h"
#include "fake_host.h"
#include "memory_use.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <limits.h>
#include <lmdb.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const churn_plugin *plugin;
static const churn_store_ops *ops;
static struct fake_host fake;
static char folder[64];
static char path[128]; /* of the store */
static void *store;
static churn_error err;

/* --- Functions in place of LMDB's, which they call --- */

#define EXPORT __attribute__((visibility("default")))
#define NEXT(function) ((__typeof__(&(function)))dlsym(RTLD_NEXT, #function))

static _Thread_local int inside; /* LMDB's calls of itself are its own business */
static struct {
    const char *call; /* which fails; NULL: none */
    unsigned at;      /* at its so many-th time */
    int with;
} fault;
static atomic_int transactions, cursors, environments; /* open now; a reader that was reset is not */
static atomic_int environments_ever;
static int disk_says; /* the errno of fallocate; 0: it succeeds */
static bool slow_opening;
static bool lock_goes;    /* as soon as the environment is open */
static long written = -1; /* bytes that an opening which fails leaves in the data file */
static char asked[1024];  /* what matters of the calls */
static MDB_assert_func *on_assert;
static MDB_env *last_env;

static int fails(const char *call)
{
    if (inside > 0 || fault.call == NULL || strcmp(fault.call, call) != 0 || --fault.at > 0) {
        return 0;
    }
    fault.call = NULL;
    return fault.with;
}

static void fail_in(const char *call, unsigned at, int with)
{
    fault.call = call;
    fault.at = at;
    fault.with = with;
}

static void note_call(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void note_call(const char *format, ...)
{
    size_t used = strlen(asked);
    va_list args;
    va_start(args, format);
    (void)vsnprintf(asked + used, sizeof asked - used, format, args);
    va_end(args);
}

#define FORWARD(function, args) (inside++, rc = NEXT(function) args, inside--, rc)

#define PASSED_ON(function, parameters, args)                                                                          \
    EXPORT int function parameters                                                                                     \
    {                                                                                                                  \
        int rc = fails(#function);                                                                                     \
        return rc != 0 ? rc : FORWARD(function, args);                                                                 \
    }

PASSED_ON(mdb_env_set_userctx, (MDB_env * env, void *ctx), (env, ctx))
PASSED_ON(mdb_reader_check, (MDB_env * env, int *dead), (env, dead))
PASSED_ON(mdb_dbi_open, (MDB_txn * txn, const char *name, unsigned flags, MDB_dbi *dbi), (txn, name, flags, dbi))
PASSED_ON(mdb_get, (MDB_txn * txn, MDB_dbi dbi, MDB_val *key, MDB_val *data), (txn, dbi, key, data))
PASSED_ON(mdb_del, (MDB_txn * txn, MDB_dbi dbi, MDB_val *key, MDB_val *data), (txn, dbi, key, data))
PASSED_ON(mdb_cursor_get, (MDB_cursor * cursor, MDB_val *key, MDB_val *data, MDB_cursor_op op), (cursor, key, data, op))

EXPORT int mdb_env_create(MDB_env **env)
{
    int rc = fails("mdb_env_create");
    if (slow_opening) {
        (void)nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
    }
    rc = rc != 0 ? rc : FORWARD(mdb_env_create, (env));
    environments += rc == 0;
    environments_ever += rc == 0;
    last_env = rc == 0 ? *env : NULL;
    return rc;
}

EXPORT int mdb_env_set_mapsize(MDB_env *env, size_t size)
{
    int rc = fails("mdb_env_set_mapsize");
    note_call("mapsize %zu ", size);
    return rc != 0 ? rc : FORWARD(mdb_env_set_mapsize, (env, size));
}

EXPORT int mdb_env_set_maxreaders(MDB_env *env, unsigned readers)
{
    int rc = fails("mdb_env_set_maxreaders");
    note_call("readers %u ", readers);
    return rc != 0 ? rc : FORWARD(mdb_env_set_maxreaders, (env, readers));
}

EXPORT int mdb_env_set_assert(MDB_env *env, MDB_assert_func *fn)
{
    int rc = fails("mdb_env_set_assert");
    on_assert = fn;
    return rc != 0 ? rc : FORWARD(mdb_env_set_assert, (env, fn));
}

EXPORT int mdb_env_open(MDB_env *env, const char *at, unsigned flags, mdb_mode_t mode)
{
    char file[256];
    int rc = fails("mdb_env_open");
    note_call("open%s%s%s %o ", (flags & MDB_NOTLS) != 0 ? " notls" : "",
              (flags & MDB_NOMETASYNC) != 0 ? " nosync" : "",
              (flags & ~(unsigned)(MDB_NOTLS | MDB_NOMETASYNC)) == MDB_RDONLY ? " rdonly"
              : (flags & ~(unsigned)(MDB_NOTLS | MDB_NOMETASYNC)) != 0        ? " and more"
                                                                              : "",
              (unsigned)mode);
    if (rc != 0 && written >= 0) {
        int fd;
        (void)snprintf(file, sizeof file, "%s/data.mdb", at);
        fd = open(file, O_WRONLY | O_CREAT, 0600);
        CU_ASSERT(fd >= 0 && ftruncate(fd, written) == 0 && close(fd) == 0);
    }
    rc = rc != 0 ? rc : FORWARD(mdb_env_open, (env, at, flags, mode));
    if (rc == 0 && lock_goes) {
        (void)snprintf(file, sizeof file, "%s/lock.mdb", at);
        CU_ASSERT_EQUAL(unlink(file), 0);
    }
    return rc;
}

EXPORT void mdb_env_close(MDB_env *env)
{
    environments -= inside == 0;
    inside++;
    NEXT(mdb_env_close)(env);
    inside--;
}

EXPORT int mdb_env_sync(MDB_env *env, int force)
{
    int rc;
    note_call("sync %d ", force);
    return FORWARD(mdb_env_sync, (env, force));
}

EXPORT int mdb_txn_begin(MDB_env *env, MDB_txn *parent, unsigned flags, MDB_txn **txn)
{
    int rc = fails("mdb_txn_begin");
    CU_ASSERT(inside > 0 || flags == 0 || flags == MDB_RDONLY);
    rc = rc != 0 ? rc : FORWARD(mdb_txn_begin, (env, parent, flags, txn));
    transactions += rc == 0 && inside == 0;
    return rc;
}

static MDB_txn *resting[8]; /* readers that were reset */

static MDB_txn **place_of(const MDB_txn *txn)
{
    unsigned i = 0;
    while (i < 7 && resting[i] != txn) {
        i++;
    }
    return &resting[i];
}

EXPORT int mdb_txn_renew(MDB_txn *txn)
{
    int rc = fails("mdb_txn_renew");
    rc = rc != 0 ? rc : FORWARD(mdb_txn_renew, (txn));
    if (rc == 0 && inside == 0) {
        transactions++;
        *place_of(txn) = NULL;
    }
    return rc;
}

EXPORT void mdb_txn_reset(MDB_txn *txn)
{
    if (inside == 0) {
        transactions--;
        *place_of(NULL) = txn;
    }
    inside++;
    NEXT(mdb_txn_reset)(txn);
    inside--;
}

EXPORT void mdb_txn_abort(MDB_txn *txn)
{
    if (inside == 0 && txn != NULL) {
        MDB_txn **place = place_of(txn);
        transactions -= *place != txn;
        note_call(*place == txn ? "end of reader " : "abort ");
        *place = *place == txn ? NULL : *place;
    }
    inside++;
    NEXT(mdb_txn_abort)(txn);
    inside--;
}

EXPORT int mdb_txn_commit(MDB_txn *txn)
{
    int rc = fails("mdb_txn_commit");
    transactions -= inside == 0;
    if (rc != 0) {
        inside++;
        NEXT(mdb_txn_abort)(txn);
        inside--;
        return rc;
    }
    return FORWARD(mdb_txn_commit, (txn));
}

EXPORT int mdb_put(MDB_txn *txn, MDB_dbi dbi, MDB_val *key, MDB_val *data, unsigned flags)
{
    int rc = fails("mdb_put");
    CU_ASSERT(inside > 0 || flags == 0);
    return rc != 0 ? rc : FORWARD(mdb_put, (txn, dbi, key, data, flags));
}

EXPORT int mdb_cursor_open(MDB_txn *txn, MDB_dbi dbi, MDB_cursor **cursor)
{
    int rc = fails("mdb_cursor_open");
    rc = rc != 0 ? rc : FORWARD(mdb_cursor_open, (txn, dbi, cursor));
    cursors += rc == 0 && inside == 0;
    return rc;
}

EXPORT int mdb_cursor_del(MDB_cursor *cursor, unsigned flags)
{
    int rc = fails("mdb_cursor_del");
    CU_ASSERT(inside > 0 || flags == 0);
    return rc != 0 ? rc : FORWARD(mdb_cursor_del, (cursor, flags));
}

EXPORT void mdb_cursor_close(MDB_cursor *cursor)
{
    cursors -= inside == 0;
    inside++;
    NEXT(mdb_cursor_close)(cursor);
    inside--;
}

EXPORT int fallocate(int fd, int mode, off_t offset, off_t len)
{
    int rc;
    note_call("fallocate %d %jd %jd ", mode, (intmax_t)offset, (intmax_t)len);
    if (disk_says != 0) {
        errno = disk_says;
        return -1;
    }
    rc = NEXT(fallocate)(fd, mode, offset, len);
    errno = rc == 0 ? ENOSPC : errno; /* which says nothing then */
    return rc;
}

/* --- Set-up --- */

static int remove_entry(const char *entry, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st;
    (void)flag;
    (void)ftw;
    return remove(entry);
}

static void make_store_with(const char *map_size, const char *sync)
{
    fake_host_init(&fake);
    fake.clock_ms = 1000000;
    err = (churn_error){.size = sizeof err};
    asked[0] = '\0';
    store = fake_instance_new(plugin, "path", path, "map_size", map_size, "sync", sync, NULL);
    CU_ASSERT_EQUAL_FATAL(ops->create(store, &fake.host, &err), CHURN_OK);
}

static void begin(void)
{
    const char *tmp = getenv("TMPDIR");
    (void)snprintf(folder, sizeof folder, "%s/churn-calls-XXXXXX", tmp != NULL && strlen(tmp) < 40 ? tmp : "/tmp");
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(folder));
    (void)snprintf(path, sizeof path, "%s/store", folder);
    fault.call = NULL;
    make_store_with("8MiB", "false");
}

static void drop_store(void)
{
    ops->destroy(store);
    fake_instance_free(plugin, store);
    CU_ASSERT_EQUAL(transactions, 0);
    CU_ASSERT_EQUAL(cursors, 0);
    CU_ASSERT_EQUAL(environments, 0);
}

static void end(void)
{
    drop_store();
    (void)nftw(folder, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

static void *session_new(void)
{
    void *session = NULL;
    int32_t result = ops->open(store, &session, &err);
    CU_ASSERT_STRING_EQUAL(result == CHURN_OK ? "" : err.message, "");
    CU_ASSERT_EQUAL_FATAL(result, CHURN_OK);
    return session;
}

/* A text in which %P stands for the store's path. */
static const char *with_path(const char *text)
{
    static char full[2048];
    char *at = full;
    for (; *text != '\0'; text++) {
        if (strncmp(text, "%P", 2) == 0) {
            at = stpcpy(at, path);
            text++;
        } else {
            *at++ = *text;
        }
    }
    *at = '\0';
    return full;
}

/* --- Calls in short --- */

static void queue(void *session, const char *key, uint64_t version, const char *name, const char *value, int64_t ttl_ms)
{
    churn_pair field = {.name = str(name), .value = str(value)};
    churn_put put = {.size = sizeof put,
                     .count = 1,
                     .key = str(key),
                     .expected_version = version,
                     .fields = &field,
                     .id = 7,
                     .ttl_ms = ttl_ms};
    CU_ASSERT_EQUAL_FATAL(ops->put(session, &put, &err), CHURN_OK);
}

static churn_put_reply answer(void *session)
{
    churn_put_reply reply = {0};
    uint32_t count = 0;
    CU_ASSERT_EQUAL_FATAL(ops->poll(session, &reply, 1, 1000, &count, &err), CHURN_OK);
    CU_ASSERT_EQUAL_FATAL(count, 1);
    CU_ASSERT_EQUAL(reply.id, 7);
    CU_ASSERT((reply.message != NULL) == (reply.result < 0));
    return reply;
}

static int32_t put_one(void *session, const char *key, uint64_t version, int64_t ttl_ms)
{
    churn_put_reply reply;
    queue(session, key, version, "f", "1", ttl_ms);
    reply = answer(session);
    (void)snprintf(err.message, sizeof err.message, "%s", reply.message != NULL ? reply.message : "");
    return reply.result;
}

static int32_t write_id(void *session)
{
    const churn_pair id = {.name = str("id"), .value = str("7")};
    const churn_hash hashes[] = {{.key = str("w"), .fields = &id, .count = 1},
                                 {.key = str("x"), .fields = &id, .count = 1}};
    return ops->write(session, hashes, 2, &err);
}

static int32_t append(void *ctx, churn_str key, const churn_pair *fields, uint32_t count)
{
    char *text = ctx, *at = text + strlen(text);
    at += sprintf(at, "%.*s{", (int)key.len, key.ptr);
    for (uint32_t i = 0; i < count; i++) {
        at += sprintf(at, "%s%.*s=%.*s", i > 0 ? "," : "", (int)fields[i].name.len, fields[i].name.ptr,
                      (int)fields[i].value.len, fields[i].value.ptr);
    }
    (void)sprintf(at, "}");
    return CHURN_OK;
}

static int32_t append_key(void *ctx, churn_str key)
{
    return append(ctx, key, NULL, 0);
}

static void check_content(void *session, const char *expected)
{
    char text[1024] = "";
    CU_ASSERT_EQUAL(ops->scan(session, str(""), (churn_str){0}, 100, append, text, &err), CHURN_OK);
    CU_ASSERT_STRING_EQUAL(text, expected);
}

/* --- Each call of LMDB fails once --- */

enum step { PUT, SWEEP, GET, SCAN, KEYS, WRITE, REMOVE };

static int32_t take(void *session, enum step step)
{
    char text[1024] = "";
    err.message[0] = '\0';
    switch (step) {
    case PUT:
        return put_one(session, "p", 0, 0);
    case SWEEP:
        return put_one(session, "p", 0, 1);
    case GET:
        return ops->get(session, str("q"), append, text, &err);
    case SCAN:
        return ops->scan(session, str(""), (churn_str){0}, 100, append, text, &err);
    case KEYS:
        return ops->keys(session, str("q"), append_key, text, &err);
    case WRITE:
        return write_id(session);
    default:
        return ops->remove(session, str("q"), str("f"), str("1"), &err);
    }
}

static void every_call_of_a_session_fails_once(void)
{
    static const struct {
        enum step step;
        const char *call;
        unsigned at;
    } rows[] = {
        {PUT, "mdb_txn_begin", 1},    {PUT, "mdb_get", 1},           {PUT, "mdb_put", 1},
        {PUT, "mdb_txn_commit", 1},   {SWEEP, "mdb_cursor_open", 1}, {SWEEP, "mdb_cursor_get", 1},
        {SWEEP, "mdb_cursor_get", 2}, {SWEEP, "mdb_cursor_del", 1},  {SWEEP, "mdb_txn_commit", 1},
        {GET, "mdb_txn_begin", 1},    {GET, "mdb_txn_renew", 1},     {GET, "mdb_get", 1},
        {SCAN, "mdb_txn_begin", 1},   {SCAN, "mdb_txn_renew", 1},    {SCAN, "mdb_cursor_open", 1},
        {SCAN, "mdb_cursor_get", 1},  {SCAN, "mdb_cursor_get", 2},   {KEYS, "mdb_cursor_get", 1},
        {WRITE, "mdb_txn_begin", 1},  {WRITE, "mdb_put", 1},         {WRITE, "mdb_put", 2},
        {WRITE, "mdb_txn_commit", 1}, {REMOVE, "mdb_txn_begin", 1},  {REMOVE, "mdb_get", 1},
        {REMOVE, "mdb_del", 1},       {REMOVE, "mdb_txn_commit", 1},
    };
    char text[1024] = "";
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        void *s, *t;
        begin();
        t = session_new();
        CU_ASSERT_EQUAL(put_one(t, "old", 0, 5), CHURN_OK);
        CU_ASSERT_EQUAL(put_one(t, "q", 0, 0), CHURN_OK);
        fake.clock_ms += 5;
        s = session_new();
        if (strcmp(rows[i].call, "mdb_txn_renew") == 0) {
            CU_ASSERT_EQUAL(ops->get(s, str("none"), append, text, &err), CHURN_OK);
        }
        fail_in(rows[i].call, rows[i].at, EACCES);
        CU_ASSERT_EQUAL(take(s, rows[i].step), CHURN_FATAL);
        CU_ASSERT_PTR_NULL(fault.call);
        CU_ASSERT_STRING_EQUAL(err.message, with_path("the store %P failed: Permission denied; give the user that runs "
                                                      "churnd the right to, or name another place"));
        CU_ASSERT_EQUAL(transactions, 0);
        CU_ASSERT_EQUAL(cursors, 0);
        check_content(t, "q{f=1,_v=1}");
        CU_ASSERT_EQUAL(take(s, rows[i].step), CHURN_OK);
        CU_ASSERT_EQUAL(transactions, 0);
        CU_ASSERT_EQUAL(cursors, 0);
        fake.clock_ms -= 5;
        check_content(t, rows[i].step == PUT      ? "old{f=1,_v=1}p{f=1,_v=1}q{f=1,_v=1}"
                         : rows[i].step == SWEEP  ? "p{f=1,_v=1}q{f=1,_v=1}"
                         : rows[i].step == WRITE  ? "old{f=1,_v=1}q{f=1,_v=1}w{id=7}x{id=7}"
                         : rows[i].step == REMOVE ? "old{f=1,_v=1}"
                                                  : "old{f=1,_v=1}q{f=1,_v=1}");
        asked[0] = '\0';
        ops->close(s);
        CU_ASSERT_STRING_EQUAL(
            asked, rows[i].step == GET || rows[i].step == SCAN || rows[i].step == KEYS ? "end of reader " : "");
        ops->close(t);
        end();
    }
}

#define WAY_BACK                                                                                                       \
    "restore the folder from a backup, or move it away and start again, which counts anew what the source still holds"

static void what_is_said_of_each_error(void)
{
    static const struct {
        int rc, cause; /* of fallocate, which is asked after EIO; 0: none */
        int32_t result;
        const char *message;
    } rows[] = {
        {MDB_MAP_FULL, 0, CHURN_RETRY,
         "the store %P is full: map_size is 8388608 bytes; raise map_size and start again"},
        {ENOSPC, 0, CHURN_RETRY, "no space is left on the disk of the store %P"},
        {EDQUOT, 0, CHURN_RETRY, "no space is left on the disk of the store %P; the user's quota is used up"},
        {EFBIG, 0, CHURN_RETRY,
         "the store %P failed: File too large; the limit on the size of a file is reached (ulimit -f)"},
        {ENOMEM, 0, CHURN_RETRY, "the store %P failed: Cannot allocate memory"},
        {EAGAIN, 0, CHURN_RETRY, "the store %P failed: Resource temporarily unavailable"},
        {EINTR, 0, CHURN_RETRY, "the store %P failed: Interrupted system call"},
        {MDB_READERS_FULL, 0, CHURN_RETRY, "the store %P is in use by too many sessions"},
        {MDB_TXN_FULL, 0, CHURN_RETRY,
         "the store %P failed: MDB_TXN_FULL: Transaction has too many dirty pages - transaction too big"},
        {MDB_CORRUPTED, 0, CHURN_FATAL,
         "%P/data.mdb is damaged (MDB_CORRUPTED: Located page was wrong type); " WAY_BACK},
        {MDB_PAGE_NOTFOUND, 0, CHURN_FATAL,
         "%P/data.mdb is damaged (MDB_PAGE_NOTFOUND: Requested page not found); " WAY_BACK},
        {MDB_MAP_RESIZED, 0, CHURN_FATAL,
         "another process enlarged the store %P: give each the same map_size and start again"},
        {EPERM, 0, CHURN_FATAL,
         "the store %P failed: Operation not permitted; give the user that runs churnd the right to, or name another "
         "place"},
        {EIO, 0, CHURN_FATAL, "the store %P failed: Input/output error"},
        {EIO, ENOSPC, CHURN_RETRY, "no space is left on the disk of the store %P"},
        {EIO, EDQUOT, CHURN_RETRY, "no space is left on the disk of the store %P; the user's quota is used up"},
        {EIO, EOPNOTSUPP, CHURN_FATAL, "the store %P failed: Input/output error"},
    };
    void *s;
    begin();
    s = session_new();
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        churn_put_reply reply;
        disk_says = rows[i].cause;
        fail_in("mdb_put", 1, rows[i].rc);
        CU_ASSERT_EQUAL(write_id(s), rows[i].result);
        CU_ASSERT_STRING_EQUAL(err.message, with_path(rows[i].message));
        fail_in("mdb_put", 2, rows[i].rc);
        queue(s, "a", 0, "f", "1", 0);
        queue(s, "a", 5, "f", "1", 0);
        queue(s, "b", 0, "f", "1", 0);
        queue(s, "c", 0, "f", "1", 0);
        for (unsigned n = 0; n < 4; n++) { /* nothing of the window is written; a conflict that was found stands */
            reply = answer(s);
            CU_ASSERT_EQUAL(reply.result, n == 1 ? CHURN_CONFLICT : rows[i].result);
            CU_ASSERT(n == 1 || strcmp(reply.message, with_path(rows[i].message)) == 0);
        }
        disk_says = 0;
        check_content(s, "");
    }
    ops->close(s);
    end();
}

/* Where a write was cut short by the limit on files, that is the cause. */
static void a_limit_is_told_from_a_bad_disk(void)
{
    char file[256];
    struct stat st;
    struct rlimit old, limit;
    void *s;
    begin();
    s = session_new();
    CU_ASSERT_EQUAL(put_one(s, "a", 0, 0), CHURN_OK);
    (void)snprintf(file, sizeof file, "%s/data.mdb", path);
    CU_ASSERT_EQUAL(stat(file, &st), 0);
    (void)getrlimit(RLIMIT_FSIZE, &old);
    limit = old;
    for (unsigned less = 0; less < 2; less++) {
        limit.rlim_cur = (rlim_t)st.st_size + 262144 - less;
        (void)setrlimit(RLIMIT_FSIZE, &limit);
        fail_in("mdb_put", 1, EIO);
        CU_ASSERT_EQUAL(write_id(s), less ? CHURN_RETRY : CHURN_FATAL);
        CU_ASSERT_STRING_EQUAL(
            err.message, with_path(less ? "the store %P failed: File too large; the limit on the size of a file is "
                                          "reached (ulimit -f)"
                                        : "the store %P failed: Input/output error"));
        (void)setrlimit(RLIMIT_FSIZE, &old);
    }
    ops->close(s);
    end();
}

/* --- Opening --- */

static void check_open_fails(int32_t result, const char *option, const char *message)
{
    void *s = NULL;
    err = (churn_error){.size = sizeof err};
    CU_ASSERT_EQUAL(ops->open(store, &s, &err), result);
    CU_ASSERT_PTR_NULL(s);
    CU_ASSERT_STRING_EQUAL(err.option, option);
    CU_ASSERT_STRING_EQUAL(err.message, with_path(message));
    CU_ASSERT_EQUAL(environments, 0);
    CU_ASSERT_EQUAL(transactions, 0);
}

static void every_call_of_an_opening_fails_once(void)
{
    static const struct {
        const char *call;
        unsigned at;
    } rows[] = {
        {"mdb_env_create", 1},      {"mdb_env_set_mapsize", 1}, {"mdb_env_set_maxreaders", 1},
        {"mdb_env_set_userctx", 1}, {"mdb_env_set_assert", 1},  {"mdb_env_open", 1},
        {"mdb_txn_begin", 1},       {"mdb_reader_check", 1},    {"mdb_txn_begin", 2},
        {"mdb_dbi_open", 1},        {"mdb_txn_commit", 1},
    };
    begin();
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        fail_in(rows[i].call, rows[i].at, EACCES);
        check_open_fails(CHURN_FATAL, "path",
                         "cannot open the store %P: Permission denied; give the user that runs churnd the right to, or "
                         "name another place");
        CU_ASSERT_PTR_NULL(fault.call);
        ops->close(session_new());
        drop_store();
        make_store_with("8MiB", "false");
    }
    end();
}

static void what_is_said_of_each_error_of_an_opening(void)
{
    static const struct {
        int rc;
        int32_t result;
        const char *option, *message;
    } rows[] = {
        {ENOMEM, CHURN_FATAL, "map_size", "8388608 bytes of address space are not to be had; lower map_size"},
        {MDB_INVALID, CHURN_FATAL, "path",
         "%P/data.mdb does not hold an LMDB database that can be read: MDB_INVALID: File is not an LMDB "
         "file; " WAY_BACK},
        {MDB_VERSION_MISMATCH, CHURN_FATAL, "path",
         "%P/data.mdb does not hold an LMDB database that can be read: MDB_VERSION_MISMATCH: Database environment "
         "version mismatch; " WAY_BACK},
        {MDB_PAGE_NOTFOUND, CHURN_FATAL, "path", "%P/data.mdb was cut: it ends before pages that it needs; " WAY_BACK},
        {MDB_CORRUPTED, CHURN_FATAL, "path", "%P/data.mdb is damaged: pages of it hold something else; " WAY_BACK},
        {EAGAIN, CHURN_RETRY, "", "the store %P failed: Resource temporarily unavailable"},
        {MDB_READERS_FULL, CHURN_RETRY, "", "the store %P is in use by too many sessions"},
        {EIO, CHURN_FATAL, "path", "cannot open the store %P: Input/output error"},
    };
    begin();
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        fail_in("mdb_reader_check", 1, rows[i].rc);
        check_open_fails(rows[i].result, rows[i].option, rows[i].message);
    }
    disk_says = ENOSPC;
    check_open_fails(CHURN_RETRY, "", "no space is left on the disk of the store %P");
    disk_says = EDQUOT;
    check_open_fails(CHURN_RETRY, "", "no space is left on the disk of the store %P; the user's quota is used up");
    disk_says = EFBIG;
    check_open_fails(CHURN_RETRY, "",
                     "the store %P failed: File too large; the limit on the size of a file is reached (ulimit -f)");
    disk_says = EOPNOTSUPP; /* a file system that cannot do it */
    ops->close(session_new());
    disk_says = 0;
    end();
}

static void what_is_asked_of_lmdb(void)
{
    long page = sysconf(_SC_PAGESIZE);
    char expected[256], size[32];
    struct stat st;
    begin();
    ops->close(session_new());
    ops->close(session_new()); /* of the same environment */
    CU_ASSERT_STRING_EQUAL(asked, "fallocate 0 0 73728 mapsize 8388608 readers 1022 open notls nosync 640 abort ");
    asked[0] = '\0';
    ops->destroy(store);
    CU_ASSERT_STRING_EQUAL(asked, "sync 1 ");
    fake_instance_free(plugin, store);
    (void)snprintf(size, sizeof size, "%ld", 512 * page - 1);
    make_store_with(size, "true");
    ops->close(session_new());
    (void)snprintf(expected, sizeof expected, "%s/lock.mdb", path);
    CU_ASSERT_EQUAL(stat(expected, &st), 0);
    (void)snprintf(expected, sizeof expected, "fallocate 1 0 %jd mapsize %ld readers 1022 open notls 640 abort ",
                   (intmax_t)st.st_size, 511 * page);
    CU_ASSERT_STRING_EQUAL(asked, expected);
    drop_store();
    make_store_with("8MiB", "true");
    fake.host.read_only = 1;
    ops->close(session_new());
    CU_ASSERT_PTR_NOT_NULL(strstr(asked, "open notls rdonly 640 "));
    asked[0] = '\0';
    end();
    CU_ASSERT_STRING_EQUAL(asked, "");
}

/* A file that a full disk cut short at its making is none; any other one stays. */
static void beginnings_are_removed(void)
{
    const long page = sysconf(_SC_PAGESIZE);
    const struct {
        long bytes;
        bool stays;
    } rows[] = {{0, false}, {2 * page - 1, false}, {2 * page, true}};
    char file[256];
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        begin();
        (void)snprintf(file, sizeof file, "%s/data.mdb", path);
        written = rows[i].bytes;
        fail_in("mdb_env_open", 1, ENOSPC);
        check_open_fails(CHURN_RETRY, "", "no space is left on the disk of the store %P");
        written = -1;
        CU_ASSERT_EQUAL(access(file, F_OK) == 0, rows[i].stays);
        if (rows[i].stays) { /* an opening that fails later leaves also a short one */
            CU_ASSERT_EQUAL(truncate(file, 100), 0);
            fail_in("mdb_env_open", 1, ENOSPC);
            check_open_fails(CHURN_RETRY, "", "no space is left on the disk of the store %P");
            CU_ASSERT_EQUAL(access(file, F_OK), 0);
        }
        end();
    }
}

static void places_are_looked_at(void)
{
    char file[256], long_path[PATH_MAX + 8], absent[128];
    size_t at;
    begin();
    drop_store();
    at = (size_t)snprintf(long_path, sizeof long_path, "%s", folder);
    (void)snprintf(absent, sizeof absent, "there is no store in %s/xxx", folder);
    for (size_t i = at; i < sizeof long_path; i++) {
        long_path[i] = (i - at) % 200 == 0 ? '/' : 'x';
    }
    long_path[PATH_MAX - strlen("/data.mdb")] = '\0';
    for (unsigned less = 0; less < 2; less++) {
        void *s = NULL;
        long_path[PATH_MAX - strlen("/data.mdb") - less] = '\0';
        fake_host_init(&fake);
        fake.host.read_only = 1;
        store = fake_instance_new(plugin, "path", long_path, NULL);
        CU_ASSERT_EQUAL_FATAL(ops->create(store, &fake.host, &err), CHURN_OK);
        CU_ASSERT_EQUAL(ops->open(store, &s, &err), CHURN_FATAL);
        CU_ASSERT_STRING_EQUAL(err.option, "path");
        CU_ASSERT_PTR_NOT_NULL(strstr(err.message, less ? absent : "/xxx"));
        CU_ASSERT_PTR_NULL(strstr(err.message, less ? "too long" : "no store"));
        drop_store();
    }
    make_store_with("8MiB", "true");
    fake.host.read_only = 1;
    check_open_fails(CHURN_FATAL, "path",
                     "there is no store in %P: the pipeline has not run yet, or another folder is meant");
    fake.host.read_only = 0;
    (void)close(open(path, O_WRONLY | O_CREAT, 0600));
    check_open_fails(CHURN_FATAL, "path", "%P is no folder");
    CU_ASSERT(unlink(path) == 0 && mkdir(path, 0700) == 0);
    (void)snprintf(file, sizeof file, "%s/lock.mdb", path);
    CU_ASSERT_EQUAL(mkdir(file, 0700), 0);
    check_open_fails(CHURN_FATAL, "path", "%P/lock.mdb is no file");
    CU_ASSERT_EQUAL(rmdir(file), 0);
    (void)snprintf(file, sizeof file, "%s/data.mdb", path);
    CU_ASSERT_EQUAL(mkdir(file, 0700), 0);
    check_open_fails(CHURN_FATAL, "path", "%P/data.mdb is no file");
    CU_ASSERT_EQUAL(rmdir(file), 0);
    (void)close(open(file, O_WRONLY | O_CREAT, 0600));
    check_open_fails(CHURN_FATAL, "path",
                     "%P/data.mdb is empty: somebody has cut it, or its making was interrupted; " WAY_BACK);
    drop_store();
    CU_ASSERT_EQUAL(unlink(file), 0);
    (void)strcat(path, "/file");
    (void)close(open(path, O_WRONLY | O_CREAT, 0600));
    (void)strcat(path, "/below");
    make_store_with("8MiB", "true");
    check_open_fails(CHURN_FATAL, "path", "%P cannot be looked at: Not a directory");
    end();
}

static void *open_one(void *arg)
{
    (void)ops->open(store, arg, NULL);
    return NULL;
}

static void two_threads_open_one_environment(void)
{
    void *sessions[2] = {NULL, NULL};
    pthread_t threads[2];
    begin();
    environments_ever = 0;
    slow_opening = true;
    for (unsigned i = 0; i < 2; i++) {
        CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[i], NULL, open_one, &sessions[i]), 0);
    }
    for (unsigned i = 0; i < 2; i++) {
        (void)pthread_join(threads[i], NULL);
        CU_ASSERT_PTR_NOT_NULL_FATAL(sessions[i]);
        ops->close(sessions[i]);
    }
    slow_opening = false;
    CU_ASSERT_EQUAL(environments_ever, 1);
    end();
}

static int reports[2];

static void report(const churn_host *host, int32_t level, const char *message)
{
    (void)host;
    (void)(level == CHURN_LOG_ERROR && write(reports[1], message, strlen(message)) > 0);
}

/* What LMDB finds impossible ends the process in an orderly way, with words that help. */
static void what_cannot_be_ends_the_process(void)
{
    char text[1024] = "", why[301], expected[1024];
    int status = 0;
    ssize_t n;
    pid_t child;
    begin();
    ops->close(session_new());
    memset(why, 'y', 300);
    why[300] = '\0';
    CU_ASSERT_EQUAL_FATAL(pipe(reports), 0);
    child = fork();
    if (child == 0) {
        fake.host.log = report;
        on_assert(last_env, why);
        _exit(99);
    }
    (void)close(reports[1]);
    CU_ASSERT_EQUAL(waitpid(child, &status, 0), child);
    CU_ASSERT(WIFEXITED(status) && WEXITSTATUS(status) == 1);
    n = read(reports[0], text, sizeof text - 1);
    CU_ASSERT(n > 0);
    (void)close(reports[0]);
    why[200] = '\0';
    (void)snprintf(expected, sizeof expected, "%s/data.mdb is damaged (%s); " WAY_BACK, path, why);
    CU_ASSERT_STRING_EQUAL(text, expected);
    end();
}

/* --- Files that are taken away --- */

#define DATA_GONE                                                                                                      \
    "%P/data.mdb was deleted, moved away or replaced while it was in use, so nothing more is counted into it; put it " \
    "back, or leave what is there now, and start again: what the store then lacks is counted anew as far as the "      \
    "source still holds it"
#define LOCK_GONE                                                                                                      \
    "%P/lock.mdb was deleted, moved away or replaced while it was in use: whoever opens the store now would not know " \
    "that this process writes to it, and damage it; leave data.mdb as it is and start again"

/* Said by whatever writes, and by whoever asks; NULL: all is well. */
static void check_said(void *s, const char *message)
{
    const int32_t result = message != NULL ? CHURN_FATAL : CHURN_OK;
    char identity[CHURN_IDENTITY_SIZE] = "something";
    churn_put_reply reply;
    err.message[0] = '\0';
    CU_ASSERT_EQUAL(ops->identity(s, identity, &err), result);
    CU_ASSERT_STRING_EQUAL(identity, "");
    CU_ASSERT(message == NULL || strcmp(err.message, with_path(message)) == 0);
    err.message[0] = '\0';
    CU_ASSERT_EQUAL(write_id(s), result);
    CU_ASSERT(message == NULL || strcmp(err.message, with_path(message)) == 0);
    err.message[0] = '\0';
    CU_ASSERT_EQUAL(ops->remove(s, str("w"), str("id"), str("7"), &err), result);
    CU_ASSERT(message == NULL || strcmp(err.message, with_path(message)) == 0);
    CU_ASSERT_EQUAL(write_id(s), result);
    (void)ops->remove(s, str("t"), str("_v"), str("1"), &err);
    queue(s, "t", 0, "f", "1", 0);
    reply = answer(s);
    CU_ASSERT_EQUAL(reply.result, result);
    CU_ASSERT(message == NULL || strcmp(reply.message, with_path(message)) == 0);
    CU_ASSERT_EQUAL(transactions, 0);
}

static void files_that_are_taken_away(void)
{
    char data[256], lock[256], away[256], old[256];
    void *s;
    begin();
    (void)snprintf(data, sizeof data, "%s/data.mdb", path);
    (void)snprintf(lock, sizeof lock, "%s/lock.mdb", path);
    (void)snprintf(away, sizeof away, "%s/away", folder);
    (void)snprintf(old, sizeof old, "%s", path);
    s = session_new();
    check_said(s, NULL);
    CU_ASSERT_EQUAL(rename(data, away), 0);
    check_said(s, DATA_GONE);
    (void)close(open(data, O_WRONLY | O_CREAT, 0600));
    check_said(s, DATA_GONE); /* another file */
    CU_ASSERT_EQUAL(rename(away, data), 0);
    check_said(s, NULL);
    CU_ASSERT_EQUAL(rename(lock, away), 0);
    check_said(s, LOCK_GONE);
    (void)close(open(lock, O_WRONLY | O_CREAT, 0600));
    check_said(s, LOCK_GONE);
    CU_ASSERT_EQUAL(rename(away, lock), 0);
    CU_ASSERT_EQUAL(rename(old, away), 0);
    check_said(s, DATA_GONE); /* with its folder */
    (void)close(open(old, O_WRONLY | O_CREAT, 0600));
    check_said(s, DATA_GONE); /* which is none any more */
    CU_ASSERT_EQUAL(unlink(old), 0);
    CU_ASSERT_EQUAL(symlink(old, old), 0); /* where nobody can look, nothing is known */
    check_said(s, NULL);
    CU_ASSERT_EQUAL(unlink(old), 0);
    CU_ASSERT_EQUAL(rename(away, old), 0);
    check_said(s, NULL);
    ops->close(s);
    drop_store();
    make_store_with("8MiB", "true");
    lock_goes = true; /* a lock file that was never seen is not missed */
    s = session_new();
    check_said(s, NULL);
    (void)close(open(lock, O_WRONLY | O_CREAT, 0600));
    check_said(s, NULL);
    lock_goes = false;
    ops->close(s);
    end();
}

/* --- Records and windows --- */

static void raw_records(const char *const *texts, const size_t *sizes, size_t count)
{
    MDB_env *env;
    MDB_txn *txn;
    MDB_dbi dbi;
    char key[32];
    CU_ASSERT(mkdir(path, 0700) == 0 || errno == EEXIST);
    inside++;
    CU_ASSERT_EQUAL_FATAL(mdb_env_create(&env), 0);
    CU_ASSERT_EQUAL_FATAL(mdb_env_open(env, path, 0, 0600), 0);
    CU_ASSERT_EQUAL_FATAL(mdb_txn_begin(env, NULL, 0, &txn), 0);
    CU_ASSERT_EQUAL_FATAL(mdb_dbi_open(txn, NULL, 0, &dbi), 0);
    for (size_t i = 0; i < count; i++) {
        MDB_val k = {.mv_data = key, .mv_size = (size_t)sprintf(key, "k%zu", i)};
        MDB_val v = {.mv_data = (void *)(uintptr_t)texts[i], .mv_size = sizes[i]};
        CU_ASSERT_EQUAL_FATAL(mdb_put(txn, dbi, &k, &v, 0), 0);
    }
    CU_ASSERT_EQUAL_FATAL(mdb_txn_commit(txn), 0);
    mdb_env_close(env);
    inside--;
    environments = 0;
}

#define FFS "\xff\xff\xff\xff\xff\xff\xff\xff\xff"

/* The bytes of a record as the format says, and each that is off by a little. */
static void records_to_the_byte(void)
{
    static const char *const good[] = {"\1\0\0\0", "\1\0\1\0", "\1" FFS "\1\1\0", "\1\0" FFS "\1\1\1\1ab",
                                       "\1\0\x81\x01\2\0\0\1\2abb"};
    static const size_t good_sizes[] = {4, 4, 13, 17, 12};
    static const char *const shown[] = {"k0{}", "k1{_v=1}", "k2{_v=1}", "k3{a=b,_v=18446744073709551615}",
                                        "k4{=,a=bb,_v=129}"};
    static const char *const bad[] = {"",
                                      "\2\0\1\0",
                                      "\1",
                                      "\1\0",
                                      "\1\0\1",
                                      "\1\0\1\0z",
                                      "\1" FFS "\2\1\0",
                                      "\1" FFS,
                                      "\1\0\x80",
                                      "\1\0\1\1\0\x80",
                                      "\1\0\1\1\2\0a",
                                      "\1\0\1\1\1\1a",
                                      "\1\0\1\1\0\0z",
                                      "\1\0\1\2\0\0\0",
                                      "\1\0\1" FFS "\1"};
    static const size_t bad_sizes[] = {0, 4, 1, 2, 3, 5, 13, 10, 3, 6, 7, 7, 7, 7, 13};
    char key[16], expected[512], list[1024] = "", all[1024] = "";
    void *s;
    begin();
    raw_records(good, good_sizes, 5);
    s = session_new();
    for (unsigned i = 0; i < 5; i++) {
        char text[128] = "";
        (void)snprintf(key, sizeof key, "k%u", i);
        CU_ASSERT_EQUAL(ops->get(s, str(key), append, text, &err), CHURN_OK);
        CU_ASSERT_STRING_EQUAL(text, shown[i]);
        (void)strcat(all, shown[i]);
    }
    check_content(s, all);
    ops->close(s);
    drop_store();
    raw_records(bad, bad_sizes, 15);
    make_store_with("8MiB", "false");
    s = session_new();
    all[0] = '\0';
    for (unsigned i = 0; i < 15; i++) {
        char text[128] = "";
        (void)snprintf(key, sizeof key, "k%u", i);
        (void)snprintf(
            expected, sizeof expected,
            "the store %s holds a damaged record under the key %s; restore the folder from a backup, or make "
            "all anew with `churnd rebuild --into`",
            path, key);
        CU_ASSERT_EQUAL(ops->get(s, str(key), append, text, &err), CHURN_REJECT);
        CU_ASSERT_STRING_EQUAL(err.message, expected);
        CU_ASSERT_EQUAL(ops->scan(s, str(key), (churn_str){0}, 1, append, text, &err), CHURN_REJECT);
        CU_ASSERT_EQUAL(ops->remove(s, str(key), str("_v"), str("1"), &err), CHURN_REJECT);
        CU_ASSERT_STRING_EQUAL(err.message, expected);
        CU_ASSERT_EQUAL(put_one(s, key, 0, 0), CHURN_REJECT);
        CU_ASSERT_STRING_EQUAL(err.message, expected);
        CU_ASSERT_STRING_EQUAL(text, "");
        CU_ASSERT_EQUAL(transactions, 0);
    }
    CU_ASSERT_EQUAL(ops->keys(s, str(""), append_key, list, &err), CHURN_OK); /* so that they can be named */
    CU_ASSERT_STRING_EQUAL(list, "k0{}k1{}k10{}k11{}k12{}k13{}k14{}k2{}k3{}k4{}k5{}k6{}k7{}k8{}k9{}");
    ops->close(s);
    end();
}

/* What a window holds lies beside each other in memory, in every length. */
static void windows_of_every_length(void)
{
    enum { MOST = 70 };
    char key[MOST + 1], value[MOST + 1], expected[3 * MOST], text[3 * MOST];
    churn_put_reply reply;
    void *s;
    begin();
    s = session_new();
    for (uint64_t round = 0; round < 2; round++) {
        for (int i = 1; i <= MOST; i++) {
            churn_put bare = {.size = sizeof bare, .id = 7, .key = {.ptr = key}, .expected_version = round};
            memset(key, 'k', (size_t)i);
            key[i] = '\0';
            memset(value, 'a' + (int)round, (size_t)i);
            value[i] = '\0';
            queue(s, key, round, "f", value, 0);
            key[0] = 'b';
            bare.key.len = (uint32_t)i;
            CU_ASSERT_EQUAL(ops->put(s, &bare, &err), CHURN_OK);
        }
        for (int i = 0; i < 2 * MOST; i++) {
            reply = answer(s);
            CU_ASSERT_EQUAL(reply.result, CHURN_OK);
        }
    }
    for (int i = 1; i <= MOST; i++) {
        memset(key, 'k', (size_t)i);
        key[i] = '\0';
        memset(value, 'b', (size_t)i);
        value[i] = '\0';
        queue(s, key, 9, "f", "", 0);
        (void)snprintf(expected, sizeof expected, "%s{f=%s,_v=2}", key, value);
        text[0] = '\0';
        CU_ASSERT_EQUAL(ops->get(s, str(key), append, text, &err), CHURN_OK);
        CU_ASSERT_STRING_EQUAL(text, expected);
        key[0] = 'b';
        (void)snprintf(expected, sizeof expected, "%s{_v=2}", key);
        text[0] = '\0';
        CU_ASSERT_EQUAL(ops->get(s, str(key), append, text, &err), CHURN_OK);
        CU_ASSERT_STRING_EQUAL(text, expected);
    }
    for (int i = 1; i <= MOST; i++) { /* the answers to conflicts too */
        reply = answer(s);
        CU_ASSERT_EQUAL(reply.result, CHURN_CONFLICT);
        CU_ASSERT_EQUAL(reply.version, 2);
        CU_ASSERT_EQUAL_FATAL(reply.count, 1);
        CU_ASSERT_EQUAL((uintptr_t)reply.fields % _Alignof(max_align_t), 0);
        memset(value, 'b', (size_t)i);
        CU_ASSERT(reply.fields[0].value.len == (uint32_t)i && memcmp(reply.fields[0].value.ptr, value, (size_t)i) == 0);
    }
    ops->close(s);
    end();
}

/* Of whatever order the fields are in, each name is there once. */
static void fields_join_in_any_order(void)
{
    static const char *const names = "abcde";
    char key[16], expected[64], text[64];
    void *s;
    begin();
    s = session_new();
    for (unsigned n = 0; n < 125; n++) {
        const unsigned order[] = {n % 5, n / 5 % 5, n / 25};
        churn_pair stored[3], fields[3];
        churn_put put = {.size = sizeof put, .id = 7, .count = 3, .fields = stored, .key = {.ptr = key}};
        char *at = expected;
        bool is_new[5] = {false, false, false, true, true};
        if (order[0] == order[1] || order[1] == order[2] || order[0] == order[2]) {
            continue;
        }
        put.key.len = (uint32_t)snprintf(key, sizeof key, "k%u", n);
        for (unsigned i = 0; i < 3; i++) {
            stored[i] = (churn_pair){.name = {.ptr = names + i, .len = 1}, .value = str("1")};
            fields[i] = (churn_pair){.name = {.ptr = names + order[i], .len = 1}, .value = str("2")};
        }
        CU_ASSERT_EQUAL(ops->put(s, &put, &err), CHURN_OK);
        CU_ASSERT_EQUAL(answer(s).result, CHURN_OK);
        put.fields = fields;
        put.expected_version = 1;
        CU_ASSERT_EQUAL(ops->put(s, &put, &err), CHURN_OK);
        CU_ASSERT_EQUAL(answer(s).result, CHURN_OK);
        at += sprintf(at, "%s{", key);
        for (unsigned i = 0; i < 3; i++) {
            at += sprintf(at, "%c=%c,", names[i], order[0] == i || order[1] == i || order[2] == i ? '2' : '1');
        }
        for (unsigned i = 0; i < 3; i++) {
            at += is_new[order[i]] ? sprintf(at, "%c=2,", names[order[i]]) : 0;
        }
        (void)sprintf(at, "_v=2}");
        text[0] = '\0';
        CU_ASSERT_EQUAL(ops->get(s, str(key), append, text, &err), CHURN_OK);
        CU_ASSERT_STRING_EQUAL(text, expected);
    }
    ops->close(s);
    end();
}

static void scans_begin_behind_a_key(void)
{
    char key[520] = "", text[2048];
    void *s;
    begin();
    s = session_new();
    memset(key, 'k', 512);
    for (unsigned len = 1; len < 512; len += 255) {
        churn_put put = {.size = sizeof put, .id = 7, .key = {.ptr = key, .len = len}};
        CU_ASSERT_EQUAL(ops->put(s, &put, &err), CHURN_OK);
        CU_ASSERT_EQUAL(answer(s).result, CHURN_OK);
    }
    CU_ASSERT_EQUAL(put_one(s, "p", 0, 0), CHURN_OK);
    CU_ASSERT_EQUAL(put_one(s, "pa", 0, 0), CHURN_OK);
#define SCAN(prefix, after_ptr, after_len)                                                                             \
    (text[0] = '\0', ops->scan(s, prefix, (churn_str){.ptr = after_ptr, .len = after_len}, 5, append, text, &err))
    CU_ASSERT_EQUAL(SCAN(str("p"), "p", 1), CHURN_OK);
    CU_ASSERT_STRING_EQUAL(text, "pa{f=1,_v=1}");
    CU_ASSERT_EQUAL(SCAN(str("pa"), "q", 1), CHURN_OK);
    CU_ASSERT_STRING_EQUAL(text, "");
    CU_ASSERT_EQUAL(SCAN(((churn_str){0}), key, 511), CHURN_OK);
    CU_ASSERT_STRING_EQUAL(text, "p{f=1,_v=1}pa{f=1,_v=1}");
    CU_ASSERT_EQUAL(SCAN(((churn_str){.ptr = key, .len = 511}), key, 256), CHURN_OK);
    CU_ASSERT_EQUAL(strlen(text), 511 + 6);
    CU_ASSERT_EQUAL(SCAN(str("p"), key, 512), CHURN_FATAL);
    CU_ASSERT_STRING_EQUAL(err.message, "a key of 512 bytes does not fit: LMDB takes 1 to 511");
    CU_ASSERT_EQUAL(SCAN(((churn_str){.ptr = key, .len = 512}), NULL, 0), CHURN_FATAL);
    CU_ASSERT_EQUAL(ops->remove(s, (churn_str){.ptr = key, .len = 512}, str("f"), str("1"), &err), CHURN_FATAL);
    CU_ASSERT_EQUAL(ops->get(s, str(""), append, text, &err), CHURN_FATAL);
    CU_ASSERT_STRING_EQUAL(err.message, "a key of 0 bytes does not fit: LMDB takes 1 to 511");
    CU_ASSERT_EQUAL(transactions, 0);
    ops->close(s);
    end();
}

/* How long a record lives; the shortest life is swept away as any other. */
static void lives_of_any_length(void)
{
    char text[128] = "";
    void *s;
    begin();
    s = session_new();
    CU_ASSERT_EQUAL(put_one(s, "a", 0, 1), CHURN_OK);
    CU_ASSERT_EQUAL(put_one(s, "b", 0, INT64_MAX), CHURN_OK); /* beyond all time: for ever */
    CU_ASSERT_EQUAL(put_one(s, "c", 0, -1), CHURN_OK);
    check_content(s, "a{f=1,_v=1}b{f=1,_v=1}c{f=1,_v=1}");
    fake.clock_ms += 1;
    check_content(s, "b{f=1,_v=1}c{f=1,_v=1}");
    CU_ASSERT_EQUAL(put_one(s, "d", 0, 1), CHURN_OK);
    CU_ASSERT_EQUAL(put_one(s, "e", 0, 1), CHURN_OK);
    fail_in("mdb_cursor_open", 1, EIO);
    CU_ASSERT_EQUAL(put_one(s, "c", 1, 0), CHURN_OK); /* only who lets live for a while sweeps */
    fault.call = NULL;
    fake.clock_ms -= 1;
    CU_ASSERT_EQUAL(ops->keys(s, str(""), append_key, text, &err), CHURN_OK);
    CU_ASSERT_STRING_EQUAL(text, "b{}c{}d{}e{}");
    fake.clock_ms = INT64_MAX;
    check_content(s, "b{f=1,_v=1}c{f=1,_v=2}");
    ops->close(s);
    end();
}

static void nothing_is_kept(void)
{
    enum { ROUNDS = 40 };
    static char large[900000];
    size_t before = 0;
    void *t;
    memset(large, 'x', sizeof large - 1);
    begin();
    t = session_new();
    for (unsigned i = 0; i < 2 * ROUNDS; i++) {
        void *s;
        before = i == ROUNDS ? memory_in_use() : before;
        s = session_new();
        for (unsigned size = 300000; size < sizeof large; size += 250000) {
            large[size] = '\0';
            queue(s, "small", 0, "f", "1", 0);
            queue(s, "large", 0, "f", large, 0);
            (void)answer(s);
            (void)answer(s);
            large[size] = 'x';
        }
        (void)take(s, GET);
        (void)take(s, WRITE);
        queue(s, "never", 0, "f", "1", 0);
        ops->close(s);
        for (unsigned n = 0; n < 100; n++) {
            churn_put_reply reply;
            queue(t, "small", 9, "f", "1", 0);
            reply = answer(t);
            CU_ASSERT_EQUAL(reply.result, CHURN_CONFLICT);
            CU_ASSERT_EQUAL((uintptr_t)reply.fields % _Alignof(max_align_t), 0);
        }
    }
    CU_ASSERT(memory_in_use() < before + MEMORY_LEAK(ROUNDS));
    before = memory_in_use();
    for (unsigned i = 0; i < 20000; i++) {
        queue(t, "small", 9, "f", "a value of some bytes in each of many windows", 0);
        CU_ASSERT_EQUAL(answer(t).result, CHURN_CONFLICT);
    }
    CU_ASSERT(memory_in_use() < before + 100000);
    ops->close(t);
    end();
}

/* --- What is said of it --- */

static void note_target(void *ctx, const churn_target *target)
{
    char *text = ctx, *end = text + strlen(text);
    CU_ASSERT(target->message == NULL && target->result == 0);
    (void)snprintf(end, 1024 - (size_t)(end - text), "%s %s %s %s%s;", target->kind, target->name, target->option,
                   (target->flags & CHURN_TARGET_WRITES) != 0 ? "w" : "",
                   (target->flags & CHURN_TARGET_INNER) != 0 ? "i" : "");
    CU_ASSERT_EQUAL(target->flags & ~(uint32_t)(CHURN_TARGET_WRITES | CHURN_TARGET_INNER), 0);
}

static void it_names_its_places_and_promises(void)
{
    char text[1024] = "", expected[1024];
    begin();
    ops->probe(store, 0, note_target, text);
    (void)snprintf(expected, sizeof expected, "%s %s path w;%s %s/data.mdb path wi;%s %s/lock.mdb path wi;",
                   CHURN_TARGET_FOLDER, path, CHURN_TARGET_FILE, path, CHURN_TARGET_FILE, path);
    CU_ASSERT_STRING_EQUAL(text, expected);
    CU_ASSERT_STRING_EQUAL(ops->durability(store), "fsync before a commit");
    drop_store();
    make_store_with("8MiB", "true");
    CU_ASSERT_STRING_EQUAL(ops->durability(store), "fsync");
    end();
    for (uint32_t i = 0; i < plugin->option_count; i++) {
        const churn_option *o = &plugin->options[i];
        (void)snprintf(expected, sizeof expected, "%s %s %" PRId64 " %" PRId64, o->name,
                       o->default_text != NULL ? o->default_text : "-", o->min, o->max);
        CU_ASSERT_STRING_EQUAL(expected, i == 0   ? "path - 0 0"
                                         : i == 1 ? "map_size 65536MiB 1048576 9223372036854775807"
                                                  : "sync true 0 0");
    }
    CU_ASSERT_EQUAL(plugin->option_count, 3);
}

int main(void)
{
    CU_TestInfo tests[] = {TEST(every_call_of_a_session_fails_once),
                           TEST(what_is_said_of_each_error),
                           TEST(a_limit_is_told_from_a_bad_disk),
                           TEST(every_call_of_an_opening_fails_once),
                           TEST(what_is_said_of_each_error_of_an_opening),
                           TEST(what_is_asked_of_lmdb),
                           TEST(beginnings_are_removed),
                           TEST(places_are_looked_at),
                           TEST(two_threads_open_one_environment),
                           TEST(what_cannot_be_ends_the_process),
                           TEST(files_that_are_taken_away),
                           TEST(records_to_the_byte),
                           TEST(windows_of_every_length),
                           TEST(fields_join_in_any_order),
                           TEST(scans_begin_behind_a_key),
                           TEST(lives_of_any_length),
                           TEST(nothing_is_kept),
                           TEST(it_names_its_places_and_promises),
                           CU_TEST_INFO_NULL};
    (void)mdb_version(NULL, NULL, NULL); /* so that LMDB is among the program's own libraries, behind it */
    plugin = fake_plugin_load("store", "lmdb");
    ops = plugin->ops;
    return run_tests_without_leaks("store/lmdb: calls", tests);
}
