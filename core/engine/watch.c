/* What keeps a worker's events from moving: the states that its parts notice by themselves, and those that only time
 * shows. Reported to the stalls, which log them and make the run not ready. */
#include "engine/watch.h"

#include "base/clock.h"
#include "engine/emitter.h"
#include "engine/lag.h"
#include "engine/partitions.h"
#include "engine/stalled.h"

#define LOOK_MS 1000             /* between looks */
#define SINK_PATIENCE_MS 10000   /* for a sink that owes answers and gives none */
#define STORE_PATIENCE_MS 10000  /* for a store that does not answer the puts of a window */
#define SOURCE_PATIENCE_MS 60000 /* for a source that has records and hands out none */
#define BEGIN_PATIENCE_MS 30000  /* for one that has nothing to read from */

/* How long what `since_ms` counts from has lasted; it begins now where it is 0. */
static int64_t lasts(int64_t *since_ms, int64_t now)
{
    if (*since_ms == 0) {
        *since_ms = now;
    }
    return now - *since_ms;
}

/* ---- sinks ---- */

static void tell_sink(struct worker *worker, unsigned sink, int64_t for_ms)
{
    const struct section *section = &worker->pipeline->sinks[sink];
    bool letters = pipeline_is_dead_letters(worker->pipeline, section);
    long long count = (long long)emitter_undelivered(worker, sink);
    worker_stalled(worker, section, letters ? STALL_DEAD_LETTERS : STALL_SINK,
                   letters ? CHURN_LOG_ERROR : CHURN_LOG_WARN, "%lld %s%s, and none was taken or answered for %lld s%s",
                   count, letters ? "dead letter" : "record", count == 1 ? " waits" : "s wait",
                   (long long)for_ms / 1000, letters ? "; nothing is counted before they are safe" : "");
}

/* A sink may be slow; it may not owe answers and give none. */
static void watch_sink(struct worker *worker, unsigned sink, int64_t now)
{
    const struct section *section = &worker->pipeline->sinks[sink];
    struct sink_state *state = &worker->sink_states[sink];
    if (state->moved || !emitter_owes(worker, sink)) {
        state->owes_since_ms = 0;
        state->moved = false;
        worker_goes_on(worker, section, STALL_SINK, NULL);
        worker_goes_on(worker, section, STALL_DEAD_LETTERS, NULL);
    } else if (lasts(&state->owes_since_ms, now) >= SINK_PATIENCE_MS) {
        tell_sink(worker, sink, now - state->owes_since_ms);
    }
}

/* ---- store ---- */

/* What it refuses, or that it is gone, is told by writer.c and session.c; here it is that it says nothing. */
static void watch_store(struct worker *worker, int64_t now)
{
    const struct window *window = window_filled(worker);
    bool silent = window != NULL && window->state == WINDOW_WRITING && worker->session.handle != NULL &&
                  worker->writer.retry_ms == 0 && window->stored == worker->watch.stored_seen &&
                  window->stored < window->delta_count;
    worker->watch.stored_seen = window != NULL ? window->stored : 0;
    if (!silent) {
        worker->watch.silent_since_ms = 0;
    } else if (lasts(&worker->watch.silent_since_ms, now) >= STORE_PATIENCE_MS) {
        worker_stalled(worker, &worker->pipeline->store, STALL_WRITE, CHURN_LOG_ERROR,
                       "it has not answered for %lld s, and %u profiles wait to be written",
                       (long long)(now - worker->watch.silent_since_ms) / 1000, window->delta_count - window->stored);
    }
}

/* ---- source ---- */

/* Whether reading has begun, or waits for the store alone. */
static bool has_begun(struct worker *worker)
{
    bool waits_for_store = worker_has_store(worker) && worker->session.handle == NULL;
    return atomic_load_explicit(&worker->signs.assigned, memory_order_relaxed) &&
           (waits_for_store || partitions_ready(worker));
}

static void watch_source(struct worker *worker, int64_t now)
{
    const struct section *section = &worker->pipeline->source;
    struct worker_lag lag = worker_lag(worker);
    bool begun = has_begun(worker),
         dry = worker->watch.dry && !worker->watch.handed_out && lag.known && lag.messages > 0;
    worker->watch.handed_out = false;
    if (begun && !dry) {
        worker->watch.dry_since_ms = 0;
        worker_goes_on(worker, section, STALL_SOURCE, NULL);
    } else if (!begun && lasts(&worker->watch.dry_since_ms, now) >= BEGIN_PATIENCE_MS) {
        worker_stalled(worker, section, STALL_SOURCE, CHURN_LOG_WARN, "it has had nothing to read from for %lld s",
                       (long long)(now - worker->watch.dry_since_ms) / 1000);
    } else if (begun && lasts(&worker->watch.dry_since_ms, now) >= SOURCE_PATIENCE_MS) {
        worker_stalled(worker, section, STALL_SOURCE, CHURN_LOG_ERROR,
                       "it has handed out no record for %lld s, although %lld are there",
                       (long long)(now - worker->watch.dry_since_ms) / 1000, (long long)lag.messages);
    }
}

/* ---- all ---- */

void watch_step(struct worker *worker)
{
    int64_t now = clock_monotonic_ms();
    atomic_store_explicit(&worker->signs.turned_ms, now, memory_order_relaxed);
    atomic_store_explicit(&worker->signs.session_open, worker->session.handle != NULL, memory_order_relaxed);
    atomic_store_explicit(&worker->signs.damaged, worker->cache.damaged, memory_order_relaxed);
    if (now - worker->watch.looked_ms < LOOK_MS) {
        return;
    }
    worker->watch.looked_ms = now;
    metrics_set(worker->shown.windows, (int64_t)(worker->ring.newest - worker->ring.oldest));
    for (unsigned sink = 0; sink < worker->pipeline->sink_count; sink++) {
        metrics_set(worker->sink_states[sink].waiting, emitter_undelivered(worker, sink));
        watch_sink(worker, sink, now);
    }
    if (worker_has_store(worker)) {
        watch_store(worker, now);
    }
    watch_source(worker, now);
}
