/** @file
 * Extension "churn.metrics/1": counters that the host sums over workers and shows in the summary and, since ABI 1.3, on
 * /metrics, where there are histograms too.
 */
#ifndef CHURN_EXT_METRICS_H
#define CHURN_EXT_METRICS_H

#include <churn/host.h>

#ifdef __cplusplus
extern "C" {
#endif

#define CHURN_METRICS_ID "churn.metrics/1"

typedef struct churn_counter churn_counter;

/* since ABI 1.3: what follows, up to churn_metrics */
typedef struct churn_histogram churn_histogram;

/** What a metric is. */
enum {
    CHURN_METRIC_COUNTER = 1,  /**< only grows; its name ends in `_total` */
    CHURN_METRIC_GAUGE = 2,    /**< goes up and down; begins anew with a reload */
    CHURN_METRIC_HISTOGRAM = 3 /**< how many values were how large */
};

/** A label: constant, and of few values. Never a customer, an event or anything else of which there are many. */
typedef struct churn_label {
    const char *name; /**< lower case, words joined by `_` */
    const char *value;
} churn_label;

/** How /metrics shows a metric; only read during the call. */
typedef struct churn_metric {
    uint32_t size;
    uint32_t kind;    /**< CHURN_METRIC_… */
    const char *name; /**< without `churnd_`, which the host puts before it: lower case, words joined by `_`, in base
                           units ("seconds", "bytes"), beginning with the plugin's name: "my_sink_rows_total" */
    const char *help; /**< one sentence for an operator */
    const churn_label *labels;
    uint32_t label_count;
    uint32_t bound_count;
    const int64_t *bounds; /**< of a histogram: the upper bounds of its buckets, growing, 32 at most */
    int64_t per_unit;      /**< how many of what is counted are one unit of what is shown: 1000 for milliseconds that
                                are shown as seconds; 0: 1 */
} churn_metric;

typedef struct churn_metrics {
    uint32_t size;
    uint32_t reserved;
    /** The counter `name` of this instance (lower case, words joined by `_`, such as "predictions_answered"), made at
     *  the first call; the same name gives the same counter. Since ABI 1.3 /metrics shows it as
     *  churnd_plugin_NAME{plugin="…"}. Lives as long as the host; never NULL. [main][worker] */
    churn_counter *(*counter)(const churn_host *host, const char *name);
    /** Adds `n`. A gauge is a counter that also goes down: `n` may be negative. [any] */
    void (*add)(churn_counter *counter, int64_t n);

    /* since ABI 1.3: see `size` */
    /** The counter `name`, as `counter` gives it, which /metrics shows as `as` says. The labels tell its counters
     * apart; the summary shows their sum. A name that the host has itself, or shows already as another kind, is counted
     * and not shown. Never NULL. [main][worker] */
    churn_counter *(*shown)(const churn_host *host, const char *name, const churn_metric *as);
    /** Of a gauge: its value from now on. [any] */
    void (*set)(churn_counter *gauge, int64_t value);
    /** The histogram of this instance that `as` describes, made at the first call. Lives as long as the host; never
     *  NULL. [main][worker] */
    churn_histogram *(*histogram)(const churn_host *host, const churn_metric *as);
    /** Counts one value. [any] */
    void (*observe)(churn_histogram *histogram, int64_t value);
} churn_metrics;

#ifdef __cplusplus
}
#endif
#endif
