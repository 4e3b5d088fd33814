/* The event type by itself: no churnd, no server. `make test` runs it. */
#include <churn/test.h>
#include <string.h>

int main(int argc, char **argv)
{
    churn_test *t = churn_test_new();
    CHURN_TEST_CHECK(t, churn_test_load(t, argc > 1 ? argv[1] : "./my_event.so") == CHURN_OK);

    CHURN_TEST_CHECK(t, churn_test_event(t, "anna", "my_event", "{'item_id': 'A-1', 'amount': 10.25}") == CHURN_OK);
    churn_test_advance(t, 60000);
    CHURN_TEST_CHECK(t, churn_test_event(t, "anna", "my_event", "{'item_id': 'A-2', 'amount': 0.1}") == CHURN_OK);

    /* What breaks a rule is refused, with the reason of its dead letter, and changes no profile. */
    CHURN_TEST_CHECK(t, churn_test_event(t, "anna", "my_event", "{'item_id': 'A-3'}") == CHURN_REJECT);
    CHURN_TEST_CHECK(t, strcmp(churn_test_message(t), "missing_field: data.amount is required") == 0);
    CHURN_TEST_CHECK(t, churn_test_event(t, "anna", "my_event", "{'item_id': 4, 'amount': 1}") == CHURN_REJECT);

    CHURN_TEST_CHECK(t, churn_test_expect_profile(t, "anna",
                                                  "{'my_event_count': 2, 'my_event_amount': 10.35,"
                                                  " 'last_my_event_at': '2026-01-01T00:01:00.000Z'}") == CHURN_OK);
    CHURN_TEST_CHECK(t, churn_test_trigger(t) == NULL); /* of the newest event, which was refused */
    CHURN_TEST_CHECK(t, churn_test_commutes(t) == CHURN_OK);
    churn_test_free(t);
    return 0;
}
