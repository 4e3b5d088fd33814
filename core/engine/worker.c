/* The loop of a worker: take records, write profiles, tell the sinks, commit. */
#include "engine/worker_internal.h"

#include "base/fault.h"
#include "engine/original.h"
#include "pipeline/host.h"
#include <stdlib.h>
#include <time.h>

#define IDLE_MS 50            /* wait for records when nothing is under way */
#define BUSY_MS 1             /* wait for the store or the sinks when the source has nothing */
#define NAP_MS 1              /* after a round in which nothing happened and nobody waited */
#define LONG_NAP_MS 10        /* the same when there is little to miss: at the end, or without the store */
#define SHORT_NAP_US 50       /* the same when somebody waits for this worker's end */
#define COMMIT_MS 1000        /* between commits of a busy source */
#define PAUSE_AFTER_MS 1000   /* of not taking records the source is told to stop fetching */
#define KEEP_ALIVE_MS 20      /* wait per look at a source that must not be read from */
#define REVOKE_DRAIN_MS 20000 /* well below a consumer group's usual max.poll.interval.ms of 5 minutes */
#define COMMIT_WAIT_MS 5000   /* for the store and the source together */
#define LAST_MS 1000          /* … and for sinks to close, after a stop that came to its end */

bool worker_fail(struct worker *worker, const char *format, ...)
{
    va_list args;
    if (!worker->failed) {
        va_start(args, format);
        (void)vsnprintf(worker->failure, sizeof worker->failure, format, args);
        va_end(args);
        log_line(worker->pipeline->log, CHURN_LOG_ERROR, "worker", worker->failure);
        worker->failed = true;
    }
    return false;
}

bool worker_blame(struct worker *worker, const struct section *section, const char *format, ...)
{
    char what[512];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(what, sizeof what, format, args);
    va_end(args);
    return worker_fail(worker, "%s %s breaks the rules of its plugin interface: its %s (%s)",
                       loader_role(section->loaded->plugin.kind), section->label, what, section->loaded->path);
}

static const churn_source_ops *ops_of(const struct worker *worker)
{
    return source_ops(&worker->pipeline->source);
}

static enum worker_order order_of(const struct worker *worker)
{
    return (enum worker_order)atomic_load_explicit(&worker->order, memory_order_acquire);
}

static void set_state(struct worker *worker, enum worker_state state)
{
    atomic_store_explicit(&worker->state, (int)state, memory_order_release);
}

/* ---- windows ---- */

static bool filling_has_room(struct worker *worker)
{
    const struct window *window = window_filling(worker);
    return window->record_count < worker->pipeline->store_settings.window_events &&
           window->arena.bytes < (size_t)worker->pipeline->store_settings.window_bytes;
}

static struct window *window_writing(struct worker *worker)
{
    struct window *window = window_filled(worker);
    bool writing = window != NULL && (window->state == WINDOW_WRITING || window->state == WINDOW_SETTING_ASIDE);
    return writing ? window : NULL;
}

/* Hands the filled window on and begins another, where the ring has room for it. */
static bool turn_window(struct worker *worker)
{
    struct window *full = window_filling(worker), *next;
    if (worker->newest - worker->oldest + 1 >= MAX_WINDOWS) {
        return true;
    }
    next = window_at(worker, worker->newest + 1);
    window_reset(next, worker->pipeline->sink_count);
    next->number = ++worker->newest;
    next->state = WINDOW_FILLING;
    worker->moved = true;
    if (MUTANT("commit") && !progress_note_done(worker, full)) {
        return false;
    }
    if (worker_has_store(worker)) {
        return writer_begin(worker, full);
    }
    full->state = WINDOW_EMITTING;
    return true;
}

/* What was held against events of the window is settled. */
static void tell_journal(const struct worker *worker, const struct window *window)
{
    for (uint32_t i = 0; i < window->position_count; i++) {
        const struct source_partition *partition = &worker->sources.items[window->positions[i].source];
        journal_done(&worker->seat, partition->topic, partition->partition, window->positions[i].next);
    }
}

