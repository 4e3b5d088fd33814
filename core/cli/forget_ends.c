#include "cli/forget_ends.h"

#include "base/clock.h"
#include "base/printable.h"
#include "pipeline/instance.h"
#include <stdlib.h>

#define POLL_RECORDS 64
#define POLL_MS 200
#define PATIENCE_MS 60000

static const churn_source_ops *ops_of(const struct source_ends *ends)
{
    return source_ops(&ends->pipeline->source);
}

static void add(struct source_ends *ends, const char *topic, int32_t partition, int64_t end)
{
    uint32_t part = parts_find_text(&ends->parts, churn_text(topic), partition);
    churn_str name;
    if (ends->count == ends->room) {
        size_t room = ends->room == 0 ? 16 : ends->room * 2;
        struct source_end *grown = realloc(ends->items, room * sizeof *grown);
        ends->failed = ends->failed || grown == NULL;
        ends->items = grown != NULL ? grown : ends->items;
        ends->room = grown != NULL ? room : ends->room;
    }
    if (part == PART_NONE || ends->failed) {
        ends->failed = true;
        return;
    }
    name = parts_name(&ends->parts.items[part]);
    ends->items[ends->count].offset = end;
    (void)snprintf(ends->items[ends->count].name, sizeof ends->items[0].name, "%.*s", (int)name.len, name.ptr);
    ends->count++;
}

static void take_extent(void *ctx, const char *topic, int32_t partition, int64_t low, int64_t end)
{
    (void)low;
    add(ctx, topic, partition, end);
}

/* A source without `extents` has all of its partitions itself. */
static void on_assigned(void *ctx, const churn_position *positions, uint32_t count)
{
    struct source_ends *ends = ctx;
    for (uint32_t i = 0; i < count && ops_of(ends)->extents == NULL && ops_of(ends)->bounds != NULL; i++) {
        int64_t low, end;
        churn_error err = {.size = sizeof err};
        if (ops_of(ends)->bounds(ends->source->self, positions[i].topic, positions[i].partition, &low, &end, &err) ==
            CHURN_OK) {
            add(ends, positions[i].topic, positions[i].partition, end);
        }
    }
}

static void on_revoked(void *ctx, const churn_position *positions, uint32_t count, int32_t lost)
{
    (void)ctx; /* nothing of them is held */
    (void)positions;
    (void)count;
    (void)lost;
}

static void on_passed(void *ctx, const churn_position *positions, uint32_t count)
{
    on_revoked(ctx, positions, count, 0);
}

/* Its records are of no interest. */
static bool poll_until_known(struct source_ends *ends)
{
    int64_t deadline = clock_monotonic_ms() + PATIENCE_MS;
    churn_error err = {.size = sizeof err};
    int32_t result = CHURN_PENDING;
    while (ends->count == 0 && !ends->failed && clock_monotonic_ms() < deadline) {
        churn_record records[POLL_RECORDS];
        uint32_t count = 0;
        result = ops_of(ends)->poll(ends->source->self, records, POLL_RECORDS, POLL_MS, &count, &err);
        if (result != CHURN_OK && result != CHURN_PENDING && result != CHURN_END) {
            printable_line(stderr, "churnd: source %s: %s", ends->pipeline->source.label, err.message);
            return false;
        }
        if (ops_of(ends)->extents != NULL) {
            ops_of(ends)->extents(ends->source->self, take_extent, ends);
        }
        if (result == CHURN_END) {
            return true;
        }
    }
    if (ends->failed) {
        (void)fputs("churnd: out of memory\n", stderr);
    } else if (ends->count == 0) {
        printable_line(
            stderr, "churnd: source %s does not say where its partitions end; is it out of reach? Nobody is forgotten",
            ends->pipeline->source.label);
    }
    return !ends->failed && ends->count > 0;
}

bool forget_ends_ask(struct source_ends *ends, struct pipeline *pipeline)
{
    churn_source_listener listener = {
        .size = sizeof listener, .ctx = ends, .assigned = on_assigned, .revoked = on_revoked, .passed = on_passed};
    churn_error err = {.size = sizeof err};
    bool ok;
    *ends = (struct source_ends){.pipeline = pipeline, .source = instance_new(pipeline, &pipeline->source, 0)};
    if (ends->source == NULL) {
        return false;
    }
    if (ops_of(ends)->start(ends->source->self, &listener, &err) != CHURN_OK) {
        printable_line(stderr, "churnd: source %s: %s", pipeline->source.label, err.message);
        return false;
    }
    ok = poll_until_known(ends);
    ops_of(ends)->stop(ends->source->self);
    return ok;
}

void forget_ends_free(struct source_ends *ends)
{
    instance_free(ends->source);
    parts_free(&ends->parts);
    free(ends->items);
}
