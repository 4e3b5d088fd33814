/* What `churnd plugin-check` sees of a processor or sink at work: it is started, and given a few events or records. One
 * that names targets (`probe`) is left alone, for it would write to them. */
#include "cli/plugin_run.h"

#include "base/clock.h"
#include "cli/plugin_samples.h"
#include "engine/output.h"
#include "event/edit.h"
#include "pipeline/instance.h"
#include "profile/owed.h"
#include <inttypes.h>
#include <unistd.h>

#define CALLS 10       /* events that a processor is given */
#define SLOW_MS 10     /* each of them takes so long: no noise of the machine */
#define ANSWER_MS 2000 /* less than the parent's patience */
#define POLL_MS 100

/* ---- processors ---- */

/* A processor, and what it takes to call it. */
struct running {
    const churn_processor_ops *ops;
    void *self;
    struct event_decoder *decoder;
    struct arena_pool pool;
    struct arena arena;
    struct edit edit;
};

static int32_t call(struct running *r, const struct event_type *type, const churn_event *event)
{
    churn_error err = {.size = sizeof err};
    if (r->ops->transform == NULL) {
        return r->ops->process(r->self, event, &err);
    }
    edit_begin(&r->edit, r->decoder, &r->arena, type);
    return r->ops->transform(r->self, event, edit_open(&r->edit), &err);
}

/* The shortest time that one of the events took, in ms; 0 where it cannot judge them, for want of a server perhaps. */
static int64_t shortest_call(struct running *r, const struct samples *samples)
{
    int64_t shortest = INT64_MAX;
    for (unsigned i = 0; i < CALLS && i < samples->count; i++) {
        struct reject reject;
        churn_event event;
        const struct event_type *type = samples_decode(r->decoder, &samples->items[i], &event, &reject);
        int64_t began = clock_monotonic_ms(), took;
        int32_t verdict = type != NULL ? call(r, type, &event) : CHURN_FATAL;
        took = clock_monotonic_ms() - began;
        shortest = took < shortest ? took : shortest;
        if (verdict == CHURN_RETRY || verdict == CHURN_FATAL) {
            return 0;
        }
    }
    return samples->count >= CALLS ? shortest : 0;
}

static void run_processor(struct plugin_check *check, struct pipeline *pipeline, const struct section *section,
                          void *self)
{
    struct running r = {.ops = processor_ops(section), .self = self, .decoder = event_decoder_new(&pipeline->catalog)};
    struct samples samples = samples_make(pipeline, NULL);
    churn_error err = {.size = sizeof err};
    int64_t ms;
    if (r.decoder == NULL) {
        _exit(1);
    }
    r.arena.pool = &r.pool;
    plugin_report_stage(check, "giving it samples of events");
    if (r.ops->start == NULL || r.ops->start(self, &err) == CHURN_OK) {
        ms = shortest_call(&r, &samples);
        if (ms >= SLOW_MS) {
            plugin_report_warning(check, "slow",
                                  "takes %" PRId64 " ms or more for each event, so that a worker gets through %" PRId64
                                  " a second at most; keep what it needs in memory, or ask for many at once (announce)",
                                  ms, 1000 / ms);
        }
        if (r.ops->stop != NULL) {
            r.ops->stop(self);
        }
    }
    samples_free(&samples);
    edit_free(&r.edit);
    arena_reset(&r.arena);
    arena_pool_free(&r.pool);
    event_decoder_free(r.decoder);
}

/* ---- sinks ---- */

static void note_target(void *ctx, const churn_target *target)
{
    bool *named = ctx;
    (void)target;
    *named = true;
}

static bool names_targets(const churn_sink_ops *ops, void *self)
{
    bool named = false;
    if (ops->probe != NULL) {
        ops->probe(self, 0, note_target, &named);
    }
    return named;
}

