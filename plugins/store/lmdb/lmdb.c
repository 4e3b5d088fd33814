/*
 * The embedded store: one LMDB folder, no server.
 *
 * A session queues puts and poll runs them all in one write transaction, so a window of profiles costs one commit.
 * LMDB readers never block and see whole commits, also from another process (`churnd profile` beside a running
 * pipeline). An expired record counts as absent and is overwritten in place; sessions that put records with an expiry
 * also sweep expired ones away, a few with each put.
 */
#define _GNU_SOURCE /* fallocate */
#include "pages.h"
#include "own_file.h"
#include <churn/plugin.h>
#include <churn/store.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <lmdb.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#define UNCHECKED_FORMAT 1       /* first byte of a record: it has no checksum, as before there was one */
#define RECORD_FORMAT 2          /* … and of those that are written */
#define CHECKSUM 8               /* bytes at its end */
#define MAX_KEY 511              /* LMDB's own limit */
#define MAX_READERS 1022         /* slots in the lock file: one for each session of each process */
#define MAX_VARINT 10            /* bytes of a 64-bit number */
#define ARENA_BLOCK (256 * 1024) /* bytes */
#define LOOK_THROUGH ((uint64_t)256 * 1024 * 1024) /* larger files are looked through only when one is too short */
#define LOCK_FILE_SIZE (72 * 1024)                 /* room for MAX_READERS, as LMDB lays them out */
#define SPARE (256 * 1024)                         /* bytes that LMDB writes at once */
#define SWEEP_PER_PUT 2 /* records looked at: so at most half of all are expired ones, in the long run */

struct lmdb_store {
    const char *path; /* options */
    int64_t map_size;
    int32_t sync;
    const churn_host *host;
    pthread_mutex_t lock; /* guards the opening of env: sessions are opened by several threads */
    MDB_env *env;         /* NULL until the first session */
    MDB_dbi dbi;
    struct stat data_as_opened, lock_as_opened; /* the files of env: which ones they are */
};

static const churn_option options[] = {
    {"path", .type = CHURN_OPTION_STRING, .flags = CHURN_OPTION_REQUIRED, .offset = offsetof(struct lmdb_store, path),
     .help = "Folder that holds the data; made when it is missing. On a local disk, never on a network share."},
    {"map_size", .type = CHURN_OPTION_SIZE, .default_text = "65536MiB", .min = 1024 * 1024, .max = INT64_MAX,
     .offset = offsetof(struct lmdb_store, map_size),
     .help = "Most that the data may ever take. Only address space is reserved: the file grows as it fills."},
    {"sync", .type = CHURN_OPTION_BOOL, .default_text = "true", .offset = offsetof(struct lmdb_store, sync),
     .help =
         "Wait until each commit is on the disk for good. When false, a crash of the machine (not of the process) may "
         "undo the last commit, which is then lost; the data stays whole either way."},
};

/* --- Memory that is given back all at once --- */

struct block {
    struct block *next;
    size_t used;
    size_t size;
    max_align_t data[];
};

/* Blocks up to `current` are in use, the ones behind it are kept for later. */
struct arena {
    struct block *first;
    struct block *current;
};

/* A new block after the current one, in place of kept ones that are too small. */
static struct block *arena_grow(struct arena *arena, size_t bytes)
{
    size_t size = bytes > ARENA_BLOCK ? bytes : ARENA_BLOCK;
    struct block *block = malloc(sizeof *block + size), **link;
    if (block == NULL) {
        return NULL;
    }
    link = arena->current != NULL ? &arena->current->next : &arena->first;
    while (*link != NULL && (*link)->size < size) {
        struct block *small = *link;
        *link = small->next;
        free(small);
    }
    *block = (struct block){.size = size, .next = *link};
    *link = block;
    return block;
}

/* Memory that stays where it is until arena_reset; NULL when there is none. */
static void *arena_alloc(struct arena *arena, size_t bytes)
{
    struct block *block = arena->current;
    char *at;
    bytes = (bytes + sizeof(max_align_t) - 1) / sizeof(max_align_t) * sizeof(max_align_t);
    if (block == NULL || block->size - block->used < bytes) {
        block =
            block != NULL && block->next != NULL && block->next->size >= bytes ? block->next : arena_grow(arena, bytes);
        if (block == NULL) {
            return NULL;
        }
        block->used = 0;
        arena->current = block;
    }
    at = (char *)block->data + block->used;
    block->used += bytes;
    return at;
}

static void arena_reset(struct arena *arena)
{
    arena->current = arena->first;
    if (arena->first != NULL) {
        arena->first->used = 0;
    }
}

static void arena_free(struct arena *arena)
{
    for (struct block *block = arena->first, *next; block != NULL; block = next) {
        next = block->next;
        free(block);
    }
}

static size_t pairs_size(const churn_pair *pairs, uint32_t count)
{
    size_t bytes = 0;
    for (uint32_t i = 0; i < count; i++) {
        bytes += (size_t)pairs[i].name.len + pairs[i].value.len;
    }
    return bytes;
}

static churn_str copy_str(char **at, churn_str from)
{
    churn_str to = {.ptr = *at, .len = from.len};
    if (from.len > 0) {
        memcpy(*at, from.ptr, from.len);
        *at += from.len;
    }
    return to;
}

/* A deep copy of pairs, and of `key` when it is not NULL. */
static churn_pair *copy_pairs(struct arena *arena, const churn_pair *pairs, uint32_t count, churn_str *key)
{
    size_t head = (size_t)count * sizeof *pairs;
    churn_pair *copy = arena_alloc(arena, head + pairs_size(pairs, count) + (key != NULL ? key->len : 0) + 1);
    char *at;
    if (copy == NULL) {
        return NULL;
    }
    at = (char *)copy + head;
    for (uint32_t i = 0; i < count; i++) {
        copy[i].name = copy_str(&at, pairs[i].name);
        copy[i].value = copy_str(&at, pairs[i].value);
    }
    if (key != NULL) {
        *key = copy_str(&at, *key);
    }
    return copy;
}

/* --- Sessions --- */

