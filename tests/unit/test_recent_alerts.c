/* The newest alerts: a ring of those that are different. */
#include "core/observe/recent_alerts.h"

#include "check.h"

#include <stdio.h>
#include <stdlib.h>

/* Expects alert-N, alert-N-1, … */
struct expected {
    int next;
    unsigned wrong;
};

static void look(void *ctx, churn_str json, int64_t at_ms)
{
    struct expected *expected = ctx;
    char wanted[32];
    (void)snprintf(wanted, sizeof wanted, "alert-%d", expected->next--);
    expected->wrong += !churn_equal(json, churn_text(wanted)) || at_ms <= 0;
}

static void add(struct recent_alerts *alerts, int number)
{
    char json[32];
    (void)snprintf(json, sizeof json, "alert-%d", number);
    recent_alerts_add(alerts, churn_text(json));
}

static void test_the_newest_are_kept(void)
{
    struct recent_alerts *alerts = recent_alerts_new();
    struct expected expected = {.next = 3};
    CU_ASSERT_FATAL(alerts != NULL);
    CU_ASSERT(recent_alerts_each(alerts, look, &expected) == 0);
    for (int i = 0; i <= 3; i++) {
        add(alerts, i);
        add(alerts, i); /* as a second sink answers for it */
    }
    add(alerts, 1); /* as it is delivered again */
    CU_ASSERT(recent_alerts_each(alerts, look, &expected) == 4 && expected.wrong == 0 && expected.next == -1);
    for (int i = 4; i < 3 * RECENT_ALERTS_MAX; i++) {
        add(alerts, i);
    }
    expected.next = 3 * RECENT_ALERTS_MAX - 1;
    CU_ASSERT(recent_alerts_each(alerts, look, &expected) == RECENT_ALERTS_MAX && expected.wrong == 0);
    recent_alerts_free(alerts);
    recent_alerts_free(NULL);
}

static void test_a_large_one_is_not_kept(void)
{
    struct recent_alerts *alerts = recent_alerts_new();
    struct expected expected = {0};
    char *large = calloc(1, RECENT_ALERTS_BYTES + 1);
    CU_ASSERT_FATAL(alerts != NULL && large != NULL);
    recent_alerts_add(alerts, (churn_str){.ptr = large, .len = RECENT_ALERTS_BYTES + 1});
    recent_alerts_add(alerts, (churn_str){.ptr = ""});
    CU_ASSERT(recent_alerts_each(alerts, look, &expected) == 0);
    recent_alerts_add(alerts, (churn_str){.ptr = large, .len = RECENT_ALERTS_BYTES});
    CU_ASSERT(recent_alerts_each(alerts, look, &expected) == 1);
    free(large);
    recent_alerts_free(alerts);
}

int main(void)
{
    CU_TestInfo tests[] = {TEST(test_the_newest_are_kept), TEST(test_a_large_one_is_not_kept), CU_TEST_INFO_NULL};
    return run_tests("recent alerts", tests);
}
