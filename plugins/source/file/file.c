/*
 * Events from a file of JSON lines, from a named pipe or from standard input.
 *
 * A record's offset is the byte at which its line begins. The store keeps how far a file was read, and a fingerprint of
 * what was: so the next run goes on where the last one came, in a file that has grown or was copied, and stops at one
 * that is another. Of a pipe, which has no way to a position, what was counted is read again and passed over.
 */
#include "counted.h"
#include "follow.h"
#include "lines.h"
#include "pause.h"
#include <churn/plugin.h>
#include <churn/source.h>

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define FOLLOW_PAUSE_MS 50 /* between looks at a file that may have grown */
#define MISSING_PAUSE_MS 100

struct file_source {
    struct input input; /* their options, and those below */
    struct lines lines;
    const char *topic_option;
    int64_t epoch;
    const churn_host *host;
    churn_source_listener listener;
    char *topic;
    bool announced;         /* `assigned` was called */
    struct counted counted; /* before this run, of what cannot be read twice */
    struct prefix seen;     /* of a followed file that was at its end: what was read of it */
};

static const churn_option options[] = {
    {"path", .type = CHURN_OPTION_STRING, .flags = CHURN_OPTION_REQUIRED,
     .offset = offsetof(struct file_source, input.path),
     .help = "File or named pipe with one JSON event a line; `-` is standard input."},
    {"topic", .type = CHURN_OPTION_STRING, .default_text = "", .offset = offsetof(struct file_source, topic_option),
     .help = "Name under which positions are remembered; empty: the path, or `stdin`."},
    {"epoch", .type = CHURN_OPTION_INT, .default_text = "0", .min = 0, .max = INT32_MAX,
     .offset = offsetof(struct file_source, epoch),
     .help = "Another number for another file under the same name, or for another stream through the same pipe: "
             "positions and marks begin anew, and positions carry it, as in events.jsonl@1."},
    {"follow", .type = CHURN_OPTION_BOOL, .default_text = "false", .offset = offsetof(struct file_source, input.follow),
     .help = "Go on reading as the file grows, as `tail -f` does, and wait for a file that does not exist yet."},
    {"max_line", .type = CHURN_OPTION_SIZE, .default_text = "8MiB", .min = 2 * 1024 * 1024, .max = 1024 * 1024 * 1024,
     .offset = offsetof(struct file_source, lines.max_line),
     .help = "Longer lines are cut here. Events end at 1 MiB, so what is left is a dead letter all the same."},
};

/* --- Opening --- */

static int32_t file_create(void *self, const churn_host *host, churn_error *err)
{
    struct file_source *s = self;
    const char *name = s->topic_option[0] != '\0'  ? s->topic_option
                       : input_is_stdin(&s->input) ? "stdin"
                                                   : s->input.path;
    size_t size = strlen(name) + 16;
    s->host = host;
    s->input.host = host;
    s->input.fd = -1;
    s->topic = malloc(size);
    if (s->topic == NULL) {
        return churn_fail(err, CHURN_FATAL, "out of memory");
    }
    (void)snprintf(s->topic, size, s->epoch > 0 ? "%s@%" PRId64 : "%s", name, s->epoch);
    s->lines.host = host;
    s->lines.path = s->input.path;
    s->lines.topic = s->topic;
    return CHURN_OK;
}

static void file_stop(void *self)
{
    struct file_source *s = self;
    input_close(&s->input);
}

static int32_t file_start(void *self, const churn_source_listener *listener, churn_error *err)
{
    struct file_source *s = self;
    int32_t result;
    s->listener = *listener;
    if (!lines_reserve(&s->lines)) {
        return churn_fail(err, CHURN_FATAL, "out of memory");
    }
    result = input_open(&s->input, err);
    if (result < 0) {
        input_close(&s->input);
    }
    return result == CHURN_PENDING ? CHURN_OK : result;
}

static void file_destroy(void *self)
{
    struct file_source *s = self;
    input_free(&s->input);
    lines_free(&s->lines);
    free(s->topic);
}

/* --- Reading --- */

/* Reads on. CHURN_OK: something came; CHURN_PENDING: nothing now; CHURN_END: the end. */
static int32_t read_more(struct file_source *s, churn_error *err)
{
    int32_t result, checked = CHURN_OK;
    size_t len;
    if (!lines_reserve(&s->lines)) {
        return churn_fail(err, CHURN_FATAL, "out of memory");
    }
    result = input_read(&s->input, s->lines.buffer + s->lines.used, s->lines.room - s->lines.used, &len, err);
    if (result != CHURN_OK && result != CHURN_END) {
        return result;
    }
    s->lines.used += len;
    if (!s->input.regular) {
        checked = counted_check(&s->counted, &s->input, err);
    } else if (result == CHURN_END && input_is_endless(&s->input)) {
        s->seen = prefix_of(&s->input, s->input.fd, s->input.come);
    }
    return checked != CHURN_OK ? checked : result;
}

