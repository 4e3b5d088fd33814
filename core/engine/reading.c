#include "engine/reading.h"

#include "base/clock.h"
#include "base/fault.h"
#include "engine/intake.h"
#include "engine/lag.h"
#include "engine/partitions.h"
#include "engine/plugin_call.h"
#include "engine/processors.h"
#include "engine/progress.h"
#include "engine/proof.h"
#include "engine/windows.h"

#define PAUSE_AFTER_MS 1000   /* of not taking records the source is told to stop fetching */
#define KEEP_ALIVE_MS 20      /* wait per look at a source that must not be read from */
#define REVOKE_DRAIN_MS 20000 /* well below a consumer group's usual max.poll.interval.ms of 5 minutes */

static void on_assigned(void *ctx, const churn_position *positions, uint32_t count)
{
    struct worker *worker = ctx;
    worker->reading.at_end = false;
    atomic_store_explicit(&worker->signs.assigned, true, memory_order_relaxed);
    if (!progress_assign(worker, positions, count)) {
        return;
    }
    for (uint32_t i = 0; i < count; i++) {
        char from[32] = "where its group begins";
        if (positions[i].offset >= 0) {
            (void)snprintf(from, sizeof from, "offset %lld", (long long)positions[i].offset);
        }
        log_printf(worker->pipeline->log, CHURN_LOG_INFO, worker->pipeline->source.label,
                   "worker %u reads %s/%d from %s", worker->number, positions[i].topic, positions[i].partition, from);
    }
}

static void on_revoked(void *ctx, const churn_position *positions, uint32_t count, int32_t lost)
{
    struct worker *worker = ctx;
    (void)positions; /* always all of them, see <churn/source.h> */
    worker->reading.at_end = false;
    atomic_store_explicit(&worker->signs.assigned, false, memory_order_relaxed);
    worker_show(worker, WORKER_RUNNING);
    log_printf(worker->pipeline->log, CHURN_LOG_INFO, worker->pipeline->source.label,
               "worker %u gives up %u partition%s%s", worker->number, count, count == 1 ? "" : "s",
               lost ? ": its membership ended, so others may have them by now" : "");
    if (!lost) {
        (void)windows_drain(worker, REVOKE_DRAIN_MS);
        (void)(worker->failed || progress_commit(worker, COMMIT_WAIT_MS));
    }
    if (!worker->failed && !windows_done(worker)) {
        windows_discard(worker);
    }
    processors_forget(worker);
    progress_revoke(worker);
}

static void on_passed(void *ctx, const churn_position *positions, uint32_t count)
{
    struct worker *worker = ctx;
    for (uint32_t i = 0; i < count && !worker->failed; i++) {
        uint32_t part = parts_find(&worker->parts, positions[i].topic, positions[i].partition);
        if (part == PART_NONE) {
            (void)out_of_memory(worker);
        } else {
            (void)progress_note_passed(worker, part, positions[i].offset);
        }
    }
}

static void set_paused(struct worker *worker, bool on)
{
    if (worker->reading.paused != on && source_of(worker)->pause != NULL) {
        source_of(worker)->pause(worker->source->self, on);
        log_printf(worker->pipeline->log, CHURN_LOG_DEBUG, "worker", "%s",
                   on ? "the source waits" : "the source goes on");
    }
    worker->reading.paused = on;
}

/* A record's place is all that tells it from others: one that nobody announced would never be committed, and of two at
 * one offset the second would be taken for counted. */
static bool judge_place(struct worker *worker, const churn_record *record, const churn_record *before)
{
    const struct section *section = &worker->pipeline->source;
    bool same = before != NULL && before->topic == record->topic && before->partition == record->partition;
    if (record->topic == NULL || record->offset < 0) {
        return worker_blame(worker, section, "poll hands out a record without a topic or offset");
    }
    if (!same && !partitions_own(worker, record->topic, record->partition)) {
        return worker_blame(worker, section,
                            "poll hands out a record of %s/%d, which it has not announced (`assigned`) or has taken "
                            "back (`revoked`)",
                            record->topic, record->partition);
    }
    if (same && record->offset <= before->offset) {
        return worker_blame(worker, section,
                            "poll hands out offset %lld of %s/%d after %lld; within a partition it only grows",
                            (long long)record->offset, record->topic, record->partition, (long long)before->offset);
    }
    return true;
}

/* Whether the source keeps its rules; of what is NULL nothing is read. */
static bool judge_records(struct worker *worker, uint32_t count, uint32_t max)
{
    if (count > max) {
        return worker_blame(worker, &worker->pipeline->source, "poll hands out %u records, of %u at most", count, max);
    }
    for (uint32_t i = 0; i < count; i++) {
        churn_record *record = &worker->reading.records[i];
        if (!judge_place(worker, record, i > 0 ? record - 1 : NULL)) {
            return false;
        }
        record->key.len = record->key.ptr != NULL ? record->key.len : 0;
        record->value.len = record->value.ptr != NULL ? record->value.len : 0;
        record->header_count = record->headers != NULL ? record->header_count : 0;
    }
    return true;
}

