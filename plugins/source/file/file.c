/*
 * Events from a file of JSON lines, from a named pipe or from standard input.
 *
 * A record's offset is the byte at which its line begins. The store keeps how far a file was read, and a fingerprint of
 * what was: so the next run goes on where the last one came, in a file that has grown or was copied, and stops at one
 * that is another. Of a pipe, which has no way to a position, what was counted is read again and passed over.
 */
#include "counted.h"
#include "follow.h"
#include "input.h"
#include "lines.h"
#include <churn/plugin.h>

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define FOLLOW_PAUSE_MS 50 /* between looks at a file that may have grown */

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

/* --- Reading --- */

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
