#include "engine/lag.h"

#include "base/clock.h"
#include "engine/partitions.h"
#include "engine/progress.h"
#include "observe/health.h"

#define LOOK_MS 250

static churn_lag ask_lag(struct worker *worker)
{
    churn_lag lag = {.size = sizeof lag};
    if (source_of(worker)->lag != NULL) {
        source_of(worker)->lag(worker->source->self, &lag);
    }
    return lag;
}

bool lag_is_large(struct worker *worker)
{
    churn_lag lag = ask_lag(worker);
    return lag.known && lag.messages >= POLL_RECORDS;
}

/* Records that were taken, and whose profiles or outputs are still to come. */
static int64_t in_windows(struct worker *worker)
{
    int64_t count = 0;
    for (uint64_t number = worker->ring.oldest; number <= worker->ring.newest; number++) {
        count += window_at(worker, number)->record_count;
    }
    return count;
}

/* ---- each partition's ---- */

static void take_unread(void *ctx, const char *topic, int32_t partition, int64_t messages)
{
    struct worker *worker = ctx;
    struct partition *p = partition_find(worker, parts_find(&worker->parts, topic, partition));
    if (p != NULL) {
        p->unread = messages;
    }
}

/* The partition, where there is a single one. */
static const struct partition *find_only(const struct worker *worker)
{
    const struct partition *only = NULL;
    for (uint32_t i = 0; i < partition_count(worker); i++) {
        const struct partition *p = partition_at(worker, i);
        if (p->place != PLACE_NONE && only != NULL) {
            return NULL;
        }
        only = p->place != PLACE_NONE ? p : only;
    }
    return only;
}

static void ask_partitions(struct worker *worker)
{
    for (uint32_t i = 0; i < partition_count(worker); i++) {
        partition_at(worker, i)->unread = -1;
    }
    if (source_of(worker)->lags != NULL) {
        source_of(worker)->lags(worker->source->self, take_unread, worker);
    }
}

static churn_counter *lag_gauge(struct worker *worker, uint32_t part)
{
    const struct part *place = &worker->parts.items[part];
    char number[16];
    const churn_label labels[] = {{"topic", place->topic}, {"partition", number}};
    const churn_metric as = {.size = sizeof as,
                             .kind = CHURN_METRIC_GAUGE,
                             .name = "churnd_source_lag_records",
                             .help = "Records of a partition that are not settled.",
                             .labels = labels,
                             .label_count = 2};
    (void)snprintf(number, sizeof number, "%d", place->partition);
    return metrics_shown(worker->pipeline->metrics, worker, NULL, &as);
}

/* How many of its records are not settled, those that were taken included; -1: not known. */
static int64_t count_waiting(const struct worker *worker, const struct partition *p)
{
    int64_t settled = worker_has_store(worker) ? p->durable : p->done;
    settled = settled > p->began ? settled : p->began;
    return p->unread < 0 ? -1 : p->unread + (p->read > settled ? p->read - settled : 0);
}

/* `count` -1: not known. */
static void show_partition(struct worker *worker, uint32_t part, int64_t count)
{
    struct partition *p = partition_at(worker, part);
    if (count >= 0) {
        p->lag = p->lag != NULL ? p->lag : lag_gauge(worker, part);
        metrics_set(p->lag, count);
    } else if (p->lag != NULL) {
        metrics_unset(p->lag);
    }
}

/* No record that waits is older; 0: none does; BEHIND_UNKNOWN before one of them was read. */
static int64_t behind_since(struct partition *p, int64_t count, int64_t now_ms)
{
    int64_t since_ms;
    if (count == 0) {
        p->caught_up_ms = now_ms;
    }
    since_ms = p->newest_ms > p->caught_up_ms ? p->newest_ms : p->caught_up_ms;
    return count <= 0 ? 0 : since_ms == 0 ? BEHIND_UNKNOWN : since_ms;
}

/* Of two partitions. */
static int64_t earlier(int64_t a_ms, int64_t b_ms)
{
    if (a_ms == BEHIND_UNKNOWN || b_ms == BEHIND_UNKNOWN) {
        return BEHIND_UNKNOWN;
    }
    return a_ms == 0 || (b_ms != 0 && b_ms < a_ms) ? b_ms : a_ms;
}

/* `all`: how many records of all partitions are not settled; -1: not known. */
static void look_at_partitions(struct worker *worker, int64_t all)
{
    const struct partition *only = find_only(worker);
    int64_t now_ms = clock_wall_ms(), oldest_ms = 0;
    ask_partitions(worker);
    for (uint32_t i = 0; i < partition_count(worker); i++) {
        struct partition *p = partition_at(worker, i);
        bool known = all >= 0 && p->place != PLACE_NONE;
        int64_t count = !known ? -1 : p == only ? all : count_waiting(worker, p);
        show_partition(worker, i, count);
        oldest_ms = earlier(oldest_ms, behind_since(p, count, now_ms));
    }
    atomic_store_explicit(&worker->signs.behind_since_ms, oldest_ms, memory_order_relaxed);
}

/* ---- the worker's ---- */

static void look(struct worker *worker)
{
    churn_lag lag = ask_lag(worker);
    bool known =
        lag.known != 0 && lag.messages >= 0 && partitions_ready(worker); /* else it counts from another place */
    bool bounded = known && (worker->pipeline->until_end || lag.total >= 0);
    int64_t taken = in_windows(worker), read = metrics_value(worker->counters.events);
    int64_t waiting = known ? lag.messages + taken + progress_unsettled(worker) : -1;
    look_at_partitions(worker, waiting);
    atomic_store_explicit(&worker->signs.lag_messages, known ? waiting : 0, memory_order_relaxed);
    atomic_store_explicit(&worker->signs.lag_total, bounded ? read + lag.messages : -1, memory_order_relaxed);
    atomic_store_explicit(&worker->signs.counted, read - taken, memory_order_relaxed);
    atomic_store_explicit(&worker->signs.endless, lag.known != 0 && lag.messages < 0, memory_order_relaxed);
    atomic_store_explicit(&worker->signs.lag_known, known, memory_order_release);
}

void lag_look(struct worker *worker)
{
    int64_t now = clock_monotonic_ms();
    if (now - worker->lag_looked_ms >= LOOK_MS) {
        worker->lag_looked_ms = now;
        look(worker);
    }
}

void lag_look_now(struct worker *worker)
{
    worker->lag_looked_ms = clock_monotonic_ms();
    look(worker);
}

struct worker_lag worker_lag(const struct worker *worker)
{
    struct worker_lag lag = {.known = atomic_load_explicit(&worker->signs.lag_known, memory_order_acquire)};
    lag.messages = atomic_load_explicit(&worker->signs.lag_messages, memory_order_relaxed);
    lag.total = atomic_load_explicit(&worker->signs.lag_total, memory_order_relaxed);
    lag.counted = atomic_load_explicit(&worker->signs.counted, memory_order_relaxed);
    lag.endless = atomic_load_explicit(&worker->signs.endless, memory_order_relaxed);
    return lag;
}
