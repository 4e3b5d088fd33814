#include "base/metrics.h"

#include "base/json_text.h"
#include "base/metric_shape.h"
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#define LINE 64 /* so that two writers' counters share none */

struct churn_counter {
    struct churn_counter *next; /* of the same series */
    const void *owner;
    _Atomic int64_t value;
};

struct observed {
    struct observed *next;
    const void *owner;
    churn_histogram *histogram;
};

struct series {
    struct series *next; /* sorted by name and labels */
    char *name, *labels;
    char *family, *help; /* NULL: it is not shown */
    bool core;           /* the engine's own */
    uint32_t kind;
    int64_t per_unit;
    struct histogram_bounds bounds;
    struct churn_counter *counters;
    struct observed *observed;
};

struct metrics {
    pthread_mutex_t lock; /* of the lists; the values are atomic */
    struct series *first;
    struct churn_counter unread;
    struct histogram_bounds no_bounds;
    churn_histogram *unobserved;
};

/* Which series is asked for. */
struct request {
    const char *name;
    const struct metric_shape *shape; /* NULL: not to be shown */
    bool core;                        /* by the engine itself */
};

struct metrics *metrics_new(void)
{
    struct metrics *metrics = calloc(1, sizeof *metrics);
    if (metrics == NULL) {
        return NULL;
    }
    metrics->unobserved = histogram_new(&metrics->no_bounds);
    if (metrics->unobserved == NULL || pthread_mutex_init(&metrics->lock, NULL) != 0) {
        histogram_free(metrics->unobserved);
        free(metrics);
        return NULL;
    }
    return metrics;
}

static void free_series(struct series *series)
{
    while (series->counters != NULL) {
        struct churn_counter *counter = series->counters;
        series->counters = counter->next;
        free(counter);
    }
    while (series->observed != NULL) {
        struct observed *observed = series->observed;
        series->observed = observed->next;
        histogram_free(observed->histogram);
        free(observed);
    }
    free(series->name);
    free(series->labels);
    free(series->family);
    free(series->help);
    free(series);
}

void metrics_free(struct metrics *metrics)
{
    if (metrics == NULL) {
        return;
    }
    while (metrics->first != NULL) {
        struct series *series = metrics->first;
        metrics->first = series->next;
        free_series(series);
    }
    histogram_free(metrics->unobserved);
    (void)pthread_mutex_destroy(&metrics->lock);
    free(metrics);
}

/* ---- series ---- */

static int compare(const struct series *series, const char *name, const char *labels)
{
    int order = strcmp(series->name, name);
    return order != 0 ? order : strcmp(series->labels, labels);
}

static void hide(struct series *series)
{
    free(series->family);
    free(series->help);
    series->family = series->help = NULL;
}

/* What is shown has one kind for each family, and one series for each of its labels. The core's goes before. */
static bool may_show(struct metrics *metrics, const struct series *asking)
{
    for (struct series *other = metrics->first; other != NULL; other = other->next) {
        bool clash =
            other != asking && other->family != NULL && strcmp(other->family, asking->family) == 0 &&
            (other->kind != asking->kind || other->core != asking->core || strcmp(other->labels, asking->labels) == 0);
        if (clash && asking->core && !other->core) {
            hide(other);
        } else if (clash) {
            return false;
        }
    }
    return true;
}

static void describe(struct metrics *metrics, struct series *series, const struct request *request)
{
    series->family = strdup(request->shape->family);
    series->help = strdup(request->shape->help);
    series->kind = request->shape->kind;
    series->per_unit = request->shape->per_unit;
    series->core = request->core;
    if (series->family == NULL || series->help == NULL || !may_show(metrics, series)) {
        hide(series);
    }
}

static const char *labels_of(const struct request *request)
{
    return request->shape != NULL ? request->shape->labels : "";
}

static struct series *new_series(const struct request *request)
{
    struct series *series = calloc(1, sizeof *series);
    if (series == NULL) {
        return NULL;
    }
    series->name = strdup(request->name);
    series->labels = strdup(labels_of(request));
    series->core = request->core;
    if (series->name == NULL || series->labels == NULL) {
        free_series(series);
        return NULL;
    }
    if (request->shape != NULL) {
        series->bounds = request->shape->bounds;
    }
    return series;
}

