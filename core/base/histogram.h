/* How many values were how large: buckets with upper bounds. Only its writers change one, and anybody reads it. */
#ifndef HISTOGRAM_H
#define HISTOGRAM_H

#include <churn/ext/metrics.h>
#include <stdbool.h>

#define HISTOGRAM_MAX_BOUNDS 32

struct histogram_bounds {
    uint32_t count;
    int64_t upper[HISTOGRAM_MAX_BOUNDS]; /* growing; a bucket holds what is not above its bound */
};

/* Values that are counted together. Starts zeroed. */
struct histogram_values {
    int64_t counts[HISTOGRAM_MAX_BOUNDS + 1]; /* the last one of what is above all bounds */
    int64_t sum;
    uint32_t newest; /* the bucket of the newest value, which is the next one's as a rule */
};

/* The first bucket that `value` fits. */
static inline uint32_t histogram_bucket(const struct histogram_bounds *bounds, int64_t value)
{
    uint32_t i = 0;
    while (i < bounds->count && value > bounds->upper[i]) {
        i++;
    }
    return i;
}

static inline void histogram_note(struct histogram_values *values, const struct histogram_bounds *bounds, int64_t value)
{
    uint32_t i = values->newest;
    if ((i < bounds->count && value > bounds->upper[i]) || (i > 0 && value <= bounds->upper[i - 1])) {
        values->newest = i = histogram_bucket(bounds, value);
    }
    values->counts[i]++;
    values->sum += value;
}

/* NULL when memory ran out. `bounds` outlives it. */
churn_histogram *histogram_new(const struct histogram_bounds *bounds);
const struct histogram_bounds *histogram_bounds(const churn_histogram *histogram);
void histogram_observe(churn_histogram *histogram, int64_t value); /* [any] */
/* Adds what was noted, cheaper, where no other thread adds to the histogram. */
void histogram_add_own(churn_histogram *histogram, const struct histogram_values *values);
/* Adds what the histogram holds to `values`, and with `empty` takes it away. [any] */
void histogram_take(churn_histogram *histogram, struct histogram_values *values, bool empty);
void histogram_free(churn_histogram *histogram);

#endif
