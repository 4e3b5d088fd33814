#include "engine/lag.h"

#include "engine/partitions.h"
#include "engine/progress.h"

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

/* Records that were taken, and whose profiles, outputs or checkpoint are still to come. */
static int64_t unsettled(struct worker *worker)
{
    int64_t count = progress_unsettled(worker);
    for (uint64_t number = worker->ring.oldest; number <= worker->ring.newest; number++) {
        count += window_at(worker, number)->record_count;
    }
    return count;
}

void lag_look(struct worker *worker)
{
    churn_lag lag = ask_lag(worker);
    bool known =
        lag.known != 0 && lag.messages >= 0 && partitions_ready(worker); /* else it counts from another place */
    atomic_store_explicit(&worker->signs.lag_messages, known ? lag.messages + unsettled(worker) : 0,
                          memory_order_relaxed);
    atomic_store_explicit(&worker->signs.lag_known, known, memory_order_release);
}

struct worker_lag worker_lag(const struct worker *worker)
{
    struct worker_lag lag = {.known = atomic_load_explicit(&worker->signs.lag_known, memory_order_acquire)};
    lag.messages = atomic_load_explicit(&worker->signs.lag_messages, memory_order_relaxed);
    return lag;
}
