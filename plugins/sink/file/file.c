/* Lines in a file or on standard output. Each line is written whole: several workers and processes may append to one
 * file, guarded by a lock on it, and a write that the disk cuts short is taken back to the last whole line. A file that
 * is renamed, deleted or cut meanwhile, as logs are rotated, is begun anew, with what was not yet safe in the old one.
 */
#include "grow.h"
#include "kept.h"
#include "lock.h"
#include "own_file.h"
#include "stall.h"
#include "text_buffer.h"
#include <churn/plugin.h>
#include <churn/sink.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define BUFFER_MAX (1024 * 1024) /* write takes no more while so many bytes are unwritten */
#define RETRY_PAUSE_MS 1000
#define MAX_LINE "256MiB" /* an event's worst envelope, and far more */

enum { FORMAT_AUTO, FORMAT_VALUE, FORMAT_ENVELOPE };
static const char *const formats[] = {"auto", "value", "envelope", NULL};

struct file_sink {
    const char *path;
    int32_t format;
    int32_t sync;

    const churn_host *host;
    int fd; /* -1: not open */
    int regular;
    off_t end;            /* of what was written last; the file is never shorter, unless somebody has cut it */
    struct stall failing; /* a write error and not yet its end */
    int64_t retry_at_ms;
    struct text_buffer lines; /* whole lines, in the order of `ids` */
    size_t written;           /* of `lines`; always at the start of a line for a regular file */
    uint64_t *ids;            /* of the records in `lines` */
    uint32_t id_count;
    size_t id_room;
    uint32_t answered; /* of `ids`, once all lines are safe */
    int safe;
};

static const churn_option options[] = {
    {"path", .type = CHURN_OPTION_STRING, .flags = CHURN_OPTION_REQUIRED, .offset = offsetof(struct file_sink, path),
     .help = "File to append to, made with its folders where missing; `-` is standard output."},
    {"format", .default_text = "auto", .type = CHURN_OPTION_ENUM, .choices = formats,
     .offset = offsetof(struct file_sink, format),
     .help =
         "value: the record's value, a line each (line breaks within it become spaces); envelope: a JSON object with "
         "position, key and value, from which every byte can be had back; auto: envelope for dead letters, else "
         "value."},
    {"sync", .default_text = "true", .type = CHURN_OPTION_BOOL, .offset = offsetof(struct file_sink, sync),
     .help = "Wait until the disk has the lines before they count as stored."},
};

/* --- Lines --- */

/* Standard output, by whatever name: opened once more by its path it would have a place of its own, and what others
 * write there would fall upon ours. */
static int is_stdout(const char *path)
{
    return strcmp(path, "-") == 0 || strcmp(path, "/dev/stdout") == 0 || strcmp(path, "/dev/fd/1") == 0 ||
           strcmp(path, "/proc/self/fd/1") == 0;
}

static const churn_header *find_header(const churn_record *record, const char *name)
{
    for (uint32_t i = 0; i < record->header_count; i++) {
        if (strcmp(record->headers[i].name, name) == 0) {
            return &record->headers[i];
        }
    }
    return NULL;
}

static void add_base64(struct text_buffer *text, churn_str value)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *p = (const unsigned char *)value.ptr;
    for (uint32_t i = 0; i < value.len; i += 3) {
        uint32_t left = value.len - i;
        uint32_t bits = (uint32_t)p[i] << 16 | (left > 1 ? (uint32_t)p[i + 1] << 8 : 0) | (left > 2 ? p[i + 2] : 0);
        char quad[4] = {digits[bits >> 18], digits[bits >> 12 & 63], left > 1 ? digits[bits >> 6 & 63] : '=',
                        left > 2 ? digits[bits & 63] : '='};
        text_add(text, quad, sizeof quad);
    }
}

static void add_name(struct text_buffer *text, const char *name, const char *suffix)
{
    if (text->ptr[text->len - 1] != '{') {
        text_puts(text, ",");
    }
    text_puts(text, "\"");
    text_puts(text, name);
    text_puts(text, suffix);
    text_puts(text, "\":");
}