struct session {
    struct lmdb_store *store;
    MDB_txn *reader; /* reset between calls, so that it pins no old pages */
    churn_put *puts; /* queued since the last commit; what they point to is in `queue` */
    uint32_t put_count;
    uint32_t put_room;
    struct arena queue;
    churn_put_reply *replies; /* of the last commit; what they point to is in `answers` */
    uint32_t reply_count;
    uint32_t reply_room;
    uint32_t replied; /* replies already handed out */
    struct arena answers;
    churn_pair *pairs; /* of the record decoded last */
    uint32_t pair_room;
    unsigned char *encoded;
    size_t encoded_room;
    char version_text[24];
    uint32_t sweep_due; /* records to look at with the next commit, for what has expired */
    uint32_t swept_len; /* the key that was looked at last; 0: begin with the first */
    unsigned char swept[MAX_KEY];
};

/* Makes room for `count` items, doubling; false when memory ran out. */
static bool reserve(void **items, uint32_t *room, uint64_t count, size_t item_size)
{
    uint64_t more = *room;
    void *grown;
    if (count <= more) {
        return true;
    }
    while (more < count) {
        more = more == 0 ? 64 : more * 2;
    }
    if (more > UINT32_MAX || (grown = realloc(*items, more * item_size)) == NULL) {
        return false;
    }
    *items = grown;
    *room = (uint32_t)more;
    return true;
}

static bool reserve_pairs(struct session *s, uint64_t count)
{
    void *items = s->pairs;
    bool ok = reserve(&items, &s->pair_room, count, sizeof *s->pairs);
    s->pairs = items;
    return ok;
}

/* --- Errors --- */

#define WAY_BACK                                                                                                       \
    "restore the folder from a backup, or move it away and start again, which counts anew what the source still holds"

/* LMDB says EIO when a write was cut short: what would the next one say? */
static int real_cause(const struct lmdb_store *store, int rc)
{
    struct rlimit limit;
    struct stat st;
    int fd;
    if (rc != EIO || store->env == NULL || mdb_env_get_fd(store->env, &fd) != 0 || fstat(fd, &st) != 0) {
        return rc;
    }
    if (getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur < (rlim_t)st.st_size + SPARE) {
        return EFBIG;
    }
    return fallocate(fd, FALLOC_FL_KEEP_SIZE, st.st_size, SPARE) != 0 && (errno == ENOSPC || errno == EDQUOT) ? errno
                                                                                                              : rc;
}

/* Says what LMDB or the system said, for a person. */
static void describe(const struct lmdb_store *store, int rc, char *text, size_t size)
{
    switch (rc) {
    case MDB_MAP_FULL:
        (void)snprintf(text, size,
                       "the store %s is full: map_size is %" PRId64 " bytes; raise map_size and start again",
                       store->path, store->map_size);
        break;
    case ENOSPC:
    case EDQUOT:
        (void)snprintf(text, size, "no space is left on the disk of the store %s%s", store->path, own_file_hint(rc));
        break;
    case MDB_CORRUPTED:
    case MDB_PAGE_NOTFOUND:
        (void)snprintf(text, size, "%s/data.mdb is damaged (%s); " WAY_BACK, store->path, mdb_strerror(rc));
        break;
    case MDB_MAP_RESIZED:
        (void)snprintf(text, size, "another process enlarged the store %s: give each the same map_size and start again",
                       store->path);
        break;
    case MDB_READERS_FULL:
        (void)snprintf(text, size, "the store %s is in use by too many sessions", store->path);
        break;
    default:
        (void)snprintf(text, size, "the store %s failed: %s%s", store->path, mdb_strerror(rc), own_file_hint(rc));
    }
}

static int32_t severity_of(int rc)
{
    bool passing = rc == MDB_MAP_FULL || rc == ENOSPC || rc == EDQUOT || rc == EFBIG || rc == ENOMEM || rc == EAGAIN ||
                   rc == EINTR || rc == MDB_READERS_FULL || rc == MDB_TXN_FULL;
    return passing ? CHURN_RETRY : CHURN_FATAL;
}

static int32_t fail_rc(const struct lmdb_store *store, int rc, churn_error *err)
{
    char text[CHURN_ERROR_MESSAGE_SIZE];
    rc = real_cause(store, rc);
    describe(store, rc, text, sizeof text);
    return churn_fail(err, severity_of(rc), "%s", text);
}

static int32_t fail_memory(churn_error *err)
{
    return churn_fail(err, CHURN_RETRY, "out of memory");
}

static int32_t fail_corrupt(const struct lmdb_store *store, churn_str key, churn_error *err)
{
    return churn_fail(
        err, CHURN_REJECT,
        "the store %s holds a damaged record under the key %.*s; restore the folder from a backup, or make "
        "all anew with `churnd rebuild --into`",
        store->path, (int)key.len, key.ptr);
}

static int32_t check_key(churn_str key, churn_error *err)
{
    if (key.len == 0 || key.len > MAX_KEY) {
        return churn_fail(err, CHURN_FATAL, "a key of %" PRIu32 " bytes does not fit: LMDB takes 1 to %d", key.len,
                          MAX_KEY);
    }
    return CHURN_OK;
}

/* --- Records: format byte, then varints: expiry (ms since 1970, 0 none), version, count, and for each field the
 * lengths of name and value followed by their bytes; at the end a checksum, since LMDB has none --- */

struct record {
    uint64_t expires_ms;
    uint64_t version;
    uint32_t count;  /* fields, which are in the session's `pairs` */
    uint32_t stored; /* 0: nothing, or nothing any more */
};

static unsigned char *write_varint(unsigned char *at, uint64_t n)
{
    for (; n >= 0x80; n >>= 7) {
        *at++ = (unsigned char)(n | 0x80);
    }
    *at++ = (unsigned char)n;
    return at;
}

static bool read_varint(const unsigned char **at, const unsigned char *end, uint64_t *ret)
{
    uint64_t n = 0;
    for (unsigned shift = 0; shift < 64 && *at < end; shift += 7) {
        unsigned char byte = *(*at)++;
        if (shift == 63 && byte > 1) {
            return false;
        }
        n |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            *ret = n;
            return true;
        }
    }
    return false;
}

