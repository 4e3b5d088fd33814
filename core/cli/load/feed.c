#include "cli/load/feed.h"

#include "base/clock.h"

#define PATIENCE_MS 30000 /* for a Kafka that takes nothing */
#define STOP_MS 5000      /* for what is still on its way at the end */

static bool fail(struct feed *feed, const struct section *section, const char *message)
{
    log_printf(feed->log, CHURN_LOG_ERROR, section->label, "%s", message);
    feed->failed = true;
    return false;
}

/* ---- beginning and end ---- */

/* What a generator tells of its partition is of no use here. */
static void ignore_positions(void *ctx, const churn_position *positions, uint32_t count)
{
    (void)ctx;
    (void)positions;
    (void)count;
}

static void ignore_revoked(void *ctx, const churn_position *positions, uint32_t count, int32_t lost)
{
    (void)lost;
    ignore_positions(ctx, positions, count);
}

static bool start_source(struct feed *feed, struct feed_source *source)
{
    const struct section *section = &source->pipeline->source;
    const churn_source_listener listener = {
        .size = sizeof listener, .assigned = ignore_positions, .revoked = ignore_revoked, .passed = ignore_positions};
    churn_error err = {.size = sizeof err};
    source->started = source_ops(section)->start(source->instance->self, &listener, &err) == CHURN_OK;
    return source->started || fail(feed, section, err.message);
}

static bool start_sink(struct feed *feed)
{
    const struct section *section = feed->sink->section;
    churn_error err = {.size = sizeof err};
    feed->sink_started = sink_ops(section)->start(feed->sink->self, &err) == CHURN_OK;
    return feed->sink_started || fail(feed, section, err.message);
}

bool feed_make(struct feed *feed, struct log *log, struct feed_source *sources, unsigned source_count)
{
    struct pipeline *pipeline = sources[0].pipeline;
    bool ok = true;
    *feed = (struct feed){.log = log, .sources = sources, .source_count = source_count};
    for (unsigned i = 0; ok && i < source_count; i++) {
        sources[i].instance = instance_new(sources[i].pipeline, &sources[i].pipeline->source, 0);
        ok = sources[i].instance != NULL;
    }
    feed->sink = ok ? instance_new(pipeline, &pipeline->sinks[0], 0) : NULL;
    return feed->sink != NULL;
}

bool feed_open(struct feed *feed)
{
    bool ok = true;
    for (unsigned i = 0; ok && i < feed->source_count; i++) {
        ok = start_source(feed, &feed->sources[i]);
    }
    return ok && start_sink(feed);
}

void feed_close(struct feed *feed)
{
    if (feed->sink_started) {
        sink_ops(feed->sink->section)->stop(feed->sink->self, STOP_MS);
    }
    instance_free(feed->sink);
    for (unsigned i = 0; i < feed->source_count; i++) {
        struct feed_source *source = &feed->sources[i];
        if (source->started) {
            source_ops(&source->pipeline->source)->stop(source->instance->self);
        }
        instance_free(source->instance);
    }
    *feed = (struct feed){0};
}

/* ---- writing ---- */

void feed_poll(struct feed *feed, uint32_t timeout_ms)
{
    const struct section *section = feed->sink->section;
    churn_done done[FEED_BATCH];
    churn_error err = {.size = sizeof err};
    uint32_t count = 0;
    if (feed->failed) {
        return;
    }
    if (sink_ops(section)->poll(feed->sink->self, done, FEED_BATCH, timeout_ms, &count, &err) == CHURN_FATAL) {
        (void)fail(feed, section, err.message);
        return;
    }
    feed->answered += count;
    for (uint32_t i = 0; i < count; i++) {
        if (done[i].result != CHURN_OK) {
            (void)fail(feed, section, done[i].message != NULL ? done[i].message : "an event was not taken");
            return;
        }
    }
}

/* Writes them all, however long the sink is full. */
static void write_all(struct feed *feed, const churn_record *records, uint32_t count)
{
    const struct section *section = feed->sink->section;
    int64_t deadline = clock_monotonic_ms() + PATIENCE_MS;
    for (uint32_t at = 0; at < count && !feed->failed;) {
        churn_error err = {.size = sizeof err};
        uint32_t taken = 0;
        int32_t result = sink_ops(section)->write(feed->sink->self, records + at, count - at, &taken, &err);
        at += taken;
        feed->given += taken;
        if (result != CHURN_OK && result != CHURN_PENDING && result != CHURN_RETRY) {
            (void)fail(feed, section, err.message);
        } else if (at < count && clock_monotonic_ms() > deadline) {
            (void)fail(feed, section, "Kafka has taken no event for 30 s; the test ends");
        } else if (at < count) {
            feed_poll(feed, 1);
        }
        deadline = taken > 0 ? clock_monotonic_ms() + PATIENCE_MS : deadline;
    }
}

uint32_t feed_write(struct feed *feed, unsigned source, uint32_t count, feed_fn fn, void *ctx)
{
    const struct feed_source *from = &feed->sources[source];
    const struct section *section = &from->pipeline->source;
    churn_record records[FEED_BATCH];
    churn_error err = {.size = sizeof err};
    uint32_t made = 0;
    if (feed->failed) {
        return 0;
    }
    if (source_ops(section)->poll(from->instance->self, records, count < FEED_BATCH ? count : FEED_BATCH, 0, &made,
                                  &err) == CHURN_FATAL) {
        (void)fail(feed, section, err.message);
        return 0;
    }
    int64_t now = clock_wall_ms();
    for (uint32_t i = 0; i < made; i++) {
        records[i].id = feed->given + i + 1;
        records[i].timestamp_ms = now; /* the record is of now, whatever the time of its event */
        if (fn != NULL) {
            fn(ctx, &records[i]);
        }
    }
    write_all(feed, records, made);
    return made;
}