static void add_member(struct text_buffer *text, const char *name, churn_str value)
{
    if (value.ptr == NULL) {
        add_name(text, name, "");
        text_puts(text, "null");
    } else if (text_is_utf8(value)) {
        add_name(text, name, "");
        text_json_string(text, value);
    } else {
        add_name(text, name, "_base64");
        text_puts(text, "\"");
        add_base64(text, value);
        text_puts(text, "\"");
    }
}

static int is_number(churn_str value)
{
    uint32_t i = value.len > 1 && value.ptr[0] == '-';
    if (value.len == 0 || value.len > 19 || (value.ptr[i] == '0' && value.len > i + 1)) {
        return 0;
    }
    for (; i < value.len; i++) {
        if (value.ptr[i] < '0' || value.ptr[i] > '9') {
            return 0;
        }
    }
    return 1;
}

/* A number of the record's position: a dead letter carries that of the record it was, as a header. */
static void add_position(struct text_buffer *text, const char *name, const churn_header *header, int64_t own)
{
    char number[24];
    add_name(text, name, "");
    if (header != NULL && is_number(header->value)) {
        text_add(text, header->value.ptr, header->value.len);
        return;
    }
    (void)snprintf(number, sizeof number, "%lld", (long long)own);
    text_puts(text, number);
}

/* Headers that are members of their own, as text. */
static const char *const texts[] = {"reason", "detail", "written_at", "timestamp", "kind",
                                    "sink",   "id",     "size",       "xxh128"};

static const char *after_prefix(const char *name)
{
    return strncmp(name, "churn.", 6) == 0 ? name + 6 : "";
}

static int is_member(const char *name)
{
    static const char *const others[] = {"topic", "partition", "offset", "replayed", "encrypted"};
    int is = 0;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        is = is || strcmp(after_prefix(name), texts[i]) == 0;
    }
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        is = is || strcmp(after_prefix(name), others[i]) == 0;
    }
    return is;
}

/* The record's own ones. */
static void add_headers(struct text_buffer *text, const churn_record *record)
{
    int any = 0;
    for (uint32_t i = 0; i < record->header_count; i++) {
        const churn_header *header = &record->headers[i];
        if (is_member(header->name)) {
            continue;
        }
        if (!any) {
            add_name(text, "headers", "");
        }
        text_puts(text, any ? ",{" : "[{");
        any = 1;
        add_member(text, "name", churn_text(header->name));
        add_member(text, "value", header->value);
        text_puts(text, "}");
    }
    if (any) {
        text_puts(text, "]");
    }
}

/* Where the record was read, or what caused it; an alert that no record caused has an id instead. */
static void add_place(struct text_buffer *text, const churn_record *record)
{
    const churn_header *topic = find_header(record, "churn.topic");
    churn_str own_topic = record->topic != NULL ? churn_text(record->topic) : (churn_str){0};
    if (find_header(record, "churn.id") != NULL) {
        return;
    }
    add_member(text, "topic", topic != NULL ? topic->value : own_topic);
    add_position(text, "partition", find_header(record, "churn.partition"), record->partition);
    add_position(text, "offset", find_header(record, "churn.offset"), record->offset);
}

/* A header whose presence says it all. */
static void add_sign(struct text_buffer *text, const churn_record *record, const char *name)
{
    char header[32];
    (void)snprintf(header, sizeof header, "churn.%s", name);
    if (find_header(record, header) != NULL) {
        add_name(text, name, "");
        text_puts(text, "true");
    }
}

static void add_envelope(struct text_buffer *text, const churn_record *record)
{
    text_puts(text, "{");
    if (text->failed) {
        return;
    }
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        char name[32];
        const churn_header *header;
        (void)snprintf(name, sizeof name, "churn.%s", texts[i]);
        header = find_header(record, name);
        if (header != NULL) {
            add_member(text, texts[i], header->value);
        }
    }
    add_sign(text, record, "replayed");
    add_sign(text, record, "encrypted");
    add_place(text, record);
    add_member(text, "key", record->key);
    add_member(text, "value", record->value);
    add_headers(text, record);
    text_puts(text, "}\n");
}

