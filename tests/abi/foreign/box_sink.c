/* Somebody's own sink of dead letters: a line of JSON each, in a file of a box, which the file source reads again. */
#include <churn/plugin.h>
#include <churn/sink.h>

#define ROOM 64

struct sink {
    const char *box;
    int32_t shut;
    FILE *file;
    uint64_t taken[ROOM];
    uint32_t taken_count;
};

static const churn_option options[] = {
    {"box", .type = CHURN_OPTION_STRING, .flags = CHURN_OPTION_REQUIRED, .offset = offsetof(struct sink, box),
     .help = "The folder, which is there."},
    {"shut", .type = CHURN_OPTION_BOOL, .default_text = "false", .offset = offsetof(struct sink, shut),
     .help = "Nothing is taken out of it again."},
};

static void path_of(const char *box, char *path, size_t size)
{
    (void)snprintf(path, size, "%s/letters", box);
}

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
    char path[4096];
    path_of(s->box, path, sizeof path);
    s->file = fopen(path, "a");
    return s->file != NULL ? CHURN_OK : churn_fail(err, CHURN_FATAL, "%s cannot be opened", path);
}

static void write_text(FILE *file, churn_str text)
{
    (void)fputs(text.ptr != NULL ? "\"" : "null", file);
    for (uint32_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        (void)(c < ' ' || c == '"' || c == '\\' ? fprintf(file, "\\u%04x", c) : fputc(c, file));
    }
    (void)fputs(text.ptr != NULL ? "\"" : "", file);
}

static churn_str header(const churn_record *record, const char *name)
{
    for (uint32_t i = 0; i < record->header_count; i++) {
        if (strcmp(record->headers[i].name, name) == 0) {
            return record->headers[i].value;
        }
    }
    return (churn_str){.ptr = "", .len = 0};
}

static void write_letter(FILE *file, const churn_record *record)
{
    const churn_str partition = header(record, "churn.partition"), offset = header(record, "churn.offset");
    (void)fputs("{\"reason\":", file);
    write_text(file, header(record, "churn.reason"));
    (void)fputs(",\"topic\":", file);
    write_text(file, header(record, "churn.topic"));
    (void)fprintf(file, ",\"partition\":%.*s,\"offset\":%.*s,\"key\":", (int)partition.len, partition.ptr,
                  (int)offset.len, offset.ptr);
    write_text(file, record->key);
    (void)fputs(",\"value\":", file);
    write_text(file, record->value);
    (void)fputs("}\n", file);
}

static int32_t write_records(void *self, const churn_record *records, uint32_t count, uint32_t *ret_taken,
                             churn_error *err)
{
    struct sink *s = self;
    uint32_t i = 0;
    (void)err;
    for (; i < count && s->taken_count < ROOM; i++) {
        write_letter(s->file, &records[i]);
        s->taken[s->taken_count++] = records[i].id;
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

static int32_t read_back(const churn_section *own, churn_read_back *back, churn_error *err)
{
    const char *box = own->get(own, "box"), *shut = own->get(own, "shut");
    char path[4096];
    if (shut != NULL && strcmp(shut, "true") == 0) {
        (void)churn_fail_option(err, "shut", "they lie in a box that is shut");
        return CHURN_REJECT;
    }
    path_of(box != NULL ? box : "", path, sizeof path);
    (void)snprintf(back->description, sizeof back->description, "the box of %s", back->pipeline);
    back->flags = CHURN_READ_BACK_LINES | CHURN_READ_BACK_STAYS;
    back->reader->put(back->reader, "plugin", "file");
    back->reader->put(back->reader, "path", path);
    return CHURN_OK;
}

static const churn_sink_ops ops = {
    .size = sizeof ops,
    .accepts = CHURN_RECORD_DEAD_LETTER,
    .create = create,
    .start = start,
    .write = write_records,
    .poll = poll_done,
    .stop = stop,
    .destroy = destroy,
    .read_back = read_back,
};

CHURN_PLUGIN(.kind = CHURN_KIND_SINK, .name = "box", .version = "1.0.0", .summary = "Dead letters in a box",
             CHURN_OPTIONS(options, struct sink), .ops = &ops);