static bool read_pair(const unsigned char **at, const unsigned char *end, churn_pair *pair)
{
    uint64_t name_len, value_len, room;
    if (!read_varint(at, end, &name_len) || !read_varint(at, end, &value_len)) {
        return false;
    }
    room = (uint64_t)(end - *at);
    if (name_len > room || value_len > room - name_len || name_len > UINT32_MAX || value_len > UINT32_MAX) {
        return false;
    }
    pair->name = (churn_str){.ptr = (const char *)*at, .len = (uint32_t)name_len};
    pair->value = (churn_str){.ptr = (const char *)*at + name_len, .len = (uint32_t)value_len};
    *at += name_len + value_len;
    return true;
}

/* Of a record under its key: what lies under another one is no better than what was changed. */
static uint64_t checksum(churn_str key, const void *record, size_t len)
{
    return XXH3_64bits_withSeed(record, len, XXH3_64bits(key.ptr, key.len));
}

/* Where the checked part of a record ends; NULL when it is damaged. */
static const unsigned char *end_of(churn_str key, const MDB_val *data)
{
    const unsigned char *at = data->mv_data;
    size_t len = data->mv_size;
    uint64_t stored;
    if (len > 0 && *at == UNCHECKED_FORMAT) {
        return at + len;
    }
    if (len <= CHECKSUM || *at != RECORD_FORMAT) {
        return NULL;
    }
    len -= CHECKSUM;
    memcpy(&stored, at + len, sizeof stored); /* LMDB's files are of one byte order too */
    return stored == checksum(key, at, len) ? at + len : NULL;
}

/* Decodes into the session's pairs, which point into `data`. CHURN_FATAL: damaged; CHURN_RETRY: out of memory. */
static int32_t decode(struct session *s, churn_str key, const MDB_val *data, struct record *ret)
{
    const unsigned char *at = data->mv_data, *end = end_of(key, data);
    uint64_t count;
    if (end == NULL || at++ == end || !read_varint(&at, end, &ret->expires_ms) ||
        !read_varint(&at, end, &ret->version) || !read_varint(&at, end, &count) || count > (uint64_t)(end - at) / 2) {
        return CHURN_FATAL;
    }
    if (!reserve_pairs(s, count + 1)) { /* one more for _v */
        return CHURN_RETRY;
    }
    for (uint64_t i = 0; i < count; i++) {
        if (!read_pair(&at, end, &s->pairs[i])) {
            return CHURN_FATAL;
        }
    }
    ret->count = (uint32_t)count;
    ret->stored = 1;
    return at == end ? CHURN_OK : CHURN_FATAL;
}

static bool encode(struct session *s, churn_str key, const struct record *record, const churn_pair *pairs, MDB_val *ret)
{
    size_t most =
        1 + 3 * MAX_VARINT + (size_t)record->count * 2 * MAX_VARINT + pairs_size(pairs, record->count) + CHECKSUM;
    unsigned char *at = s->encoded;
    uint64_t sum;
    if (most > s->encoded_room) {
        at = realloc(s->encoded, most * 2);
        if (at == NULL) {
            return false;
        }
        s->encoded = at;
        s->encoded_room = most * 2;
    }
    *at++ = RECORD_FORMAT;
    at = write_varint(at, record->expires_ms);
    at = write_varint(at, record->version);
    at = write_varint(at, record->count);
    for (uint32_t i = 0; i < record->count; i++) {
        char *text;
        at = write_varint(at, pairs[i].name.len);
        at = write_varint(at, pairs[i].value.len);
        text = (char *)at;
        (void)copy_str(&text, pairs[i].name);
        (void)copy_str(&text, pairs[i].value);
        at = (unsigned char *)text;
    }
    sum = checksum(key, s->encoded, (size_t)(at - s->encoded));
    memcpy(at, &sum, sizeof sum);
    *ret = (MDB_val){.mv_data = s->encoded, .mv_size = (size_t)(at - s->encoded) + CHECKSUM};
    return true;
}

/* Reads what is stored now under `key`; expired counts as nothing. */
static int32_t load(struct session *s, MDB_txn *txn, churn_str key, struct record *ret, churn_error *err)
{
    MDB_val name = {.mv_data = (void *)(uintptr_t)key.ptr, .mv_size = key.len}, data;
    int32_t result;
    int rc = mdb_get(txn, s->store->dbi, &name, &data);
    *ret = (struct record){0};
    if (rc == MDB_NOTFOUND) {
        return CHURN_OK;
    }
    if (rc != 0) {
        return fail_rc(s->store, rc, err);
    }
    result = decode(s, key, &data, ret);
    if (result != CHURN_OK) {
        return result == CHURN_RETRY ? fail_memory(err) : fail_corrupt(s->store, key, err);
    }
    if (ret->expires_ms != 0 && ret->expires_ms <= (uint64_t)s->store->host->now_ms(s->store->host)) {
        *ret = (struct record){0};
    }
    return CHURN_OK;
}

static uint64_t expiry(const struct lmdb_store *store, int64_t ttl_ms)
{
    int64_t at;
    if (ttl_ms <= 0 || __builtin_add_overflow(store->host->now_ms(store->host), ttl_ms, &at) || at <= 0) {
        return 0;
    }
    return (uint64_t)at;
}

/* The fields as `get` and `scan` show them: `_v` last, unless the record has no version. */
static uint32_t with_version(struct session *s, const struct record *record)
{
    if (record->version == 0) {
        return record->count;
    }
    s->pairs[record->count] = (churn_pair){
        .name = {.ptr = "_v", .len = 2},
        .value = {.ptr = s->version_text,
                  .len = (uint32_t)snprintf(s->version_text, sizeof s->version_text, "%" PRIu64, record->version)}};
    return record->count + 1;
}

/* --- Opening --- */

/* LMDB's own files in the store's folder. */
static const char data_file[] = "data.mdb", lock_file[] = "lock.mdb";

static bool path_of(const struct lmdb_store *store, const char *name, char path[PATH_MAX])
{
    int len = snprintf(path, PATH_MAX, "%s/%s", store->path, name);
    return len > 0 && len < PATH_MAX;
}

static bool reads_only(const struct lmdb_store *store)
{
    const churn_host *host = store->host;
    return host->size >= offsetof(churn_host, read_only) + sizeof host->read_only && host->read_only != 0;
}

/* A file or folder must be what it is called, not a link to somewhere else. *ret_st: what it is; mode 0: nothing yet.
 */
