/* Metrics as Prometheus reads them: series of several owners, histograms, what may be shown, and what a reload keeps.
 */
#include "core/observe/exposition.h"

#include "check.h"

static struct metrics *metrics;
static int a, b; /* owners */

static void check_page(struct metrics *of, const char *expected, const char *what)
{
    struct text page = {0};
    exposition_write(&page, of);
    text_append(&page, "", 1);
    CU_ASSERT(!page.failed);
    check_text(page.bytes, expected, what);
    text_free(&page);
}

static churn_metric describe(uint32_t kind, const char *name, const char *help)
{
    return (churn_metric){.size = sizeof(churn_metric), .kind = kind, .name = name, .help = help};
}

static void test_counters_of_several_owners(void)
{
    churn_metric as = describe(CHURN_METRIC_COUNTER, "churnd_events_total", "Records.");
    metrics = metrics_new();
    CU_ASSERT_PTR_NOT_NULL_FATAL(metrics);
    metrics_add_own(metrics_shown(metrics, &a, "events", &as), 3);
    metrics_add(metrics_shown(metrics, &b, "events", &as), 4);
    metrics_add(metrics_counter(metrics, &a, "nobody sees this"), 5);
    check_page(metrics,
               "# HELP churnd_events_total Records.\n"
               "# TYPE churnd_events_total counter\n"
               "churnd_events_total 7\n",
               "a sum");
    CU_ASSERT_EQUAL(metrics_sum(metrics, "events"), 7);
    metrics_free(metrics);
}

static void test_labels_are_escaped(void)
{
    const churn_label labels[] = {{"sink", "a\\b\"c\nd\x80"}, {"kind", "ü"}};
    churn_metric as = describe(CHURN_METRIC_GAUGE, "churnd_odd", "One \\ two\nlines.");
    as.labels = labels;
    as.label_count = 2;
    metrics = metrics_new();
    CU_ASSERT_PTR_NOT_NULL_FATAL(metrics);
    metrics_set(metrics_shown(metrics, &a, NULL, &as), -1);
    check_page(metrics,
               "# HELP churnd_odd One \\\\ two\\nlines.\n"
               "# TYPE churnd_odd gauge\n"
               "churnd_odd{sink=\"a\\\\b\\\"c\\nd\xef\xbf\xbd\",kind=\"ü\"} -1\n",
               "escaped");
    metrics_free(metrics);
}

/* Series of a family stand together, whatever their names for the summary are. */
static void test_a_family_is_told_once(void)
{
    static const char *const reasons[] = {"invalid_json", "too_deep"};
    metrics = metrics_new();
    CU_ASSERT_PTR_NOT_NULL_FATAL(metrics);
    for (unsigned i = 0; i < 2; i++) {
        const churn_label label = {"reason", reasons[i]};
        churn_metric as = describe(CHURN_METRIC_COUNTER, "churnd_letters_total", "Letters."),
                     between = describe(CHURN_METRIC_COUNTER, "churnd_m_total", "Between.");
        as.labels = &label;
        as.label_count = 1;
        metrics_add(metrics_shown(metrics, &a, i == 0 ? "z" : "a", &as), i + 1);
        (void)metrics_shown(metrics, &a, "m", &between);
    }
    check_page(metrics,
               "# HELP churnd_letters_total Letters.\n"
               "# TYPE churnd_letters_total counter\n"
               "churnd_letters_total{reason=\"invalid_json\"} 1\n"
               "churnd_letters_total{reason=\"too_deep\"} 2\n"
               "# HELP churnd_m_total Between.\n"
               "# TYPE churnd_m_total counter\n"
               "churnd_m_total 0\n",
               "together");
    metrics_free(metrics);
}

