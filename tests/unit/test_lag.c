/* How far a worker is behind: how many records are not settled, and how old they are, also while nobody can tell. */
#include "core/engine/lag.h"
#include "core/engine/partition_lag.h"
#include "core/engine/placing.h"
#include "worker_fixture.h"

static struct {
    int32_t known;
    int64_t unread; /* -1: not known */
} tells;

static void tell_lag(void *self, churn_lag *lag)
{
    (void)self;
    lag->known = (uint32_t)tells.known;
    lag->messages = tells.unread;
    lag->total = -1;
}

static void tell_lags(void *self, churn_lag_fn fn, void *ctx)
{
    (void)self;
    if (tells.unread >= 0) {
        fn(ctx, "t", 0, tells.unread);
    }
}

static churn_source_ops telling;

static void open_here(int64_t committed)
{
    open_worker(committed);
    telling = fake_source_ops;
    telling.lag = tell_lag;
    telling.lags = tell_lags;
    loaded_source.plugin.ops = &telling;
    worker.counters.events = metrics_counter(pipeline.metrics, &worker, "events");
    atomic_store(&worker.signs.waiting, -1);
    atomic_store(&worker.signs.behind_since_ms, -1);
    tells.known = 1;
    tells.unread = 0;
    assign(committed, 0);
}

static void place(void)
{
    CU_ASSERT(placing_step(&worker) && partitions_ready(&worker));
}

/* A poll of `count` records, the first of which is so old. */
static void take(int64_t offset, uint32_t count, int64_t ms)
{
    partition_lag_note(partition_at(&worker, 0), offset, ms, clock_wall_ms());
    partitions_note_read(&worker, 0, offset + count - 1);
    window_filling(&worker)->record_count += count;
}

/* What is below is with the store for good. */
static void settle(int64_t next)
{
    const struct partition *p = partition_at(&worker, 0);
    struct window_position position = {.next = next, .last = WITNESS_NONE};
    struct window window = {.positions = &position, .position_count = 1};
    window.record_count = (uint32_t)(next - (p->done > p->began ? p->done : p->began));
    window_filling(&worker)->record_count -= window.record_count;
    CU_ASSERT(progress_note_done(&worker, &window) && progress_commit(&worker, 5000));
}

/* `since_ms` 0: nothing waits; -1: not known. */
static void check_lag(int64_t waiting, int64_t since_ms, const char *when)
{
    lag_look_now(&worker);
    struct worker_lag lag = worker_lag(&worker);
    check(lag.waiting == waiting, "%s: %lld wait", when, (long long)lag.waiting);
    check(lag.since_ms == since_ms, "%s: since %lld", when, (long long)lag.since_ms);
}

/* … since a moment between the two. */
static void check_since(int64_t waiting, int64_t from_ms, const char *when)
{
    lag_look_now(&worker);
    struct worker_lag lag = worker_lag(&worker);
    check(lag.waiting == waiting && lag.since_ms >= from_ms && lag.since_ms <= clock_wall_ms(), "%s: %lld since %lld",
          when, (long long)lag.waiting, (long long)lag.since_ms);
}

/* The oldest one that is not settled, however many were read since. */
static void test_the_age_of_what_is_not_settled(void)
{
    open_here(0);
    place();
    take(0, 1, 1000);
    take(1, 4, 5000);
    take(5, 1, 9000);
    tells.unread = 7;
    check_lag(13, 1000, "three polls");
    settle(1);
    check_lag(12, 5000, "the first is settled");
    settle(4);
    check_lag(9, 5000, "a part of the second");
    settle(6);
    check_lag(7, 9000, "all that was read: what comes is no older");
    take(6, 7, 9500);
    tells.unread = 0;
    settle(13);
    check_lag(0, 0, "nothing waits");
    int64_t caught_up_ms = clock_wall_ms() - 1;
    tells.unread = 1;
    check_since(1, caught_up_ms, "it cannot have waited longer");
    close_worker();
}

static void test_times_that_do_not_grow(void)
{
    int64_t now_ms = clock_wall_ms();
    open_here(0);
    place();
    take(0, 1, now_ms + 1000000);
    check_since(1, now_ms, "the future is the present");
    take(1, 1, 3000);
    settle(1);
    check_lag(1, 3000, "an old one after it");
    take(2, 1, 0);
    settle(2);
    check_since(1, now_ms, "without a time");
    close_worker();
}

