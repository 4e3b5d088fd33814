/* What a worker counts for /metrics alone, for tests that make a worker by hand. */
#ifndef SHOWN_FIXTURE_H
#define SHOWN_FIXTURE_H

#include "core/engine/state.h"

/* The worker's pipeline has metrics. */
static inline void shown_open(struct worker *worker)
{
    static const int64_t bounds[] = {10, 1000};
    struct metrics *metrics = worker->pipeline->metrics;
    const churn_metric histogram = {.size = sizeof histogram,
                                    .kind = CHURN_METRIC_HISTOGRAM,
                                    .name = "test_seconds",
                                    .help = "A test's.",
                                    .bounds = bounds,
                                    .bound_count = 2};
    for (unsigned i = 0; i <= CHURN_SEVERITY_CRITICAL; i++) {
        worker->shown.alerts[i] = metrics_counter(metrics, worker, "raised");
    }
    worker->counters.triggers = metrics_counter(metrics, worker, "triggers");
    worker->shown.windows = metrics_counter(metrics, worker, "windows");
    worker->shown.store_write = worker->shown.event_to_profile = metrics_histogram(metrics, worker, &histogram);
}

#endif
