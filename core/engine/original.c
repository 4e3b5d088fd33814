#include "engine/original.h"

#include "base/clock.h"
#include "engine/output.h"
#include "engine/protecting.h"
#include "engine/redrive_scope.h"
#include "engine/state.h"
#include "pipeline/protect_section.h"
#include <stdlib.h>
#include <time.h>

#define ASK_MS 10000      /* one question to the source */
#define PATIENCE_MS 60000 /* for a source that is out of reach */
#define POLL_MS 50        /* for a record of a source that is asked by seek and poll */
#define MOST_POLLS 20
#define NO_TIME 0 /* which event it was is asked, not whether it keeps the rules of today */

/* The letters of a batch whose originals are wanted. */
struct wanted {
    struct worker *worker;
    churn_position *positions;
    struct original **originals; /* of each position */
    uint32_t count;
    bool failed; /* memory ran out */
};

static const churn_source_ops *ops_of(const struct worker *worker)
{
    return source_ops(&worker->pipeline->origin);
}

static int32_t take_record(void *ctx, uint32_t index, const churn_record *record)
{
    struct wanted *wanted = ctx;
    struct window *window = window_filling(wanted->worker);
    struct original *original = wanted->originals[index];
    *original = (struct original){.found = record != NULL};
    if (record != NULL) {
        original->record = *record;
        if (record->value.ptr != NULL) {
            original->record.value.ptr = arena_copy(&window->arena, record->value.ptr, record->value.len);
            wanted->failed = wanted->failed || original->record.value.ptr == NULL;
        }
        wanted->failed = !output_keep(window, &original->record) || wanted->failed;
    }
    return wanted->failed ? CHURN_END : CHURN_OK;
}

/* ---- a source that keeps no positions is asked by seek and poll ---- */

static void ignore_assigned(void *ctx, const churn_position *positions, uint32_t count)
{
    (void)ctx;
    (void)positions;
    (void)count;
}

static void ignore_revoked(void *ctx, const churn_position *positions, uint32_t count, int32_t lost)
{
    (void)lost;
    ignore_assigned(ctx, positions, count);
}

static bool start_origin(struct worker *worker, churn_error *err)
{
    worker->origin.listener = (churn_source_listener){
        .size = sizeof worker->origin.listener, .assigned = ignore_assigned, .revoked = ignore_revoked};
    worker->origin.started =
        worker->origin.started ||
        (ops_of(worker)->seek != NULL && ops_of(worker)->commit == NULL &&
         ops_of(worker)->start(worker->origin.instance->self, &worker->origin.listener, err) == CHURN_OK);
    return worker->origin.started;
}

/* The record that a source hands out next; false when it is not the one at this position. */
static bool poll_one(struct worker *worker, const churn_position *position, churn_record *ret)
{
    uint32_t count = 0;
    for (unsigned i = 0; i < MOST_POLLS && count == 0; i++) {
        churn_error err = {.size = sizeof err};
        int32_t result = ops_of(worker)->poll(worker->origin.instance->self, ret, 1, POLL_MS, &count, &err);
        if (result < 0 || (result == CHURN_END && count == 0)) {
            return false;
        }
    }
    return count > 0 && ret->kind == CHURN_RECORD_EVENT && strcmp(ret->topic, position->topic) == 0 &&
           ret->partition == position->partition && ret->offset == position->offset;
}

static void seek_each(struct worker *worker, struct wanted *wanted)
{
    churn_error err = {.size = sizeof err};
    bool started = start_origin(worker, &err);
    for (uint32_t i = 0; i < wanted->count; i++) {
        const churn_position *position = &wanted->positions[i];
        churn_record record;
        bool found = started && ops_of(worker)->seek(worker->origin.instance->self, position, &err) == CHURN_OK &&
                     poll_one(worker, position, &record);
        (void)take_record(wanted, i, found ? &record : NULL);
    }
}

/* ---- all sources ---- */

/* Asks the source until it answers. */
static bool reread(struct worker *worker, struct wanted *wanted)
{
    static const struct timespec pause = {.tv_nsec = 200000000};
    int64_t deadline = clock_monotonic_ms() + PATIENCE_MS;
    for (;;) {
        churn_error err = {.size = sizeof err};
        int32_t result = ops_of(worker)->reread(worker->origin.instance->self, wanted->positions, wanted->count, ASK_MS,
                                                take_record, wanted, &err);
        if (result == CHURN_OK) {
            return true;
        }
        if (result != CHURN_RETRY || clock_monotonic_ms() >= deadline) {
            return worker_fail(worker,
                               "source %s: the records that the dead letters were cannot be read: %s; `redrive "
                               "--unverified` puts back unchecked what cannot be checked",
                               worker->pipeline->origin.label, err.message);
        }
        log_line(worker->pipeline->log, CHURN_LOG_WARN, worker->pipeline->origin.label, err.message);
        (void)nanosleep(&pause, NULL);
    }
}