/* NULL when memory ran out. */
static struct series *find_or_add(struct metrics *metrics, const struct request *request)
{
    struct series **at = &metrics->first, *series;
    int order = 1;
    while (*at != NULL && (order = compare(*at, request->name, labels_of(request))) < 0) {
        at = &(*at)->next;
    }
    if (*at == NULL || order != 0) {
        series = new_series(request);
        if (series == NULL) {
            return NULL;
        }
        series->next = *at;
        *at = series;
    }
    series = *at;
    if (series->family == NULL && request->shape != NULL && request->shape->family != NULL &&
        (request->core || !series->core)) {
        describe(metrics, series, request);
    }
    return series;
}

/* The core's own of a name; NULL: it has none. */
static struct series *find_core(struct metrics *metrics, const char *name)
{
    struct series *series = metrics->first;
    while (series != NULL && !(series->core && strcmp(series->name, name) == 0)) {
        series = series->next;
    }
    return series;
}

static churn_counter *counter_of(struct metrics *metrics, struct series *series, const void *owner)
{
    struct churn_counter *counter = series != NULL ? series->counters : NULL;
    while (counter != NULL && counter->owner != owner) {
        counter = counter->next;
    }
    if (counter == NULL && series != NULL && (counter = aligned_alloc(LINE, LINE)) != NULL) {
        *counter = (struct churn_counter){.next = series->counters, .owner = owner};
        series->counters = counter;
    }
    if (counter == NULL) {
        return &metrics->unread;
    }
    if (atomic_load_explicit(&counter->value, memory_order_relaxed) == METRIC_UNSET) {
        atomic_store_explicit(&counter->value, 0, memory_order_relaxed);
    }
    return counter;
}

static churn_histogram *histogram_of(struct metrics *metrics, struct series *series, const void *owner)
{
    struct observed *observed = series != NULL ? series->observed : NULL;
    while (observed != NULL && observed->owner != owner) {
        observed = observed->next;
    }
    if (observed == NULL && series != NULL && (observed = calloc(1, sizeof *observed)) != NULL) {
        *observed =
            (struct observed){.next = series->observed, .owner = owner, .histogram = histogram_new(&series->bounds)};
        if (observed->histogram == NULL) {
            free(observed);
            return metrics->unobserved;
        }
        series->observed = observed;
    }
    return observed != NULL ? observed->histogram : metrics->unobserved;
}

/* ---- for whoever counts ---- */

static churn_counter *find_counter(struct metrics *metrics, const void *owner, const struct request *request)
{
    struct series *series;
    churn_counter *counter;
    (void)pthread_mutex_lock(&metrics->lock);
    series = request->core ? NULL : find_core(metrics, request->name);
    counter = counter_of(metrics, series != NULL ? series : find_or_add(metrics, request), owner);
    (void)pthread_mutex_unlock(&metrics->lock);
    return counter;
}

churn_counter *metrics_counter(struct metrics *metrics, const void *owner, const char *name)
{
    return find_counter(metrics, owner, &(struct request){.name = name, .core = true});
}

static churn_counter *find_shown(struct metrics *metrics, const void *owner, const char *name, const char *prefix,
                                 const churn_metric *as, bool core)
{
    struct metric_shape shape;
    bool good = metric_shape_make(&shape, prefix, as);
    struct request request = {.name = name, .shape = good ? &shape : NULL, .core = core};
    churn_counter *counter;
    if (name == NULL) {
        request.name = good ? shape.family : "";
    }
    counter = find_counter(metrics, owner, &request);
    metric_shape_free(&shape);
    return counter;
}

churn_counter *metrics_shown(struct metrics *metrics, const void *owner, const char *name, const churn_metric *as)
{
    return find_shown(metrics, owner, name, "", as, true);
}

churn_counter *metrics_of_plugin(struct metrics *metrics, const void *owner, const char *name, const churn_metric *as,
                                 const char *plugin)
{
    const churn_label label = {.name = "plugin", .value = plugin};
    const churn_metric untyped = {.size = sizeof untyped,
                                  .kind = METRIC_UNTYPED,
                                  .name = name,
                                  .help = "Counted by a plugin, which does not describe it.",
                                  .labels = &label,
                                  .label_count = 1};
    return as != NULL ? find_shown(metrics, owner, name, METRIC_PREFIX, as, false)
                      : find_shown(metrics, owner, name, METRIC_PREFIX "plugin_", &untyped, false);
}