static int32_t check_kind(const char *path, mode_t kind, struct stat *ret_st, churn_error *err)
{
    *ret_st = (struct stat){0};
    if (lstat(path, ret_st) != 0) {
        *ret_st = (struct stat){0};
        return errno == ENOENT ? CHURN_OK
                               : churn_fail_option(err, "path", "%s cannot be looked at: %s%s", path, strerror(errno),
                                                   own_file_hint(errno));
    }
    if (S_ISLNK(ret_st->st_mode)) {
        return churn_fail_option(err, "path", "%s cannot be used%s", path, own_file_hint(ELOOP));
    }
    if ((ret_st->st_mode & S_IFMT) != kind) {
        return churn_fail_option(err, "path", "%s is no %s", path, kind == S_IFDIR ? "folder" : "file");
    }
    return CHURN_OK;
}

/* Looks at what lies in the folder before LMDB does. *ret_new: there is no store yet. */
static int32_t check_folder(const struct lmdb_store *store, bool *ret_new, churn_error *err)
{
    char data[PATH_MAX], lock[PATH_MAX];
    struct stat st;
    int32_t result;
    if (!path_of(store, data_file, data) || !path_of(store, lock_file, lock)) {
        return churn_fail_option(err, "path", "%s is too long", store->path);
    }
    if ((result = check_kind(store->path, S_IFDIR, &st, err)) != CHURN_OK ||
        (result = check_kind(lock, S_IFREG, &st, err)) != CHURN_OK ||
        (result = check_kind(data, S_IFREG, &st, err)) != CHURN_OK) {
        return result;
    }
    *ret_new = st.st_mode == 0;
    if (*ret_new && reads_only(store)) {
        return churn_fail_option(err, "path",
                                 "there is no store in %s: the pipeline has not run yet, or another folder "
                                 "is meant",
                                 store->path);
    }
    if (!*ret_new && st.st_size == 0) {
        return churn_fail_option(err, "path",
                                 "%s is empty: somebody has cut it, or its making was interrupted; " WAY_BACK, data);
    }
    return CHURN_OK;
}

/* Takes room for the lock file before LMDB maps it: on a full disk the first use of a page without any would end the
 * process. 0, or an errno. */
static int reserve_lock_file(const struct lmdb_store *store)
{
    char path[PATH_MAX];
    struct stat st;
    int fd, rc = 0;
    if (!path_of(store, lock_file, path)) {
        return ENAMETOOLONG;
    }
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, OWN_FILE_MODE);
    if (fd < 0) {
        return errno == EROFS || reads_only(store) ? 0 : errno; /* LMDB knows what to do, or says it */
    }
    if (fstat(fd, &st) == 0 &&
        fallocate(fd, st.st_size == 0 ? 0 : FALLOC_FL_KEEP_SIZE, 0, st.st_size == 0 ? LOCK_FILE_SIZE : st.st_size) !=
            0 &&
        (errno == ENOSPC || errno == EDQUOT || errno == EFBIG)) {
        rc = errno;
    }
    (void)close(fd);
    return rc;
}

/* A new file that could not be written whole, since the disk is full, is no store. */
static void remove_beginnings(const struct lmdb_store *store)
{
    char path[PATH_MAX];
    struct stat st;
    if (path_of(store, data_file, path) && stat(path, &st) == 0 && st.st_size < 2 * sysconf(_SC_PAGESIZE)) {
        (void)unlink(path);
    }
}

/* LMDB would end the process by abort(): it has found what cannot be. */
static void on_assert(MDB_env *env, const char *message)
{
    const struct lmdb_store *store = mdb_env_get_userctx(env);
    churn_log(store->host, CHURN_LOG_ERROR, "%s/data.mdb is damaged (%.200s); " WAY_BACK, store->path, message);
    _exit(1);
}

/* Whether the pages are what they should be; MDB_CORRUPTED or another error. */
static int check_pages(MDB_env *env)
{
    MDB_txn *txn;
    int fd, verdict, rc = mdb_env_get_fd(env, &fd);
    if (rc != 0 || (rc = mdb_txn_begin(env, NULL, MDB_RDONLY, &txn)) != 0) {
        return rc;
    }
    verdict = lmdb_pages_check(fd, mdb_txn_id(txn), LOOK_THROUGH);
    mdb_txn_abort(txn);
    return verdict == LMDB_PAGES_CUT ? MDB_PAGE_NOTFOUND : verdict == LMDB_PAGES_DAMAGED ? MDB_CORRUPTED : 0;
}

/* Which file it is; mode 0: none, as beside a store that can only be read. */
static void note_file(const struct lmdb_store *store, const char *name, struct stat *ret)
{
    char path[PATH_MAX];
    if (!path_of(store, name, path) || stat(path, ret) != 0) {
        ret->st_mode = 0;
    }
}

/* Whether the name led to another file, or none, when it was looked at; where it cannot be looked at, nothing is known.
 */
static bool was_taken(const struct lmdb_store *store, const char *name, const struct stat *noted)
{
    char path[PATH_MAX];
    struct stat st;
    if (noted->st_mode == 0 || !path_of(store, name, path)) {
        return false;
    }
    return stat(path, &st) == 0 ? st.st_dev != noted->st_dev || st.st_ino != noted->st_ino
                                : errno == ENOENT || errno == ENOTDIR;
}

/* Whether the names still lead to the files that are open: what is counted into others is found by nobody, and whoever
 * locks others does not know of us. */
static int32_t check_place(const struct lmdb_store *store, churn_error *err)
{
    if (was_taken(store, data_file, &store->data_as_opened)) {
        return churn_fail(err, CHURN_FATAL,
                          "%s/data.mdb was deleted, moved away or replaced while it was in use, so nothing more is "
                          "counted into it; put it back, or leave what is there now, and start again: what the store "
                          "then lacks is counted anew as far as the source still holds it",
                          store->path);
    }
    if (was_taken(store, lock_file, &store->lock_as_opened)) {
        return churn_fail(err, CHURN_FATAL,
                          "%s/lock.mdb was deleted, moved away or replaced while it was in use: whoever opens the "
                          "store now would not know that this process writes to it, and damage it; leave data.mdb as "
                          "it is and start again",
                          store->path);
    }
    return CHURN_OK;
}

