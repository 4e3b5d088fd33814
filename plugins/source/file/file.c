/*
 * Events from a file of JSON lines, from a named pipe or from standard input.
 *
 * A record's offset is the byte at which its line begins. The store keeps how far a file was read, and a fingerprint of
 * what was: so the next run goes on where the last one came, in a file that has grown or was copied, and stops at one
 * that is another. Of a pipe, which has no way to a position, what was counted is read again and passed over.
 */
#include <churn/plugin.h>
#include <churn/source.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#define READ_SIZE (1024 * 1024)
#define FOLLOW_PAUSE_MS 50 /* between looks at a file that may have grown */
#define MISSING_PAUSE_MS 100
#define FIRST_SIZE 256  /* bytes of a file that tell soon that it is another one */
#define PART_SIZE 65536 /* … that tell more surely, at either end of what was counted */

/* The first bytes of an input as a fingerprint describes them. */
struct prefix {
    int64_t end; /* how many; 0: nothing is known of them */
    uint64_t first, head;
    uint64_t tail; /* 0: not known */
};

struct file_source {
    const char *path; /* options */
    const char *topic_option;
    int64_t epoch;
    int32_t follow;
    int64_t max_line;
    const churn_host *host;
    churn_source_listener listener;
    char *topic;
    int fd;
    bool regular;   /* it can be sought, and has a size */
    bool announced; /* `assigned` was called */
    bool at_end;    /* the last read found nothing more */
    bool skipping;  /* inside a line whose rest is not wanted */
    int64_t origin; /* where in the file reading began: standard input may be handed over half read */
    char *buffer;   /* `used` bytes of `room`; lines before `next` are handed out */
    size_t room;
    size_t used;
    size_t next;
    size_t searched;       /* no line end between `next` and here */
    int64_t buffer_offset; /* position of buffer[0] */
    int64_t records;       /* handed out, with line_bytes in all: the mean length estimates the lag */
    int64_t line_bytes;
    bool warned_missing;
    char *head; /* of what cannot be read twice: the first `head_len` bytes, of PART_SIZE */
    size_t head_len;
    int64_t hand_from;     /* lines that begin before it are passed over */
    struct prefix counted; /* … which must begin like this; `end` 0: it does, or nothing was counted */
    int64_t counted_offset;
    struct prefix seen; /* of a followed file that was at its end: what was read of it */
};

static const churn_option options[] = {
    {"path", .type = CHURN_OPTION_STRING, .flags = CHURN_OPTION_REQUIRED, .offset = offsetof(struct file_source, path),
     .help = "File or named pipe with one JSON event a line; `-` is standard input."},
    {"topic", .type = CHURN_OPTION_STRING, .default_text = "", .offset = offsetof(struct file_source, topic_option),
     .help = "Name under which positions are remembered; empty: the path, or `stdin`."},
    {"epoch", .type = CHURN_OPTION_INT, .default_text = "0", .min = 0, .max = INT32_MAX,
     .offset = offsetof(struct file_source, epoch),
     .help = "Another number for another file under the same name, or for another stream through the same pipe: "
             "positions and marks begin anew, and positions carry it, as in events.jsonl@1."},
    {"follow", .type = CHURN_OPTION_BOOL, .default_text = "false", .offset = offsetof(struct file_source, follow),
     .help = "Go on reading as the file grows, as `tail -f` does, and wait for a file that does not exist yet."},
    {"max_line", .type = CHURN_OPTION_SIZE, .default_text = "8MiB", .min = 2 * 1024 * 1024, .max = 1024 * 1024 * 1024,
     .offset = offsetof(struct file_source, max_line),
     .help = "Longer lines are cut here. Events end at 1 MiB, so what is left is a dead letter all the same."},
};

/* --- Opening --- */

static bool is_stdin(const struct file_source *s)
{
    return strcmp(s->path, "-") == 0;
}