static churn_histogram *find_histogram(struct metrics *metrics, const void *owner, const char *prefix,
                                       const churn_metric *as, bool core)
{
    struct metric_shape shape;
    churn_histogram *histogram = metrics->unobserved;
    if (metric_shape_make(&shape, prefix, as) && shape.kind == CHURN_METRIC_HISTOGRAM) {
        const struct request request = {.name = shape.family, .shape = &shape, .core = core};
        (void)pthread_mutex_lock(&metrics->lock);
        histogram = histogram_of(metrics, find_or_add(metrics, &request), owner);
        (void)pthread_mutex_unlock(&metrics->lock);
    }
    metric_shape_free(&shape);
    return histogram;
}

churn_histogram *metrics_histogram(struct metrics *metrics, const void *owner, const churn_metric *as)
{
    return find_histogram(metrics, owner, "", as, true);
}

churn_histogram *metrics_histogram_of_plugin(struct metrics *metrics, const void *owner, const churn_metric *as)
{
    return find_histogram(metrics, owner, METRIC_PREFIX, as, false);
}

static char *sink_key(const char *sink, const char *what)
{
    char *key = NULL;
    return asprintf(&key, "sink_%s_%s", sink, what) < 0 ? NULL : key;
}

churn_counter *metrics_sink_counter(struct metrics *metrics, const void *owner, const char *sink, const char *what,
                                    const churn_metric *as)
{
    char *key = sink_key(sink, what);
    churn_counter *counter = key == NULL ? &metrics->unread : metrics_shown(metrics, owner, key, as);
    free(key);
    return counter;
}

int64_t metrics_sink_sum(struct metrics *metrics, const char *sink, const char *what)
{
    char *key = sink_key(sink, what);
    int64_t sum = key != NULL ? metrics_sum(metrics, key) : 0;
    free(key);
    return sum;
}

void metrics_add(churn_counter *counter, int64_t n)
{
    (void)atomic_fetch_add_explicit(&counter->value, n, memory_order_relaxed);
}

void metrics_add_own(churn_counter *counter, int64_t n)
{
    int64_t value = atomic_load_explicit(&counter->value, memory_order_relaxed);
    atomic_store_explicit(&counter->value, value + n, memory_order_relaxed);
}

int64_t metrics_value(const churn_counter *counter)
{
    return atomic_load_explicit(&counter->value, memory_order_relaxed);
}

void metrics_set(churn_counter *gauge, int64_t value)
{
    atomic_store_explicit(&gauge->value, value, memory_order_relaxed);
}

void metrics_unset(churn_counter *gauge)
{
    metrics_set(gauge, METRIC_UNSET);
}

void metrics_set_all(struct metrics *metrics, const void *owner, int64_t value)
{
    (void)pthread_mutex_lock(&metrics->lock);
    for (struct series *series = metrics->first; series != NULL; series = series->next) {
        for (churn_counter *counter = series->counters; counter != NULL; counter = counter->next) {
            if (counter->owner == owner && series->kind == CHURN_METRIC_GAUGE) {
                metrics_set(counter, value);
            }
        }
    }
    (void)pthread_mutex_unlock(&metrics->lock);
}

/* ---- for whoever reads ---- */

/* False: it has no value. */
static bool sum_of(const struct series *series, int64_t *ret_sum)
{
    bool found = false;
    *ret_sum = 0;
    for (struct churn_counter *counter = series->counters; counter != NULL; counter = counter->next) {
        int64_t value = atomic_load_explicit(&counter->value, memory_order_relaxed);
        found = found || value != METRIC_UNSET;
        *ret_sum += value != METRIC_UNSET ? value : 0;
    }
    return found;
}

int64_t metrics_sum(struct metrics *metrics, const char *name)
{
    int64_t sum = 0, one;
    (void)pthread_mutex_lock(&metrics->lock);
    for (const struct series *series = metrics->first; series != NULL; series = series->next) {
        if (strcmp(series->name, name) == 0 && sum_of(series, &one)) {
            sum += one;
        }
    }
    (void)pthread_mutex_unlock(&metrics->lock);
    return sum;
}

