/* Counters of an instance; a host without metrics counts nothing. */
#ifndef COUNTER_H
#define COUNTER_H

#include <churn/ext/metrics.h>

struct counter {
    const churn_metrics *metrics; /* NULL: the host has none */
    churn_counter *counter;
};

static inline struct counter counter_new(const churn_host *host, const char *name)
{
    const churn_metrics *metrics = host->get_extension(host, CHURN_METRICS_ID);
    return (struct counter){.metrics = metrics, .counter = metrics != NULL ? metrics->counter(host, name) : NULL};
}

static inline void counter_add(const struct counter *counter, int64_t n)
{
    if (counter->metrics != NULL && n != 0) {
        counter->metrics->add(counter->counter, n);
    }
}

#endif