static int32_t file_create(void *self, const churn_host *host, churn_error *err)
{
    struct file_source *s = self;
    const char *name = s->topic_option[0] != '\0' ? s->topic_option : is_stdin(s) ? "stdin" : s->path;
    size_t size = strlen(name) + 16;
    s->host = host;
    s->fd = -1;
    s->topic = malloc(size);
    if (s->topic == NULL) {
        return churn_fail(err, CHURN_FATAL, "out of memory");
    }
    (void)snprintf(s->topic, size, s->epoch > 0 ? "%s@%" PRId64 : "%s", name, s->epoch);
    return CHURN_OK;
}

/* How much of the input was read. */
static int64_t read_of(const struct file_source *s)
{
    return s->buffer_offset + (int64_t)s->used;
}

/* It may go on after its end. */
static bool is_endless(const struct file_source *s)
{
    return s->follow && !s->host->until_end;
}

/* What cannot be read line by line until it ends. */
static int32_t refuse_kind(const struct file_source *s, mode_t mode, churn_error *err)
{
    if (S_ISDIR(mode)) {
        return churn_fail_option(err, "path", "%s is a folder; name a file in it", s->path);
    }
    if (is_stdin(s) || S_ISREG(mode) || S_ISFIFO(mode)) {
        return CHURN_OK;
    }
    return churn_fail_option(err, "path", "%s is a %s; name a file or a named pipe, or `-` for standard input", s->path,
                             S_ISSOCK(mode) ? "socket" : "device");
}

static int32_t fail_open(const struct file_source *s, int error, churn_error *err)
{
    struct stat st;
    if (error == EBADF) {
        return churn_fail_option(err, "path", "standard input is closed");
    }
    if (error == ENXIO && stat(s->path, &st) == 0 && refuse_kind(s, st.st_mode, err) != CHURN_OK) {
        return CHURN_FATAL;
    }
    return churn_fail_option(err, "path", "cannot open %s: %s%s", s->path, strerror(error),
                             error == ENOENT && !s->follow ? "; `follow: true` waits for a file" : "");
}

/* Once, until it is there. */
static void tell_missing(struct file_source *s, const char *what)
{
    if (!s->warned_missing) {
        churn_log(s->host, CHURN_LOG_WARN, "%s %s; waiting for it", s->path, what);
        s->warned_missing = true;
    }
}

