/* Counters that workers and plugins add to and main reads. */
#ifndef METRICS_H
#define METRICS_H

#include <churn/ext/metrics.h>
#include <stdbool.h>

struct metrics;

struct metrics *metrics_new(void);
void metrics_free(struct metrics *metrics);

/* The counter `name` of one owner (a worker or a plugin's instance), made at the first call. Where memory runs out a
 * counter that nobody reads is given, so that no caller has to check. [any] */
churn_counter *metrics_counter(struct metrics *metrics, const void *owner, const char *name);
void metrics_add(churn_counter *counter, int64_t n); /* [any] */
/* The same, cheaper, for a counter that no other thread adds to. */
void metrics_add_own(churn_counter *counter, int64_t n);
int64_t metrics_value(const churn_counter *counter); /* [any] */

/* The counter `what` of a sink, and its sum over all owners: sink_NAME_WHAT. [any] */
churn_counter *metrics_sink_counter(struct metrics *metrics, const void *owner, const char *sink, const char *what);
int64_t metrics_sink_sum(struct metrics *metrics, const char *sink, const char *what);

/* Adds all that was counted in `from` to `to`, and begins anew in `from`. Nobody counts meanwhile. [main] */
void metrics_move(struct metrics *from, struct metrics *to);
/* The sum of a name over all owners. [any] */
int64_t metrics_sum(struct metrics *metrics, const char *name);
/* Calls `fn` with each distinct name that begins with `prefix` and its sum, sorted by name. [main] */
void metrics_each(struct metrics *metrics, const char *prefix, void (*fn)(void *ctx, const char *name, int64_t sum),
                  void *ctx);

#endif