static int open_database(struct lmdb_store *store, MDB_env *env)
{
    MDB_txn *txn;
    int rc = mdb_txn_begin(env, NULL, reads_only(store) ? MDB_RDONLY : 0, &txn);
    if (rc != 0) {
        return rc;
    }
    rc = mdb_dbi_open(txn, NULL, 0, &store->dbi);
    if (rc != 0) {
        mdb_txn_abort(txn);
        return rc;
    }
    return mdb_txn_commit(txn);
}

static int open_env(struct lmdb_store *store)
{
    /* NOTLS: a session may move from thread to thread. NOMETASYNC and not NOSYNC, which may damage the whole file. */
    unsigned flags = MDB_NOTLS | (store->sync ? 0 : MDB_NOMETASYNC) | (reads_only(store) ? MDB_RDONLY : 0);
    size_t page = (size_t)sysconf(_SC_PAGESIZE), map_size = (size_t)store->map_size / page * page;
    MDB_env *env;
    int dead, rc;
    if ((rc = reserve_lock_file(store)) != 0 || (rc = mdb_env_create(&env)) != 0) {
        return rc;
    }
    if ((rc = mdb_env_set_mapsize(env, map_size)) != 0 || (rc = mdb_env_set_maxreaders(env, MAX_READERS)) != 0 ||
        (rc = mdb_env_set_userctx(env, store)) != 0 || (rc = mdb_env_set_assert(env, on_assert)) != 0 ||
        (rc = mdb_env_open(env, store->path, flags, OWN_FILE_MODE)) != 0 || (rc = check_pages(env)) != 0 ||
        (rc = mdb_reader_check(env, &dead)) != 0 || /* slots of processes that were killed */
        (rc = open_database(store, env)) != 0) {
        mdb_env_close(env);
        return rc;
    }
    note_file(store, data_file, &store->data_as_opened);
    note_file(store, lock_file, &store->lock_as_opened);
    store->env = env;
    return 0;
}

static int32_t fail_open(const struct lmdb_store *store, int rc, churn_error *err)
{
    switch (rc) {
    case ENOMEM:
        return churn_fail_option(
            err, "map_size", "%" PRId64 " bytes of address space are not to be had; lower map_size", store->map_size);
    case MDB_INVALID:
    case MDB_VERSION_MISMATCH:
        return churn_fail_option(err, "path",
                                 "%s/data.mdb does not hold an LMDB database that can be read: %s; " WAY_BACK,
                                 store->path, mdb_strerror(rc));
    case MDB_PAGE_NOTFOUND:
        return churn_fail_option(err, "path", "%s/data.mdb was cut: it ends before pages that it needs; " WAY_BACK,
                                 store->path);
    case MDB_CORRUPTED:
        return churn_fail_option(err, "path", "%s/data.mdb is damaged: pages of it hold something else; " WAY_BACK,
                                 store->path);
    default:
        if (severity_of(rc) == CHURN_RETRY) {
            return fail_rc(store, rc, err);
        }
        return churn_fail_option(err, "path", "cannot open the store %s: %s%s", store->path, mdb_strerror(rc),
                                 own_file_hint(rc));
    }
}

static int32_t lmdb_create(void *self, const churn_host *host, churn_error *err)
{
    struct lmdb_store *store = self;
    store->host = host;
    if ((uint64_t)store->map_size > SIZE_MAX) {
        return churn_fail_option(err, "map_size", "is more than this machine can address");
    }
    if (pthread_mutex_init(&store->lock, NULL) != 0) {
        return churn_fail(err, CHURN_FATAL, "out of memory");
    }
    return CHURN_OK;
}

/* With the lock. */
static int32_t open_once(struct lmdb_store *store, churn_error *err)
{
    char data[PATH_MAX];
    bool is_new = false;
    int32_t result = check_folder(store, &is_new, err);
    int rc = 0;
    if (result != CHURN_OK) {
        return result;
    }
    if (path_of(store, data_file, data)) {
        rc = own_file_make_folders(data);
    }
    rc = rc == 0 ? open_env(store) : rc;
    if (rc != 0 && is_new) {
        remove_beginnings(store);
    }
    return rc == 0 ? CHURN_OK : fail_open(store, rc, err);
}

static int32_t lmdb_open(void *self, void **ret_session, churn_error *err)
{
    struct lmdb_store *store = self;
    struct session *s;
    int32_t result;
    (void)pthread_mutex_lock(&store->lock);
    result = store->env == NULL ? open_once(store, err) : CHURN_OK;
    (void)pthread_mutex_unlock(&store->lock);
    if (result != CHURN_OK) {
        return result;
    }
    s = calloc(1, sizeof *s);
    if (s == NULL) {
        return fail_memory(err);
    }
    s->store = store;
    *ret_session = s;
    return CHURN_OK;
}

static void lmdb_close(void *session)
{
    struct session *s = session;
    mdb_txn_abort(s->reader);
    arena_free(&s->queue);
    arena_free(&s->answers);
    free(s->puts);
    free(s->replies);
    free(s->pairs);
    free(s->encoded);
    free(s);
}

static void lmdb_destroy(void *self)
{
    struct lmdb_store *store = self;
    if (store->env != NULL) {
        if (!store->sync) {
            (void)mdb_env_sync(store->env, 1);
        }
        mdb_env_close(store->env);
    }
    (void)pthread_mutex_destroy(&store->lock);
}

/* One history: a store that is not in its place any more ends the run. */
static int32_t lmdb_identity(void *session, char text[CHURN_IDENTITY_SIZE], churn_error *err)
{
    const struct session *s = session;
    text[0] = '\0';
    return check_place(s->store, err);
}

/* Commits. In its place afterwards: then so is what was written, wherever somebody takes it later. */
static int32_t commit(const struct lmdb_store *store, MDB_txn *txn, churn_error *err)
{
    int rc = mdb_txn_commit(txn);
    return rc == 0 ? check_place(store, err) : fail_rc(store, rc, err);
}

/* --- Puts --- */

