/* What sinks of predictions count by what came of them: one metric, whichever of them a pipeline has. */
#ifndef PREDICTION_RESULTS_H
#define PREDICTION_RESULTS_H

#include "counter.h"

/* `name`: of the counter among the plugin's; `result`: what /metrics says of it. */
static inline struct counter prediction_result(const churn_host *host, const char *name, const char *result)
{
    const churn_label label = {.name = "result", .value = result};
    const churn_metric as = {
        .size = sizeof as,
        .kind = CHURN_METRIC_COUNTER,
        .name = "predictions_total",
        .help = "Predictions by what came of them: answered, failed attempts, triggers that "
                "joined another one of their customer, those that were given up, those that `when` "
                "does not want, those whose customer has a recent one, and those whose customer was forgotten.",
        .labels = &label,
        .label_count = 1};
    return counter_shown(host, name, &as);
}

#endif
