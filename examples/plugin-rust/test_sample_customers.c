/* The processor by itself: no churnd, no server. `make test` runs it. */
#include <churn/test.h>
#include <string.h>

/* Each of 100 customers sends two events; the second must get the verdict of the first. Returns how many pass. */
static int send_all(churn_test *t)
{
    int passed = 0;
    for (int i = 0; i < 100; i++) {
        char customer[16];
        int32_t verdict;
        (void)snprintf(customer, sizeof customer, "c%d", i);
        verdict = churn_test_event(t, customer, "login", "{}");
        CHURN_TEST_CHECK(t, verdict == CHURN_OK || verdict == CHURN_DROP);
        CHURN_TEST_CHECK(t, churn_test_event(t, customer, "login", "{}") == verdict);
        passed += verdict == CHURN_OK;
    }
    return passed;
}

int main(int argc, char **argv)
{
    char report[128];
    churn_test *t = churn_test_new();
    int passed;
    CHURN_TEST_CHECK(t, churn_test_load(t, argc > 1 ? argv[1] : "./sample_customers.so") == CHURN_OK);
    CHURN_TEST_CHECK(t, churn_test_start(t, "{percent: 101}") == CHURN_FATAL);

    CHURN_TEST_CHECK(t, churn_test_start(t, "{percent: 0}") == CHURN_OK);
    CHURN_TEST_CHECK(t, send_all(t) == 0);
    churn_test_stop(t);
    CHURN_TEST_CHECK(t, churn_test_start(t, "{percent: 100}") == CHURN_OK);
    CHURN_TEST_CHECK(t, send_all(t) == 100);
    churn_test_stop(t);

    CHURN_TEST_CHECK(t, churn_test_start(t, "{percent: 30}") == CHURN_OK);
    passed = send_all(t);
    CHURN_TEST_CHECK(t, passed > 15 && passed < 45);
    churn_test_stop(t);
    (void)snprintf(report, sizeof report, "INFO %d of 100 customers and %d of 200 events passed\n", passed, 2 * passed);
    CHURN_TEST_CHECK(t, strstr(churn_test_log(t), report) != NULL);
    churn_test_free(t);
    return 0;
}