/* The window that was done last is filled next, whatever its place in the ring: its memory is warm, and most of the
 * ring never needs any. */
static void reuse(struct worker *worker, struct window *done)
{
    struct window *next = window_at(worker, worker->newest + 1), spare = *next;
    *next = *done;
    *done = spare;
}

/* Lets go of windows that are done, in order. */
static bool retire_windows(struct worker *worker)
{
    while (worker->oldest < worker->newest) {
        struct window *window = window_at(worker, worker->oldest);
        if (window->state != WINDOW_EMITTING || !emitter_done(worker, window)) {
            break;
        }
        FAILPOINT("after_produce");
        tell_journal(worker, window);
        if (!progress_note_done(worker, window)) {
            return false;
        }
        window_reset(window, worker->pipeline->sink_count);
        worker->oldest++;
        reuse(worker, window);
        worker->moved = true;
        cache_trim(&worker->cache);
    }
    return true;
}

static bool all_done(struct worker *worker)
{
    return worker->oldest == worker->newest && window_is_empty(window_filling(worker));
}

/* A window waits for more while the source is busy, up to its age and size; never when the source has nothing. */
static bool filling_is_due(struct worker *worker, bool source_idle)
{
    const struct window *window = window_filling(worker);
    return !window_is_empty(window) &&
           (source_idle || !filling_has_room(worker) ||
            host_monotonic_ms() - window->opened_ms >= worker->pipeline->store_settings.window_age_ms);
}

static void discard(struct worker *worker);

/* The store may have lost what it acknowledged: everything that rests on it is forgotten, and reading goes on from what
 * the store itself says is in it. */
static void rewind_to_checkpoints(struct worker *worker)
{
    worker->store_went_back = false;
    discard(worker);
    cache_free(&worker->cache);
    processors_forget(worker);
    progress_rewind(worker);
}

/* Everything but taking records: one round of store, sinks and windows. */
static bool move_on(struct worker *worker, bool source_idle, uint32_t timeout_ms)
{
    struct window *writing;
    watch_step(worker);
    if (worker_has_store(worker) && !session_step(worker)) {
        return false;
    }
    if (worker->store_went_back) {
        rewind_to_checkpoints(worker);
        return true;
    }
    if (!progress_place(worker)) {
        return false;
    }
    writing = window_writing(worker);
    if (writing == NULL && filling_is_due(worker, source_idle)) {
        if (!turn_window(worker)) {
            return false;
        }
        writing = window_writing(worker);
    }
    if (writing != NULL) {
        bool sink_owes = writing->state == WINDOW_SETTING_ASIDE;
        if (!writer_step(worker, writing, timeout_ms)) {
            return false;
        }
        timeout_ms = sink_owes ? timeout_ms : 0;
    } else if (!session_poll(worker, NULL, 0)) {
        return false;
    }
    if (worker->oldest == worker->newest) {
        timeout_ms = 0; /* no sink owes an answer */
    }
    return emitter_step(worker, timeout_ms) && retire_windows(worker);
}

/* Sources, stores and sinks wait for what they know of; a round in which nobody could wait for anything ends in a nap,
 * so that an outage costs no processor. */
static void nap(const struct worker *worker, int64_t round_began_ms)
{
    bool little_to_miss = worker->at_end || (worker_has_store(worker) && worker->session == NULL);
    struct timespec pause = {.tv_nsec = order_of(worker) == WORKER_FINISH_AT_END ? SHORT_NAP_US * 1000L
                                        : little_to_miss                         ? LONG_NAP_MS * 1000000L
                                                                                 : NAP_MS * 1000000L};
    if (!worker->moved && host_monotonic_ms() - round_began_ms < NAP_MS) {
        (void)nanosleep(&pause, NULL);
    }
}

/* Finishes what was read, for at most `limit_ms`. True when all of it is done. */
static bool drain(struct worker *worker, int64_t limit_ms)
{
    int64_t deadline = host_monotonic_ms() + limit_ms;
    while (!all_done(worker) && host_monotonic_ms() < deadline) {
        int64_t began = host_monotonic_ms();
        worker->moved = false;
        if (!move_on(worker, true, BUSY_MS)) {
            return false;
        }
        nap(worker, began);
    }
    return all_done(worker);
}