/* Perhaps since the log became shorter than what was read of it: that is said, and known at the next start too, once
 * all that was read is counted. Always false. */
static bool source_failed(struct worker *worker, const char *message)
{
    if (worker_has_store(worker) && worker->session.handle != NULL && proof_has_shrunk(worker) &&
        windows_drain(worker, REVOKE_DRAIN_MS) && progress_commit(worker, COMMIT_WAIT_MS)) {
        proof_check_ends(worker);
    }
    return worker_fail(worker, "source %s: %s", worker->pipeline->source.label, message);
}

bool reading_poll(struct worker *worker, uint32_t max, uint32_t timeout_ms, uint32_t *ret_count)
{
    churn_error err = {.size = sizeof err};
    int32_t result;
    worker_enter(worker, &worker->pipeline->source);
    result = source_of(worker)->poll(worker->source->self, worker->reading.records, max, timeout_ms, ret_count, &err);
    worker_enter(worker, NULL);
    if (worker->failed) { /* while it gave up partitions */
        return false;
    }
    err.message[sizeof err.message - 1] = '\0';
    if (result < 0) {
        return source_failed(worker, err.message);
    }
    if (!judge_records(worker, *ret_count, max)) {
        return false;
    }
    worker->reading.at_end = worker->reading.at_end || result == CHURN_END;
    worker->moved = worker->moved || *ret_count > 0;
    if (*ret_count > 0 && source_of(worker)->seek != NULL && !partitions_ready(worker)) {
        intake_give_back(worker, worker->reading.records,
                         *ret_count); /* assigned in this poll: its place is not known yet */
        return true;
    }
    return proof_screen(worker, worker->reading.records, ret_count) &&
           (*ret_count == 0 || intake_take(worker, worker->reading.records, *ret_count));
}

static uint32_t idle_time(struct worker *worker)
{
    return windows_done(worker)                                                           ? IDLE_MS
           : windows_writing(worker) != NULL || worker->ring.oldest < worker->ring.newest ? 0
                                                                                          : BUSY_MS;
}

/* Keeps a source alive from which nothing can be taken now. */
static bool hold_source(struct worker *worker)
{
    int64_t now = clock_monotonic_ms();
    uint32_t count = 0;
    if (worker->reading.blocked_since_ms == 0) {
        worker->reading.blocked_since_ms = now;
    }
    if (now - worker->reading.blocked_since_ms < PAUSE_AFTER_MS) {
        return true; /* a pause throws away what was fetched, so it must be worth it */
    }
    set_paused(worker, true);
    return reading_poll(worker, 0, KEEP_ALIVE_MS, &count);
}

bool reading_step(struct worker *worker, bool *ret_idle)
{
    uint32_t count = 0;
    worker->watch.dry = false;
    if (!atomic_load_explicit(
            &worker->signs.started,
            memory_order_acquire)) { /* the source tells what it reads, and is moved before it hands out any of it */
        *ret_idle = true;
        return reading_poll(worker, 0, 0, &count);
    }
    if (worker->reading.at_end) {
        *ret_idle = true;
        return reading_poll(worker, 0, windows_done(worker) ? IDLE_MS : 0, &count);
    }
    if (clock_monotonic_ms() >= worker->reading.ask_again_ms) {
        worker->reading.ask_again_ms = 0;
    }
    if (worker->reading.ask_again_ms != 0) {
        *ret_idle = true;
        return reading_poll(worker, 0, KEEP_ALIVE_MS, &count);
    }
    if (!partitions_ready(worker)) {
        *ret_idle = true;
        return reading_poll(worker, 0, worker_has_store(worker) && worker->session.handle == NULL ? KEEP_ALIVE_MS : 0,
                            &count);
    }
    if (!windows_have_room(worker)) {
        *ret_idle = false;
        return hold_source(worker);
    }
    worker->reading.blocked_since_ms = 0;
    set_paused(worker, false);
    if (!reading_poll(worker, POLL_RECORDS, idle_time(worker), &count)) {
        return false;
    }
    worker->watch.dry = count == 0;
    worker->watch.handed_out = worker->watch.handed_out || count > 0;
    if (count > 0) {
        FAILPOINT("after_poll");
    }
    *ret_idle = count < POLL_RECORDS && !lag_is_large(worker);
    return true;
}

/* A redrive needs the headers of each record. */
static bool asks_headers(const struct worker *worker)
{
    return worker->pipeline->redrive == NULL && source_of(worker)->headers != NULL && source_of(worker)->reread != NULL;
}

churn_source_listener reading_listener(struct worker *worker)
{
    return (churn_source_listener){.size = sizeof worker->reading.listener,
                                   .ctx = worker,
                                   .assigned = on_assigned,
                                   .revoked = on_revoked,
                                   .passed = on_passed,
                                   .asks_headers = asks_headers(worker)};
}
