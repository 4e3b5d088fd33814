#include "base/metrics.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#define NAME_SIZE 64

struct churn_counter {
    struct churn_counter *next; /* sorted by name */
    const void *owner;
    char name[NAME_SIZE];
    _Atomic int64_t value;
};

struct metrics {
    pthread_mutex_t lock; /* of the list; the values are atomic */
    struct churn_counter *first;
    struct churn_counter unread;
};

struct metrics *metrics_new(void)
{
    struct metrics *metrics = calloc(1, sizeof *metrics);
    if (metrics != NULL && pthread_mutex_init(&metrics->lock, NULL) != 0) {
        free(metrics);
        return NULL;
    }
    return metrics;
}

void metrics_free(struct metrics *metrics)
{
    struct churn_counter *next;
    if (metrics == NULL) {
        return;
    }
    for (struct churn_counter *counter = metrics->first; counter != NULL; counter = next) {
        next = counter->next;
        free(counter);
    }
    (void)pthread_mutex_destroy(&metrics->lock);
    free(metrics);
}

static struct churn_counter *find_or_add(struct metrics *metrics, const void *owner, const char *name)
{
    struct churn_counter **at = &metrics->first, *counter;
    for (; *at != NULL && strcmp((*at)->name, name) <= 0; at = &(*at)->next) {
        if ((*at)->owner == owner && strcmp((*at)->name, name) == 0) {
            return *at;
        }
    }
    counter = calloc(1, sizeof *counter);
    if (counter == NULL) {
        return &metrics->unread;
    }
    (void)snprintf(counter->name, sizeof counter->name, "%s", name);
    counter->owner = owner;
    counter->next = *at;
    *at = counter;
    return counter;
}

churn_counter *metrics_counter(struct metrics *metrics, const void *owner, const char *name)
{
    churn_counter *counter;
    (void)pthread_mutex_lock(&metrics->lock);
    counter = find_or_add(metrics, owner, name);
    (void)pthread_mutex_unlock(&metrics->lock);
    return counter;
}

static void sink_name(char out[NAME_SIZE], const char *sink, const char *what)
{
    (void)snprintf(out, NAME_SIZE, "sink_%s_%s", sink, what);
}

churn_counter *metrics_sink_counter(struct metrics *metrics, const void *owner, const char *sink, const char *what)
{
    char name[NAME_SIZE];
    sink_name(name, sink, what);
    return metrics_counter(metrics, owner, name);
}

int64_t metrics_sink_sum(struct metrics *metrics, const char *sink, const char *what)
{
    char name[NAME_SIZE];
    sink_name(name, sink, what);
    return metrics_sum(metrics, name);
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

void metrics_move(struct metrics *from, struct metrics *to)
{
    for (struct churn_counter *counter = from->first; counter != NULL; counter = counter->next) {
        metrics_add(metrics_counter(to, NULL, counter->name), atomic_exchange(&counter->value, 0));
    }
}

int64_t metrics_sum(struct metrics *metrics, const char *name)
{
    int64_t sum = 0;
    (void)pthread_mutex_lock(&metrics->lock);
    for (struct churn_counter *counter = metrics->first; counter != NULL; counter = counter->next) {
        if (strcmp(counter->name, name) == 0) {
            sum += atomic_load_explicit(&counter->value, memory_order_relaxed);
        }
    }
    (void)pthread_mutex_unlock(&metrics->lock);
    return sum;
}

void metrics_each(struct metrics *metrics, const char *prefix, void (*fn)(void *ctx, const char *name, int64_t sum),
                  void *ctx)
{
    struct churn_counter *counter = metrics->first;
    while (counter != NULL) {
        const char *name = counter->name;
        int64_t sum = 0;
        for (; counter != NULL && strcmp(counter->name, name) == 0; counter = counter->next) {
            sum += atomic_load_explicit(&counter->value, memory_order_relaxed);
        }
        if (strncmp(name, prefix, strlen(prefix)) == 0) {
            fn(ctx, name, sum);
        }
    }
}