static void test_more_polls_than_are_remembered(void)
{
    open_here(0);
    place();
    for (int64_t i = 0; i < 1000; i++) {
        take(i, 1, 1000 + i * 1000);
    }
    for (int64_t i = 1; i < 999; i += 37) {
        settle(i);
        lag_look_now(&worker);
        int64_t since_ms = worker_lag(&worker).since_ms;
        check(since_ms <= 1000 + i * 1000 && since_ms > 1000 + i * 1000 - 128000, "%lld: since %lld", (long long)i,
              (long long)since_ms);
    }
    close_worker();
}

/* Nobody can tell that nothing waits. */
static void test_a_source_that_is_away(void)
{
    open_here(10);
    place();
    check_lag(0, 0, "at the end");
    int64_t away_ms = clock_wall_ms() - 1;
    tells.known = 0;
    check_since(0, away_ms, "away");
    int64_t since_ms = worker_lag(&worker).since_ms;
    check_lag(0, since_ms, "it stays so");
    progress_revoke(&worker);
    tells.unread = -1;
    check_lag(0, since_ms, "given up");
    CU_ASSERT(!worker_lag(&worker).known);
    assign(10, 0);
    check_lag(0, since_ms, "the same once more");
    tells.known = 1;
    tells.unread = 3;
    place();
    check_lag(3, since_ms, "three came meanwhile, one of them at once perhaps");
    progress_revoke(&worker);
    CU_ASSERT(progress_assign(&worker, NULL, 0));
    tells.unread = 0;
    check_lag(0, 0, "it is another's");
    progress_revoke(&worker);
    int64_t taken_ms = clock_wall_ms();
    assign(50, 0);
    tells.known = 0;
    tells.unread = -1;
    check_since(-1, taken_ms, "ours, and nothing is known");
    close_worker();
}

/* Others have read on: what waits is not what waited here. */
static void test_a_partition_that_comes_back(void)
{
    open_here(10);
    place();
    take(10, 1, 1000);
    tells.unread = 4;
    check_lag(5, 1000, "before");
    progress_revoke(&worker);
    check_lag(5, 1000, "between");
    int64_t taken_ms = clock_wall_ms();
    assign(14, 0);
    tells.unread = 1;
    check_since(1, taken_ms, "after");
    close_worker();
}

/* A store that is away tells no checkpoint: the source counts from what was committed. */
static void test_no_store_to_begin_from(void)
{
    int64_t taken_ms = clock_wall_ms();
    open_here(10);
    check_lag(0, 0, "nothing waits");
    tells.unread = 5;
    check_since(5, taken_ms, "some came");
    place();
    take(10, 1, 2000);
    tells.unread = 4;
    check_since(5, taken_ms, "an old one that came since");
    progress_rewind(&worker);
    tells.unread = 3;
    check_since(5, taken_ms, "from where it begins again is not known yet");
    close_worker();
}

static void test_sources_that_tell_less(void)
{
    open_here(10);
    telling.lags = NULL;
    place();
    take(10, 1, 1000);
    tells.known = 0;
    check_lag(-1, -1, "nothing yet");
    tells.known = 1;
    tells.unread = 2;
    window_filling(&worker)->record_count = 1;
    check_lag(3, 1000, "its only partition");
    window_filling(&worker)->record_count = 0;
    const churn_position another = {.topic = "t", .partition = 1, .flags = CHURN_POSITION_RESUMED};
    CU_ASSERT(progress_assign(&worker, &another, 1));
    tells.unread = -1;
    check_lag(-1, -1, "without an end");
    telling.lag = NULL;
    check_lag(-1, -1, "mute");
    close_worker();
}

int main(void)
{
    CU_TestInfo tests[] = {TEST(test_the_age_of_what_is_not_settled), TEST(test_times_that_do_not_grow),
                           TEST(test_more_polls_than_are_remembered), TEST(test_a_source_that_is_away),
                           TEST(test_a_partition_that_comes_back),    TEST(test_no_store_to_begin_from),
                           TEST(test_sources_that_tell_less),         CU_TEST_INFO_NULL};
    return run_tests("lag", tests);
}