/* CHURN_PENDING: the file is not there yet. */
static int32_t open_file(struct file_source *s, churn_error *err)
{
    struct stat st;
    int32_t result;
    /* O_NONBLOCK: a pipe is opened also while nobody writes to it. */
    s->fd = is_stdin(s) ? dup(STDIN_FILENO) : open(s->path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (s->fd < 0 && errno == ENOENT && is_endless(s)) {
        tell_missing(s, "does not exist yet");
        return CHURN_PENDING;
    }
    if (s->fd < 0 || fstat(s->fd, &st) != 0) {
        return fail_open(s, errno, err);
    }
    if ((fcntl(s->fd, F_GETFL) & O_ACCMODE) == O_WRONLY) {
        return fail_open(s, EBADF, err);
    }
    result = refuse_kind(s, st.st_mode, err);
    if (result != CHURN_OK) {
        return result;
    }
    s->warned_missing = false;
    s->origin = S_ISREG(st.st_mode) ? lseek(s->fd, 0, SEEK_CUR) : -1;
    s->regular = s->origin >= 0;
    if (!s->regular && s->head == NULL && (s->head = malloc(PART_SIZE)) == NULL) {
        return churn_fail(err, CHURN_FATAL, "out of memory");
    }
    return CHURN_OK;
}

static void file_stop(void *self)
{
    struct file_source *s = self;
    if (s->fd >= 0) {
        (void)close(s->fd);
        s->fd = -1;
    }
}

static int32_t file_start(void *self, const churn_source_listener *listener, churn_error *err)
{
    struct file_source *s = self;
    int32_t result;
    s->listener = *listener;
    s->room = READ_SIZE;
    s->buffer = malloc(s->room);
    if (s->buffer == NULL) {
        return churn_fail(err, CHURN_FATAL, "out of memory");
    }
    result = open_file(s, err);
    if (result < 0) {
        file_stop(s);
    }
    return result == CHURN_PENDING ? CHURN_OK : result;
}

static void file_destroy(void *self)
{
    struct file_source *s = self;
    file_stop(s);
    free(s->topic);
    free(s->head);
    free(s->buffer);
}

static void pause_ms(int64_t ms)
{
    struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    (void)nanosleep(&t, NULL);
}

/* --- What was counted --- */

/* Reads up to `len` bytes of the input at `at`, or of what is kept of it; how many. */
static size_t bytes_at(const struct file_source *s, int fd, int64_t at, char *bytes, size_t len)
{
    size_t got = 0;
    ssize_t n = 1;
    if (!s->regular) {
        got = at < (int64_t)s->head_len ? s->head_len - (size_t)at : 0;
        got = got < len ? got : len;
        memcpy(bytes, s->head + (got > 0 ? at : 0), got);
        return got;
    }
    while (got < len && n > 0) {
        n = pread(fd, bytes + got, len - got, s->origin + at + (int64_t)got);
        got += n > 0 ? (size_t)n : 0;
    }
    return got;
}

/* 0: they are not there. */
static uint64_t hash_of(const struct file_source *s, int fd, int64_t from, int64_t to)
{
    char bytes[PART_SIZE];
    size_t len = (size_t)(to - from);
    return bytes_at(s, fd, from, bytes, len) == len ? XXH3_64bits(bytes, len) : 0;
}

static struct prefix prefix_of(const struct file_source *s, int fd, int64_t end)
{
    return (struct prefix){.end = end,
                           .first = hash_of(s, fd, 0, end < FIRST_SIZE ? end : FIRST_SIZE),
                           .head = hash_of(s, fd, 0, end < PART_SIZE ? end : PART_SIZE),
                           .tail = hash_of(s, fd, end > PART_SIZE ? end - PART_SIZE : 0, end)};
}

static bool is_same(const struct prefix *a, const struct prefix *b)
{
    return a->first == b->first && a->head == b->head && (a->tail == b->tail || a->tail == 0 || b->tail == 0);
}

static int32_t fail_other(const struct file_source *s, const char *what, int64_t end, churn_error *err)
{
    return churn_fail(err, CHURN_FATAL,
                      "%s %s (%" PRId64 " bytes), so its events would be taken for old ones. To read it from its "
                      "beginning, as another one, give the source the option `epoch`, with a number not used before "
                      "(epoch: 1); or bring back what was read",
                      is_stdin(s) ? "standard input" : s->path, what, end);
}

static const char shorter[] = "has become shorter than what was counted of it";
static const char another[] = "does not begin with what was counted of it";

/* Where the line ends in which the last counted record began. What was not there when it was read does not belong to
 * it. */
static int64_t counted_end(const struct file_source *s, int64_t offset)
{
    int64_t at = offset - 1, limit = offset <= read_of(s) ? read_of(s) : INT64_MAX;
    char bytes[4096];
    while (at < limit) {
        size_t wanted = limit - at < (int64_t)sizeof bytes ? (size_t)(limit - at) : sizeof bytes;
        size_t got = bytes_at(s, s->fd, at, bytes, wanted);
        const char *end = memchr(bytes, '\n', got);
        if (end != NULL || got == 0) {
            return end != NULL ? at + (end - bytes) : at;
        }
        at += (int64_t)got;
    }
    return at;
}

static int32_t file_fingerprint(void *self, const char *topic, int32_t partition, int64_t offset,
                                char text[CHURN_FINGERPRINT_SIZE], churn_error *err)
{
    const struct file_source *s = self;
    struct prefix prefix;
    (void)topic;
    (void)partition;
    if (s->fd < 0 || offset <= 0) {
        return churn_fail(err, CHURN_RETRY, "nothing was read of %s", s->path);
    }
    prefix = prefix_of(s, s->fd, counted_end(s, offset));
    (void)snprintf(text, CHURN_FINGERPRINT_SIZE, "%" PRId64 ":%" PRIx64 ":%" PRIx64 ":%" PRIx64, prefix.end,
                   prefix.first, prefix.head, prefix.tail);
    return CHURN_OK;
}

/* The last line that was counted had no end then, and goes on now. */
static bool goes_on(const struct file_source *s, int64_t end)
{
    char next[2];
    size_t got = bytes_at(s, s->fd, end, next, sizeof next);
    return got > 0 && next[0] != '\n' && !(next[0] == '\r' && (got == 1 || next[1] == '\n'));
}

static int32_t resume_regular(const struct file_source *s, const struct prefix *counted, int64_t *offset,
                              churn_error *err)
{
    struct stat st;
    struct prefix now;
    int64_t least = counted->end > 0 ? counted->end : *offset;
    if (fstat(s->fd, &st) != 0 || st.st_size - s->origin < least) {
        return fail_other(s, shorter, least, err);
    }
    if (counted->end <= 0) {
        return CHURN_OK; /* of an earlier version, which kept no fingerprint */
    }
    now = prefix_of(s, s->fd, counted->end);
    if (!is_same(counted, &now)) {
        return fail_other(s, another, counted->end, err);
    }
    if (*offset > counted->end + 1) { /* a record ends before its line's end, or with it */
        return churn_fail(err, CHURN_REJECT,
                          "it says that everything before position %" PRId64 " was counted, but no more than %" PRId64
                          " bytes of %s were, and they are there unchanged",
                          *offset, counted->end, is_stdin(s) ? "standard input" : s->path);
    }
    *offset -= goes_on(s, counted->end); /* which is where that line begins */
    return CHURN_OK;
}

static int32_t file_resume(void *self, const char *topic, int32_t partition, const char *fingerprint, int64_t *offset,
                           churn_error *err)
{
    struct file_source *s = self;
    struct prefix counted = {0};
    int32_t result = s->fd < 0 ? open_file(s, err) : CHURN_OK;
    (void)topic;
    (void)partition;
    if (result == CHURN_PENDING) {
        pause_ms(MISSING_PAUSE_MS); /* the host asks again at once */
        return churn_fail(err, CHURN_RETRY, "%s does not exist", s->path);
    }
    if (result != CHURN_OK) {
        return result;
    }
    if (sscanf(fingerprint, "%" SCNd64 ":%" SCNx64 ":%" SCNx64 ":%" SCNx64, &counted.end, &counted.first, &counted.head,
               &counted.tail) != 4) {
        counted = (struct prefix){0};
    }
    if (s->regular) {
        return resume_regular(s, &counted, offset, err);
    }
    s->counted = counted;
    s->counted_offset = *offset;
    return CHURN_OK;
}

/* Of what cannot be read twice: does it begin with what was counted, as far as it has come? */
static int32_t check_pipe(struct file_source *s, churn_error *err)
{
    int64_t end = s->counted.end, come = (int64_t)s->head_len;
    int64_t first = end < FIRST_SIZE ? end : FIRST_SIZE, head = end < PART_SIZE ? end : PART_SIZE;
    struct prefix now = end > 0 ? prefix_of(s, s->fd, end < come ? end : come) : (struct prefix){0};
    if (end > 0 &&
        ((come >= first && now.first != s->counted.first) || (come >= head && now.head != s->counted.head))) {
        return fail_other(s, another, end, err);
    }
    s->counted.end = come >= head ? 0 : end;
    return s->at_end && !is_endless(s) && read_of(s) < s->counted_offset
               ? fail_other(s, shorter, s->counted_offset, err)
               : CHURN_OK;
}

/* --- Lines --- */

/* Is the line at `next` one to hand out? */
static bool is_wanted(const struct file_source *s)
{
    return !s->skipping && s->buffer_offset + (int64_t)s->next >= s->hand_from;
}

/* Hands out the line buffer[next, end). */
static void take_line(struct file_source *s, size_t end, churn_record *record)
{
    *record = (churn_record){.size = sizeof *record,
                             .kind = CHURN_RECORD_EVENT,
                             .value = {.ptr = s->buffer + s->next, .len = (uint32_t)(end - s->next)},
                             .topic = s->topic,
                             .offset = s->buffer_offset + (int64_t)s->next};
    s->records++;
    s->line_bytes += (int64_t)(end - s->next) + 1;
}

/* Finds the next line end; its position is `used` when the buffer has none. */
static size_t find_line_end(struct file_source *s)
{
    size_t from = s->searched > s->next ? s->searched : s->next;
    const char *end = from < s->used ? memchr(s->buffer + from, '\n', s->used - from) : NULL;
    s->searched = end != NULL ? (size_t)(end - s->buffer) : s->used;
    return s->searched;
}

/* A line that outgrew max_line, or at the very end one that nothing ends. */
static bool take_unfinished(struct file_source *s, churn_record *record)
{
    size_t len = s->used - s->next;
    if (s->skipping) {
        s->next = s->used;
        return false;
    }
    if (len >= (size_t)s->max_line) {
        bool wanted = is_wanted(s);
        if (wanted) {
            take_line(s, s->next + (size_t)s->max_line, record);
        }
        s->next = s->used;
        s->skipping = true;
        if (wanted) {
            churn_log(s->host, CHURN_LOG_WARN,
                      "%s: the line at byte %" PRId64 " is longer than %" PRId64 " bytes and was cut", s->path,
                      record->offset, s->max_line);
        }
        return wanted;
    }
    if (s->at_end && len > 0 && !is_endless(s)) {
        size_t end = s->used - (s->buffer[s->used - 1] == '\r');
        bool taken = end > s->next && is_wanted(s);
        if (taken) {
            take_line(s, end, record);
        }
        s->next = s->used;
        return taken;
    }
    return false;
}

/* Hands out up to `max` lines of what has been read. */
static uint32_t take_lines(struct file_source *s, churn_record *records, uint32_t max)
{
    uint32_t count = 0;
    while (count < max) {
        size_t end = find_line_end(s), text_end;
        if (end == s->used) {
            count += take_unfinished(s, &records[count]);
            break;
        }
        text_end = end > s->next && s->buffer[end - 1] == '\r' ? end - 1 : end;
        if (is_wanted(s) && text_end > s->next) {
            take_line(s, text_end, &records[count++]);
        }
        s->skipping = false;
        s->next = end + 1;
    }
    return count;
}

/* --- Reading --- */

static bool reserve(struct file_source *s)
{
    size_t most = (size_t)s->max_line + READ_SIZE, more = s->room * 2 < most ? s->room * 2 : most;
    char *grown;
    if (s->next > 0) {
        memmove(s->buffer, s->buffer + s->next, s->used - s->next);
        s->buffer_offset += (int64_t)s->next;
        s->used -= s->next;
        s->searched = s->searched > s->next ? s->searched - s->next : 0;
        s->next = 0;
    }
    if (s->used < s->room) {
        return true;
    }
    grown = realloc(s->buffer, more);
    if (grown == NULL) {
        return false;
    }
    s->buffer = grown;
    s->room = more;
    return true;
}

/* Keeps the first of the `n` bytes that were read just now, of what cannot be read twice. */
static void keep_head(struct file_source *s, size_t n)
{
    size_t room = PART_SIZE - s->head_len;
    if (!s->regular && read_of(s) == (int64_t)s->head_len && room > 0) {
        memcpy(s->head + s->head_len, s->buffer + s->used, n < room ? n : room);
        s->head_len += n < room ? n : room;
    }
}

/* Reads on. CHURN_OK: something came; CHURN_PENDING: nothing now; CHURN_END: the end. */
static int32_t read_more(struct file_source *s, churn_error *err)
{
    int32_t result;
    ssize_t n;
    if (!reserve(s)) {
        return churn_fail(err, CHURN_FATAL, "out of memory");
    }
    n = read(s->fd, s->buffer + s->used, s->room - s->used);
    if (n < 0) {
        if (errno == EINTR || errno == EAGAIN || errno == EWOULDBLOCK) {
            return CHURN_PENDING;
        }
        return churn_fail(err, CHURN_FATAL, "cannot read %s: %s", s->path, strerror(errno));
    }
    s->at_end = n == 0;
    keep_head(s, (size_t)n);
    s->used += (size_t)n;
    if (s->regular) {
        s->seen = s->at_end && is_endless(s) ? prefix_of(s, s->fd, read_of(s)) : (struct prefix){0};
        result = CHURN_OK;
    } else {
        result = check_pipe(s, err);
    }
    return result != CHURN_OK ? result : n > 0 ? CHURN_OK : CHURN_END;
}

/* Another file lies under the name: one that begins with what was read, such as a copy, is read on. */
static int32_t change_file(struct file_source *s, churn_error *err)
{
    int fd = open(s->path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    struct prefix now;
    struct stat st;
    if (fd < 0 || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        tell_missing(s, fd < 0 ? "cannot be opened any more" : "is no file any more");
        (void)(fd >= 0 && close(fd));
        return CHURN_OK; /* looked at the next time */
    }
    now = prefix_of(s, fd, s->seen.end);
    if (!is_same(&s->seen, &now)) {
        (void)close(fd);
        return fail_other(s, "was replaced by another file, which does not begin with what was read", read_of(s), err);
    }
    (void)close(s->fd);
    s->fd = fd;
    (void)lseek(fd, s->origin + read_of(s), SEEK_SET);
    s->warned_missing = false;
    return CHURN_OK;
}

/* Whether the name still leads to what is read, all of which was: `st`. */
static int32_t check_name(struct file_source *s, const struct stat *st, churn_error *err)
{
    struct stat named;
    if (is_stdin(s)) {
        return CHURN_OK;
    }
    if (stat(s->path, &named) != 0) {
        tell_missing(s, errno == ENOENT || errno == ENOTDIR ? "does not exist any more" : "cannot be opened any more");
        return CHURN_OK;
    }
    if (named.st_dev != st->st_dev || named.st_ino != st->st_ino) {
        return change_file(s, err);
    }
    s->warned_missing = false; /* it was moved away, and back */
    return CHURN_OK;
}

/* A followed file only grows: else positions would begin anew, and new events would count as seen. */
static int32_t check_followed(struct file_source *s, churn_error *err)
{
    struct stat st;
    if (!s->regular || fstat(s->fd, &st) != 0) {
        return CHURN_OK;
    }
    if (st.st_size < s->origin + read_of(s)) {
        return fail_other(s, shorter, read_of(s), err);
    }
    if (st.st_size > s->origin + read_of(s)) {
        struct prefix now = prefix_of(s, s->fd, s->seen.end);
        return is_same(&s->seen, &now) ? CHURN_OK : fail_other(s, another, read_of(s), err);
    }
    return check_name(s, &st, err);
}

/* Waits until there may be more to read. */
static int32_t wait_for_input(struct file_source *s, int64_t ms, churn_error *err)
{
    struct pollfd input = {.fd = s->fd, .events = POLLIN};
    if (s->fd < 0 || s->at_end) {
        pause_ms(ms < FOLLOW_PAUSE_MS ? ms : FOLLOW_PAUSE_MS);
        return s->fd < 0 ? open_file(s, err) : check_followed(s, err);
    }
    return s->regular || poll(&input, 1, (int)ms) > 0 ? CHURN_OK : CHURN_PENDING;
}

static void announce(struct file_source *s)
{
    churn_position position = {.topic = s->topic};
    if (!s->announced) {
        s->announced = true;
        s->listener.assigned(s->listener.ctx, &position, 1);
    }
}

static int32_t file_poll(void *self, churn_record *records, uint32_t max, uint32_t timeout_ms, uint32_t *ret_count,
                         churn_error *err)
{
    struct file_source *s = self;
    bool tried = false;
    int64_t deadline = s->host->monotonic_ms(s->host) + timeout_ms;
    *ret_count = 0;
    announce(s);
    while (max > 0) {
        int64_t left;
        int32_t result;
        *ret_count = take_lines(s, records, max);
        if (*ret_count > 0) {
            return CHURN_OK;
        }
        if (s->at_end && !is_endless(s)) {
            return CHURN_END;
        }
        left = deadline - s->host->monotonic_ms(s->host);
        if (tried && left <= 0) {
            break;
        }
        result = wait_for_input(s, left > 0 ? left : 0, err);
        if (result == CHURN_OK) {
            result = read_more(s, err);
        }
        if (result < 0) {
            return result;
        }
        tried = true;
    }
    return CHURN_PENDING;
}

/* --- Positions --- */

/* Goes to the first line that begins at or after the position, which need not be the beginning of one. */
static int32_t file_seek(void *self, const churn_position *position, churn_error *err)
{
    struct file_source *s = self;
    int64_t offset = position->offset > 0 ? position->offset - 1 : 0; /* the byte before tells whether a line begins */
    struct stat st;
    if (s->fd < 0) {
        return position->offset > 0 ? churn_fail(err, CHURN_FATAL, "%s does not exist", s->path) : CHURN_OK;
    }
    if (!s->regular && position->offset >= s->buffer_offset + (int64_t)s->next) {
        s->hand_from = position->offset; /* what is before it is read and passed over */
        return CHURN_OK;
    }
    if (!s->regular) {
        return churn_fail(err, CHURN_FATAL, "%s cannot be read again: it is no regular file", s->path);
    }
    if (fstat(s->fd, &st) != 0 || position->offset > st.st_size - s->origin) {
        return churn_fail(err, CHURN_FATAL,
                          "position %" PRId64 " lies beyond the end of %s; if it is another file than the "
                          "one read before, give the source another `epoch`",
                          position->offset, s->path);
    }
    if (lseek(s->fd, s->origin + offset, SEEK_SET) < 0) {
        return churn_fail(err, CHURN_FATAL, "cannot seek in %s: %s", s->path, strerror(errno));
    }
    s->buffer_offset = offset;
    s->used = s->next = s->searched = 0;
    s->skipping = position->offset > 0;
    s->at_end = false;
    return CHURN_OK;
}

/* A position is a byte, so a regular file ends where its size says; of what else it may be the end is not known. */
static int32_t file_bounds(void *self, const char *topic, int32_t partition, int64_t *ret_low, int64_t *ret_end,
                           churn_error *err)
{
    const struct file_source *s = self;
    struct stat st;
    (void)topic;
    (void)partition;
    (void)err;
    *ret_low = 0;
    *ret_end = s->fd >= 0 && s->regular && fstat(s->fd, &st) == 0 ? st.st_size - s->origin : INT64_MAX;
    return CHURN_OK;
}

/* Records left, from the mean length of the lines so far. */
static void file_lag(void *self, churn_lag *lag)
{
    struct file_source *s = self;
    struct stat st;
    int64_t left;
    *lag = (churn_lag){.size = sizeof *lag, .total = -1};
    if (s->fd < 0 || !s->regular || fstat(s->fd, &st) != 0) {
        return;
    }
    left = st.st_size - s->origin - s->buffer_offset - (int64_t)s->next;
    if (left <= 0 || (s->at_end && is_endless(s))) { /* at most a line that is still being written */
        lag->known = 1;
    } else if (s->records > 0) {
        int64_t mean = s->line_bytes / s->records;
        lag->known = 1;
        lag->messages = left / mean > 0 ? left / mean : 1;
    }
}

/* The host itself looks whether it can be read. */
static void file_probe(void *self, uint32_t timeout_ms, churn_target_fn fn, void *ctx)
{
    const struct file_source *s = self;
    churn_target target = {.size = sizeof target,
                           .flags = CHURN_TARGET_READS | (s->follow ? CHURN_TARGET_AWAITED : 0),
                           .kind = CHURN_TARGET_FILE,
                           .name = s->path,
                           .option = "path"};
    struct stat st;
    churn_error err = {.size = sizeof err};
    if (timeout_ms > 0 && !is_stdin(s) && stat(s->path, &st) == 0) {
        target.result = refuse_kind(s, st.st_mode, &err);
        target.message = target.result != CHURN_OK ? err.message : NULL;
    }
    fn(ctx, &target);
}

static const churn_source_ops ops = {
    .size = sizeof(churn_source_ops),
    .single_worker = 1,
    .create = file_create,
    .start = file_start,
    .poll = file_poll,
    .seek = file_seek,
    .lag = file_lag,
    .stop = file_stop,
    .destroy = file_destroy,
    .bounds = file_bounds,
    .probe = file_probe,
    .fingerprint = file_fingerprint,
    .resume = file_resume,
};

CHURN_PLUGIN(.kind = CHURN_KIND_SOURCE, .name = "file", .version = "1.0.0",
             .summary = "Reads events from a file of JSON lines or from standard input",
             CHURN_OPTIONS(options, struct file_source), .ops = &ops);
