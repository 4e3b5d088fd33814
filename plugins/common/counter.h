/* Counters, gauges and histograms of an instance; a host without metrics, or an older one without histograms, does
 * without. */
#ifndef COUNTER_H
#define COUNTER_H

#include <churn/ext/metrics.h>
#include <stddef.h>

struct counter {
    const churn_metrics *metrics; /* NULL: the host has none */
    churn_counter *counter;
};

struct measure {
    const churn_metrics *metrics; /* NULL: the host has no histograms */
    churn_histogram *histogram;
};

static inline int counter_host_shows(const churn_metrics *metrics)
{
    return metrics != NULL && metrics->size >= offsetof(churn_metrics, observe) + sizeof metrics->observe;
}

static inline struct counter counter_new(const churn_host *host, const char *name)
{
    const churn_metrics *metrics = host->get_extension(host, CHURN_METRICS_ID);
    return (struct counter){.metrics = metrics, .counter = metrics != NULL ? metrics->counter(host, name) : NULL};
}

/* One that /metrics shows as `as` says. */
static inline struct counter counter_shown(const churn_host *host, const char *name, const churn_metric *as)
{
    const churn_metrics *metrics = host->get_extension(host, CHURN_METRICS_ID);
    return counter_host_shows(metrics) ? (struct counter){.metrics = metrics, .counter = metrics->shown(host, name, as)}
                                       : counter_new(host, name);
}

/* Of a gauge; an older host has none. */
static inline void counter_set(const struct counter *gauge, int64_t value)
{
    if (counter_host_shows(gauge->metrics)) {
        gauge->metrics->set(gauge->counter, value);
    }
}

static inline void counter_add(const struct counter *counter, int64_t n)
{
    if (counter->metrics != NULL && n != 0) {
        counter->metrics->add(counter->counter, n);
    }
}

static inline struct measure measure_new(const churn_host *host, const churn_metric *as)
{
    const churn_metrics *metrics = host->get_extension(host, CHURN_METRICS_ID);
    struct measure measure = {.metrics = counter_host_shows(metrics) ? metrics : NULL};
    if (measure.metrics != NULL) {
        measure.histogram = metrics->histogram(host, as);
    }
    return measure;
}

static inline void measure_observe(const struct measure *measure, int64_t value)
{
    if (measure->metrics != NULL) {
        measure->metrics->observe(measure->histogram, value);
    }
}

#endif