/* One record of each kind that it accepts. */
static uint32_t make_records(churn_record *records, uint32_t accepts)
{
    static const char event[] = "{\"event_id\":\"e\",\"event_type\":\"login\",\"customer_id\":\"c\","
                                "\"timestamp\":\"2026-01-01T00:00:00Z\",\"data\":{}}",
                      trigger[] =
                          "{\"request_id\":\"samples/0/1\",\"customer_id\":\"c\",\"trigger\":{\"event_id\":\"e\","
                          "\"event_type\":\"login\",\"timestamp\":\"2026-01-01T00:00:00.000Z\"}}",
                      alert[] = "{\"alert_id\":\"samples/0/2\",\"severity\":\"info\",\"event_id\":\"e\",\"event_type\":"
                                "\"login\",\"customer_id\":\"c\",\"timestamp\":\"2026-01-01T00:00:00.000Z\","
                                "\"message\":\"a sample of plugin-check\",\"data\":{}}";
    static const churn_header headers[] = {{LETTER_HEADER "reason", {.ptr = "sample", .len = 6}},
                                           {LETTER_HEADER "detail", {.ptr = "a sample of plugin-check", .len = 24}},
                                           {LETTER_HEADER "topic", {.ptr = "samples", .len = 7}},
                                           {LETTER_HEADER "partition", {.ptr = "0", .len = 1}},
                                           {LETTER_HEADER "offset", {.ptr = "3", .len = 1}}};
    static const struct {
        uint32_t kind;
        const char *value;
    } kinds[] = {{CHURN_RECORD_EVENT, event},
                 {CHURN_RECORD_TRIGGER, trigger},
                 {CHURN_RECORD_ALERT, alert},
                 {CHURN_RECORD_DEAD_LETTER, event}};
    uint32_t count = 0;
    for (uint32_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if ((accepts & kinds[i].kind) != 0) {
            bool letter = kinds[i].kind == CHURN_RECORD_DEAD_LETTER;
            records[count++] = (churn_record){.size = sizeof records[0],
                                              .kind = kinds[i].kind,
                                              .key = churn_text("c"),
                                              .value = churn_text(kinds[i].value),
                                              .timestamp_ms = INT64_C(1767225600000),
                                              .topic = "samples",
                                              .offset = i,
                                              .id = UINT64_C(1) << 32 | i,
                                              .severity = CHURN_SEVERITY_INFO,
                                              .headers = letter ? headers : NULL,
                                              .header_count = letter ? sizeof headers / sizeof headers[0] : 0};
        }
    }
    return count;
}

/* Takes the newest answers; false when one was not owed. */
static bool take_answers(struct plugin_check *check, struct owed *owed, const churn_done *done, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (!owed_remove(owed, done[i].id)) {
            plugin_report_error(check, "answers",
                                "poll answers a record that it was not given, or has answered before; each record that "
                                "it took must be answered exactly once, with its own id");
            return false;
        }
    }
    return true;
}

/* Gives it the records, one at a time, and waits for its answers. */
static void give_records(struct plugin_check *check, const churn_sink_ops *ops, void *self, struct owed *owed)
{
    churn_record records[4];
    churn_done done[4];
    uint32_t count = make_records(records, ops->accepts), at = 0, taken_in_all = 0;
    int64_t deadline = clock_monotonic_ms() + ANSWER_MS;
    while ((at < count || owed->count > 0) && clock_monotonic_ms() < deadline) {
        churn_error err = {.size = sizeof err};
        uint32_t taken = 0, answers = 0;
        int32_t result = at < count ? ops->write(self, &records[at], 1, &taken, &err) : CHURN_OK;
        if (taken > 1) {
            plugin_report_error(check, "answers", "write takes %u records of 1 that it is given", taken);
            return;
        }
        if (taken == 1) {
            owed_add(owed, records[at++].id);
            taken_in_all++;
        } else if (result == CHURN_FATAL) {
            return;
        } else {
            at += at < count && result != CHURN_OK && result != CHURN_PENDING && result != CHURN_RETRY;
        }
        if (ops->poll(self, done, 4, POLL_MS, &answers, &err) == CHURN_FATAL ||
            !take_answers(check, owed, done, answers < 4 ? answers : 4)) {
            return;
        }
    }
    if (owed->count > 0) {
        plugin_report_warning(check, "no_answer",
                              "poll answers %u of %u records within %d s; each record that it took must be answered, "
                              "exactly once (or its `probe` must name what it waits for)",
                              taken_in_all - owed->count, taken_in_all, ANSWER_MS / 1000);
    }
}

static void run_sink(struct plugin_check *check, const struct section *section, void *self)
{
    const churn_sink_ops *ops = sink_ops(section);
    struct owed owed = {0};
    churn_error err = {.size = sizeof err};
    if (names_targets(ops, self)) {
        return;
    }
    if (!owed_reserve(&owed, 4)) {
        _exit(1);
    }
    plugin_report_stage(check, "giving it records");
    if (ops->start(self, &err) == CHURN_OK) {
        give_records(check, ops, self, &owed);
        plugin_report_stage(check, "calling stop");
        ops->stop(self, POLL_MS);
    }
    owed_free(&owed);
}

void plugin_run(struct plugin_check *check, struct pipeline *pipeline, const struct section *section)
{
    uint32_t kind = section->loaded->plugin.kind;
    struct instance *instance =
        kind == CHURN_KIND_PROCESSOR || kind == CHURN_KIND_SINK ? instance_new(pipeline, section, 0) : NULL;
    if (instance != NULL && kind == CHURN_KIND_PROCESSOR) {
        run_processor(check, pipeline, section, instance->self);
    } else if (instance != NULL) {
        run_sink(check, section, instance->self);
    }
    plugin_report_stage(check, "calling destroy");
    instance_free(instance);
}