static int32_t lmdb_put(void *session, const churn_put *put, churn_error *err)
{
    struct session *s = session;
    void *items = s->puts;
    churn_put *queued;
    bool ok = reserve(&items, &s->put_room, (uint64_t)s->put_count + 1, sizeof *s->puts);
    s->puts = items;
    if (!ok) {
        return fail_memory(err);
    }
    queued = &s->puts[s->put_count];
    *queued = *put;
    queued->fields = copy_pairs(&s->queue, put->fields, put->count, &queued->key);
    if (queued->fields == NULL) {
        return fail_memory(err);
    }
    s->put_count++;
    s->sweep_due += put->ttl_ms > 0 ? SWEEP_PER_PUT : 0;
    return CHURN_OK;
}

static bool same_name(const churn_pair *a, const churn_pair *b)
{
    return a->name.len == b->name.len && memcmp(a->name.ptr, b->name.ptr, a->name.len) == 0;
}

/* Joins the put's fields to the decoded ones. Both keep the writer's order as a rule, hence the search goes on where
 * the last one ended. */
static bool merge(struct session *s, struct record *record, const churn_put *put)
{
    uint32_t stored = record->count, at = 0;
    if (!reserve_pairs(s, (uint64_t)stored + put->count + 1)) {
        return false;
    }
    for (uint32_t i = 0; i < put->count; i++) {
        uint32_t tried = 0;
        while (tried < stored && !same_name(&s->pairs[at], &put->fields[i])) {
            at = at + 1 < stored ? at + 1 : 0;
            tried++;
        }
        if (tried < stored) {
            s->pairs[at].value = put->fields[i].value;
            at = at + 1 < stored ? at + 1 : 0;
        } else {
            s->pairs[record->count++] = put->fields[i];
        }
    }
    return true;
}

/* Answers with the stored fields: OK here means that the reply is complete. */
static int32_t answer_conflict(struct session *s, const struct record *record, churn_put_reply *reply, churn_error *err)
{
    const churn_pair *fields = copy_pairs(&s->answers, s->pairs, record->count, NULL);
    if (fields == NULL) {
        return fail_memory(err);
    }
    reply->result = CHURN_CONFLICT;
    reply->version = record->version;
    reply->fields = fields;
    reply->count = record->count;
    return CHURN_OK;
}

/* Carries out one put. What is wrong with this put alone is in `reply`; a result other than CHURN_OK ends the
 * transaction. */
static int32_t put_one(struct session *s, MDB_txn *txn, const churn_put *put, churn_put_reply *reply, churn_error *err)
{
    struct record record;
    MDB_val key = {.mv_data = (void *)(uintptr_t)put->key.ptr, .mv_size = put->key.len}, data;
    int rc;
    reply->result = check_key(put->key, err);
    if (reply->result == CHURN_OK) {
        reply->result = load(s, txn, put->key, &record, err);
    }
    if (reply->result != CHURN_OK) {
        return reply->result == CHURN_RETRY ? CHURN_RETRY : CHURN_OK;
    }
    if (record.version != put->expected_version) {
        return answer_conflict(s, &record, reply, err);
    }
    record.version++;
    record.expires_ms = expiry(s->store, put->ttl_ms);
    if (!merge(s, &record, put) || !encode(s, put->key, &record, s->pairs, &data)) {
        return fail_memory(err);
    }
    rc = mdb_put(txn, s->store->dbi, &key, &data, 0);
    return rc == 0 ? CHURN_OK : fail_rc(s->store, rc, err);
}

static const char *keep_message(struct session *s, const churn_error *err)
{
    size_t size = strlen(err->message) + 1;
    char *copy = arena_alloc(&s->answers, size);
    return copy != NULL ? memcpy(copy, err->message, size) : "out of memory";
}

/* What is damaged stays, for somebody to see. */
static bool has_expired(const MDB_val *key, const MDB_val *data, uint64_t now_ms)
{
    const unsigned char *at = data->mv_data, *end = at + data->mv_size;
    uint64_t expires_ms;
    return at++ < end && read_varint(&at, end, &expires_ms) && expires_ms != 0 && expires_ms <= now_ms &&
           end_of((churn_str){.ptr = key->mv_data, .len = (uint32_t)key->mv_size}, data) != NULL;
}

/* Looks at the next records, in the order of their keys, and deletes those that have expired. */
static int sweep(struct session *s, MDB_txn *txn)
{
    uint64_t now_ms = (uint64_t)s->store->host->now_ms(s->store->host);
    MDB_val key = {.mv_data = s->swept, .mv_size = s->swept_len}, data;
    MDB_cursor *cursor;
    int rc = mdb_cursor_open(txn, s->store->dbi, &cursor);
    if (rc != 0) {
        return rc;
    }
    rc = mdb_cursor_get(cursor, &key, &data, s->swept_len == 0 ? MDB_FIRST : MDB_SET_RANGE);
    for (uint32_t i = 0; rc == 0 && i <= s->sweep_due; i++) { /* the first one was looked at before */
        s->swept_len = (uint32_t)key.mv_size;
        memcpy(s->swept, key.mv_data, key.mv_size);
        rc = has_expired(&key, &data, now_ms) ? mdb_cursor_del(cursor, 0) : 0;
        rc = rc == 0 ? mdb_cursor_get(cursor, &key, &data, MDB_NEXT) : rc;
    }
    mdb_cursor_close(cursor);
    if (rc == MDB_NOTFOUND) {
        s->swept_len = 0;
        rc = 0;
    }
    s->sweep_due = 0;
    return rc;
}

/* All queued puts in one transaction; the replies are filled in as if it succeeds. */
static int32_t run_puts(struct session *s, churn_error *err)
{
    MDB_txn *txn;
    int rc = mdb_txn_begin(s->store->env, NULL, 0, &txn);
    if (rc != 0) {
        return fail_rc(s->store, rc, err);
    }
    for (uint32_t i = 0; i < s->put_count; i++) {
        churn_put_reply *reply = &s->replies[i];
        int32_t result = put_one(s, txn, &s->puts[i], reply, err);
        if (result != CHURN_OK) {
            mdb_txn_abort(txn);
            return result;
        }
        if (reply->result < 0) {
            reply->message = keep_message(s, err);
        }
    }
    if (s->sweep_due > 0 && (rc = sweep(s, txn)) != 0) {
        mdb_txn_abort(txn);
        return fail_rc(s->store, rc, err);
    }
    return commit(s->store, txn, err);
}

/* Nothing was written: takes back every OK, and gives the puts that were not reached the same answer. A conflict that
 * was found stands. */
