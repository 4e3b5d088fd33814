/* Writes what it is given to a file, a record a line. */
#include "poison.h"
#include <churn/sink.h>

#define ROOM 64

struct sink {
    const char *path;
    FILE *file;
    uint64_t taken[ROOM];
    uint32_t taken_count;
};

static const churn_option options[] = {
    {"path", .type = CHURN_OPTION_STRING, .flags = CHURN_OPTION_REQUIRED, .offset = offsetof(struct sink, path),
     .help = "The file."},
};

static int32_t create(void *self, const churn_host *host, churn_error *err)
{
    (void)self;
    (void)host;
    (void)err;
    return CHURN_OK;
}

static int32_t start(void *self, churn_error *err)
{
    struct sink *s = self;
    s->file = fopen(s->path, "a");
    return s->file != NULL ? CHURN_OK : churn_fail(err, CHURN_FATAL, "%s cannot be opened", s->path);
}

static const char *header(const churn_record *record, const char *name)
{
    for (uint32_t i = 0; i < record->header_count; i++) {
        if (strcmp(record->headers[i].name, name) == 0) {
            return record->headers[i].value.ptr;
        }
    }
    return "";
}

static int32_t write_records(void *self, const churn_record *records, uint32_t count, uint32_t *ret_taken,
                             churn_error *err)
{
    struct sink *s = self;
    uint32_t i = 0;
    (void)err;
    for (; i < count && s->taken_count < ROOM; i++) {
        const churn_record *r = &records[i];
        (void)fprintf(s->file, "%u %u %s %s:%lld %.*s\n", r->kind, r->severity, header(r, "churn.reason"), r->topic,
                      (long long)r->offset, (int)r->value.len, r->value.ptr);
        s->taken[s->taken_count++] = r->id;
    }
    *ret_taken = i;
    return CHURN_OK;
}

static int32_t poll_done(void *self, churn_done *done, uint32_t max, uint32_t timeout_ms, uint32_t *ret_count,
                         churn_error *err)
{
    struct sink *s = self;
    uint32_t count = s->taken_count < max ? s->taken_count : max;
    (void)timeout_ms;
    (void)err;
    for (uint32_t i = 0; i < count; i++) {
        done[i] = (churn_done){.id = s->taken[--s->taken_count], .result = CHURN_OK};
    }
    *ret_count = count;
    return fflush(s->file) == 0 ? CHURN_OK : CHURN_FATAL;
}

static void stop(void *self, int64_t deadline_ms)
{
    struct sink *s = self;
    (void)deadline_ms;
    (void)fclose(s->file);
}

static void destroy(void *self)
{
    (void)self;
}

static const POISONED(churn_sink_ops) table = {.ops = {.size = sizeof table.ops,
                                                       .accepts = CHURN_RECORD_ALERT | CHURN_RECORD_DEAD_LETTER,
                                                       .create = create,
                                                       .start = start,
                                                       .write = write_records,
                                                       .poll = poll_done,
                                                       .stop = stop,
                                                       .destroy = destroy},
                                               .behind = POISON};

CHURN_PLUGIN(.kind = CHURN_KIND_SINK, .name = "first_sink", .version = "1.0.0",
             .summary = "A sink of the first minor version", CHURN_OPTIONS(options, struct sink), .ops = &table.ops);
