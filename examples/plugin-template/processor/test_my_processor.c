/* The processor by itself: no churnd, no server. `make test` runs it. */
#include <churn/test.h>
#include <string.h>

int main(int argc, char **argv)
{
    churn_test *t = churn_test_new();
    CHURN_TEST_CHECK(t, churn_test_load(t, argc > 1 ? argv[1] : "./my_processor.so") == CHURN_OK);

    /* Options are refused as a pipeline's are. */
    CHURN_TEST_CHECK(t, churn_test_start(t, "{prefx: qa_}") == CHURN_FATAL);
    CHURN_TEST_CHECK(t, strstr(churn_test_message(t), "unknown option 'prefx' (did you mean 'prefix'?)") != NULL);
    CHURN_TEST_CHECK(t, churn_test_start(t, "{prefix: ''}") == CHURN_FATAL);

    CHURN_TEST_CHECK(t, churn_test_start(t, "{prefix: qa_}") == CHURN_OK);
    CHURN_TEST_CHECK(t, churn_test_event(t, "anna", "login", "{}") == CHURN_OK);
    CHURN_TEST_CHECK(t, churn_test_event(t, "qa_1", "login", "{}") == CHURN_DROP);
    CHURN_TEST_CHECK(t, churn_test_event(t, "qa", "login", "{}") == CHURN_OK);
    CHURN_TEST_CHECK(t, churn_test_profile(t, "qa_1") == NULL); /* what was left out counts nowhere */
    CHURN_TEST_CHECK(t, churn_test_expect_profile(t, "anna", "{'login_count': 1}") == CHURN_OK);
    CHURN_TEST_CHECK(t, churn_test_counter(t, "test_events") == 1);
    churn_test_free(t);
    return 0;
}