/* Forgets what was read and not finished; it will be read again by whoever owns the partitions then. */
static void discard(struct worker *worker)
{
    for (uint64_t number = worker->oldest; number <= worker->newest; number++) {
        struct window *window = window_at(worker, number);
        writer_discard(worker, window);
        window_reset(window, worker->pipeline->sink_count);
    }
    session_close(worker); /* answers to its puts are of no use any more */
    worker->newest++;      /* a new number, so that late answers of sinks are told apart */
    worker->oldest = worker->newest;
    window_filling(worker)->number = worker->newest;
    window_filling(worker)->state = WINDOW_FILLING;
    worker->undecided = NULL;
    for (unsigned i = 0; i < worker->pipeline->processor_count; i++) { /* what they waited with is read again */
        stalls_forget(worker->pipeline->stalls, &worker->pipeline->processors[i], worker->number);
    }
}

/* ---- what the source tells ---- */

static void on_assigned(void *ctx, const churn_position *positions, uint32_t count)
{
    struct worker *worker = ctx;
    worker->at_end = false;
    atomic_store_explicit(&worker->assigned, true, memory_order_relaxed);
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
    worker->at_end = false;
    atomic_store_explicit(&worker->assigned, false, memory_order_relaxed);
    set_state(worker, WORKER_RUNNING);
    log_printf(worker->pipeline->log, CHURN_LOG_INFO, worker->pipeline->source.label,
               "worker %u gives up %u partition%s%s", worker->number, count, count == 1 ? "" : "s",
               lost ? ": its membership ended, so others may have them by now" : "");
    if (MUTANT("drain")) { /* commits what was read, done or not, and also what is not ours any more */
        (void)progress_note_done(worker, window_filling(worker));
        while (window_writing(worker) != NULL && writer_step(worker, window_writing(worker), BUSY_MS)) {
        }
        (void)progress_commit(worker, COMMIT_WAIT_MS);
    } else if (!lost) {
        (void)drain(worker, REVOKE_DRAIN_MS);
        (void)(worker->failed || progress_commit(worker, COMMIT_WAIT_MS));
    }
    if (!worker->failed && !all_done(worker)) {
        discard(worker);
    }
    processors_forget(worker);
    progress_revoke(worker);
}

static void on_passed(void *ctx, const churn_position *positions, uint32_t count)
{
    struct worker *worker = ctx;
    for (uint32_t i = 0; i < count && !worker->failed; i++) {
        uint32_t source = sources_find(&worker->sources, positions[i].topic, positions[i].partition);
        if (source == SOURCE_NONE) {
            (void)worker_fail(worker, "out of memory");
        } else {
            (void)progress_note_passed(worker, source, positions[i].offset);
        }
    }
}

/* ---- the loop ---- */

