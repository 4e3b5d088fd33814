/* What the parts of the hot path cost by themselves: `micro PIPELINE EVENTS`, a file with one event a line; puts are
 * written to the pipeline's store. Each figure is the best of PASSES passes, for anything else that runs on the machine
 * only makes a pass slower. */
#include "event/event.h"
#include "pipeline/instance.h"
#include "pipeline/load.h"
#include "pipeline/pipeline.h"
#include "profile/fold.h"
#include "profile/profile.h"
#include "profile/profile_render.h"
#include "profile/store_keys.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define PASSES 9
#define MAX_LINE 4096
#define PUTS 4096 /* of different customers */

struct line {
    char *bytes; /* padded for the decoder */
    size_t len;
};

struct bench {
    struct log *log;
    struct loader loader;
    struct pipeline pipeline;
    const struct catalog *catalog;
    struct parts parts;
    struct arena_pool pool;
    struct arena arena;
    struct fold_buffer folder;
    struct event_decoder *decoder;
    struct fields *delta;
    struct profile *profile;
    struct profile_text text;
    uint32_t part;
    struct line *lines;
    size_t count;
};

static void fail(const char *what)
{
    (void)fprintf(stderr, "micro: %s\n", what);
    exit(1);
}

static void add_line(struct bench *b, const char *text, size_t len)
{
    char *bytes = calloc(1, len + JSON_SCAN_PADDING);
    b->lines = realloc(b->lines, (b->count + 1) * sizeof *b->lines);
    if (bytes == NULL || b->lines == NULL) {
        fail("out of memory");
    }
    memcpy(bytes, text, len);
    b->lines[b->count++] = (struct line){.bytes = bytes, .len = len};
}

static void read_lines(struct bench *b, const char *path)
{
    char text[MAX_LINE];
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        fail("the file of events cannot be read");
    }
    while (fgets(text, sizeof text, file) != NULL) {
        add_line(b, text, strcspn(text, "\n"));
    }
    (void)fclose(file);
    if (b->count == 0) {
        fail("the file has no events");
    }
}

static void open_bench(struct bench *b, const char *pipeline)
{
    const struct pipeline_files files = {.pipeline = pipeline};
    b->log = log_new(STDERR_FILENO, CHURN_LOG_WARN, LOG_FORMAT_TEXT);
    if (b->log == NULL || !loader_init(&b->loader, NULL, 0) ||
        !pipeline_load(&b->pipeline, files, &b->loader, b->log, stderr)) {
        fail("the pipeline cannot be loaded");
    }
    b->catalog = &b->pipeline.catalog;
    b->arena.pool = &b->pool;
    b->decoder = event_decoder_new(b->catalog);
    b->part = parts_find(&b->parts, "customer-events", 0);
    b->delta = calloc(1, fields_size(&b->catalog->registry));
    b->profile = profile_new(&b->catalog->registry);
    if (b->decoder == NULL || b->part == PART_NONE || b->delta == NULL || b->profile == NULL ||
        !fold_buffer_init(&b->folder, b->catalog, &b->parts)) {
        fail("out of memory");
    }
}

static void close_bench(struct bench *b)
{
    for (size_t i = 0; i < b->count; i++) {
        free(b->lines[i].bytes);
    }
    free(b->lines);
    profile_text_free(&b->text);
    profile_free(b->profile, &b->catalog->registry);
    free(b->delta);
    fold_buffer_free(&b->folder);
    arena_reset(&b->arena);
    arena_pool_free(&b->pool);
    parts_free(&b->parts);
    event_decoder_free(b->decoder);
    pipeline_free(&b->pipeline);
    loader_free(&b->loader);
    log_free(b->log);
}

/* --- What is measured: each does event i and the steps before its own --- */

static const struct event_type *decode(struct bench *b, size_t i, churn_event *event)
{
    struct reject reject;
    const struct event_type *type = event_decode(b->decoder, b->lines[i].bytes, b->lines[i].len, event, &reject);
    if (type == NULL) {
        fail("the file has a broken event");
    }
    return type;
}

static void step_decode(struct bench *b, size_t i)
{
    churn_event event;
    (void)decode(b, i, &event);
}

static void step_fold(struct bench *b, size_t i)
{
    churn_error err = {.size = sizeof err};
    churn_event event;
    const struct event_type *type = decode(b, i, &event);
    event.topic = (churn_str){.ptr = "customer-events", .len = 15};
    event.partition = 0;
    event.offset = (int64_t)i;
    if (fold_event(&b->folder, type, &event, b->part, b->delta, &b->arena, &err) != CHURN_OK) {
        fail(err.message);
    }
}

/* A window that has one event of the customer: merged into the profile, and the texts made for the store. */
static void step_put(struct bench *b, size_t i)
{
    fields_clear(b->delta);
    step_fold(b, i);
    if (!profile_merge(b->profile, b->delta, &b->catalog->registry, &b->parts) ||
        !profile_set_mark(b->profile, b->part, (int64_t)i + 1)) {
        fail("out of memory");
    }
    profile_render(b->profile, &b->catalog->registry, &b->parts, churn_text("c"), &b->text);
    if (b->text.failed) {
        fail("out of memory");
    }
    profile_saved(b->profile);
}

