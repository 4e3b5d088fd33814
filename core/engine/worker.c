/* The loop of a worker: take records, write profiles, tell the sinks, commit. */
#include "engine/worker.h"

#include "base/clock.h"
#include "engine/counters.h"
#include "engine/emitter.h"
#include "engine/forgetting.h"
#include "engine/original.h"
#include "engine/partitions.h"
#include "engine/plugin_call.h"
#include "engine/progress.h"
#include "engine/proof.h"
#include "engine/protecting.h"
#include "engine/reading.h"
#include "engine/replaying.h"
#include "engine/rounds.h"
#include "engine/session.h"
#include "engine/strays.h"
#include "engine/watch.h"
#include "engine/windows.h"
#include "engine/writer.h"
#include "profile/profile_render.h"
#include <stdlib.h>

#define COMMIT_MS 1000 /* between commits of a busy source */
#define LAST_MS 1000   /* … and for sinks to close, after a stop that came to its end */

static bool is_at_end(struct worker *worker)
{
    return worker->reading.at_end && partitions_ready(worker) && windows_done(worker);
}

static bool step(struct worker *worker)
{
    int64_t began = clock_monotonic_ms();
    bool idle = false;
    worker->moved = false;
    if (!reading_step(worker, &idle) ||
        !windows_move_on(worker, idle, idle || !windows_have_room(worker) ? BUSY_MS : 0)) {
        return false;
    }
    bool due = clock_monotonic_ms() - worker->last_commit_ms >= COMMIT_MS;
    rounds_step(worker, due);
    if (worker->failed) {
        return false;
    }
    if (due) {
        if (!session_check(worker)) {
            return false;
        }
        worker->last_commit_ms = clock_monotonic_ms();
    }
    lag_look(worker);
    replaying_look(worker);
    if (!is_at_end(worker)) {
        worker_show(worker, WORKER_RUNNING);
    } else if (!progress_commit(worker, COMMIT_WAIT_MS)) {
        return false;
    } else if (progress_settled(worker)) {
        lag_look_now(worker);
        worker_show(worker, WORKER_AT_END);
    }
    windows_nap(worker, began);
    return true;
}

/* Sinks with work of their own, such as a prediction sink that still serves triggers. */
static bool finish_sinks(struct worker *worker)
{
    bool pending = true;
    while (pending && worker_ordered(worker) != WORKER_STOP) {
        int64_t began = clock_monotonic_ms();
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
        if (pending && (!reading_poll(worker, 0, IDLE_MS, &count) || !windows_move_on(worker, true, 0))) {
            return false;
        }
        windows_nap(worker, began);
    }
    return true;
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
    worker->reading.listener = reading_listener(worker);
    worker_enter(worker, &pipeline->source);
    if (source_of(worker)->start(worker->source->self, &worker->reading.listener, &err) != CHURN_OK) {
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
        source_of(worker)->stop(worker->source->self);
    }
    for (unsigned i = 0; i < worker->processors_started; i++) {
        const churn_processor_ops *ops = processor_ops(&worker->pipeline->processors[i]);
        worker_enter(worker, &worker->pipeline->processors[i]);
        if (ops->stop != NULL) {
            ops->stop(worker->processors[i]->self);
        }
    }
    for (unsigned i = 0; i < worker->sinks_started; i++) {
        int64_t left = deadline_ms - clock_monotonic_ms();
        worker_enter(worker, &worker->pipeline->sinks[i]);
        sink_ops(&worker->pipeline->sinks[i])->stop(worker->sinks[i]->self, left > 0 ? left : 0);
    }
    worker_enter(worker, &worker->pipeline->store);
    originals_stop(worker);
    session_close(worker);
    worker_enter(worker, NULL);
}

/* Others of the run may go on for long. */
static void leave_forgetting(const struct worker *worker)
{
    struct forgetting *forgetting = worker->pipeline->forgetting;
    for (unsigned i = 0; i < worker->pipeline->sink_count; i++) {
        forgetting_leave_instance(forgetting, &worker->sinks[i]->host);
    }
    forgetting_leave(forgetting, worker->number);
}

/* When a stop ends for what comes after what was read, which may have taken all its time. */
static int64_t last_deadline(int64_t deadline_ms)
{
    int64_t least = clock_monotonic_ms() + LAST_MS;
    return deadline_ms > least ? deadline_ms : least;
}

static int64_t commit_time(int64_t deadline_ms)
{
    int64_t left = last_deadline(deadline_ms) - clock_monotonic_ms();
    return left < COMMIT_WAIT_MS ? left : COMMIT_WAIT_MS;
}

static bool goes_on(const struct worker *worker)
{
    enum worker_order order = worker_ordered(worker);
    return order == WORKER_GO_ON || (order == WORKER_FINISH_AT_END && worker_state(worker) != WORKER_AT_END);
}

static void *run(void *argument)
{
    struct worker *worker = argument;
    int64_t deadline;
    bool ok;
    atomic_store_explicit(&worker->signs.turned_ms, clock_monotonic_ms(), memory_order_relaxed);
    ok = start_instances(worker);
    while (ok && goes_on(worker)) {
        ok = step(worker);
        atomic_store_explicit(&worker->signs.started, ok, memory_order_release);
    }
    if (ok && worker_ordered(worker) != WORKER_STOP) {
        ok = finish_sinks(worker);
    }
    deadline = clock_monotonic_ms() + worker->pipeline->settings.shutdown_timeout_ms;
    if (ok && !windows_drain(worker, worker->pipeline->settings.shutdown_timeout_ms) && !worker->failed) {
        log_line(worker->pipeline->log, CHURN_LOG_WARN, "worker",
                 "not everything could be finished in time; what is not committed is read again at the next start");
    }
    if (!worker->failed) {
        (void)progress_commit(worker, commit_time(deadline));
    } else {
        proof_remember(worker);
    }
    stalls_leave(worker->pipeline->stalls, worker->number);
    emitter_end(worker);
    windows_discard(worker);
    stop_instances(worker, last_deadline(deadline));
    leave_forgetting(worker);
    worker_show(worker, worker->failed ? WORKER_FAILED : WORKER_FINISHED);
    return NULL;
}

