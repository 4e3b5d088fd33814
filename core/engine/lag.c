#include "engine/lag.h"

#include "base/clock.h"
#include "engine/partition_lag.h"
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
        p->lag.unread = messages;
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
        partition_at(worker, i)->lag.unread = -1;
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
                             .help = "Records of a partition that are not settled, when that was last known.",
                             .labels = labels,
                             .label_count = 2};
    (void)snprintf(number, sizeof number, "%d", place->partition);
    return metrics_shown(worker->pipeline->metrics, worker, NULL, &as);
}

static void show_partition(struct worker *worker, uint32_t part)
{
    struct partition_lag *lag = &partition_at(worker, part)->lag;
    if (lag->shown && lag->waiting >= 0) {
        lag->gauge = lag->gauge != NULL ? lag->gauge : lag_gauge(worker, part);
        metrics_set(lag->gauge, lag->waiting);
    } else if (lag->gauge != NULL) {
        metrics_unset(lag->gauge);
    }
}

/* What is read from where the checkpoint says: what was taken and is not settled waits, as does what is unread. `all`:
 * the same as the source counts it, where this is its only partition; -1: not known. False where nothing is known. */
static bool count_placed(const struct worker *worker, struct partition *p, int64_t all)
{
    int64_t settled = worker_has_store(worker) ? p->durable : p->done;
    settled = settled > p->began ? settled : p->began;
    p->lag.caught_up_ms = settled < p->lag.settled ? 0 : p->lag.caught_up_ms; /* it went back */
    p->lag.settled = settled;
    if (all >= 0) {
        p->lag.waiting = all;
    } else if (p->lag.unread >= 0) {
        p->lag.waiting = p->lag.unread + (p->read > p->lag.settled ? p->read - p->lag.settled : 0);
    }
    return all >= 0 || p->lag.unread >= 0;
}

/* What cannot be told now stays as it was: it is wanted most while something is away. False: so it did. */
static bool count_waiting(const struct worker *worker, struct partition *p, int64_t all)
{
    if (p->place == PLACE_READY) {
        return count_placed(worker, p, all);
    }
    if (p->place == PLACE_LOOK_UP && !p->placed && p->lag.unread >= 0) {
        p->lag.waiting = p->lag.unread; /* the source stands at what was committed */
        return true;
    }
    return false;
}

/* Of all partitions. */
struct sum {
    uint32_t count;
    int64_t waiting;  /* -1: not known of one of them */
    int64_t since_ms; /* 0: nothing waits; or BEHIND_UNKNOWN */
};

/* Of two partitions. */
static int64_t earlier(int64_t a_ms, int64_t b_ms)
{
    if (a_ms == BEHIND_UNKNOWN || b_ms == BEHIND_UNKNOWN) {
        return BEHIND_UNKNOWN;
    }
    return a_ms == 0 || (b_ms != 0 && b_ms < a_ms) ? b_ms : a_ms;
}

static void add_partition(struct sum *sum, const struct partition_lag *lag, int64_t since_ms)
{
    sum->count++;
    sum->waiting = sum->waiting < 0 || lag->waiting < 0 ? -1 : sum->waiting + lag->waiting;
    sum->since_ms = earlier(sum->since_ms, since_ms);
}

/* `all`: how many records of all partitions are not settled; -1: not known. `told`: the source can tell now. */
static struct sum look_at_partitions(struct worker *worker, int64_t all, bool told)
{
    const struct partition *only = find_only(worker);
    int64_t now_ms = clock_wall_ms();
    struct sum sum = {0};
    ask_partitions(worker);
    for (uint32_t i = 0; i < partition_count(worker); i++) {
        struct partition *p = partition_at(worker, i);
        bool counted = count_waiting(worker, p, p == only ? all : -1);
        bool never = source_of(worker)->lags == NULL && p->lag.waiting < 0;
        if (p->lag.shown) {
            add_partition(&sum, &p->lag, never ? BEHIND_UNKNOWN : partition_lag_since(p, told && counted, now_ms));
        }
        show_partition(worker, i);
    }
    return sum;
}

/* ---- the worker's ---- */

/* What is known of all of it. `waiting` -1: that is not known now. */
static struct sum sum_up(const struct worker *worker, struct sum sum, int64_t waiting, bool endless)
{
    bool ever = atomic_load_explicit(&worker->signs.waiting, memory_order_relaxed) >= 0;
    if (endless || (waiting < 0 && sum.count == 0 && !ever)) {
        return (struct sum){.waiting = -1, .since_ms = BEHIND_UNKNOWN};
    }
    if (waiting >= 0) {
        sum.waiting = waiting;
        sum.since_ms = waiting == 0 ? 0 : sum.since_ms;
    }
    return sum;
}

static void look(struct worker *worker)
{
    churn_lag lag = ask_lag(worker);
    bool told = lag.known != 0 && lag.messages >= 0, endless = lag.known != 0 && lag.messages < 0;
    bool known = told && partitions_ready(worker); /* else it counts from another place */
    bool bounded = known && (worker->pipeline->until_end || lag.total >= 0);
    int64_t taken = in_windows(worker), read = metrics_value(worker->counters.events);
    int64_t waiting = known ? lag.messages + taken + progress_unsettled(worker) : -1;
    struct sum sum = sum_up(worker, look_at_partitions(worker, waiting, told), waiting, endless);
    atomic_store_explicit(&worker->signs.waiting, sum.waiting, memory_order_relaxed);
    atomic_store_explicit(&worker->signs.behind_since_ms, sum.since_ms, memory_order_relaxed);
    atomic_store_explicit(&worker->signs.lag_messages, known ? waiting : 0, memory_order_relaxed);
    atomic_store_explicit(&worker->signs.lag_total, bounded ? read + lag.messages : -1, memory_order_relaxed);
    atomic_store_explicit(&worker->signs.counted, read - taken, memory_order_relaxed);
    atomic_store_explicit(&worker->signs.endless, endless, memory_order_relaxed);
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
    lag.waiting = atomic_load_explicit(&worker->signs.waiting, memory_order_relaxed);
    lag.since_ms = atomic_load_explicit(&worker->signs.behind_since_ms, memory_order_relaxed);
    lag.total = atomic_load_explicit(&worker->signs.lag_total, memory_order_relaxed);
    lag.counted = atomic_load_explicit(&worker->signs.counted, memory_order_relaxed);
    lag.endless = atomic_load_explicit(&worker->signs.endless, memory_order_relaxed);
    return lag;
}
