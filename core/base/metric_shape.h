/* What is known of a metric beside its values: how it is shown, judged and copied from what describes it. */
#ifndef METRIC_SHAPE_H
#define METRIC_SHAPE_H

#include "base/histogram.h"

#define METRIC_UNTYPED 0        /* of a plugin that does not say what it is */
#define METRIC_PREFIX "churnd_" /* of the names of plugins' metrics */

struct metric_shape {
    char *family;
    char *labels; /* NAME="VALUE",…, escaped; "": none */
    const char *help;
    uint32_t kind;
    int64_t per_unit;
    struct histogram_bounds bounds;
};

/* The family is `prefix` and the metric's name. False when it cannot be shown: its name, kind, labels or bounds are not
 * as <churn/ext/metrics.h> says, or memory ran out. To be freed in either case. */
bool metric_shape_make(struct metric_shape *shape, const char *prefix, const churn_metric *as);
void metric_shape_free(struct metric_shape *shape);

#endif