/* ---- for main ---- */

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
        worker->origin.instance = instance_new(pipeline, &pipeline->origin, worker->number);
        if (worker->origin.instance == NULL) {
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
        ok = window_init(&worker->ring.windows[i], &worker->ring.pool, pipeline->sink_count) && ok;
    }
    worker->ring.oldest = worker->ring.newest = 1;
    window_filling(worker)->number = 1;
    window_filling(worker)->state = WINDOW_FILLING;
    worker->reading.records = calloc(POLL_RECORDS, sizeof *worker->reading.records);
    worker->origin.originals = calloc(POLL_RECORDS, sizeof *worker->origin.originals);
    worker->intake.decoder = event_decoder_new(&pipeline->catalog);
    worker->cache =
        (struct cache){.registry = &pipeline->catalog.registry,
                       .limit = (size_t)(pipeline->store_settings.cache_bytes / pipeline->settings.workers)};
    return ok && protecting_start(worker) && worker->reading.records != NULL && worker->origin.originals != NULL &&
           worker->intake.decoder != NULL && fold_buffer_init(&worker->folder, &pipeline->catalog, &worker->parts);
}

struct worker *worker_new(struct pipeline *pipeline, unsigned number)
{
    struct worker *worker = calloc(1, sizeof *worker);
    if (worker == NULL) {
        return NULL;
    }
    worker->pipeline = pipeline;
    worker->number = number;
    atomic_init(&worker->signs.waiting, -1);
    atomic_init(&worker->signs.behind_since_ms, -1);
    worker->forgetting.known = pipeline->forgetting != NULL ? -1 : 0; /* there are none: nothing is given up for them */
    worker->session.checkpoints = &rounds_session_user;
    worker->session.profiles = &writer_session_user;
    journal_sit(pipeline->journal, number, &worker->seat);
    worker->sink_states = calloc(pipeline->sink_count + 1u, sizeof *worker->sink_states);
    if (worker->sink_states == NULL) {
        worker_free(worker);
        return NULL;
    }
    counters_make(worker); /* before the plugins' own: their names are the core's */
    if (!make_working_space(worker) || !make_instances(worker)) {
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
    atomic_store_explicit(&worker->signs.order, (int)order, memory_order_release);
}

enum worker_state worker_state(const struct worker *worker)
{
    return (enum worker_state)atomic_load_explicit(&worker->signs.state, memory_order_acquire);
}

bool worker_has_started(const struct worker *worker)
{
    return atomic_load_explicit(&worker->signs.started, memory_order_acquire);
}

const char *worker_failure(const struct worker *worker)
{
    return worker_state(worker) == WORKER_FAILED ? worker->failure : NULL;
}

struct health_worker worker_health(const struct worker *worker)
{
    struct worker_lag lag = worker_lag(worker);
    return (struct health_worker){.assigned = atomic_load_explicit(&worker->signs.assigned, memory_order_relaxed),
                                  .store_open = atomic_load_explicit(&worker->signs.session_open, memory_order_relaxed),
                                  .damaged = atomic_load_explicit(&worker->signs.damaged, memory_order_relaxed),
                                  .failed = worker_state(worker) == WORKER_FAILED,
                                  .turned_ms = atomic_load_explicit(&worker->signs.turned_ms, memory_order_relaxed),
                                  .lag = lag.waiting,
                                  .behind_since_ms = lag.since_ms};
}

void worker_where(const struct worker *worker, const struct section **ret_section, char *text, size_t size)
{
    const struct section *section = atomic_load_explicit(&worker->signs.inside, memory_order_relaxed);
    char held[256];
    *ret_section = section;
    if (journal_held(worker->pipeline->journal, worker->number, held, sizeof held)) {
        (void)snprintf(text, size, "%s", held);
    } else {
        (void)snprintf(text, size, "%s%s%s", section != NULL ? role_name(section->loaded->plugin.kind) : "itself",
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
    instance_free(worker->origin.instance);
    free_instances(worker->processors, worker->pipeline->processor_count);
    free_instances(worker->sinks, worker->pipeline->sink_count);
    for (unsigned i = 0; i < MAX_WINDOWS; i++) {
        window_free(&worker->ring.windows[i]);
    }
    arena_pool_free(&worker->ring.pool);
    cache_free(&worker->cache);
    fold_buffer_free(&worker->folder);
    parts_free(&worker->parts);
    event_decoder_free(worker->intake.decoder);
    protecting_stop(worker);
    profile_text_free(&worker->writer.rendered);
    edit_free(&worker->intake.edit);
    text_free(&worker->intake.scratch);
    partitions_free(&worker->progress);
    for (unsigned i = 0; worker->sink_states != NULL && i < worker->pipeline->sink_count; i++) {
        owed_free(&worker->sink_states[i].owed);
    }
    strays_free(worker);
    free(worker->sink_states);
    free(worker->reading.records);
    free(worker->origin.originals);
    free(worker);
}