/* One put as the writer makes it, its texts kept. */
struct kept_put {
    churn_put put;
    char *bytes;
    char key[STORE_KEY_SIZE];
};

static void keep_put(struct bench *b, size_t i, struct kept_put *kept)
{
    char customer[32];
    churn_pair *pairs;
    fields_clear(b->delta);
    step_put(b, i % b->count);
    (void)snprintf(customer, sizeof customer, "micro_%zu", i);
    pairs = malloc(b->text.count * sizeof *pairs);
    kept->bytes = malloc(b->text.bytes.len + 1);
    if (pairs == NULL || kept->bytes == NULL) {
        fail("out of memory");
    }
    memcpy(kept->bytes, b->text.bytes.bytes, b->text.bytes.len);
    for (uint32_t k = 0; k < b->text.count; k++) {
        const churn_pair *from = &b->text.pairs[k];
        bool own = from->name.ptr >= b->text.bytes.bytes && from->name.ptr < b->text.bytes.bytes + b->text.bytes.len;
        pairs[k] = *from;
        pairs[k].name.ptr = own ? kept->bytes + (from->name.ptr - b->text.bytes.bytes) : from->name.ptr;
        pairs[k].value.ptr = kept->bytes + (from->value.ptr - b->text.bytes.bytes);
    }
    kept->put = (churn_put){.size = sizeof kept->put, .count = b->text.count, .fields = pairs, .id = i};
    kept->put.key = (churn_str){
        .ptr = kept->key,
        .len = store_keys_profile(b->pipeline.store_settings.key_prefix,
                                  (churn_str){.ptr = customer, .len = (uint32_t)strlen(customer)}, kept->key)};
}

static void take_replies(const churn_store_ops *ops, void *session)
{
    churn_put_reply replies[512];
    churn_error err = {.size = sizeof err};
    uint32_t answered = 0, count;
    while (answered < PUTS) {
        if (ops->poll(session, replies, 512, 1000, &count, &err) < 0) {
            fail(err.message);
        }
        answered += count;
    }
}

static double now_ns(clockid_t which)
{
    struct timespec now;
    (void)clock_gettime(which, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

/* ns an event. */
static double best_pass(struct bench *b, void (*step)(struct bench *, size_t))
{
    double best = 0;
    for (int pass = 0; pass < PASSES; pass++) {
        double start = now_ns(CLOCK_MONOTONIC), took;
        for (size_t i = 0; i < b->count; i++) {
            step(b, i);
        }
        took = (now_ns(CLOCK_MONOTONIC) - start) / (double)b->count;
        best = pass == 0 || took < best ? took : best;
        fields_clear(b->delta);
        arena_reset(&b->arena);
    }
    return best;
}

/* ns of churnd's own a put: encoded, and sent with others. What the store takes meanwhile does not count. */
static double best_send(struct bench *b)
{
    const churn_store_ops *ops = store_ops(&b->pipeline.store);
    struct kept_put *kept = calloc(PUTS, sizeof *kept);
    churn_error err = {.size = sizeof err};
    void *session;
    double best = 0;
    if (kept == NULL || ops->open(b->pipeline.store_instance->self, &session, &err) != CHURN_OK) {
        fail(err.message);
    }
    for (size_t i = 0; i < PUTS; i++) {
        keep_put(b, i, &kept[i]);
    }
    for (int pass = 0; pass < PASSES; pass++) {
        double start = now_ns(CLOCK_THREAD_CPUTIME_ID), took;
        for (size_t i = 0; i < PUTS; i++) {
            kept[i].put.expected_version = (uint64_t)pass;
            if (ops->put(session, &kept[i].put, &err) != CHURN_OK) {
                fail(err.message);
            }
        }
        took = (now_ns(CLOCK_THREAD_CPUTIME_ID) - start) / PUTS;
        best = pass == 0 || took < best ? took : best;
        take_replies(ops, session);
    }
    ops->close(session);
    for (size_t i = 0; i < PUTS; i++) {
        free(kept[i].bytes);
        free((void *)(uintptr_t)kept[i].put.fields);
    }
    free(kept);
    return best;
}

int main(int argc, char **argv)
{
    struct bench b = {0};
    double decoded, folded, put, sent;
    if (argc != 3) {
        fail("usage: micro PIPELINE EVENTS");
    }
    open_bench(&b, argv[1]);
    read_lines(&b, argv[2]);
    decoded = best_pass(&b, step_decode);
    folded = best_pass(&b, step_fold);
    put = best_pass(&b, step_put);
    sent = best_send(&b);
    (void)printf("| step | ns an event |\n| --- | --- |\n| decode | %.0f |\n| fold | %.0f |\n"
                 "| merge and render, a window with one event a customer | %.0f |\n"
                 "| encode and send a put | %.0f |\n",
                 decoded, folded - decoded, put - folded, sent);
    close_bench(&b);
    return 0;
}