void metrics_each(struct metrics *metrics, const char *prefix, void (*fn)(void *ctx, const char *name, int64_t sum),
                  void *ctx)
{
    (void)pthread_mutex_lock(&metrics->lock);
    for (const struct series *series = metrics->first; series != NULL;) {
        const char *name = series->name;
        int64_t sum = 0, one;
        bool counts = false;
        for (; series != NULL && strcmp(series->name, name) == 0; series = series->next) {
            counts = sum_of(series, &one) || counts;
            sum += one;
        }
        if (counts && strncmp(name, prefix, strlen(prefix)) == 0) {
            fn(ctx, name, sum);
        }
    }
    (void)pthread_mutex_unlock(&metrics->lock);
}

static int by_family(const void *a, const void *b)
{
    const struct series *one = *(const struct series *const *)a, *other = *(const struct series *const *)b;
    int order = strcmp(one->family, other->family);
    return order != 0 ? order : strcmp(one->labels, other->labels);
}

static void show(const struct series *series, void (*fn)(void *ctx, const struct metric_sample *sample), void *ctx)
{
    struct histogram_values values = {0};
    struct metric_sample sample = {.family = series->family,
                                   .help = series->help,
                                   .labels = series->labels,
                                   .kind = series->kind,
                                   .per_unit = series->per_unit};
    if (series->kind == CHURN_METRIC_HISTOGRAM) {
        for (const struct observed *one = series->observed; one != NULL; one = one->next) {
            histogram_take(one->histogram, &values, false);
        }
        sample.bounds = &series->bounds;
        sample.observed = &values;
        fn(ctx, &sample);
    } else if (sum_of(series, &sample.value)) {
        fn(ctx, &sample);
    }
}

bool metrics_show(struct metrics *metrics, void (*fn)(void *ctx, const struct metric_sample *sample), void *ctx)
{
    const struct series **shown;
    size_t count = 0;
    (void)pthread_mutex_lock(&metrics->lock);
    for (const struct series *series = metrics->first; series != NULL; series = series->next) {
        count += series->family != NULL;
    }
    shown = calloc(count + 1, sizeof *shown);
    count = 0;
    for (const struct series *series = metrics->first; shown != NULL && series != NULL; series = series->next) {
        if (series->family != NULL) {
            shown[count++] = series;
        }
    }
    if (shown != NULL) {
        qsort((void *)shown, count, sizeof *shown, by_family);
    }
    for (size_t i = 0; i < count; i++) {
        show(shown[i], fn, ctx);
    }
    (void)pthread_mutex_unlock(&metrics->lock);
    free((void *)shown);
    return shown != NULL;
}

/* ---- from one pipeline to the next ---- */

static void move_counters(struct series *series, churn_counter *to)
{
    for (struct churn_counter *counter = series->counters; counter != NULL; counter = counter->next) {
        if (series->kind == CHURN_METRIC_GAUGE) {
            metrics_unset(counter);
        } else {
            metrics_add(to, atomic_exchange(&counter->value, 0));
        }
    }
}

static void move_observed(struct series *series, churn_histogram *to)
{
    struct histogram_values values = {0};
    for (struct observed *one = series->observed; one != NULL; one = one->next) {
        histogram_take(one->histogram, &values, true);
    }
    if (histogram_bounds(to)->count == series->bounds.count) {
        histogram_add_own(to, &values);
    }
}

void metrics_move(struct metrics *from, struct metrics *to)
{
    for (struct series *series = from->first; series != NULL; series = series->next) {
        struct metric_shape shape = {.family = series->family,
                                     .help = series->help,
                                     .labels = series->labels,
                                     .kind = series->kind,
                                     .per_unit = series->per_unit,
                                     .bounds = series->bounds};
        const struct request request = {.name = series->name, .shape = &shape, .core = series->core};
        struct series *next = series->kind == CHURN_METRIC_GAUGE ? NULL : find_or_add(to, &request);
        if (series->kind == CHURN_METRIC_HISTOGRAM) {
            move_observed(series, histogram_of(to, next, NULL));
        } else {
            move_counters(series, counter_of(to, next, NULL));
        }
    }
}
