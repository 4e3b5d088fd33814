#include "engine/lag.h"

#include "base/clock.h"
#include "engine/partitions.h"
#include "engine/progress.h"

#define LOOK_MS 250

static churn_lag ask_lag(struct worker *worker)
{
    churn_lag lag = {.size = sizeof lag};
    if (source_of(worker)->lag != NULL) {
        source_of(worker)->lag(worker->source->self, &lag);
    }
    return lag;
}

bool lag_is_large(struct worker *worker)
{
    churn_lag lag = ask_lag(worker);
    return lag.known && lag.messages >= POLL_RECORDS;
}

/* Records that were taken, and whose profiles or outputs are still to come. */
static int64_t in_windows(struct worker *worker)
{
    int64_t count = 0;
    for (uint64_t number = worker->ring.oldest; number <= worker->ring.newest; number++) {
        count += window_at(worker, number)->record_count;
    }
    return count;
}

static void look(struct worker *worker)
{
    churn_lag lag = ask_lag(worker);
    bool known =
        lag.known != 0 && lag.messages >= 0 && partitions_ready(worker); /* else it counts from another place */
    bool bounded = known && (worker->pipeline->until_end || lag.total >= 0);
    int64_t taken = in_windows(worker), read = metrics_value(worker->counters.events);
    atomic_store_explicit(&worker->signs.lag_messages, known ? lag.messages + taken + progress_unsettled(worker) : 0,
                          memory_order_relaxed);
    atomic_store_explicit(&worker->signs.lag_total, bounded ? read + lag.messages : -1, memory_order_relaxed);
    atomic_store_explicit(&worker->signs.counted, read - taken, memory_order_relaxed);
    atomic_store_explicit(&worker->signs.endless, lag.known != 0 && lag.messages < 0, memory_order_relaxed);
    atomic_store_explicit(&worker->signs.lag_known, known, memory_order_release);
}

void lag_look(struct worker *worker)
{
    int64_t now = clock_monotonic_ms();
    if (now - worker->lag_looked_ms >= LOOK_MS) {
        worker->lag_looked_ms = now;
        look(worker);
    }
}

void lag_look_now(struct worker *worker)
{
    worker->lag_looked_ms = clock_monotonic_ms();
    look(worker);
}

struct worker_lag worker_lag(const struct worker *worker)
{
    struct worker_lag lag = {.known = atomic_load_explicit(&worker->signs.lag_known, memory_order_acquire)};
    lag.messages = atomic_load_explicit(&worker->signs.lag_messages, memory_order_relaxed);
    lag.total = atomic_load_explicit(&worker->signs.lag_total, memory_order_relaxed);
    lag.counted = atomic_load_explicit(&worker->signs.counted, memory_order_relaxed);
    lag.endless = atomic_load_explicit(&worker->signs.endless, memory_order_relaxed);
    return lag;
}
