/*
 * Events from a file of JSON lines, or from standard input.
 *
 * A record's offset is the byte at which its line begins, so a file that only grows can be read again at any time: what
 * was counted is recognised, what is new is counted.
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

#define READ_SIZE (1024 * 1024)
#define FOLLOW_PAUSE_MS 50 /* between looks at a file that may have grown */

struct file_source {
    const char *path; /* options */
    const char *topic_option;
    int32_t follow;
    int64_t max_line;
    const churn_host *host;
    churn_source_listener listener;
    const char *topic;
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
};

static const churn_option options[] = {
    {"path", .type = CHURN_OPTION_STRING, .flags = CHURN_OPTION_REQUIRED, .offset = offsetof(struct file_source, path),
     .help = "File with one JSON event a line; `-` is standard input."},
    {"topic", .type = CHURN_OPTION_STRING, .default_text = "", .offset = offsetof(struct file_source, topic_option),
     .help = "Name under which positions are remembered; empty: the path, or `stdin`. Change it when other events come "
             "under the same path, for what lies before the last position counts as seen."},
    {"follow", .type = CHURN_OPTION_BOOL, .default_text = "false", .offset = offsetof(struct file_source, follow),
     .help = "Go on reading as the file grows, as `tail -f` does, and wait for a file that does not exist yet."},
    {"max_line", .type = CHURN_OPTION_SIZE, .default_text = "8MiB", .min = 2 * 1024 * 1024, .max = 1024 * 1024 * 1024,
     .offset = offsetof(struct file_source, max_line),
     .help = "Longer lines are cut here. Events end at 1 MiB, so what is left is a dead letter all the same."},
};

/* --- Opening --- */

static int32_t file_create(void *self, const churn_host *host, churn_error *err)
{
    struct file_source *s = self;
    (void)err;
    s->host = host;
    s->fd = -1;
    s->topic = s->topic_option[0] != '\0' ? s->topic_option : strcmp(s->path, "-") == 0 ? "stdin" : s->path;
    return CHURN_OK;
}

/* CHURN_PENDING: the file is not there yet. */
static int32_t open_file(struct file_source *s, churn_error *err)
{
    struct stat st;
    s->fd = strcmp(s->path, "-") == 0 ? dup(STDIN_FILENO) : open(s->path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (s->fd < 0 && errno == ENOENT && s->follow && !s->host->until_end) {
        if (!s->warned_missing) {
            churn_log(s->host, CHURN_LOG_WARN, "%s does not exist yet; waiting for it", s->path);
            s->warned_missing = true;
        }
        return CHURN_PENDING;
    }
    if (s->fd < 0 || fstat(s->fd, &st) != 0) {
        return churn_fail_option(err, "path", "cannot open %s: %s", s->path, strerror(errno));
    }
    if (S_ISDIR(st.st_mode)) {
        return churn_fail_option(err, "path", "%s is a folder; name a file in it", s->path);
    }
    s->origin = S_ISREG(st.st_mode) ? lseek(s->fd, 0, SEEK_CUR) : -1;
    s->regular = s->origin >= 0;
    return CHURN_OK;
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
    return result == CHURN_PENDING ? CHURN_OK : result;
}

static void file_stop(void *self)
{
    struct file_source *s = self;
    if (s->fd >= 0) {
        (void)close(s->fd);
        s->fd = -1;
    }
}

static void file_destroy(void *self)
{
    struct file_source *s = self;
    file_stop(s);
    free(s->buffer);
}

/* --- Lines --- */

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
        take_line(s, s->next + (size_t)s->max_line, record);
        s->next = s->used;
        s->skipping = true;
        churn_log(s->host, CHURN_LOG_WARN,
                  "%s: the line at byte %" PRId64 " is longer than %" PRId64 " bytes and was cut", s->path,
                  record->offset, s->max_line);
        return true;
    }
    if (s->at_end && len > 0 && !(s->follow && !s->host->until_end)) {
        size_t end = s->used - (s->buffer[s->used - 1] == '\r');
        bool empty = end == s->next;
        if (!empty) {
            take_line(s, end, record);
        }
        s->next = s->used;
        return !empty;
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
        if (!s->skipping && text_end > s->next) {
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

/* Reads on. CHURN_OK: something came; CHURN_PENDING: nothing now; CHURN_END: the end. */
static int32_t read_more(struct file_source *s, churn_error *err)
{
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
    s->used += (size_t)n;
    return n > 0 ? CHURN_OK : CHURN_END;
}

/* A followed file must not shrink: positions would begin anew, and new events would count as seen. */
static int32_t check_size(struct file_source *s, churn_error *err)
{
    struct stat st;
    int64_t position = s->origin + s->buffer_offset + (int64_t)s->used;
    if (s->regular && fstat(s->fd, &st) == 0 && st.st_size < position) {
        return churn_fail(err, CHURN_FATAL,
                          "%s has become shorter than what was read of it (%" PRId64 " bytes); to read "
                          "it as a new one, change `topic` and start again",
                          s->path, position);
    }
    return CHURN_OK;
}

static void pause_ms(int64_t ms)
{
    struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    (void)nanosleep(&t, NULL);
}

/* Waits until there may be more to read. */
static int32_t wait_for_input(struct file_source *s, int64_t ms, churn_error *err)
{
    struct pollfd input = {.fd = s->fd, .events = POLLIN};
    if (s->fd < 0 || s->at_end) {
        pause_ms(ms < FOLLOW_PAUSE_MS ? ms : FOLLOW_PAUSE_MS);
        return s->fd < 0 ? open_file(s, err) : check_size(s, err);
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
    bool endless = s->follow && !s->host->until_end, tried = false;
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
        if (s->at_end && !endless) {
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
    if (!s->regular) {
        return churn_fail(err, CHURN_FATAL, "%s cannot be read from another position: it is no regular file", s->path);
    }
    if (fstat(s->fd, &st) != 0 || position->offset > st.st_size - s->origin) {
        return churn_fail(err, CHURN_FATAL,
                          "position %" PRId64 " lies beyond the end of %s; if it is another file than the "
                          "one read before, change `topic`",
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
    if (left <= 0) {
        lag->known = 1;
    } else if (s->records > 0) {
        int64_t mean = s->line_bytes / s->records;
        lag->known = 1;
        lag->messages = left / mean > 0 ? left / mean : 1;
    }
}

/* The host itself looks at files and folders. */
static void file_probe(void *self, uint32_t timeout_ms, churn_target_fn fn, void *ctx)
{
    const struct file_source *s = self;
    const churn_target target = {.size = sizeof target,
                                 .flags = CHURN_TARGET_READS,
                                 .kind = CHURN_TARGET_FILE,
                                 .name = s->path,
                                 .option = "path"};
    (void)timeout_ms;
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
    .probe = file_probe,
};

CHURN_PLUGIN(.kind = CHURN_KIND_SOURCE, .name = "file", .version = "1.0.0",
             .summary = "Reads events from a file of JSON lines or from standard input",
             CHURN_OPTIONS(options, struct file_source), .ops = &ops);