static void test_histogram(void)
{
    static const int64_t bounds[] = {5, 100, 2500};
    static const int64_t values[] = {0, 5, 6, 100, 101, 2500, 2501, 4}; /* at each bound and beside it */
    struct histogram_values own = {0};
    churn_metric as = describe(CHURN_METRIC_HISTOGRAM, "churnd_wait_seconds", "Waits.");
    as.bounds = bounds;
    as.bound_count = 3;
    as.per_unit = 1000;
    metrics = metrics_new();
    CU_ASSERT_PTR_NOT_NULL_FATAL(metrics);
    churn_histogram *one = metrics_histogram(metrics, &a, &as), *other = metrics_histogram(metrics, &b, &as);
    CU_ASSERT(one != other && one == metrics_histogram(metrics, &a, &as));
    for (unsigned i = 0; i < COUNT(values); i++) { /* noted together, and each by itself: the same buckets */
        histogram_note(&own, histogram_bounds(one), values[i]);
        histogram_observe(other, values[i]);
    }
    histogram_add_own(one, &own);
    check_page(metrics,
               "# HELP churnd_wait_seconds Waits.\n"
               "# TYPE churnd_wait_seconds histogram\n"
               "churnd_wait_seconds_bucket{le=\"0.005\"} 6\n"
               "churnd_wait_seconds_bucket{le=\"0.1\"} 10\n"
               "churnd_wait_seconds_bucket{le=\"2.5\"} 14\n"
               "churnd_wait_seconds_bucket{le=\"+Inf\"} 16\n"
               "churnd_wait_seconds_sum 10.434\n"
               "churnd_wait_seconds_count 16\n",
               "in seconds");
    metrics_free(metrics);
}

static void test_a_gauge_without_a_value_is_left_out(void)
{
    churn_metric as = describe(CHURN_METRIC_GAUGE, "churnd_lag", "Lag.");
    metrics = metrics_new();
    CU_ASSERT_PTR_NOT_NULL_FATAL(metrics);
    churn_counter *one = metrics_shown(metrics, &a, NULL, &as), *other = metrics_shown(metrics, &b, NULL, &as);
    metrics_set(one, 3);
    metrics_set(other, 4);
    metrics_unset(one);
    check_page(metrics, "# HELP churnd_lag Lag.\n# TYPE churnd_lag gauge\nchurnd_lag 4\n", "one has it");
    metrics_set_all(metrics, &b, METRIC_UNSET);
    check_page(metrics, "", "nobody has it");
    metrics_free(metrics);
}

/* What a plugin only names is shown with its section; what it describes, under its own name. */
static void test_plugins(void)
{
    churn_metric as = describe(CHURN_METRIC_COUNTER, "mine_total", "Mine."),
                 taken = describe(CHURN_METRIC_COUNTER, "events_total", "Not the core's."),
                 other_kind = describe(CHURN_METRIC_GAUGE, "events_total", "Neither."),
                 bad_name = describe(CHURN_METRIC_COUNTER, "no total", "Bad."),
                 no_total = describe(CHURN_METRIC_COUNTER, "mine", "Bad."),
                 own = describe(CHURN_METRIC_COUNTER, "churnd_events_total", "Records.");
    metrics = metrics_new();
    CU_ASSERT_PTR_NOT_NULL_FATAL(metrics);
    metrics_add(metrics_of_plugin(metrics, &a, "seen", NULL, "filter"), 1);
    metrics_add(metrics_of_plugin(metrics, &b, "seen", NULL, "other"), 2);
    metrics_add(metrics_of_plugin(metrics, &a, "mine", &as, "filter"), 3);
    metrics_add(metrics_of_plugin(metrics, &a, "grabs", &taken, "filter"), 100); /* before the core */
    metrics_add(metrics_shown(metrics, &a, "events", &own), 5);
    metrics_add(metrics_of_plugin(metrics, &b, "grabs too", &taken, "filter"), 100); /* … and after */
    metrics_add(metrics_of_plugin(metrics, &b, "kind", &other_kind, "filter"), 100);
    metrics_add(metrics_of_plugin(metrics, &b, "bad", &bad_name, "filter"), 100);
    metrics_add(metrics_of_plugin(metrics, &b, "bad too", &no_total, "filter"), 100);
    metrics_add(metrics_of_plugin(metrics, &b, "events", NULL, "filter"), 2); /* the core's: counted with it */
    check_page(metrics,
               "# HELP churnd_events_total Records.\n"
               "# TYPE churnd_events_total counter\n"
               "churnd_events_total 7\n"
               "# HELP churnd_mine_total Mine.\n"
               "# TYPE churnd_mine_total counter\n"
               "churnd_mine_total 3\n"
               "# HELP churnd_plugin_seen Counted by a plugin, which does not describe it.\n"
               "# TYPE churnd_plugin_seen untyped\n"
               "churnd_plugin_seen{plugin=\"filter\"} 1\n"
               "churnd_plugin_seen{plugin=\"other\"} 2\n",
               "shown");
    CU_ASSERT_EQUAL(metrics_sum(metrics, "seen"), 3);
    CU_ASSERT_EQUAL(metrics_sum(metrics, "grabs"), 100);
    metrics_free(metrics);
}