static void add_value(struct text_buffer *text, churn_str value)
{
    size_t start = text->len;
    text_add(text, value.ptr, value.len);
    for (size_t i = start; !text->failed && i < text->len; i++) {
        if (text->ptr[i] == '\n' || text->ptr[i] == '\r') {
            text->ptr[i] = ' ';
        }
    }
    text_puts(text, "\n");
}

static int add_line(struct file_sink *f, const churn_record *record)
{
    size_t start = f->lines.len;
    int envelope =
        f->format == FORMAT_ENVELOPE || (f->format == FORMAT_AUTO && record->kind == CHURN_RECORD_DEAD_LETTER);
    uint64_t *ids = grow(f->ids, &f->id_room, f->id_count + (size_t)1, sizeof *ids);
    if (ids == NULL) {
        return 0;
    }
    f->ids = ids;
    if (envelope) {
        add_envelope(&f->lines, record);
    } else {
        add_value(&f->lines, record->value);
    }
    if (f->lines.failed) {
        f->lines.len = start;
        f->lines.failed = 0;
        return 0;
    }
    f->ids[f->id_count++] = record->id;
    return 1;
}

/* --- Opening --- */

/* Makes the file's name durable; what cannot be synced (some file systems refuse folders) is no error. */
static void sync_folder(const char *path)
{
    char folder[PATH_MAX];
    char *slash;
    int fd;
    (void)snprintf(folder, sizeof folder, "%s", path);
    slash = strrchr(folder, '/');
    if (slash != NULL) {
        slash[1] = '\0';
    }
    fd = open(slash != NULL ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        (void)fsync(fd);
        (void)close(fd);
    }
}

/* A kill in the middle of a write can leave half a line; what follows must not be glued to it. */
static int end_half_line(struct file_sink *f)
{
    struct stat info;
    char last = '\n';
    int rc = 0;
    if (!lock_file(f->fd, 5000)) {
        return 0;
    }
    if (fstat(f->fd, &info) == 0 && info.st_size > 0 && pread(f->fd, &last, 1, info.st_size - 1) == 1 && last != '\n') {
        churn_log(f->host, CHURN_LOG_WARN, "%s ends within a line, perhaps after a crash: ended that line", f->path);
        rc = write(f->fd, "\n", 1) == 1 ? 0 : -1;
    }
    (void)flock(f->fd, LOCK_UN);
    return rc;
}

/* -1 with errno. */
static int open_to_append(const char *path)
{
    /* O_NONBLOCK: a pipe without a reader must not hold up the worker; it is refused. */
    const int flags = O_APPEND | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
    int fd, failed;
    if (own_file_is_standard(path)) {
        return open(path, O_WRONLY | flags);
    }
    fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | flags, OWN_FILE_MODE);
    failed = errno;
    if (fd < 0 && failed == EACCES) { /* it may be for writing alone */
        fd = open(path, O_WRONLY | O_NOFOLLOW | flags);
    }
    errno = failed;
    return fd;
}

static int32_t open_path(struct file_sink *f, churn_error *err)
{
    struct stat info;
    int error = own_file_make_folders(f->path);
    if (error != 0) {
        return churn_fail_option(err, "path", "a folder of %s cannot be made: %s%s", f->path, strerror(error),
                                 own_file_hint(error));
    }
    f->fd = open_to_append(f->path);
    if (f->fd < 0 || fstat(f->fd, &info) != 0) {
        return churn_fail_option(err, "path", "%s cannot be opened for appending: %s%s", f->path, strerror(errno),
                                 own_file_hint(errno));
    }
    f->regular = S_ISREG(info.st_mode);
    if (!f->regular && !S_ISCHR(info.st_mode) && !(S_ISFIFO(info.st_mode) && own_file_is_standard(f->path))) {
        return churn_fail_option(err, "path", "%s is neither a file nor a device; `-` is standard output", f->path);
    }
    if (f->regular && f->sync) {
        sync_folder(f->path);
    }
    if (f->regular && end_half_line(f) != 0) {
        return churn_fail_option(err, "path", "%s cannot be written: %s%s", f->path, strerror(errno),
                                 own_file_hint(errno));
    }
    return CHURN_OK;
}

static void close_path(struct file_sink *f)
{
    if (f->fd >= 0) {
        (void)close(f->fd);
        f->fd = -1;
    }
}