static void set_paused(struct worker *worker, bool on)
{
    if (worker->paused != on && ops_of(worker)->pause != NULL) {
        ops_of(worker)->pause(worker->source->self, on);
        log_printf(worker->pipeline->log, CHURN_LOG_DEBUG, "worker", "%s",
                   on ? "the source waits" : "the source goes on");
    }
    worker->paused = on;
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
    if (!same && !progress_is_ours(worker, record->topic, record->partition)) {
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
        churn_record *record = &worker->records[i];
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
    if (worker_has_store(worker) && worker->session != NULL && proof_has_shrunk(worker) &&
        drain(worker, REVOKE_DRAIN_MS) && progress_commit(worker, COMMIT_WAIT_MS)) {
        proof_check_ends(worker);
    }
    return worker_fail(worker, "source %s: %s", worker->pipeline->source.label, message);
}

/* Polls the source: up to POLL_RECORDS records into the filling window, or, with `max` 0, only to keep it alive. */
static bool poll_source(struct worker *worker, uint32_t max, uint32_t timeout_ms, uint32_t *ret_count)
{
    churn_error err = {.size = sizeof err};
    int32_t result;
    worker_enter(worker, &worker->pipeline->source);
    result = ops_of(worker)->poll(worker->source->self, worker->records, max, timeout_ms, ret_count, &err);
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
    worker->at_end = worker->at_end || result == CHURN_END;
    worker->moved = worker->moved || *ret_count > 0;
    if (*ret_count > 0 && ops_of(worker)->seek != NULL && !progress_ready(worker)) {
        intake_give_back(worker, worker->records, *ret_count); /* assigned in this poll: its place is not known yet */
        return true;
    }
    return proof_screen(worker, worker->records, ret_count) &&
           (*ret_count == 0 || intake_take(worker, worker->records, *ret_count));
}

static uint32_t idle_time(struct worker *worker)
{
    return all_done(worker) ? IDLE_MS : window_writing(worker) != NULL || worker->oldest < worker->newest ? 0 : BUSY_MS;
}

/* Keeps a source alive from which nothing can be taken now. */
static bool hold_source(struct worker *worker)
{
    int64_t now = host_monotonic_ms();
    uint32_t count = 0;
    if (worker->blocked_since_ms == 0) {
        worker->blocked_since_ms = now;
    }
    if (now - worker->blocked_since_ms < PAUSE_AFTER_MS) {
        return true; /* a pause throws away what was fetched, so it must be worth it */
    }
    set_paused(worker, true);
    return poll_source(worker, 0, KEEP_ALIVE_MS, &count);
}

static churn_lag ask_lag(struct worker *worker)
{
    churn_lag lag = {.size = sizeof lag};
    if (ops_of(worker)->lag != NULL) {
        ops_of(worker)->lag(worker->source->self, &lag);
    }
    return lag;
}

/* More is known to come at once: what is written together then costs less. */
static bool is_behind(struct worker *worker)
{
    churn_lag lag = ask_lag(worker);
    return lag.known && lag.messages >= POLL_RECORDS;
}

static bool take_step(struct worker *worker, bool *ret_idle)
{
    uint32_t count = 0;
    worker->dry = false;
    if (!worker_has_started(worker)) { /* the source tells what it reads, and is moved before it hands out any of it */
        *ret_idle = true;
        return poll_source(worker, 0, 0, &count);
    }
    if (worker->at_end) {
        *ret_idle = true;
        return poll_source(worker, 0, all_done(worker) ? IDLE_MS : 0, &count);
    }
    if (host_monotonic_ms() >= worker->ask_again_ms) {
        worker->ask_again_ms = 0;
    }
    if (worker->ask_again_ms != 0) {
        *ret_idle = true;
        return poll_source(worker, 0, KEEP_ALIVE_MS, &count);
    }
    if (!progress_ready(worker)) {
        *ret_idle = true;
        return poll_source(worker, 0, worker_has_store(worker) && worker->session == NULL ? KEEP_ALIVE_MS : 0, &count);
    }
    if (!filling_has_room(worker)) {
        *ret_idle = false;
        return hold_source(worker);
    }
    worker->blocked_since_ms = 0;
    set_paused(worker, false);
    if (!poll_source(worker, POLL_RECORDS, idle_time(worker), &count)) {
        return false;
    }
    worker->dry = count == 0;
    worker->handed_out = worker->handed_out || count > 0;
    if (count > 0) {
        FAILPOINT("after_poll");
    }
    *ret_idle = count < POLL_RECORDS && !is_behind(worker);
    return true;
}

/* Records that were taken, and whose profiles, outputs or checkpoint are still to come. */
static int64_t unsettled(struct worker *worker)
{
    int64_t count = progress_unsettled(worker);
    for (uint64_t number = worker->oldest; number <= worker->newest; number++) {
        count += window_at(worker, number)->record_count;
    }
    return count;
}

static void tell_lag(struct worker *worker)
{
    churn_lag lag = ask_lag(worker);
    bool known = lag.known != 0 && lag.messages >= 0 && progress_ready(worker); /* else it counts from another place */
    atomic_store_explicit(&worker->lag_messages, known ? lag.messages + unsettled(worker) : 0, memory_order_relaxed);
    atomic_store_explicit(&worker->lag_known, known, memory_order_release);
}

static bool is_at_end(struct worker *worker)
{
    return worker->at_end && progress_ready(worker) && all_done(worker);
}

static bool step(struct worker *worker)
{
    int64_t began = host_monotonic_ms();
    bool idle = false;
    worker->moved = false;
    if (!take_step(worker, &idle) || !move_on(worker, idle, idle || !filling_has_room(worker) ? BUSY_MS : 0)) {
        return false;
    }
    bool due = host_monotonic_ms() - worker->last_commit_ms >= COMMIT_MS;
    progress_step(worker, due);
    if (worker->failed) {
        return false;
    }
    if (due) {
        if (!session_check(worker)) {
            return false;
        }
        tell_lag(worker);
        worker->last_commit_ms = host_monotonic_ms();
    }
    if (!is_at_end(worker)) {
        set_state(worker, WORKER_RUNNING);
    } else if (!progress_commit(worker, COMMIT_WAIT_MS)) {
        return false;
    } else if (progress_settled(worker)) {
        tell_lag(worker);
        set_state(worker, WORKER_AT_END);
    }
    nap(worker, began);
    return true;
}

/* Sinks with work of their own, such as a prediction sink that still serves triggers. */
static bool finish_sinks(struct worker *worker)
{
    bool pending = true;
    while (pending && order_of(worker) != WORKER_STOP) {
        int64_t began = host_monotonic_ms();
        uint32_t count = 0;
        worker->moved = false;
        watch_step(worker);
        pending = false;
        for (unsigned i = 0; i < worker->pipeline->sink_count; i++) {
            const churn_sink_ops *ops = sink_ops(&worker->pipeline->sinks[i]);
            churn_error err = {.size = sizeof err};
            worker_enter(worker, &worker->pipeline->sinks[i]);
            int32_t result = ops->drain != NULL ? ops->drain(worker->sinks[i]->self, &err) : CHURN_OK;
            worker_enter(worker, NULL);
            if (result < 0) {
                return worker_fail(worker, "sink %s: %s", worker->pipeline->sinks[i].label, err.message);
            }
            pending = pending || result == CHURN_PENDING;
        }
        if (pending && (!poll_source(worker, 0, IDLE_MS, &count) || !emitter_step(worker, 0))) {
            return false;
        }
        nap(worker, began);
    }
    return true;
}

/* A redrive needs the headers of each record. */
static bool asks_headers(const struct worker *worker)
{
    return worker->pipeline->redrive == NULL && ops_of(worker)->headers != NULL && ops_of(worker)->reread != NULL;
}

static bool start_instances(struct worker *worker)
{
    static const char failed_text[] = "%s %s: %s";
    const struct pipeline *pipeline = worker->pipeline;
    churn_error err = {.size = sizeof err};
    for (; worker->sinks_started < pipeline->sink_count; worker->sinks_started++) {
        const struct section *section = &pipeline->sinks[worker->sinks_started];
        worker_enter(worker, section);
        if (sink_ops(section)->start(worker->sinks[worker->sinks_started]->self, &err) != CHURN_OK) {
            return worker_fail(worker, failed_text, "sink", section->label, err.message);
        }
    }
    for (; worker->processors_started < pipeline->processor_count; worker->processors_started++) {
        const struct section *section = &pipeline->processors[worker->processors_started];
        void *self = worker->processors[worker->processors_started]->self;
        worker_enter(worker, section);
        if (processor_ops(section)->start != NULL && processor_ops(section)->start(self, &err) != CHURN_OK) {
            return worker_fail(worker, failed_text, "processor", section->label, err.message);
        }
    }
    worker->listener = (churn_source_listener){.size = sizeof worker->listener,
                                               .ctx = worker,
                                               .assigned = on_assigned,
                                               .revoked = on_revoked,
                                               .passed = on_passed,
                                               .asks_headers = asks_headers(worker)};
    worker_enter(worker, &pipeline->source);
    if (ops_of(worker)->start(worker->source->self, &worker->listener, &err) != CHURN_OK) {
        return worker_fail(worker, failed_text, "source", pipeline->source.label, err.message);
    }
    worker_enter(worker, NULL);
    worker->source_started = true;
    return true;
}

static void stop_instances(struct worker *worker, int64_t deadline_ms)
{
    if (worker->source_started) {
        worker_enter(worker, &worker->pipeline->source);
        ops_of(worker)->stop(worker->source->self);
    }
    for (unsigned i = 0; i < worker->processors_started; i++) {
        const churn_processor_ops *ops = processor_ops(&worker->pipeline->processors[i]);
        worker_enter(worker, &worker->pipeline->processors[i]);
        if (ops->stop != NULL) {
            ops->stop(worker->processors[i]->self);
        }
    }
    for (unsigned i = 0; i < worker->sinks_started; i++) {
        int64_t left = deadline_ms - host_monotonic_ms();
        worker_enter(worker, &worker->pipeline->sinks[i]);
        sink_ops(&worker->pipeline->sinks[i])->stop(worker->sinks[i]->self, left > 0 ? left : 0);
    }
    worker_enter(worker, &worker->pipeline->store);
    originals_stop(worker);
    session_close(worker);
    worker_enter(worker, NULL);
}

/* When a stop ends for what comes after what was read, which may have taken all its time. */
static int64_t last_deadline(int64_t deadline_ms)
{
    int64_t least = host_monotonic_ms() + LAST_MS;
    return deadline_ms > least ? deadline_ms : least;
}

static int64_t commit_time(int64_t deadline_ms)
{
    int64_t left = last_deadline(deadline_ms) - host_monotonic_ms();
    return left < COMMIT_WAIT_MS ? left : COMMIT_WAIT_MS;
}

static bool goes_on(const struct worker *worker)
{
    enum worker_order order = order_of(worker);
    return order == WORKER_GO_ON || (order == WORKER_FINISH_AT_END && worker_state(worker) != WORKER_AT_END);
}

static void *run(void *argument)
{
    struct worker *worker = argument;
    int64_t deadline;
    bool ok;
    atomic_store_explicit(&worker->turned_ms, host_monotonic_ms(), memory_order_relaxed);
    ok = start_instances(worker);
    while (ok && goes_on(worker)) {
        ok = step(worker);
        atomic_store_explicit(&worker->started, ok, memory_order_release);
    }
    if (ok && order_of(worker) != WORKER_STOP) {
        ok = finish_sinks(worker);
    }
    deadline = host_monotonic_ms() + worker->pipeline->settings.shutdown_timeout_ms;
    if (ok && !drain(worker, worker->pipeline->settings.shutdown_timeout_ms) && !worker->failed) {
        log_line(worker->pipeline->log, CHURN_LOG_WARN, "worker",
                 "not everything could be finished in time; what is not committed is read again at the next start");
    }
    if (!worker->failed) {
        ok = progress_commit(worker, commit_time(deadline));
    } else {
        proof_remember(worker);
    }
    stalls_leave(worker->pipeline->stalls, worker->number);
    emitter_end(worker);
    discard(worker);
    stop_instances(worker, last_deadline(deadline));
    set_state(worker, worker->failed ? WORKER_FAILED : WORKER_FINISHED);
    return NULL;
}

/* ---- for main ---- */

static void make_counters(struct worker *worker)
{
    struct metrics *metrics = worker->pipeline->metrics;
    struct worker_counters *c = &worker->counters;
    c->events = metrics_counter(metrics, worker, "events");
    c->applied = metrics_counter(metrics, worker, "events_applied");
    c->already_counted = metrics_counter(metrics, worker, "events_already_counted");
    c->filtered = metrics_counter(metrics, worker, "events_filtered");
    c->ignored = metrics_counter(metrics, worker, "events_ignored");
    c->puts = metrics_counter(metrics, worker, "profile_writes");
    c->created = metrics_counter(metrics, worker, "profiles_created");
    c->conflicts = metrics_counter(metrics, worker, "profile_conflicts");
    c->damaged = metrics_counter(metrics, worker, "profile_damaged");
    c->rewinds = metrics_counter(metrics, worker, "source_rewinds");
    c->triggers = metrics_counter(metrics, worker, "triggers");
    c->alerts = metrics_counter(metrics, worker, "alerts");
    c->dead_letters = metrics_counter(metrics, worker, "dead_letters");
    c->letters = metrics_counter(metrics, worker, "letters");
    c->left_alone = metrics_counter(metrics, worker, "letters_left_alone");
    c->written_again = metrics_counter(metrics, worker, "letters_written_again");
    c->again = metrics_counter(metrics, worker, "letters_offered_again");
    c->sent = metrics_counter(metrics, worker, "records_sent");
    for (unsigned i = 0; i < REJECT_REASON_COUNT; i++) {
        char name[64];
        (void)snprintf(name, sizeof name, "dead_letters_%s", reject_reason_name((enum reject_reason)i));
        c->reasons[i] = metrics_counter(metrics, worker, name);
    }
}

static bool make_sink_states(struct worker *worker)
{
    const struct pipeline *pipeline = worker->pipeline;
    worker->sink_states = calloc(pipeline->sink_count + 1u, sizeof *worker->sink_states);
    for (unsigned i = 0; worker->sink_states != NULL && i < pipeline->sink_count; i++) {
        struct sink_state *state = &worker->sink_states[i];
        const char *name = pipeline->sinks[i].label;
        state->sent = metrics_sink_counter(pipeline->metrics, worker, name, "sent");
        state->dropped = metrics_sink_counter(pipeline->metrics, worker, name, "dropped");
        state->given_up = metrics_sink_counter(pipeline->metrics, worker, name, "given_up");
    }
    return worker->sink_states != NULL;
}

static bool make_instances(struct worker *worker)
{
    struct pipeline *pipeline = worker->pipeline;
    worker->processors = calloc(pipeline->processor_count + 1u, sizeof(struct instance *));
    worker->sinks = calloc(pipeline->sink_count + 1u, sizeof(struct instance *));
    worker->source = instance_new(pipeline, &pipeline->source, worker->number);
    if (worker->processors == NULL || worker->sinks == NULL || worker->source == NULL) {
        return false;
    }
    if (pipeline->origin.loaded != NULL) {
        worker->origin = instance_new(pipeline, &pipeline->origin, worker->number);
        if (worker->origin == NULL) {
            return false;
        }
    }
    for (unsigned i = 0; i < pipeline->processor_count; i++) {
        worker->processors[i] = instance_new(pipeline, &pipeline->processors[i], worker->number);
        if (worker->processors[i] == NULL) {
            return false;
        }
    }
    for (unsigned i = 0; i < pipeline->sink_count; i++) {
        worker->sinks[i] = instance_new(pipeline, &pipeline->sinks[i], worker->number);
        if (worker->sinks[i] == NULL) {
            return false;
        }
    }
    return true;
}

static bool make_working_space(struct worker *worker)
{
    struct pipeline *pipeline = worker->pipeline;
    bool ok = true;
    for (unsigned i = 0; i < MAX_WINDOWS; i++) {
        ok = window_init(&worker->windows[i], &worker->pool, pipeline->sink_count) && ok;
    }
    worker->oldest = worker->newest = 1;
    window_filling(worker)->number = 1;
    window_filling(worker)->state = WINDOW_FILLING;
    worker->records = calloc(POLL_RECORDS, sizeof *worker->records);
    worker->originals = calloc(POLL_RECORDS, sizeof *worker->originals);
    worker->decoder = event_decoder_new(&pipeline->catalog);
    worker->cache =
        (struct cache){.registry = &pipeline->catalog.registry,
                       .limit = (size_t)(pipeline->store_settings.cache_bytes / pipeline->settings.workers)};
    return ok && worker->records != NULL && worker->originals != NULL && worker->decoder != NULL &&
           folder_init(&worker->folder, &pipeline->catalog, &worker->sources);
}

struct worker *worker_new(struct pipeline *pipeline, unsigned number)
{
    struct worker *worker = calloc(1, sizeof *worker);
    if (worker == NULL) {
        return NULL;
    }
    worker->pipeline = pipeline;
    worker->number = number;
    journal_sit(pipeline->journal, number, &worker->seat);
    make_counters(worker);
    if (!make_working_space(worker) || !make_sink_states(worker) || !make_instances(worker)) {
        worker_free(worker);
        return NULL;
    }
    return worker;
}

bool worker_start(struct worker *worker)
{
    worker->thread_started = pthread_create(&worker->thread, NULL, run, worker) == 0;
    return worker->thread_started;
}

void worker_order(struct worker *worker, enum worker_order order)
{
    atomic_store_explicit(&worker->order, (int)order, memory_order_release);
}

enum worker_state worker_state(const struct worker *worker)
{
    return (enum worker_state)atomic_load_explicit(&worker->state, memory_order_acquire);
}

bool worker_has_started(const struct worker *worker)
{
    return atomic_load_explicit(&worker->started, memory_order_acquire);
}

const char *worker_failure(const struct worker *worker)
{
    return worker_state(worker) == WORKER_FAILED ? worker->failure : NULL;
}

struct worker_lag worker_lag(const struct worker *worker)
{
    struct worker_lag lag = {.known = atomic_load_explicit(&worker->lag_known, memory_order_acquire)};
    lag.messages = atomic_load_explicit(&worker->lag_messages, memory_order_relaxed);
    return lag;
}

struct health_worker worker_health(const struct worker *worker)
{
    struct worker_lag lag = worker_lag(worker);
    return (struct health_worker){.assigned = atomic_load_explicit(&worker->assigned, memory_order_relaxed),
                                  .store_open = atomic_load_explicit(&worker->session_open, memory_order_relaxed),
                                  .damaged = atomic_load_explicit(&worker->damaged, memory_order_relaxed),
                                  .failed = worker_state(worker) == WORKER_FAILED,
                                  .turned_ms = atomic_load_explicit(&worker->turned_ms, memory_order_relaxed),
                                  .lag_known = lag.known,
                                  .lag = lag.messages};
}

void worker_where(const struct worker *worker, const struct section **ret_section, char *text, size_t size)
{
    const struct section *section = atomic_load_explicit(&worker->inside, memory_order_relaxed);
    char held[256];
    *ret_section = section;
    if (journal_held(worker->pipeline->journal, worker->number, held, sizeof held)) {
        (void)snprintf(text, size, "%s", held);
    } else {
        (void)snprintf(text, size, "%s%s%s", section != NULL ? loader_role(section->loaded->plugin.kind) : "itself",
                       section != NULL ? " " : "", section != NULL ? section->label : "");
    }
}

int64_t worker_undelivered(const struct worker *worker, unsigned sink)
{
    return worker->sink_states[sink].undelivered;
}

static void free_instances(struct instance **instances, unsigned count)
{
    for (unsigned i = 0; instances != NULL && i < count; i++) {
        instance_free(instances[i]);
    }
    free((void *)instances);
}

void worker_free(struct worker *worker)
{
    if (worker == NULL) {
        return;
    }
    if (worker->thread_started) {
        (void)pthread_join(worker->thread, NULL);
    }
    progress_hand_over(worker);
    instance_free(worker->source);
    instance_free(worker->origin);
    free_instances(worker->processors, worker->pipeline->processor_count);
    free_instances(worker->sinks, worker->pipeline->sink_count);
    for (unsigned i = 0; i < MAX_WINDOWS; i++) {
        window_free(&worker->windows[i]);
    }
    arena_pool_free(&worker->pool);
    cache_free(&worker->cache);
    folder_free(&worker->folder);
    sources_free(&worker->sources);
    event_decoder_free(worker->decoder);
    profile_text_free(&worker->rendered);
    edit_free(&worker->edit);
    text_free(&worker->scratch);
    progress_free(&worker->progress);
    for (unsigned i = 0; worker->sink_states != NULL && i < worker->pipeline->sink_count; i++) {
        owed_free(&worker->sink_states[i].owed);
    }
    free(worker->sink_states);
    free(worker->records);
    free(worker->originals);
    free(worker);
}
