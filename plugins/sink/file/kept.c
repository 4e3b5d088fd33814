#include "kept.h"

#include "grow.h"
#include "lock.h"
#include "own_file.h"
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#define LOCK_MS 10000
#define AT_ONCE 256 /* lines that are erased under one lock */
#define RENAMES 8   /* of a file that is rotated while it is read */
#define CHUNK 65536 /* bytes that are overwritten by one call */
#define DIGITS "0123456789"

/* A line that is to be erased. */
struct doomed {
    int64_t at;
    size_t len; /* without its end */
    uint64_t hash;
};

struct search {
    churn_kept_fn fn;
    void *ctx;
    churn_error *err;
    const char *path; /* that is looked through */
    int fd;
    struct doomed doomed[AT_ONCE];
    size_t count;
};

/* ---- erasing ---- */

static int32_t fail(const struct search *s, const char *what)
{
    return churn_fail(s->err, CHURN_RETRY, "%s cannot be %s: %s%s", s->path, what, strerror(errno),
                      own_file_hint(errno));
}

static int write_at(int fd, const char *bytes, size_t len, int64_t at)
{
    size_t done = 0;
    while (done < len) {
        ssize_t n = pwrite(fd, bytes + done, len - done, at + (int64_t)done);
        if (n <= 0 && errno != EINTR) {
            return 0;
        }
        done += n > 0 ? (size_t)n : 0;
    }
    return 1;
}

/* Whether the line is what erase makes of one. */
static int is_erased(const char *line, size_t len)
{
    size_t sign = sizeof CHURN_ERASED_LINE - 1, at = sign;
    while (at < len && line[at] == ' ') {
        at++;
    }
    return len > sign && memcmp(line, CHURN_ERASED_LINE, sign) == 0 && at == len - 1 && line[at] == '}';
}

enum { LINE_CHANGED, LINE_THERE, LINE_ERASED };

/* Whether the line still is the one that was judged; another one may have erased it meanwhile. */
static int look_at(const struct search *s, const struct doomed *line)
{
    char *bytes = malloc(line->len);
    int result = LINE_CHANGED;
    if (bytes != NULL && pread(s->fd, bytes, line->len, line->at) == (ssize_t)line->len) {
        result = XXH3_64bits(bytes, line->len) == line->hash ? LINE_THERE
                 : is_erased(bytes, line->len)               ? LINE_ERASED
                                                             : LINE_CHANGED;
    }
    free(bytes);
    return result;
}

static size_t sign_length(const struct doomed *line)
{
    return line->len > sizeof CHURN_ERASED_LINE ? sizeof CHURN_ERASED_LINE - 1 : 0;
}

/* What no letter is as short as is left empty. */
static int write_rest(const struct search *s, const struct doomed *line)
{
    char blanks[CHUNK];
    size_t at = sign_length(line), end = at > 0 ? line->len - 1 : line->len;
    int ok = 1;
    memset(blanks, ' ', sizeof blanks);
    while (ok && at < end) {
        size_t len = end - at < sizeof blanks ? end - at : sizeof blanks;
        ok = write_at(s->fd, blanks, len, line->at + (int64_t)at);
        at += len;
    }
    return ok && (end == line->len || write_at(s->fd, "}", 1, line->at + (int64_t)end));
}

/* Leaves those that have to be erased. */
static int32_t check(struct search *s)
{
    size_t left = 0;
    for (size_t i = 0; i < s->count; i++) {
        int state = look_at(s, &s->doomed[i]);
        if (state == LINE_CHANGED) {
            return churn_fail(s->err, CHURN_RETRY, "%s was cut or written over meanwhile", s->path);
        }
        s->doomed[left] = s->doomed[i];
        left += state == LINE_THERE;
    }
    s->count = left;
    return CHURN_OK;
}

static int32_t erase_locked(struct search *s)
{
    int32_t result = check(s);
    if (result != CHURN_OK) {
        return result;
    }
    for (size_t i = 0; i < s->count; i++) {
        if (!write_at(s->fd, CHURN_ERASED_LINE, sign_length(&s->doomed[i]), s->doomed[i].at)) {
            return fail(s, "written");
        }
    }
    if (fdatasync(s->fd) != 0) {
        return fail(s, "made durable");
    }
    for (size_t i = 0; i < s->count; i++) {
        if (!write_rest(s, &s->doomed[i])) {
            return fail(s, "written");
        }
    }
    return fdatasync(s->fd) == 0 ? CHURN_OK : fail(s, "made durable");
}