/* The position that a letter names, where it is one of the pipeline's own topics. */
static void want(struct wanted *wanted, const churn_record *record, struct original *original)
{
    struct worker *worker = wanted->worker;
    const struct redrive *redrive = worker->pipeline->redrive;
    struct letter letter;
    char why[256];
    *original = (struct original){.found = false};
    if (letter_read(&letter, record, redrive->envelope, protect_section_ring(worker->pipeline), why, sizeof why) ==
            LETTER_GOOD &&
        redrive_written(redrive, letter.written_ms) == WRITTEN_WITHIN && letter.topic.ptr != NULL &&
        redrive_knows(redrive, letter.topic)) {
        uint32_t part = parts_find_text(&worker->parts, letter.topic, letter.partition);
        wanted->failed = wanted->failed || part == PART_NONE;
        if (part != PART_NONE) {
            wanted->positions[wanted->count] = (churn_position){
                .topic = worker->parts.items[part].topic, .partition = letter.partition, .offset = letter.offset};
            wanted->originals[wanted->count++] = original;
        }
    }
    letter_free(&letter);
}

bool originals_read(struct worker *worker, const churn_record *letters, uint32_t count, struct original *originals)
{
    struct wanted wanted = {.worker = worker,
                            .positions = calloc(count, sizeof *wanted.positions),
                            .originals = calloc(count, sizeof *wanted.originals)};
    bool ok = wanted.positions != NULL && wanted.originals != NULL;
    for (uint32_t i = 0; ok && i < count; i++) {
        want(&wanted, &letters[i], &originals[i]);
    }
    ok = ok && !wanted.failed;
    if (ok && wanted.count > 0 && worker->origin.instance != NULL) {
        if (ops_of(worker)->reread != NULL) {
            ok = reread(worker, &wanted);
        } else {
            seek_each(worker, &wanted);
        }
    }
    ok = (ok && !wanted.failed) || (worker->failed ? false : out_of_memory(worker));
    free(wanted.positions);
    free((void *)wanted.originals);
    return ok;
}

void originals_stop(struct worker *worker)
{
    if (worker->origin.started) {
        ops_of(worker)->stop(worker->origin.instance->self);
        worker->origin.started = false;
    }
}

/* ---- the comparison ---- */

static bool same(churn_str a, churn_str b)
{
    return (a.ptr == NULL) == (b.ptr == NULL) && churn_equal(a, b);
}

static enum match match_value(const struct letter *letter, const churn_record *record)
{
    char hash[OUTPUT_HASH_SIZE];
    if (letter->hash.ptr != NULL) { /* a large key is not kept either */
        output_hash(record->value, hash);
        return str_equals(letter->hash, hash) ? MATCH_SAME : MATCH_OTHER;
    }
    return same(letter->key, record->key) && same(letter->value, record->value) ? MATCH_SAME : MATCH_OTHER;
}

/* What a sink refused followed from the event, by its id; an event may have been changed by processors. */
static enum match match_output(struct worker *worker, const struct letter *letter, const churn_record *record)
{
    char *bytes = (char *)(uintptr_t)record->value.ptr; /* in the window's arena, and only read */
    uint32_t len = record->value.len;
    churn_event event;
    struct reject reject;
    if (letter->kind == CHURN_RECORD_EVENT && same(letter->value, record->value)) {
        return MATCH_SAME;
    }
    if (record->value.ptr == NULL || !worker->pipeline->decodes) {
        return MATCH_OTHER;
    }
    if (protecting_decode(worker, NO_TIME, &bytes, &len, &event, &reject) == NULL) {
        return reject.out_of_memory ? MATCH_NO_MEMORY : MATCH_OTHER;
    }
    return letter_is_of_event(letter, event.event_id) ? MATCH_SAME : MATCH_OTHER;
}

enum match original_match(struct worker *worker, const struct letter *letter, const struct original *original)
{
    if (!original->found) {
        return MATCH_UNKNOWN;
    }
    if (str_equals(letter->reason, reject_reason_name(REJECT_UNREADABLE_RECORD))) {
        return MATCH_SAME; /* it had nothing that could be compared, and can be read now */
    }
    return letter->kind != 0 || str_equals(letter->reason, reject_reason_name(REJECT_BY_SINK))
               ? match_output(worker, letter, &original->record)
               : match_value(letter, &original->record);
}
