/* What workers and plugins count, and main and the listener read: counters, gauges and histograms. Each is a *series*,
 * a name with its labels, that holds one value for each owner (a worker or a plugin's instance), so that a worker's own
 * costs it an addition; they are summed when they are read. */
#ifndef METRICS_H
#define METRICS_H

#include "base/metric_shape.h"

struct metrics;

/* A series as /metrics shows it. */
struct metric_sample {
    const char *family, *help;
    const char *labels; /* NAME="VALUE",…, escaped; "": none */
    uint32_t kind;      /* CHURN_METRIC_… or METRIC_UNTYPED */
    int64_t per_unit;   /* how many are one unit of what is shown */
    int64_t value;
    const struct histogram_bounds *bounds;   /* a histogram's; else NULL */
    const struct histogram_values *observed; /* likewise */
};

struct metrics *metrics_new(void);
void metrics_free(struct metrics *metrics);

/* The counter `name` of one owner, made at the first call, which only the summary shows. Where memory runs out a
 * counter that nobody reads is given, so that no caller has to check. [any] */
churn_counter *metrics_counter(struct metrics *metrics, const void *owner, const char *name);
/* The same, shown as `as` says, whose name is the whole one. `name` NULL: the series is known by that alone. [any] */
churn_counter *metrics_shown(struct metrics *metrics, const void *owner, const char *name, const churn_metric *as);
/* Likewise for a plugin, with METRIC_PREFIX before the name. What the core counts under this name is counted with it.
 * `as` NULL: a counter that it does not describe, shown with the label `plugin`. [any] */
churn_counter *metrics_of_plugin(struct metrics *metrics, const void *owner, const char *name, const churn_metric *as,
                                 const char *plugin);
void metrics_add(churn_counter *counter, int64_t n); /* [any] */
/* The same, cheaper, for a counter that no other thread adds to. */
void metrics_add_own(churn_counter *counter, int64_t n);
int64_t metrics_value(const churn_counter *counter);   /* [any] */
void metrics_set(churn_counter *gauge, int64_t value); /* [any] */
/* It has no value until it is set again. [any] */
void metrics_unset(churn_counter *gauge);
#define METRIC_UNSET INT64_MIN /* what metrics_unset sets */
/* Sets all gauges of an owner. [any] */
void metrics_set_all(struct metrics *metrics, const void *owner, int64_t value);

/* A histogram, likewise. [any] */
churn_histogram *metrics_histogram(struct metrics *metrics, const void *owner, const churn_metric *as);
churn_histogram *metrics_histogram_of_plugin(struct metrics *metrics, const void *owner, const churn_metric *as);

/* The counter `what` of a sink, shown as `as` says, and its sum over all owners. [any] */
churn_counter *metrics_sink_counter(struct metrics *metrics, const void *owner, const char *sink, const char *what,
                                    const churn_metric *as);
int64_t metrics_sink_sum(struct metrics *metrics, const char *sink, const char *what);

/* Adds all that was counted in `from` to `to`, and begins anew in `from`; gauges stay behind, without a value. Nobody
 * counts meanwhile. [main] */
void metrics_move(struct metrics *from, struct metrics *to);
/* The sum of a name over all owners and labels. [any] */
int64_t metrics_sum(struct metrics *metrics, const char *name);
/* Calls `fn` with each distinct name that begins with `prefix` and its sum, sorted by name. [any] */
void metrics_each(struct metrics *metrics, const char *prefix, void (*fn)(void *ctx, const char *name, int64_t sum),
                  void *ctx);
/* Calls `fn` with each series that is shown and has a value, sorted by family and labels. False when memory ran out.
 * [any] */
bool metrics_show(struct metrics *metrics, void (*fn)(void *ctx, const struct metric_sample *sample), void *ctx);

#endif