static void fail_replies(struct session *s, int32_t result, const churn_error *err)
{
    const char *message = keep_message(s, err);
    for (uint32_t i = 0; i < s->put_count; i++) {
        churn_put_reply *reply = &s->replies[i];
        if (reply->result == CHURN_OK || reply->result == CHURN_RETRY) {
            reply->result = result;
            reply->message = message;
        }
    }
}

static int32_t commit_puts(struct session *s, churn_error *err)
{
    churn_error failure = {.size = sizeof failure};
    void *items = s->replies;
    int32_t result;
    bool ok = reserve(&items, &s->reply_room, s->put_count, sizeof *s->replies);
    s->replies = items;
    if (!ok) {
        return fail_memory(err);
    }
    arena_reset(&s->answers);
    for (uint32_t i = 0; i < s->put_count; i++) {
        s->replies[i] = (churn_put_reply){.size = sizeof s->replies[i], .id = s->puts[i].id};
    }
    result = run_puts(s, &failure);
    if (result != CHURN_OK) {
        fail_replies(s, result, &failure);
    }
    s->reply_count = s->put_count;
    s->replied = 0;
    s->put_count = 0;
    arena_reset(&s->queue);
    return CHURN_OK;
}

static int32_t lmdb_poll(void *session, churn_put_reply *replies, uint32_t max, uint32_t timeout_ms,
                         uint32_t *ret_count, churn_error *err)
{
    struct session *s = session;
    uint32_t n;
    (void)timeout_ms; /* nothing here waits for a peer */
    if (s->replied == s->reply_count && s->put_count > 0) {
        int32_t result = commit_puts(s, err);
        if (result != CHURN_OK) {
            return result;
        }
    }
    n = s->reply_count - s->replied < max ? s->reply_count - s->replied : max;
    if (n > 0) {
        memcpy(replies, s->replies + s->replied, n * sizeof *replies);
    }
    s->replied += n;
    *ret_count = n;
    return n > 0 ? CHURN_OK : CHURN_PENDING;
}

/* --- Reading --- */

static int begin_read(struct session *s)
{
    return s->reader == NULL ? mdb_txn_begin(s->store->env, NULL, MDB_RDONLY, &s->reader) : mdb_txn_renew(s->reader);
}

static int32_t lmdb_get(void *session, churn_str key, churn_fields_fn fn, void *ctx, churn_error *err)
{
    struct session *s = session;
    struct record record;
    int32_t result = check_key(key, err);
    int rc;
    if (result != CHURN_OK) {
        return result;
    }
    if ((rc = begin_read(s)) != 0) {
        return fail_rc(s->store, rc, err);
    }
    result = load(s, s->reader, key, &record, err);
    if (result == CHURN_OK) {
        (void)fn(ctx, key, s->pairs, with_version(s, &record));
    }
    mdb_txn_reset(s->reader);
    return result;
}

static int32_t list_key(void *ctx, churn_str key, const churn_pair *fields, uint32_t count);

/* Shows the record at the cursor to `fn`. CHURN_END: fn wants no more; CHURN_DROP: expired, so not shown. A list of
 * keys has those of damaged records too. */
static int32_t show(struct session *s, const MDB_val *name, const MDB_val *data, churn_fields_fn fn, void *ctx,
                    churn_error *err)
{
    churn_str key = {.ptr = name->mv_data, .len = (uint32_t)name->mv_size};
    struct record record = {0};
    int32_t result = decode(s, key, data, &record);
    if (result == CHURN_RETRY) {
        return fail_memory(err);
    }
    if (result != CHURN_OK && fn == list_key) {
        return list_key(ctx, key, NULL, 0) == CHURN_OK ? CHURN_OK : CHURN_END;
    }
    if (result != CHURN_OK) {
        return fail_corrupt(s->store, key, err);
    }
    if (record.expires_ms != 0 && record.expires_ms <= (uint64_t)s->store->host->now_ms(s->store->host)) {
        return CHURN_DROP;
    }
    return fn(ctx, key, s->pairs, with_version(s, &record)) == CHURN_OK ? CHURN_OK : CHURN_END;
}

