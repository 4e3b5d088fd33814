/*
 * A sink: takes records into a buffer, writes them as lines, and answers each of them once it is safe. This one writes
 * to a file; a sink for a service differs in what `poll` does.
 */
#include <churn/plugin.h>
#include <churn/sink.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#define BUFFER_SIZE (4u * 1024 * 1024)
#define MOST_RECORDS 1024

/* One for each worker. The host writes the options into it before `create`. */
struct instance {
    const char *path;
    const churn_host *host;
    int fd;
    char *buffer; /* lines, `used` bytes, of which `written` are with the file */
    size_t used, written;
    uint64_t ids[MOST_RECORDS]; /* of the records in the buffer, which are answered together */
    uint32_t id_count, answered;
};

static const churn_option options[] = {
    {"path", .type = CHURN_OPTION_STRING, .flags = CHURN_OPTION_REQUIRED, .offset = offsetof(struct instance, path),
     .help = "File to append to, one record a line."},
};

static int32_t create(void *self, const churn_host *host, churn_error *err)
{
    struct instance *s = self;
    s->host = host;
    s->fd = -1;
    s->buffer = malloc(BUFFER_SIZE);
    return s->buffer != NULL ? CHURN_OK : churn_fail(err, CHURN_FATAL, "out of memory");
}

static int32_t start(void *self, churn_error *err)
{
    struct instance *s = self;
    s->fd = open(s->path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
    if (s->fd < 0) {
        return churn_fail_option(err, "path", "cannot open %s: %s", s->path, strerror(errno));
    }
    churn_log(s->host, CHURN_LOG_INFO, "appends to %s", s->path);
    return CHURN_OK;
}

/* Copies a record as one line: a line end inside JSON can only stand between its tokens. */
static void append_line(struct instance *s, churn_str value)
{
    for (uint32_t i = 0; i < value.len; i++) {
        char c = value.ptr[i];
        s->buffer[s->used++] = c == '\n' || c == '\r' ? ' ' : c;
    }
    s->buffer[s->used++] = '\n';
}

/* Never waits: what does not fit is offered again, once `poll` has made room. */
static int32_t write_records(void *self, const churn_record *records, uint32_t count, uint32_t *ret_taken,
                             churn_error *err)
{
    struct instance *s = self;
    uint32_t n = 0;
    for (; n < count && s->written == 0 && s->answered == 0 && s->id_count < MOST_RECORDS; n++) {
        if (records[n].value.len >= BUFFER_SIZE) { /* about the first record that is not taken */
            *ret_taken = n;
            return churn_fail(err, CHURN_REJECT, "longer than %u bytes", BUFFER_SIZE - 1);
        }
        if (s->used + records[n].value.len + 1 > BUFFER_SIZE) {
            break;
        }
        append_line(s, records[n].value);
        s->ids[s->id_count++] = records[n].id;
    }
    *ret_taken = n;
    return CHURN_OK;
}

/* Writes the buffer out; CHURN_OK when all of it is safe. */
static int32_t flush(struct instance *s, churn_error *err)
{
    while (s->written < s->used) {
        ssize_t n = write(s->fd, s->buffer + s->written, s->used - s->written);
        if (n < 0 && errno != EINTR) {
            return churn_fail(err, CHURN_FATAL, "cannot write to %s: %s", s->path, strerror(errno));
        }
        s->written += n > 0 ? (size_t)n : 0;
    }
    /* EINVAL: a pipe or a terminal, which has nothing to flush. */
    if (fdatasync(s->fd) != 0 && errno != EINVAL && errno != EROFS) {
        return churn_fail(err, CHURN_FATAL, "cannot flush %s: %s", s->path, strerror(errno));
    }
    return CHURN_OK;
}

/* Answers what is safe: a crash right after must not lose the record, for the engine forgets it now. */
static int32_t poll_answers(void *self, churn_done *done, uint32_t max, uint32_t timeout_ms, uint32_t *ret_count,
                            churn_error *err)
{
    struct instance *s = self;
    uint32_t n = 0;
    int32_t result = s->written < s->used ? flush(s, err) : CHURN_OK;
    (void)timeout_ms; /* a file is never waited for; a sink that waits for answers does so here */
    for (; result == CHURN_OK && n < max && s->answered < s->id_count; n++) {
        done[n] = (churn_done){.id = s->ids[s->answered++], .result = CHURN_OK};
    }
    if (result == CHURN_OK && s->answered == s->id_count) {
        s->used = s->written = 0;
        s->id_count = s->answered = 0;
    }
    *ret_count = n;
    return result;
}

static void stop(void *self, int64_t deadline_ms)
{
    struct instance *s = self;
    (void)deadline_ms; /* what was not answered is offered again after a restart */
    (void)close(s->fd);
    s->fd = -1;
}

static void destroy(void *self)
{
    struct instance *s = self;
    free(s->buffer);
}

static const churn_sink_ops ops = {
    .size = sizeof(churn_sink_ops),
    .accepts = CHURN_RECORD_EVENT | CHURN_RECORD_TRIGGER | CHURN_RECORD_ALERT | CHURN_RECORD_DEAD_LETTER,
    .create = create,
    .start = start,
    .write = write_records,
    .poll = poll_answers,
    .stop = stop,
    .destroy = destroy,
};

CHURN_PLUGIN(.kind = CHURN_KIND_SINK, .name = "my_sink", .version = "1.0.0",
             .summary = "One sentence for `churnd plugins`", CHURN_OPTIONS(options, struct instance), .ops = &ops);