/* Is the open file still the one that has the name? */
static int has_name(const struct file_sink *f)
{
    struct stat own, named;
    return f->fd >= 0 && fstat(f->fd, &own) == 0 && stat(f->path, &named) == 0 && own.st_dev == named.st_dev &&
           own.st_ino == named.st_ino;
}

/* … with all that was written to it? */
static int is_in_place(const struct file_sink *f)
{
    struct stat own;
    return has_name(f) && fstat(f->fd, &own) == 0 && own.st_size >= f->end;
}

/* --- Writing --- */

/* Length of the longest run of whole lines within the first `max` of `len` bytes; 0: the first line is longer. */
static size_t whole_lines(const char *ptr, size_t len, size_t max)
{
    size_t n = len < max ? len : max;
    while (n > 0 && ptr[n - 1] != '\n') {
        n--;
    }
    return n;
}

/* Writes on until an error, which it returns; 0: all. `*ret_in_line`: so many bytes of a line were begun. */
static int write_whole(struct file_sink *f, size_t *ret_in_line)
{
    size_t at = f->written;
    int error = 0;
    while (at < f->lines.len && error == 0) {
        ssize_t n = write(f->fd, f->lines.ptr + at, f->lines.len - at);
        error = n == 0 ? EIO : n < 0 && errno != EINTR ? errno : 0;
        at += n > 0 ? (size_t)n : 0;
    }
    f->written += whole_lines(f->lines.ptr + f->written, at - f->written, at - f->written);
    *ret_in_line = at - f->written;
    return error;
}

/* 0: all written. Else an errno; `written` is then after the last whole line in the file. */
static int write_regular(struct file_sink *f, uint32_t timeout_ms)
{
    struct stat info;
    size_t in_line;
    int error;
    if (!lock_file(f->fd, timeout_ms)) {
        return EAGAIN;
    }
    error = write_whole(f, &in_line);
    /* NOLINTNEXTLINE(clang-analyzer-unix.StdCLibraryFunctions): a file that was locked is open */
    f->end = lseek(f->fd, 0, SEEK_CUR); /* behind what was appended */
    /* Nobody else appends under the lock, so the half line can be taken back. */
    if (in_line > 0 && fstat(f->fd, &info) == 0 && info.st_size == f->end) {
        f->end -= (off_t)in_line;
        error = ftruncate(f->fd, f->end) != 0 ? errno : error;
    }
    (void)flock(f->fd, LOCK_UN);
    return error;
}

/* A pipe or a terminal: never more than a pipe takes at once, so that a reader who is slow cannot hold up the worker
 * for long. stdio's lock, which all of the process shares, keeps the lines of workers apart. */
static int write_stream(struct file_sink *f, uint32_t timeout_ms)
{
    int64_t until = f->host->monotonic_ms(f->host) + timeout_ms;
    int error = 0, within_line = 0;
    flockfile(stdout);
    while (f->written < f->lines.len && error == 0) {
        const char *from = f->lines.ptr + f->written;
        size_t len = f->lines.len - f->written, whole = whole_lines(from, len, PIPE_BUF);
        struct pollfd room = {.fd = f->fd, .events = POLLOUT};
        int64_t left = until - f->host->monotonic_ms(f->host);
        ssize_t n;
        if (poll(&room, 1, left > 0 ? (int)left : within_line ? 100 : 0) == 0) {
            error = within_line ? 0 : EAGAIN; /* a line that was begun is ended, whatever it takes */
            continue;
        }
        n = write(f->fd, from, whole > 0 ? whole : len < PIPE_BUF ? len : PIPE_BUF);
        if (n < 0) {
            error = errno == EINTR || errno == EAGAIN ? 0 : errno;
            continue;
        }
        f->written += (size_t)n;
        within_line = f->lines.ptr[f->written - 1] != '\n';
    }
    funlockfile(stdout);
    return error;
}

static void failed(struct file_sink *f, const char *what, int error)
{
    f->retry_at_ms = f->host->monotonic_ms(f->host) + RETRY_PAUSE_MS;
    stall_begin(&f->failing, "%s cannot be %s: %s%s; its records wait and are tried again", f->path, what,
                strerror(error), own_file_hint(error));
}

