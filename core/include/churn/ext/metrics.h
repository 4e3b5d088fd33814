/** @file
 * Extension "churn.metrics/1": counters that the host sums over workers and shows in the summary.
 */
#ifndef CHURN_EXT_METRICS_H
#define CHURN_EXT_METRICS_H

#include <churn/host.h>

#ifdef __cplusplus
extern "C" {
#endif

#define CHURN_METRICS_ID "churn.metrics/1"

typedef struct churn_counter churn_counter;

typedef struct churn_metrics {
    uint32_t size;
    uint32_t reserved;
    /** The counter `name` of this instance (lower case, words joined by `_`, such as "predictions_answered"), made at
     *  the first call; the same name gives the same counter. Lives as long as the host; never NULL. [main][worker] */
    churn_counter *(*counter)(const churn_host *host, const char *name);
    /** Adds `n`. A gauge is a counter that also goes down: `n` may be negative. [any] */
    void (*add)(churn_counter *counter, int64_t n);
} churn_metrics;

#ifdef __cplusplus
}
#endif
#endif
