/* Counters of several owners, summed by name, and passed on from one pipeline to the next. */
#include "core/base/metrics.h"

#include "check.h"

struct seen {
    char text[256]; /* "name sum; " */
};

static void see(void *ctx, const char *name, int64_t sum)
{
    struct seen *seen = ctx;
    size_t len = strlen(seen->text);
    (void)snprintf(seen->text + len, sizeof seen->text - len, "%s %lld; ", name, (long long)sum);
}

static void check_all(struct metrics *metrics, const char *prefix, const char *expected, const char *what)
{
    struct seen seen = {""};
    metrics_each(metrics, prefix, see, &seen);
    check_text(seen.text, expected, what);
}

static void test_sums(void)
{
    struct metrics *metrics = metrics_new();
    int a, b; /* owners */
    CU_ASSERT_PTR_NOT_NULL_FATAL(metrics);
    metrics_add(metrics_counter(metrics, &a, "events"), 3);
    metrics_add_own(metrics_counter(metrics, &b, "events"), 4);
    metrics_add(metrics_counter(metrics, &a, "events_filtered"), 1);
    metrics_add(metrics_counter(metrics, &b, "alerts"), 2);
    CU_ASSERT_PTR_EQUAL(metrics_counter(metrics, &a, "events"), metrics_counter(metrics, &a, "events"));
    CU_ASSERT_EQUAL(metrics_sum(metrics, "events"), 7);
    CU_ASSERT_EQUAL(metrics_sum(metrics, "nothing"), 0);
    check_all(metrics, "", "alerts 2; events 7; events_filtered 1; ", "all");
    check_all(metrics, "events", "events 7; events_filtered 1; ", "by prefix");
    metrics_free(metrics);
}

static void test_what_was_counted_moves_on_once(void)
{
    struct metrics *from = metrics_new(), *to = metrics_new();
    int old_owner, owner;
    CU_ASSERT_FATAL(from != NULL && to != NULL);
    metrics_add(metrics_counter(from, &old_owner, "events"), 3);
    metrics_add(metrics_counter(from, &owner, "events"), 4);
    metrics_add(metrics_counter(from, &old_owner, "alerts"), 2);
    metrics_add(metrics_counter(to, &owner, "events"), 10);
    metrics_move(from, to);
    check_all(to, "", "alerts 2; events 17; ", "moved");
    check_all(from, "", "alerts 0; events 0; ", "nothing is left");
    metrics_move(from, to);
    check_all(to, "", "alerts 2; events 17; ", "once");
    metrics_move(to, from); /* and back */
    check_all(from, "", "alerts 2; events 17; ", "back");
    metrics_free(from);
    metrics_free(to);
}

int main(void)
{
    CU_TestInfo tests[] = {TEST(test_sums), TEST(test_what_was_counted_moves_on_once), CU_TEST_INFO_NULL};
    return run_tests("metrics", tests);
}