static int compare(churn_str a, churn_str b)
{
    int order = memcmp(a.ptr, b.ptr, a.len < b.len ? a.len : b.len);
    return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

/* Puts the cursor on the first key of the scan. */
static int seek_first(MDB_cursor *cursor, churn_str prefix, churn_str after, MDB_val *name, MDB_val *data)
{
    bool resume = after.ptr != NULL && compare(after, prefix) >= 0;
    churn_str from = resume ? after : prefix;
    int rc;
    *name = (MDB_val){.mv_data = (void *)(uintptr_t)from.ptr, .mv_size = from.len};
    rc = mdb_cursor_get(cursor, name, data, from.len == 0 ? MDB_FIRST : MDB_SET_RANGE);
    if (rc == 0 && resume && name->mv_size == after.len && memcmp(name->mv_data, after.ptr, after.len) == 0) {
        rc = mdb_cursor_get(cursor, name, data, MDB_NEXT);
    }
    return rc;
}

static int32_t scan_keys(struct session *s, MDB_cursor *cursor, churn_str prefix, churn_str after, uint32_t max,
                         churn_fields_fn fn, void *ctx, churn_error *err)
{
    MDB_val name, data;
    uint32_t shown = 0;
    int rc = seek_first(cursor, prefix, after, &name, &data);
    for (; rc == 0 && shown < max; rc = mdb_cursor_get(cursor, &name, &data, MDB_NEXT)) {
        int32_t result;
        if (name.mv_size < prefix.len || memcmp(name.mv_data, prefix.ptr, prefix.len) != 0) {
            return CHURN_OK;
        }
        result = show(s, &name, &data, fn, ctx, err);
        if (result < 0 || result == CHURN_END) {
            return result < 0 ? result : CHURN_OK;
        }
        shown += result == CHURN_OK;
    }
    return rc == 0 || rc == MDB_NOTFOUND ? CHURN_OK : fail_rc(s->store, rc, err);
}

static int32_t lmdb_scan(void *session, churn_str prefix, churn_str after, uint32_t max, churn_fields_fn fn, void *ctx,
                         churn_error *err)
{
    struct session *s = session;
    MDB_cursor *cursor;
    int32_t result;
    int rc;
    if (prefix.ptr == NULL) {
        prefix.ptr = "";
    }
    if (prefix.len > MAX_KEY || after.len > MAX_KEY) {
        return check_key(prefix.len > MAX_KEY ? prefix : after, err);
    }
    if ((rc = begin_read(s)) != 0) {
        return fail_rc(s->store, rc, err);
    }
    rc = mdb_cursor_open(s->reader, s->store->dbi, &cursor);
    if (rc != 0) {
        mdb_txn_reset(s->reader);
        return fail_rc(s->store, rc, err);
    }
    result = scan_keys(s, cursor, prefix, after, max, fn, ctx, err);
    mdb_cursor_close(cursor);
    mdb_txn_reset(s->reader);
    return result;
}

/* What a listing of keys is for. */
struct listing {
    churn_key_fn fn;
    void *ctx;
};

static int32_t list_key(void *ctx, churn_str key, const churn_pair *fields, uint32_t count)
{
    const struct listing *listing = ctx;
    (void)fields;
    (void)count;
    return listing->fn(listing->ctx, key);
}

static int32_t lmdb_keys(void *session, churn_str prefix, churn_key_fn fn, void *ctx, churn_error *err)
{
    struct listing listing = {.fn = fn, .ctx = ctx};
    return lmdb_scan(session, prefix, (churn_str){0}, UINT32_MAX, list_key, &listing, err);
}

/* --- Writes without a version --- */

/* Ends a transaction: `result` and `rc` say how it went so far. */
static int32_t finish(struct session *s, MDB_txn *txn, int32_t result, int rc, churn_error *err)
{
    if (result == CHURN_OK && rc == 0) {
        return commit(s->store, txn, err);
    }
    mdb_txn_abort(txn);
    return result == CHURN_OK ? fail_rc(s->store, rc, err) : result;
}

static int32_t write_hash(struct session *s, MDB_txn *txn, const churn_hash *hash, int *ret_rc, churn_error *err)
{
    struct record record = {.expires_ms = expiry(s->store, hash->ttl_ms), .count = hash->count};
    MDB_val name = {.mv_data = (void *)(uintptr_t)hash->key.ptr, .mv_size = hash->key.len}, data;
    int32_t result = check_key(hash->key, err);
    if (result == CHURN_OK && !encode(s, hash->key, &record, hash->fields, &data)) {
        result = fail_memory(err);
    }
    if (result == CHURN_OK) {
        *ret_rc = mdb_put(txn, s->store->dbi, &name, &data, 0);
    }
    return result;
}

static int32_t lmdb_write(void *session, const churn_hash *hashes, uint32_t count, churn_error *err)
{
    struct session *s = session;
    MDB_txn *txn;
    int32_t result = CHURN_OK;
    int rc = mdb_txn_begin(s->store->env, NULL, 0, &txn);
    if (rc != 0) {
        return fail_rc(s->store, rc, err);
    }
    for (uint32_t i = 0; i < count && result == CHURN_OK && rc == 0; i++) {
        result = write_hash(s, txn, &hashes[i], &rc, err);
    }
    return finish(s, txn, result, rc, err);
}

static bool has_field(const struct session *s, uint32_t count, churn_str field, churn_str value)
{
    churn_pair wanted = {.name = field, .value = value};
    for (uint32_t i = 0; i < count; i++) {
        const churn_pair *p = &s->pairs[i];
        if (same_name(p, &wanted)) {
            return p->value.len == value.len && memcmp(p->value.ptr, value.ptr, value.len) == 0;
        }
    }
    return false;
}

static int32_t lmdb_remove(void *session, churn_str key, churn_str field, churn_str value, churn_error *err)
{
    struct session *s = session;
    MDB_val name = {.mv_data = (void *)(uintptr_t)key.ptr, .mv_size = key.len};
    struct record record;
    MDB_txn *txn;
    int32_t result = check_key(key, err);
    int rc;
    if (result != CHURN_OK) {
        return result;
    }
    rc = mdb_txn_begin(s->store->env, NULL, 0, &txn);
    if (rc != 0) {
        return fail_rc(s->store, rc, err);
    }
    result = load(s, txn, key, &record, err);
    if (result != CHURN_OK || !record.stored || !has_field(s, with_version(s, &record), field, value)) {
        mdb_txn_abort(txn);
        return result;
    }
    return finish(s, txn, CHURN_OK, mdb_del(txn, s->store->dbi, &name, NULL), err);
}

static const char *lmdb_durability(void *self)
{
    return ((const struct lmdb_store *)self)->sync ? "fsync" : "fsync before a commit";
}

/* The host itself looks at files and folders. */
static void lmdb_probe(void *self, uint32_t timeout_ms, churn_target_fn fn, void *ctx)
{
    static const char *const inner[] = {data_file, lock_file};
    const struct lmdb_store *s = self;
    char path[PATH_MAX];
    churn_target target = {.size = sizeof target,
                           .flags = CHURN_TARGET_WRITES,
                           .kind = CHURN_TARGET_FOLDER,
                           .name = s->path,
                           .option = "path"};
    (void)timeout_ms;
    fn(ctx, &target);
    target.flags |= CHURN_TARGET_INNER;
    target.kind = CHURN_TARGET_FILE;
    target.name = path;
    for (size_t i = 0; i < sizeof inner / sizeof inner[0]; i++) {
        if (path_of(s, inner[i], path)) {
            fn(ctx, &target);
        }
    }
}

static const churn_store_ops ops = {
    .size = sizeof(churn_store_ops),
    .embedded = 1,
    .create = lmdb_create,
    .open = lmdb_open,
    .put = lmdb_put,
    .poll = lmdb_poll,
    .get = lmdb_get,
    .write = lmdb_write,
    .remove = lmdb_remove,
    .scan = lmdb_scan,
    .close = lmdb_close,
    .destroy = lmdb_destroy,
    .identity = lmdb_identity,
    .keys = lmdb_keys,
    .durability = lmdb_durability,
    .probe = lmdb_probe,
};

CHURN_PLUGIN(.kind = CHURN_KIND_STORE, .name = "lmdb", .version = "1.0.0",
             .summary = "Keeps profiles in a local LMDB folder; needs no server",
             CHURN_OPTIONS(options, struct lmdb_store), .ops = &ops);
