/* Alerts that sinks raise: taken once by the worker, answered once to whoever raised them, and given back in order. */
#include "core/pipeline/raised.h"

#include "check.h"

static struct raised *raised;
static const int one, other; /* who raises */

static void set_up(void)
{
    raised = raised_new(2);
}

static void tear_down(void)
{
    raised_free(raised);
}

static void add(const void *owner, const char *event_id, uint64_t id)
{
    const churn_alert alert = {.size = sizeof alert,
                               .severity = 2,
                               .event_id = churn_text(event_id),
                               .event_type = churn_text("score"),
                               .customer_id = churn_text("c"),
                               .timestamp_ms = 5,
                               .message = churn_text("m"),
                               .data = churn_text("{}")};
    CU_ASSERT_TRUE(raised_add(raised, 1, owner, &alert, id));
}

/* The event id of the one that waits next; "": none. */
static const char *next(void)
{
    static char text[32];
    const struct raised_alert *first = raised_first(raised, 1);
    (void)snprintf(text, sizeof text, "%.*s", first != NULL ? (int)first->alert.event_id.len : 0,
                   first != NULL ? first->alert.event_id.ptr : "");
    return text;
}

static void test_an_alert_is_copied_whole(void)
{
    const struct raised_alert *first;
    add(&one, "e", 7);
    first = raised_first(raised, 1);
    CU_ASSERT_PTR_NOT_NULL_FATAL(first);
    CU_ASSERT(churn_equal(first->alert.event_type, churn_text("score")));
    CU_ASSERT(churn_equal(first->alert.customer_id, churn_text("c")));
    CU_ASSERT(churn_equal(first->alert.message, churn_text("m")) && churn_equal(first->alert.data, churn_text("{}")));
    CU_ASSERT(first->alert.severity == 2 && first->alert.timestamp_ms == 5);
    CU_ASSERT_PTR_NULL(raised_first(raised, 0)); /* another worker's */
}

/* A window's alerts are answered with it, each to its own instance. */
static void test_answers(void)
{
    uint64_t ids[4];
    add(&one, "a", 1);
    add(&other, "b", 2);
    add(&one, "c", 3);
    for (int i = 0; i < 2; i++) {
        raised_given(raised, 1, 10);
    }
    raised_given(raised, 1, 11);
    CU_ASSERT_STRING_EQUAL(next(), "");
    CU_ASSERT_EQUAL(raised_answers(raised, 1, &one, ids, 4), 0);
    raised_answer(raised, 1, 10);
    CU_ASSERT_EQUAL(raised_answers(raised, 1, &one, ids, 4), 1);
    CU_ASSERT_EQUAL(ids[0], 1);
    CU_ASSERT_EQUAL(raised_answers(raised, 1, &one, ids, 4), 0);
    raised_answer(raised, 1, 11);
    CU_ASSERT_EQUAL(raised_answers(raised, 1, &other, ids, 4), 1);
    CU_ASSERT_EQUAL(ids[0], 2);
    add(&one, "d", 4); /* behind the end of a list that was emptied */
    raised_given(raised, 1, 12);
    raised_answer(raised, 1, 12);
    CU_ASSERT_EQUAL(raised_answers(raised, 1, &one, ids, 1), 1);
    CU_ASSERT_EQUAL(ids[0], 3);
    CU_ASSERT_EQUAL(raised_answers(raised, 1, &one, ids, 1), 1);
    CU_ASSERT_EQUAL(ids[0], 4);
}

/* What windows had that were given up comes again, before what came since. */
static void test_given_back(void)
{
    uint64_t ids[4];
    add(&one, "a", 1);
    add(&one, "b", 2);
    raised_given(raised, 1, 10);
    raised_given(raised, 1, 11);
    raised_give_back(raised, 1);
    raised_give_back(raised, 1); /* nothing more */
    add(&one, "c", 3);
    CU_ASSERT_STRING_EQUAL(next(), "a");
    raised_given(raised, 1, 12);
    CU_ASSERT_STRING_EQUAL(next(), "b");
    raised_give_back(raised, 1);
    CU_ASSERT_STRING_EQUAL(next(), "a");
    for (int i = 0; i < 3; i++) {
        raised_given(raised, 1, 13);
    }
    raised_answer(raised, 1, 12);
    CU_ASSERT_EQUAL(raised_answers(raised, 1, &one, ids, 4), 0);
    raised_answer(raised, 1, 13);
    CU_ASSERT_EQUAL(raised_answers(raised, 1, &one, ids, 4), 3);
    CU_ASSERT(ids[0] == 1 && ids[1] == 2 && ids[2] == 3);
}

int main(void)
{
    CU_TestInfo tests[] = {TEST(test_an_alert_is_copied_whole), TEST(test_answers), TEST(test_given_back),
                           CU_TEST_INFO_NULL};
    return run_tests_with("raised", set_up, tear_down, tests);
}