/* Waits until there may be more to read. */
static int32_t wait_for_input(struct file_source *s, int64_t ms, churn_error *err)
{
    struct input *input = &s->input;
    struct pollfd readable = {.fd = input->fd, .events = POLLIN};
    if (input->fd < 0 || input->at_end) {
        pause_ms(ms < FOLLOW_PAUSE_MS ? ms : FOLLOW_PAUSE_MS);
        return input->fd < 0 ? input_open(input, err) : follow_check(input, &s->seen, err);
    }
    return input->regular || poll(&readable, 1, (int)ms) > 0 ? CHURN_OK : CHURN_PENDING;
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
        *ret_count = lines_take(&s->lines, input_is_done(&s->input), records, max);
        if (*ret_count > 0) {
            return CHURN_OK;
        }
        if (input_is_done(&s->input)) {
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
    struct input *input = &s->input;
    if (input->fd < 0) {
        return position->offset > 0 ? churn_fail(err, CHURN_FATAL, "%s does not exist", input->path) : CHURN_OK;
    }
    if (!input->regular && position->offset >= lines_next(&s->lines)) {
        s->lines.hand_from = position->offset; /* what is before it is read and passed over */
        return CHURN_OK;
    }
    if (!input->regular) {
        return churn_fail(err, CHURN_FATAL, "%s cannot be read again: it is no regular file", input->path);
    }
    if (position->offset > input_size(input)) {
        return churn_fail(err, CHURN_FATAL,
                          "position %" PRId64 " lies beyond the end of %s; if it is another file than the "
                          "one read before, give the source another `epoch`",
                          position->offset, input->path);
    }
    if (!input_seek(input, offset)) {
        return churn_fail(err, CHURN_FATAL, "cannot seek in %s: %s", input->path, strerror(errno));
    }
    lines_restart(&s->lines, offset, position->offset > 0);
    return CHURN_OK;
}

static int32_t file_fingerprint(void *self, const char *topic, int32_t partition, int64_t offset,
                                char text[CHURN_FINGERPRINT_SIZE], churn_error *err)
{
    const struct file_source *s = self;
    (void)topic;
    (void)partition;
    return counted_describe(&s->input, offset, text, err);
}

static int32_t file_resume(void *self, const char *topic, int32_t partition, const char *fingerprint, int64_t *offset,
                           churn_error *err)
{
    struct file_source *s = self;
    int32_t result = s->input.fd < 0 ? input_open(&s->input, err) : CHURN_OK;
    (void)topic;
    (void)partition;
    if (result == CHURN_PENDING) {
        pause_ms(MISSING_PAUSE_MS); /* the host asks again at once */
        return churn_fail(err, CHURN_RETRY, "%s does not exist", s->input.path);
    }
    return result == CHURN_OK ? counted_resume(&s->counted, &s->input, fingerprint, offset, err) : result;
}

/* A position is a byte, so a regular file ends where its size says; of what else it may be the end is not known. */
static int32_t file_bounds(void *self, const char *topic, int32_t partition, int64_t *ret_low, int64_t *ret_end,
                           churn_error *err)
{
    const struct file_source *s = self;
    int64_t size = input_size(&s->input);
    (void)topic;
    (void)partition;
    (void)err;
    *ret_low = 0;
    *ret_end = size >= 0 ? size : INT64_MAX;
    return CHURN_OK;
}

/* Records left, from the mean length of the lines so far. */
static void file_lag(void *self, churn_lag *lag)
{
    const struct file_source *s = self;
    int64_t size = input_size(&s->input), left;
    *lag = (churn_lag){.size = sizeof *lag, .total = -1};
    if (size < 0) {
        return;
    }
    left = size - lines_next(&s->lines);
    if (left <= 0 ||
        (s->input.at_end && input_is_endless(&s->input))) { /* at most a line that is still being written */
        lag->known = 1;
    } else if (s->lines.count > 0) {
        int64_t mean = s->lines.bytes / s->lines.count;
        lag->known = 1;
        lag->messages = left / mean > 0 ? left / mean : 1;
    }
    if (lag->known && !input_is_endless(&s->input)) {
        lag->total = s->lines.count + lag->messages;
    }
}

/* The host itself looks whether it can be read. */
static void file_probe(void *self, uint32_t timeout_ms, churn_target_fn fn, void *ctx)
{
    const struct file_source *s = self;
    churn_target target = {.size = sizeof target,
                           .flags = CHURN_TARGET_READS | (s->input.follow ? CHURN_TARGET_AWAITED : 0),
                           .kind = CHURN_TARGET_FILE,
                           .name = s->input.path,
                           .option = "path"};
    struct stat st;
    churn_error err = {.size = sizeof err};
    if (timeout_ms > 0 && !input_is_stdin(&s->input) && stat(s->input.path, &st) == 0) {
        target.result = input_refuse_kind(&s->input, st.st_mode, &err);
        target.message = target.result != CHURN_OK ? err.message : NULL;
    }
    fn(ctx, &target);
}

static bool is_stdin(const char *path)
{
    return input_is_stdin(&(struct input){.path = path});
}

static void file_topics(const churn_section *own, churn_topic_fn fn, void *ctx)
{
    const char *topic = own->get(own, "topic"), *path = own->get(own, "path");
    if (topic != NULL && topic[0] != '\0') {
        fn(ctx, topic);
    } else if (path != NULL) {
        fn(ctx, is_stdin(path) ? "stdin" : path);
    }
}

/* What comes through a pipe comes once; a file that does not exist yet is none. */
static int32_t file_again(const churn_section *own, churn_error *err)
{
    const char *path = own->get(own, "path");
    struct stat st;
    if (path == NULL || (!is_stdin(path) && (stat(path, &st) != 0 || S_ISREG(st.st_mode) || S_ISDIR(st.st_mode)))) {
        return CHURN_OK;
    }
    return churn_fail_option(err, "path", "what comes through a pipe comes once; name a file that holds all events");
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
    .topics = file_topics,
    .again = file_again,
};

static const char *const paths[] = {"path", NULL};
static const churn_needs needs = {.size = sizeof needs, .read_options = paths};

CHURN_PLUGIN(.kind = CHURN_KIND_SOURCE, .name = "file", .version = "1.0.0",
             .summary = "Reads events from a file of JSON lines or from standard input",
             CHURN_OPTIONS(options, struct file_source), .ops = &ops, .needs = &needs);