/* Whoever rotates files has renamed, deleted or cut it. What is in hand is written from its beginning to what has the
 * name now, for nobody knows what became of the lines before. False: it cannot be opened yet. */
static int go_to_place(struct file_sink *f)
{
    churn_error err = {.size = sizeof err};
    f->written = 0;
    f->end = 0;
    if (has_name(f)) {
        churn_log(f->host, CHURN_LOG_INFO, "%s was cut by somebody else; writing goes on at its end", f->path);
        return 1;
    }
    close_path(f);
    if (open_path(f, &err) != CHURN_OK || !f->regular) {
        close_path(f);
        f->regular = 1;
        f->retry_at_ms = f->host->monotonic_ms(f->host) + RETRY_PAUSE_MS;
        stall_begin(&f->failing, "%s was taken away and cannot be made anew: %s; its records wait", f->path,
                    err.message);
        return 0;
    }
    churn_log(f->host, CHURN_LOG_INFO, "%s was renamed or deleted by somebody else; a new one is written", f->path);
    return 1;
}

static int32_t flush_lines(struct file_sink *f, uint32_t timeout_ms, churn_error *err)
{
    int64_t pause = f->retry_at_ms - f->host->monotonic_ms(f->host);
    int error;
    if (pause > 0) {
        (void)poll(NULL, 0, pause < (int64_t)timeout_ms ? (int)pause : (int)timeout_ms);
        return CHURN_OK;
    }
    if (f->regular && !is_in_place(f) && !go_to_place(f)) {
        return CHURN_OK;
    }
    error = f->regular ? write_regular(f, timeout_ms) : write_stream(f, timeout_ms);
    if (error == EAGAIN) {
        return CHURN_OK;
    }
    if (error == EPIPE) {
        return churn_fail(err, CHURN_FATAL, "nobody reads %s any more",
                          is_stdout(f->path) ? "standard output" : f->path);
    }
    if (error != 0) {
        failed(f, "written", error);
        return CHURN_OK;
    }
    /* After a failed sync nobody knows which lines the disk has: all of them are written again. */
    if (f->regular && f->sync && fdatasync(f->fd) != 0) {
        failed(f, "made durable", errno);
        f->written = 0;
        return CHURN_OK;
    }
    if (f->regular && !is_in_place(f)) {
        return CHURN_OK; /* taken away just now: the next call writes to what takes its place */
    }
    if (f->failing.lasts) {
        stall_end(&f->failing);
        churn_log(f->host, CHURN_LOG_INFO, "%s can be written again", f->path);
    }
    f->safe = 1;
    return CHURN_OK;
}

/* --- The plugin --- */

static int32_t file_create(void *self, const churn_host *host, churn_error *err)
{
    struct file_sink *f = self;
    (void)err;
    f->host = host;
    f->failing = stall_new(host, "file");
    f->fd = -1;
    return CHURN_OK;
}

static int32_t file_start(void *self, churn_error *err)
{
    struct file_sink *f = self;
    struct stat info;
    if (!is_stdout(f->path)) {
        return open_path(f, err);
    }
    f->fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 0);
    if (f->fd < 0 || fstat(f->fd, &info) != 0) {
        return churn_fail_option(err, "path", "standard output cannot be used: %s", strerror(errno));
    }
    if ((fcntl(f->fd, F_GETFL) & O_ACCMODE) == O_RDONLY) {
        return churn_fail_option(err, "path", "standard output is closed");
    }
    /* A redirected file is written like a stream: its other writers know nothing of our lock. */
    f->regular = 0;
    return CHURN_OK;
}

static int32_t file_write(void *self, const churn_record *records, uint32_t count, uint32_t *ret_taken,
                          churn_error *err)
{
    struct file_sink *f = self;
    uint32_t taken = 0;
    (void)err;
    /* Lines are added only while none is partly written or waits for an answer. */
    while (taken < count && f->written == 0 && !f->safe && !f->failing.lasts && f->lines.len < BUFFER_MAX) {
        if (!add_line(f, &records[taken])) {
            break;
        }
        taken++;
    }
    *ret_taken = taken;
    return CHURN_OK;
}

