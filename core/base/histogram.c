#include "base/histogram.h"

#include <stdatomic.h>
#include <stdlib.h>

#define LINE 64 /* so that two writers' share none */

struct churn_histogram {
    const struct histogram_bounds *bounds;
    _Atomic int64_t sum;
    _Atomic int64_t counts[HISTOGRAM_MAX_BOUNDS + 1];
};

churn_histogram *histogram_new(const struct histogram_bounds *bounds)
{
    size_t size = (sizeof(churn_histogram) + LINE - 1) / LINE * LINE;
    churn_histogram *histogram = aligned_alloc(LINE, size);
    if (histogram != NULL) {
        memset(histogram, 0, size);
        histogram->bounds = bounds;
    }
    return histogram;
}

const struct histogram_bounds *histogram_bounds(const churn_histogram *histogram)
{
    return histogram->bounds;
}

void histogram_observe(churn_histogram *histogram, int64_t value)
{
    uint32_t i = histogram_bucket(histogram->bounds, value);
    (void)atomic_fetch_add_explicit(&histogram->counts[i], 1, memory_order_relaxed);
    (void)atomic_fetch_add_explicit(&histogram->sum, value, memory_order_relaxed);
}

static void add_own(_Atomic int64_t *to, int64_t n)
{
    atomic_store_explicit(to, atomic_load_explicit(to, memory_order_relaxed) + n, memory_order_relaxed);
}

void histogram_add_own(churn_histogram *histogram, const struct histogram_values *values)
{
    for (uint32_t i = 0; i <= histogram->bounds->count; i++) {
        if (values->counts[i] != 0) {
            add_own(&histogram->counts[i], values->counts[i]);
        }
    }
    add_own(&histogram->sum, values->sum);
}

static int64_t take(_Atomic int64_t *from, bool empty)
{
    return empty ? atomic_exchange(from, 0) : atomic_load_explicit(from, memory_order_relaxed);
}

void histogram_take(churn_histogram *histogram, struct histogram_values *values, bool empty)
{
    for (uint32_t i = 0; i <= histogram->bounds->count; i++) {
        values->counts[i] += take(&histogram->counts[i], empty);
    }
    values->sum += take(&histogram->sum, empty);
}

void histogram_free(churn_histogram *histogram)
{
    free(histogram);
}