static void test_histograms_of_plugins_have_bounds(void)
{
    static const int64_t shrinking[] = {2, 1};
    int64_t many[HISTOGRAM_MAX_BOUNDS + 1];
    churn_metric as = describe(CHURN_METRIC_HISTOGRAM, "x_seconds", "X.");
    metrics = metrics_new();
    CU_ASSERT_PTR_NOT_NULL_FATAL(metrics);
    for (unsigned i = 0; i < COUNT(many); i++) {
        many[i] = i;
    }
    histogram_observe(metrics_histogram_of_plugin(metrics, &a, &as), 1);
    as.bounds = shrinking;
    as.bound_count = 2;
    histogram_observe(metrics_histogram_of_plugin(metrics, &a, &as), 1);
    as.bounds = many;
    as.bound_count = COUNT(many);
    histogram_observe(metrics_histogram_of_plugin(metrics, &a, &as), 1);
    as.kind = CHURN_METRIC_COUNTER;
    as.bound_count = 3;
    histogram_observe(metrics_histogram_of_plugin(metrics, &a, &as), 1);
    check_page(metrics, "", "none of them");
    as.kind = CHURN_METRIC_HISTOGRAM;
    as.bound_count = HISTOGRAM_MAX_BOUNDS;
    as.size = offsetof(churn_metric, bounds); /* of a header without them */
    histogram_observe(metrics_histogram_of_plugin(metrics, &a, &as), 1);
    check_page(metrics, "", "nor one that ends before its bounds");
    metrics_free(metrics);
}

/* Counters and histograms go on in the next pipeline, gauges begin anew. */
static void test_what_a_reload_keeps(void)
{
    static const int64_t bounds[] = {10};
    churn_metric counter = describe(CHURN_METRIC_COUNTER, "churnd_c_total", "C."),
                 gauge = describe(CHURN_METRIC_GAUGE, "churnd_g", "G."),
                 histogram = describe(CHURN_METRIC_HISTOGRAM, "churnd_h_seconds", "H.");
    struct metrics *next = metrics_new();
    histogram.bounds = bounds;
    histogram.bound_count = 1;
    metrics = metrics_new();
    CU_ASSERT_FATAL(metrics != NULL && next != NULL);
    metrics_add(metrics_shown(metrics, &a, "c", &counter), 3);
    metrics_set(metrics_shown(metrics, &a, NULL, &gauge), 8);
    histogram_observe(metrics_histogram(metrics, &a, &histogram), 10);
    metrics_add(metrics_shown(next, &b, "c", &counter), 4);
    histogram_observe(metrics_histogram(next, &b, &histogram), 11);
    metrics_move(metrics, next);
    check_page(next,
               "# HELP churnd_c_total C.\n"
               "# TYPE churnd_c_total counter\n"
               "churnd_c_total 7\n"
               "# HELP churnd_h_seconds H.\n"
               "# TYPE churnd_h_seconds histogram\n"
               "churnd_h_seconds_bucket{le=\"10\"} 1\n"
               "churnd_h_seconds_bucket{le=\"+Inf\"} 2\n"
               "churnd_h_seconds_sum 21\n"
               "churnd_h_seconds_count 2\n",
               "what went on");
    check_page(metrics,
               "# HELP churnd_c_total C.\n"
               "# TYPE churnd_c_total counter\n"
               "churnd_c_total 0\n"
               "# HELP churnd_h_seconds H.\n"
               "# TYPE churnd_h_seconds histogram\n"
               "churnd_h_seconds_bucket{le=\"10\"} 0\n"
               "churnd_h_seconds_bucket{le=\"+Inf\"} 0\n"
               "churnd_h_seconds_sum 0\n"
               "churnd_h_seconds_count 0\n",
               "what is left");
    metrics_free(metrics);
    metrics_free(next);
}

int main(void)
{
    CU_TestInfo tests[] = {TEST(test_counters_of_several_owners),
                           TEST(test_labels_are_escaped),
                           TEST(test_a_family_is_told_once),
                           TEST(test_histogram),
                           TEST(test_a_gauge_without_a_value_is_left_out),
                           TEST(test_plugins),
                           TEST(test_histograms_of_plugins_have_bounds),
                           TEST(test_what_a_reload_keeps),
                           CU_TEST_INFO_NULL};
    return run_tests("exposition", tests);
}
