/* What a window adds to what /metrics shows, once its profiles are acknowledged. */
#include "core/engine/counters.h"

#include "check.h"
#include "core/base/clock.h"

static struct pipeline pipeline;
static struct worker worker;

static void open_worker(void)
{
    pipeline = (struct pipeline){.metrics = metrics_new()};
    CU_ASSERT_PTR_NOT_NULL_FATAL(pipeline.metrics);
    worker = (struct worker){.pipeline = &pipeline};
    worker.sink_states = calloc(1, sizeof *worker.sink_states);
    counters_make(&worker);
}

static void close_worker(void)
{
    free(worker.sink_states);
    metrics_free(pipeline.metrics);
}

static void read_histogram(churn_histogram *histogram, struct histogram_values *values)
{
    *values = (struct histogram_values){0};
    histogram_take(histogram, values, false);
}

static int64_t count_of(const struct histogram_values *values)
{
    int64_t count = 0;
    for (unsigned i = 0; i <= HISTOGRAM_MAX_BOUNDS; i++) {
        count += values->counts[i];
    }
    return count;
}

/* By the record's own time, or else by when it came; a window's begin is what ages are told from. */
static void test_a_record_has_an_age(void)
{
    struct window window = {.began_ms = 1000000};
    churn_record record = {.size = sizeof record, .timestamp_ms = 990000};
    open_worker();
    worker.intake.polled_ms = 1000200;
    CU_ASSERT_EQUAL(counters_age(&worker, &window, &record), 10000);
    record.timestamp_ms = 1000500;
    CU_ASSERT_EQUAL(counters_age(&worker, &window, &record), -500);
    record.timestamp_ms = 0;
    CU_ASSERT_EQUAL(counters_age(&worker, &window, &record), -200);
    record.timestamp_ms = -(INT64_C(1) << 40);
    CU_ASSERT_EQUAL(counters_age(&worker, &window, &record), INT32_MAX);
    record.timestamp_ms = INT64_C(1) << 40;
    CU_ASSERT_EQUAL(counters_age(&worker, &window, &record), INT32_MIN);
    close_worker();
}

static void test_events_that_were_counted_are_observed(void)
{
    struct window_event events[] = {{.age_ms = 3600000},
                                    {.age_ms = 3600000, .counted = true},
                                    {.age_ms = 3600000, .set_aside = true},
                                    {.age_ms = -3600000}}; /* from the future */
    struct window window = {.events = events, .event_count = COUNT(events), .began_ms = clock_wall_ms()};
    struct histogram_values profile, write;
    open_worker();
    window.put_us = clock_monotonic_us() - 20000000; /* longer than the largest bound */
    counters_note_window(&worker, &window);
    read_histogram(worker.shown.event_to_profile, &profile);
    read_histogram(worker.shown.store_write, &write);
    CU_ASSERT_EQUAL(count_of(&profile), 2);
    CU_ASSERT_EQUAL(profile.counts[0], 1);
    CU_ASSERT(profile.sum >= 3600000 && profile.sum < 3600000 + 60000);
    CU_ASSERT_EQUAL(count_of(&write), 1);
    CU_ASSERT_EQUAL(write.counts[histogram_bounds(worker.shown.store_write)->count], 1);
    CU_ASSERT(write.sum >= 20000000);
    close_worker();
}

static void test_what_follows_is_counted_with_its_window(void)
{
    struct window window = {.alerts = {[CHURN_SEVERITY_WARNING] = 2, [CHURN_SEVERITY_CRITICAL] = 1}, .triggers = 3};
    struct histogram_values profile;
    open_worker();
    counters_note_window(&worker, &window);
    CU_ASSERT_EQUAL(metrics_sum(pipeline.metrics, "alerts"), 3);
    CU_ASSERT_EQUAL(metrics_value(worker.shown.alerts[CHURN_SEVERITY_WARNING]), 2);
    CU_ASSERT_EQUAL(metrics_sum(pipeline.metrics, "triggers"), 3);
    read_histogram(worker.shown.event_to_profile, &profile);
    CU_ASSERT_EQUAL(count_of(&profile), 0); /* without a store there are no profiles */
    close_worker();
}

int main(void)
{
    CU_TestInfo tests[] = {TEST(test_a_record_has_an_age), TEST(test_events_that_were_counted_are_observed),
                           TEST(test_what_follows_is_counted_with_its_window), CU_TEST_INFO_NULL};
    return run_tests("counters", tests);
}
