#include "audit/trail.h"

#include "base/clock.h"
#include "base/refuse.h"
#include <churn/time.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define HEAD_LINE (20 + 1 + CHAIN_MAC_LEN + 1) /* number, blank, hash, end of line */

#define LOCK_MS 2000 /* for another process to write its line */
#define LOCK_TURN_MS 5

struct trail {
    const char *path;
    const struct key *key;
    int head_fd, fd;
    struct chain_head head;
    bool has_head; /* it was there */
    off_t size;    /* of the file, up to its last whole line */
    bool rest;     /* something stands behind that */
    bool endless;  /* its last line is longer than any of ours, and has no end: it stays, and is ended */
};

static bool cannot(const char *path, const char *what, char *message, size_t size)
{
    return refuse(message, size, "the audit '%s' cannot be %s: %s", path, what,
                  errno == ETXTBSY ? "another process has it, and does not go on" : strerror(errno));
}

/* A regular file, made where it is missing. -1 with errno. */
static int open_file(const char *path, int flags, mode_t mode)
{
    struct stat st;
    int fd = open(path, flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, mode);
    if (fd >= 0 && (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))) {
        (void)close(fd);
        errno = EINVAL;
        return -1;
    }
    return fd;
}

static bool head_path(const char *path, char ret[PATH_MAX], char *message, size_t size)
{
    int len = snprintf(ret, PATH_MAX, "%s.head", path);
    return (len > 0 && len < PATH_MAX) || refuse(message, size, "the path of the audit is too long");
}

void trail_folder(const char *path, char ret[PATH_MAX])
{
    const char *slash = strrchr(path, '/');
    int len = slash == NULL ? 0 : slash == path ? 1 : (int)(slash - path);
    (void)snprintf(ret, PATH_MAX, "%.*s", len > 0 ? len : 1, len > 0 ? path : ".");
}

/* Nobody has it for long, but a process that is stopped just then. */
static bool take_lock(int fd)
{
    for (int waited_ms = 0; flock(fd, LOCK_EX | LOCK_NB) != 0; waited_ms += LOCK_TURN_MS) {
        if (errno != EWOULDBLOCK || waited_ms >= LOCK_MS) {
            errno = errno == EWOULDBLOCK ? ETXTBSY : errno;
            return false;
        }
        (void)poll(NULL, 0, LOCK_TURN_MS);
    }
    return true;
}

/* ---- the head ---- */

/* `*ret_has`: it says something that can be read. */
static bool read_head(int fd, struct chain_head *ret, bool *ret_has)
{
    char line[HEAD_LINE + 1] = "";
    ssize_t len = pread(fd, line, HEAD_LINE, 0);
    *ret = chain_begin();
    if (len < 0) {
        return false;
    }
    line[20] = line[20] == ' ' ? ':' : '\0';
    line[HEAD_LINE - 1] = '\0';
    *ret_has = len == HEAD_LINE && chain_head_parse(line, ret) && strlen(ret->mac) == CHAIN_MAC_LEN;
    *ret = *ret_has ? *ret : chain_begin();
    return true;
}

static bool write_head(const struct trail *trail)
{
    char line[HEAD_LINE + 1];
    (void)snprintf(line, sizeof line, "%020" PRId64 " %s\n", trail->head.number, trail->head.mac);
    return pwrite(trail->head_fd, line, HEAD_LINE, 0) == HEAD_LINE;
}

bool trail_head(const char *path, struct chain_head *ret, char *message, size_t size)
{
    char name[PATH_MAX];
    bool has, ok;
    int fd;
    *ret = chain_begin();
    if (!head_path(path, name, message, size)) {
        return false;
    }
    fd = open_file(name, O_RDONLY, 0);
    if (fd < 0) {
        return errno == ENOENT || cannot(name, "read", message, size);
    }
    ok = take_lock(fd) && read_head(fd, ret, &has);
    (void)(ok || cannot(name, "read", message, size));
    (void)close(fd);
    return ok;
}

/* ---- whether it can be written ---- */

/* What is not there, as after a rotation, will be made. */
static bool try_open(const char *path)
{
    char folder[PATH_MAX];
    int fd = open_file(path, O_RDWR, 0);
    if (fd < 0) {
        trail_folder(path, folder);
        return errno == ENOENT && faccessat(AT_FDCWD, folder, W_OK | X_OK, AT_EACCESS) == 0;
    }
    (void)close(fd);
    return true;
}

bool trail_try(const char *path, char *message, size_t size)
{
    char name[PATH_MAX];
    return head_path(path, name, message, size) &&
           ((try_open(path) && try_open(name)) || cannot(path, "written", message, size));
}

/* ---- the file's end ---- */

/* The last whole line, without its end; len 0: there is none. `bytes` are the file's last ones. */
static churn_str last_line(const char *bytes, size_t len, size_t *ret_end)
{
    const char *end = memrchr(bytes, '\n', len);
    const char *before = end != NULL && end > bytes ? memrchr(bytes, '\n', (size_t)(end - bytes)) : NULL;
    const char *begin = before != NULL ? before + 1 : bytes;
    *ret_end = end != NULL ? (size_t)(end - bytes) + 1 : 0;
    return (churn_str){.ptr = begin, .len = end != NULL ? (uint32_t)(end - begin) : 0};
}

