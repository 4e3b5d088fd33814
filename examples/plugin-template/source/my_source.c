/*
 * A source: hands out records with their positions, and remembers how far the engine has dealt with them. This one
 * reads the lines of a file; the offset of a record is the number of its line.
 */
#include <churn/plugin.h>
#include <churn/source.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define BATCH 64

/* The host writes the options into it before `create`. */
struct instance {
    const char *path, *position;
    churn_source_listener listener;
    FILE *in;
    int64_t next;       /* number of the line that is read next */
    int32_t announced;  /* `assigned` was called */
    char *lines[BATCH]; /* of the newest poll; memory of getline */
    size_t rooms[BATCH];
};

static const churn_option options[] = {
    {"path", .type = CHURN_OPTION_STRING, .flags = CHURN_OPTION_REQUIRED, .offset = offsetof(struct instance, path),
     .help = "File with one JSON event a line."},
    {"position", .type = CHURN_OPTION_STRING, .offset = offsetof(struct instance, position),
     .help = "File that says how far it was dealt with; PATH.position where it is not given."},
};

static int32_t create(void *self, const churn_host *host, churn_error *err)
{
    (void)self;
    (void)host;
    (void)err;
    return CHURN_OK;
}

/* Goes to the beginning of a line by reading up to it. */
static int32_t go_to(struct instance *s, int64_t line, churn_error *err)
{
    rewind(s->in);
    for (s->next = 0; s->next < line; s->next++) {
        if (getline(&s->lines[0], &s->rooms[0], s->in) < 0) {
            return churn_fail(err, CHURN_FATAL, "%s has %lld lines, and line %lld was dealt with: another file?",
                              s->path, (long long)s->next, (long long)line - 1);
        }
    }
    return CHURN_OK;
}

/* The file of the position, or a `fresh` one that takes its place. */
static void position_name(const struct instance *s, const char *fresh, char name[4096])
{
    (void)snprintf(name, 4096, "%s%s%s", s->position != NULL ? s->position : s->path,
                   s->position != NULL ? "" : ".position", fresh);
}

/* The offset committed last; 0 where there is none. */
static int64_t committed(const struct instance *s)
{
    char name[4096];
    long long offset = 0;
    FILE *in;
    position_name(s, "", name);
    in = fopen(name, "r");
    if (in != NULL) {
        offset = fscanf(in, "%lld", &offset) == 1 && offset > 0 ? offset : 0;
        (void)fclose(in);
    }
    return offset;
}

static int32_t start(void *self, const churn_source_listener *listener, churn_error *err)
{
    struct instance *s = self;
    int32_t result;
    s->listener = *listener;
    s->in = fopen(s->path, "r");
    if (s->in == NULL) {
        return churn_fail_option(err, "path", "cannot open %s: %s", s->path, strerror(errno));
    }
    result = go_to(s, committed(s), err);
    if (result != CHURN_OK) { /* `stop` is not called after a start that failed */
        (void)fclose(s->in);
        s->in = NULL;
    }
    return result;
}

/* A file is one partition. Where its reading begins is said once, from within poll. */
static void announce(struct instance *s)
{
    churn_position position = {.topic = s->path, .offset = s->next};
    if (s->next > 0) { /* as somebody left it who began at the first line */
        position.flags = CHURN_POSITION_RESUMED | CHURN_POSITION_WHOLE;
    }
    s->announced = 1;
    s->listener.assigned(s->listener.ctx, &position, 1);
}

static int32_t poll_records(void *self, churn_record *records, uint32_t max, uint32_t timeout_ms, uint32_t *ret_count,
                            churn_error *err)
{
    struct instance *s = self;
    uint32_t n = 0;
    (void)timeout_ms; /* a file is never waited for */
    if (!s->announced) {
        announce(s);
    }
    for (; n < max && n < BATCH; n++) {
        ssize_t len = getline(&s->lines[n], &s->rooms[n], s->in);
        if (len < 0) {
            break;
        }
        len -= len > 0 && s->lines[n][len - 1] == '\n';
        records[n] = (churn_record){.size = sizeof(churn_record),
                                    .kind = CHURN_RECORD_EVENT,
                                    .value = {.ptr = s->lines[n], .len = (uint32_t)len},
                                    .topic = s->path,
                                    .offset = s->next++};
    }
    *ret_count = n;
    if (ferror(s->in)) {
        return churn_fail(err, CHURN_FATAL, "cannot read %s: %s", s->path, strerror(errno));
    }
    return n > 0 ? CHURN_OK : max > 0 ? CHURN_END : CHURN_PENDING;
}

/* All before the position is counted for good. In a file of its own, replaced at once, so that a crash leaves the old
 * position or the new one; either is right, for what is read again is recognised. */
static int32_t commit(void *self, const churn_position *positions, uint32_t count, int32_t wait, churn_error *err)
{
    struct instance *s = self;
    char name[4096], fresh[4096];
    FILE *out;
    int ok;
    position_name(s, "", name);
    position_name(s, ".new", fresh);
    out = count > 0 ? fopen(fresh, "w") : NULL;
    if (out == NULL) {
        return count == 0 ? CHURN_OK : churn_fail(err, CHURN_RETRY, "cannot write %s: %s", fresh, strerror(errno));
    }
    ok = fprintf(out, "%lld\n", (long long)positions[0].offset) > 0 && fflush(out) == 0 &&
         (!wait || fsync(fileno(out)) == 0);
    ok = fclose(out) == 0 && ok;
    return ok && rename(fresh, name) == 0 ? CHURN_OK
                                          : churn_fail(err, CHURN_RETRY, "cannot write %s: %s", name, strerror(errno));
}

static int32_t seek(void *self, const churn_position *position, churn_error *err)
{
    return go_to(self, position->offset, err);
}

/* `churnd rebuild` reads beside the pipeline: with a position of its own. */
static int32_t apart(churn_section *section, const char *reader, churn_error *err)
{
    const char *path = section->get(section, "path");
    char name[4096];
    (void)err;
    (void)snprintf(name, sizeof name, "%s.%s.position", path != NULL ? path : "", reader);
    section->put(section, "position", name);
    return CHURN_OK;
}

static void stop(void *self)
{
    struct instance *s = self;
    (void)fclose(s->in);
    s->in = NULL;
}

static void destroy(void *self)
{
    struct instance *s = self;
    for (int i = 0; i < BATCH; i++) {
        free(s->lines[i]);
    }
}

static const churn_source_ops ops = {
    .size = sizeof(churn_source_ops),
    .single_worker = 1,
    .create = create,
    .start = start,
    .poll = poll_records,
    .commit = commit,
    .seek = seek,
    .stop = stop,
    .destroy = destroy,
    .apart = apart,
};

CHURN_PLUGIN(.kind = CHURN_KIND_SOURCE, .name = "my_source", .version = "1.0.0",
             .summary = "One sentence for `churnd plugins`", CHURN_OPTIONS(options, struct instance), .ops = &ops);