static int32_t erase(struct search *s)
{
    int32_t result;
    if (s->count == 0) {
        return CHURN_OK;
    }
    if ((fcntl(s->fd, F_GETFL) & O_ACCMODE) == O_RDONLY) {
        errno = EACCES;
        return fail(s, "written");
    }
    if (!lock_file(s->fd, LOCK_MS)) {
        return churn_fail(s->err, CHURN_RETRY, "%s is locked by another process, which does not let go of it", s->path);
    }
    result = erase_locked(s);
    (void)flock(s->fd, LOCK_UN);
    s->count = 0;
    return result;
}

/* ---- reading ---- */

static int is_half_erased(const char *line, size_t len)
{
    return len >= sizeof CHURN_ERASED_LINE - 1 && memcmp(line, CHURN_ERASED_LINE, sizeof CHURN_ERASED_LINE - 1) == 0;
}

static int32_t take_line(struct search *s, const char *line, size_t len, int64_t at)
{
    const churn_kept kept = {.size = sizeof kept,
                             .flags = is_half_erased(line, len) ? CHURN_KEPT_HALF : 0,
                             .place = s->path,
                             .at = at,
                             .value = {.ptr = line, .len = (uint32_t)len}};
    int32_t result = len == 0 || is_erased(line, len) ? CHURN_OK : s->fn(s->ctx, &kept);
    if (result != CHURN_REJECT) {
        return result;
    }
    s->doomed[s->count++] = (struct doomed){.at = at, .len = len, .hash = XXH3_64bits(line, len)};
    return s->count == AT_ONCE ? erase(s) : CHURN_OK;
}

static int32_t take_lines(struct search *s, FILE *in, int64_t end)
{
    char *line = NULL;
    size_t room = 0;
    int32_t result = CHURN_OK;
    int64_t at = 0;
    ssize_t len;
    while (result == CHURN_OK && at < end && (len = getline(&line, &room, in)) > 0) {
        result = take_line(s, line, (size_t)len - (line[len - 1] == '\n'), at);
        at += len;
    }
    if (result == CHURN_OK && ferror(in) != 0) {
        result = fail(s, "read");
    }
    free(line);
    return result == CHURN_OK ? erase(s) : result;
}

/* Where no line is begun; what is appended later is of later. -1: it cannot be told. */
static int64_t whole_size(struct search *s)
{
    struct stat info;
    int locked = lock_file(s->fd, LOCK_MS), ok = fstat(s->fd, &info) == 0;
    if (locked) {
        (void)flock(s->fd, LOCK_UN);
    }
    return locked && ok ? info.st_size : -1;
}

static int32_t look_through(struct search *s)
{
    int64_t end = whole_size(s);
    int own = end >= 0 ? dup(s->fd) : -1;
    FILE *in = own >= 0 ? fdopen(own, "r") : NULL;
    int32_t result;
    if (in == NULL) {
        if (own >= 0) {
            (void)close(own);
        }
        return churn_fail(s->err, CHURN_RETRY, "%s cannot be read: %s", s->path,
                          end < 0 ? "another process does not let go of its lock" : strerror(errno));
    }
    result = take_lines(s, in, end);
    (void)fclose(in);
    return result;
}

/* For writing, where that is allowed. 0: errno says why not. */
static int open_file(struct search *s, const char *path)
{
    const int flags = O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY;
    s->path = path;
    s->count = 0;
    s->fd = open(path, O_RDWR | flags);
    if (s->fd < 0 && (errno == EACCES || errno == EROFS)) {
        s->fd = open(path, O_RDONLY | flags);
    }
    return s->fd >= 0;
}

/* What is no regular file keeps nothing. */
static int32_t search_open(struct search *s, struct stat *ret_info)
{
    int32_t result = CHURN_OK;
    if (fstat(s->fd, ret_info) == 0 && S_ISREG(ret_info->st_mode)) {
        result = look_through(s);
    }
    (void)close(s->fd);
    return result;
}

/* ---- the file, and what was rotated away from it ---- */

static int32_t search_path(struct search *s, const char *path)
{
    for (unsigned i = 0; i < RENAMES; i++) {
        struct stat read = {0}, named;
        int32_t result;
        if (!open_file(s, path)) {
            return errno == ENOENT || errno == ENOTDIR || errno == ENXIO ? CHURN_OK : fail(s, "opened");
        }
        result = search_open(s, &read);
        if (result != CHURN_OK || stat(path, &named) != 0 ||
            (named.st_dev == read.st_dev && named.st_ino == read.st_ino) || read.st_ino == 0) {
            return result;
        }
    }
    return churn_fail(s->err, CHURN_RETRY, "%s is renamed all the time", path);
}