/* What was written after the head, before a crash, counts. `*ret_fits`: the file ends where the head says. */
static void take_end(struct trail *trail, churn_str line, bool *ret_fits)
{
    struct chain_head last = chain_begin();
    char prev[CHAIN_MAC_LEN + 1];
    bool good = line.len > 0 && chain_read(trail->key, line, &last, prev);
    if (good && (last.number > trail->head.number || !trail->has_head)) {
        trail->head = last;
    }
    *ret_fits = line.len == 0 || (good && last.number == trail->head.number && strcmp(last.mac, trail->head.mac) == 0);
}

static bool read_end(struct trail *trail, bool *ret_fits)
{
    struct stat st;
    char *bytes = malloc(2 * CHAIN_MAX_LINE);
    size_t end, want;
    bool ok = bytes != NULL && fstat(trail->fd, &st) == 0;
    if (ok) {
        want = st.st_size < (off_t)(2 * CHAIN_MAX_LINE) ? (size_t)st.st_size : 2 * CHAIN_MAX_LINE;
        ok = pread(trail->fd, bytes, want, st.st_size - (off_t)want) == (ssize_t)want;
    }
    if (ok) {
        take_end(trail, last_line(bytes, want, &end), ret_fits);
        trail->endless = end == 0 && (off_t)want < st.st_size;
        trail->size = trail->endless ? st.st_size : st.st_size - (off_t)(want - end);
        trail->rest = end < want;
    }
    free(bytes);
    return ok;
}

/* ---- appending ---- */

static bool write_whole(int fd, const struct text *text)
{
    size_t done = 0;
    while (done < text->len) {
        ssize_t n = write(fd, text->bytes + done, text->len - done);
        if (n < 0 && errno != EINTR) {
            return false;
        }
        done += n > 0 ? (size_t)n : 0;
    }
    return true;
}

/* Its lines behind what is there; all of them or none. */
static bool add_lines(struct trail *trail, const struct text *lines)
{
    bool ok = ftruncate(trail->fd, trail->size) == 0 && write_whole(trail->fd, lines) && fdatasync(trail->fd) == 0;
    if (!ok) {
        int error = errno;
        (void)!ftruncate(trail->fd, trail->size);
        errno = error;
    }
    return ok;
}

/* What the trail says of itself, in a line of its own. */
static void append_own(struct trail *trail, const char *action, const char *members, struct text *lines)
{
    struct text line = {0};
    char time[CHURN_TIME_SIZE];
    churn_time_format(clock_wall_ms(), time);
    text_printf(&line, "\"time\":\"%s\",%s%s", time, action, members);
    text_append(&line, "", 1);
    lines->failed = lines->failed || line.failed;
    if (!line.failed) {
        chain_append(trail->key, &trail->head, line.bytes, lines);
    }
    text_free(&line);
}

/* A torn line was never acknowledged to anybody: it makes room, and is told of. */
static enum trail_found mend(struct trail *trail, bool fits, struct text *lines)
{
    if (trail->endless) {
        text_append_string(lines, "\n");
    }
    if (trail->size == 0 && !trail->rest && trail->head.number > 0) {
        append_own(trail, "\"action\":\"continue\"", "", lines);
        return TRAIL_BEGUN;
    }
    if (!fits || trail->endless || (trail->size == 0 && trail->head.number > 0)) {
        append_own(trail, "\"action\":\"damaged\"", ",\"what\":\"the end of the file was not where it had been\"",
                   lines);
        return TRAIL_CUT;
    }
    if (trail->rest) {
        append_own(trail, "\"action\":\"damaged\"", ",\"what\":\"the last line was not whole\"", lines);
        return TRAIL_TORN;
    }
    return TRAIL_WHOLE;
}

/* That the files are there is on the disk, too. */
static bool sync_folder(const char *path)
{
    char folder[PATH_MAX];
    int fd;
    bool ok;
    trail_folder(path, folder);
    fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    ok = fd >= 0 && fsync(fd) == 0;
    if (fd >= 0) {
        (void)close(fd);
    }
    return ok;
}

static bool append(struct trail *trail, const char *members, enum trail_found *ret_found)
{
    struct text lines = {0};
    bool fits, is_new, ok = read_head(trail->head_fd, &trail->head, &trail->has_head) && read_end(trail, &fits);
    if (ok) {
        is_new = trail->size == 0 || !trail->has_head;
        *ret_found = mend(trail, fits, &lines);
        chain_append(trail->key, &trail->head, members, &lines);
        errno = ENOMEM;
        ok = !lines.failed && (!is_new || sync_folder(trail->path)) && add_lines(trail, &lines) && write_head(trail);
    }
    text_free(&lines);
    return ok;
}

bool trail_append(const char *path, const struct key *key, const char *members, struct chain_head *ret_head,
                  enum trail_found *ret_found, char *message, size_t size)
{
    struct trail trail = {.path = path, .key = key, .fd = -1};
    char name[PATH_MAX];
    bool ok;
    if (!head_path(path, name, message, size)) {
        return false;
    }
    trail.head_fd = open_file(name, O_RDWR | O_CREAT, 0600);
    ok = trail.head_fd >= 0 && take_lock(trail.head_fd);
    if (ok) { /* not before: whoever had the lock may have begun a new one */
        trail.fd = open_file(path, O_RDWR | O_CREAT | O_APPEND, 0640);
        ok = trail.fd >= 0 && append(&trail, members, ret_found);
    }
    if (ok) {
        *ret_head = trail.head;
    } else {
        (void)cannot(path, "written", message, size);
    }
    if (trail.fd >= 0) {
        (void)close(trail.fd);
    }
    if (trail.head_fd >= 0) {
        (void)close(trail.head_fd);
    }
    return ok;
}