static int32_t file_poll(void *self, churn_done *done, uint32_t max, uint32_t timeout_ms, uint32_t *ret_count,
                         churn_error *err)
{
    struct file_sink *f = self;
    uint32_t n = 0;
    int32_t rc;
    *ret_count = 0;
    if (f->id_count == 0) {
        return CHURN_OK;
    }
    if (!f->safe && (rc = flush_lines(f, timeout_ms, err)) != CHURN_OK) {
        return rc;
    }
    for (; f->safe && n < max && f->answered < f->id_count; n++) {
        done[n] = (churn_done){.id = f->ids[f->answered++], .result = CHURN_OK};
    }
    if (f->safe && f->answered == f->id_count) {
        text_clear(&f->lines);
        f->written = 0;
        f->id_count = f->answered = 0;
        f->safe = 0;
    }
    *ret_count = n;
    return CHURN_OK;
}

static void file_stop(void *self, int64_t deadline_ms)
{
    (void)self; /* what was taken was answered by poll or is offered again */
    (void)deadline_ms;
}

static void file_destroy(void *self)
{
    struct file_sink *f = self;
    close_path(f);
    text_free(&f->lines);
    free(f->ids);
}

/* The host itself looks at files and folders. */
static void file_probe(void *self, uint32_t timeout_ms, churn_target_fn fn, void *ctx)
{
    const struct file_sink *s = self;
    const churn_target target = {.size = sizeof target,
                                 .flags = CHURN_TARGET_WRITES,
                                 .kind = CHURN_TARGET_FILE,
                                 .name = is_stdout(s->path) ? "-" : s->path,
                                 .option = "path"};
    (void)timeout_ms;
    fn(ctx, &target);
}

/* The size of whole lines: what is being appended is waited for. */
static int64_t size_of(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    struct stat st = {0};
    if (fd >= 0) {
        (void)flock(fd, LOCK_SH);
        (void)fstat(fd, &st);
        (void)close(fd);
    }
    return st.st_size;
}

/* A file is read from its beginning each time, by the lines that stand there now. */
static int32_t file_read_back(const churn_section *own, churn_read_back *back, churn_error *err)
{
    const char *path = own->get(own, "path"), *format = own->get(own, "format");
    path = path != NULL ? path : "";
    if (is_stdout(path)) {
        return churn_fail(err, CHURN_REJECT, "they are written to standard output");
    }
    if (format != NULL && strcmp(format, formats[FORMAT_VALUE]) == 0) {
        return churn_fail(err, CHURN_REJECT, "they are written without their positions");
    }
    (void)snprintf(back->description, sizeof back->description, "%s%s", path,
                   access(path, F_OK) == 0 ? "" : ", which does not exist (was the pipeline run from this folder?)");
    back->flags = CHURN_READ_BACK_LINES | CHURN_READ_BACK_STAYS;
    back->end = size_of(path);
    back->reader->put(back->reader, "plugin", "file");
    back->reader->put(back->reader, "path", path);
    back->reader->put(back->reader, "max_line", MAX_LINE);
    return CHURN_OK;
}

static int32_t file_search(const churn_section *own, churn_kept_fn fn, void *ctx, churn_error *err)
{
    const char *path = own->get(own, "path");
    return path == NULL || *path == '\0' || is_stdout(path) ? CHURN_OK : kept_search(path, fn, ctx, err);
}

static const churn_sink_ops ops = {
    .size = sizeof(churn_sink_ops),
    .accepts = CHURN_RECORD_EVENT | CHURN_RECORD_TRIGGER | CHURN_RECORD_ALERT | CHURN_RECORD_DEAD_LETTER,
    .create = file_create,
    .start = file_start,
    .write = file_write,
    .poll = file_poll,
    .stop = file_stop,
    .destroy = file_destroy,
    .probe = file_probe,
    .read_back = file_read_back,
    .search = file_search,
};

static const char *const paths[] = {"path", NULL};
static const churn_needs needs = {.size = sizeof needs, .write_options = paths};

CHURN_PLUGIN(.kind = CHURN_KIND_SINK, .name = "file", .version = "1.0.0",
             .summary = "Appends records as lines to a file or standard output",
             CHURN_OPTIONS(options, struct file_sink), .ops = &ops, .needs = &needs);