/* What logrotate puts between: .1, -20260131, .2026-01-31_12:00. */
static int is_number(const char *text, size_t len)
{
    int digits = 0;
    for (size_t i = 1; i < len; i++) {
        digits = digits || strchr(DIGITS, text[i]) != NULL;
        if (strchr(DIGITS "-_.:T", text[i]) == NULL) {
            return 0;
        }
    }
    return digits && (text[0] == '.' || text[0] == '-');
}

static size_t without_packing(const char *name)
{
    static const char *const packings[] = {".gz", ".bz2", ".xz", ".zst", ".lz4"};
    size_t len = strlen(name);
    for (size_t i = 0; i < sizeof packings / sizeof packings[0]; i++) {
        size_t end = strlen(packings[i]);
        if (len > end && strcmp(name + len - end, packings[i]) == 0) {
            return len - end;
        }
    }
    return len;
}

/* Whether it was rotated away from `base`: base.1, or with the number before the extension. */
static int is_part(const char *name, size_t len, const char *base)
{
    size_t all = strlen(base);
    const char *dot = strrchr(base, '.');
    size_t stem = dot != NULL ? (size_t)(dot - base) : all, end = all - stem;
    if (len > all && memcmp(name, base, all) == 0) {
        return is_number(name + all, len - all);
    }
    return end > 0 && len > all && memcmp(name, base, stem) == 0 && memcmp(name + len - end, dot, end) == 0 &&
           is_number(name + stem, len - stem - end);
}

/* A copy of its name that somebody made. */
static int is_like(const char *name, const char *base)
{
    size_t all = strlen(base);
    return strncmp(name, base, all) == 0 && name[all] != '\0' && strchr(".-~", name[all]) != NULL;
}

static int32_t tell(const struct search *s, const char *path, const char *why)
{
    const churn_kept kept = {.size = sizeof kept, .place = path, .at = -1, .why = why};
    int32_t result = s->fn(s->ctx, &kept);
    return result == CHURN_REJECT ? CHURN_OK : result;
}

static int32_t search_part(struct search *s, const char *path)
{
    char why[256];
    struct stat info;
    if (open_file(s, path)) {
        return search_open(s, &info);
    }
    if (errno == ENOENT) {
        return CHURN_OK; /* rotated once more */
    }
    (void)snprintf(why, sizeof why, "it cannot be opened: %s%s", strerror(errno), own_file_hint(errno));
    return tell(s, path, why);
}

/* `folder` ends with its slash, or is empty. */
static int32_t search_neighbour(struct search *s, const char *folder, const char *name, const char *base)
{
    char path[PATH_MAX];
    size_t len = without_packing(name);
    int packed = name[len] != '\0';
    if ((size_t)snprintf(path, sizeof path, "%s%s", folder, name) >= sizeof path) {
        return CHURN_OK;
    }
    if (is_part(name, len, base)) {
        return packed ? tell(s, path, "it is compressed: unpack it, and give the command again") : search_part(s, path);
    }
    return is_like(name, base) ? tell(s, path, "it may be a copy of the file that somebody made") : CHURN_OK;
}

static int32_t tell_unlisted(const struct search *s, const char *path)
{
    char why[256];
    (void)snprintf(why, sizeof why, "its folder cannot be listed, so what was rotated away from it is not found: %s%s",
                   strerror(errno), own_file_hint(errno));
    return tell(s, path, why);
}

static int32_t search_neighbours(struct search *s, const char *path)
{
    char folder[PATH_MAX];
    const char *slash = strrchr(path, '/'), *base = slash != NULL ? slash + 1 : path;
    const struct dirent *entry;
    int32_t result = CHURN_OK;
    DIR *dir;
    (void)snprintf(folder, sizeof folder, "%.*s", (int)(base - path), path);
    dir = opendir(*folder != '\0' ? folder : ".");
    if (dir == NULL && errno != ENOENT && errno != ENOTDIR) {
        return tell_unlisted(s, path);
    }
    while (dir != NULL && result == CHURN_OK && (entry = readdir(dir)) != NULL) {
        result = search_neighbour(s, folder, entry->d_name, base);
    }
    if (dir != NULL) {
        (void)closedir(dir);
    }
    return result;
}

int32_t kept_search(const char *path, churn_kept_fn fn, void *ctx, churn_error *err)
{
    struct search *s = malloc(sizeof *s);
    int32_t result;
    if (s == NULL) {
        return churn_fail(err, CHURN_FATAL, "out of memory");
    }
    *s = (struct search){.fn = fn, .ctx = ctx, .err = err, .fd = -1};
    result = search_path(s, path);
    result = result == CHURN_OK ? search_neighbours(s, path) : result;
    free(s);
    return result;
}
