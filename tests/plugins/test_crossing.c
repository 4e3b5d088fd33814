/* Score crossings: which alert is raised, what the profile keeps, and what happens when somebody else was faster. */
#include "crossing.h"

#include "../unit/no_leaks.h"
#include "fake_host.h"
#include "memory_store.h"

static struct fake_host fake;
static struct memory_store store;
static churn_store_ops ops;
static struct store_session session;
static struct crossing_rule rule;
static struct crossings crossings;
static struct crossing crossing;
static churn_error err;

static void begin(void)
{
    memory_store_init(&store);
    fake_host_init(&fake);
    ops = memory_store_ops;
    fake.store = &ops;
    fake.store_self = &store;
    fake.host.name = "predict";
    fake.alerts_heard = 1;
    rule = (struct crossing_rule){.above = 0.75, .clear_below = 0.6, .severity = 2};
    err = (churn_error){.size = sizeof err};
    CU_ASSERT_EQUAL(crossing_check(&rule, &fake.host, &err), CHURN_OK);
    CU_ASSERT_EQUAL(store_session_init(&session, &fake.host, "predictions", &err), CHURN_OK);
    crossings_init(&crossings, &fake.host, &rule, &session);
}

static void end(void)
{
    store_session_close(&session);
    memory_store_free(&store);
}

/* Somebody writes the profile of C: its version counts up. */
static void profile_moves(void)
{
    const churn_pair fields[] = {{.name = str("order_count"), .value = str("3")}};
    (void)memory_store_merge(&store, str("profile:C"), fields, 1);
}

static void somebody_notes(const char *state)
{
    const churn_pair fields[] = {{.name = str("_c:predict"), .value = str(state)}};
    (void)memory_store_merge(&store, str("profile:C"), fields, 1);
}

static int32_t take(void *ctx, churn_str key, const churn_pair *fields, uint32_t count)
{
    (void)ctx;
    (void)key;
    crossing_note(&crossings, &crossing, fields, count);
    return CHURN_OK;
}

/* The profile is read, to be scored. */
static void read_profile(void)
{
    CU_ASSERT_EQUAL(store_session_ready(&session, &err), CHURN_OK);
    CU_ASSERT_EQUAL(ops.get(session.session, str("profile:C"), take, NULL, &err), CHURN_OK);
}

static int32_t step(const char *score)
{
    const struct trigger trigger = {.customer_id = str("C"),
                                    .event_id = str("e1"),
                                    .event_type = str("order_placed"),
                                    .timestamp_ms = 1767225600000};
    const struct cached_prediction prediction = {
        .churn_probability = str(score), .model_version = str("7"), .predicted_at = str("2026-01-01T00:00:00.000Z")};
    return crossing_step(&crossings, &crossing, &trigger, &prediction, 4711, &err);
}

static int changes(const char *score)
{
    return crossing_changes(&crossings, &crossing, str(score));
}

static void alert_is_answered(void)
{
    uint64_t ids[2];
    fake.alerts[fake.alert_count - 1].answered = 1;
    CU_ASSERT_EQUAL(crossings_answers(&crossings, ids, 2), 1);
    CU_ASSERT_EQUAL(ids[0], 4711);
    crossing_answered(&crossing);
}

static const char *state(void)
{
    static char room[256];
    const char *text = memory_store_get(&store, "profile:C", "_c:predict", room);
    return text != NULL ? text : "(none)";
}

static const char *event_id(uint32_t i)
{
    static char text[64];
    (void)snprintf(text, sizeof text, "%.*s", (int)strcspn(fake.alerts[i].text, " "), fake.alerts[i].text);
    return text;
}

static void cross(const char *score)
{
    read_profile();
    CU_ASSERT_EQUAL(step(score), CHURN_PENDING);
    alert_is_answered();
    CU_ASSERT_EQUAL(step(score), CHURN_OK);
}

static void test_up_and_down(void)
{
    begin();
    profile_moves();
    read_profile();
    CU_ASSERT(!changes("0.75") && !changes("0.1") && changes("0.7500001"));
    CU_ASSERT_EQUAL(step("0.8"), CHURN_PENDING);
    CU_ASSERT_EQUAL(fake.alert_count, 1);
    CU_ASSERT_STRING_EQUAL(
        fake.alerts[0].text,
        "crossing:predict:C:1 score C churn score of C rose above 0.75 to 0.8 "
        "{\"sink\":\"predict\",\"churn_probability\":0.8,\"above\":0.75,\"model_version\":\"7\",\"predicted_at\":"
        "\"2026-01-01T00:00:00.000Z\",\"trigger\":{\"event_id\":\"e1\",\"event_type\":\"order_placed\"}}");
    CU_ASSERT_EQUAL(fake.alerts[0].severity, CHURN_SEVERITY_CRITICAL);
    CU_ASSERT_STRING_EQUAL(state(), "(none)"); /* not before the alert is answered */
    alert_is_answered();
    CU_ASSERT_EQUAL(step("0.8"), CHURN_OK);
    CU_ASSERT_STRING_EQUAL(state(), "above 1 1");
    read_profile();
    CU_ASSERT(!changes("0.9") && !changes("0.6") && changes("0.5999"));
    CU_ASSERT_EQUAL(step("0.59"), CHURN_OK);
    CU_ASSERT_STRING_EQUAL(state(), "below 1 2");
    cross("0.76");
    CU_ASSERT_STRING_EQUAL(event_id(1), "crossing:predict:C:2");
    CU_ASSERT_STRING_EQUAL(state(), "above 2 3");
    CU_ASSERT_EQUAL(fake.alert_count, 2);
    end();
}

/* The profile was written meanwhile: what was scored stays noted, and the alert is not raised again. */
static void test_a_profile_that_moves(void)
{
    begin();
    profile_moves();
    read_profile();
    CU_ASSERT_EQUAL(step("0.8"), CHURN_PENDING);
    profile_moves();
    alert_is_answered();
    CU_ASSERT_EQUAL(step("0.8"), CHURN_OK);
    CU_ASSERT_EQUAL(fake.alert_count, 1);
    CU_ASSERT_STRING_EQUAL(state(), "above 1 1");
    end();
}

/* Between the look at the profile and the put, once. */
static int moves_left;

static int32_t put_behind_another(void *s, const churn_put *put, churn_error *why)
{
    if (moves_left > 0) {
        moves_left--;
        profile_moves();
    }
    return memory_store_ops.put(s, put, why);
}

static void test_a_conflict_is_judged_again(void)
{
    begin();
    ops.put = put_behind_another;
    moves_left = 3;
    profile_moves();
    cross("0.8");
    CU_ASSERT_EQUAL(moves_left, 0);
    CU_ASSERT_STRING_EQUAL(state(), "above 1 1");
    CU_ASSERT_EQUAL(fake.alert_count, 1);
    end();
}

static int32_t put_behind_a_decision(void *s, const churn_put *put, churn_error *why)
{
    if (moves_left > 0) {
        moves_left--;
        somebody_notes("below 5 9");
    }
    return memory_store_ops.put(s, put, why);
}

/* A newer profile was scored by somebody else while this one's alert was answered. */
static void test_an_older_profile_decides_nothing(void)
{
    begin();
    ops.put = put_behind_a_decision;
    moves_left = 1;
    profile_moves();
    cross("0.8");
    CU_ASSERT_STRING_EQUAL(state(), "below 5 9");
    read_profile();
    CU_ASSERT_EQUAL(step("0.8"), CHURN_OK); /* of version 2, which is older than 9 too */
    CU_ASSERT_STRING_EQUAL(state(), "below 5 9");
    CU_ASSERT_EQUAL(fake.alert_count, 1);
    end();
}

/* Somebody else has counted on meanwhile: the crossing is another one, with an alert of its own. */
static void test_another_count(void)
{
    begin();
    profile_moves();
    somebody_notes("above 1 1");
    read_profile();
    crossing.state = (struct crossing_state){0};
    somebody_notes("below 1 2");
    profile_moves();
    crossing.version = 4;
    CU_ASSERT_EQUAL(step("0.8"), CHURN_PENDING);
    CU_ASSERT_STRING_EQUAL(event_id(0), "crossing:predict:C:2");
    somebody_notes("below 2 3");
    alert_is_answered();
    CU_ASSERT_EQUAL(step("0.8"), CHURN_PENDING);
    CU_ASSERT_STRING_EQUAL(event_id(1), "crossing:predict:C:3");
    alert_is_answered();
    CU_ASSERT_EQUAL(step("0.8"), CHURN_OK);
    CU_ASSERT_STRING_EQUAL(state(), "above 3 4");
    end();
}

/* No profile is made of a state, and a text that nobody of us wrote is none. */
static void test_no_profile_and_no_state(void)
{
    static const char *const nothing[] = {"above",    "above ",     "above x 1",  "above 1",
                                          "above 1 ", "above 1 2 ", "beside 1 2", "above 1 99999999999999999999"};
    begin();
    read_profile();
    CU_ASSERT_FALSE(changes("0.9"));
    crossing.version = 1; /* it was there when it was read */
    CU_ASSERT_EQUAL(step("0.9"), CHURN_OK);
    CU_ASSERT_PTR_NULL(memory_store_find(&store, str("profile:C")));
    for (size_t i = 0; i < sizeof nothing / sizeof nothing[0]; i++) {
        somebody_notes(nothing[i]);
        read_profile();
        CU_ASSERT(!crossing.state.is_above && crossing.state.count == 0 && crossing.state.version == 0);
    }
    somebody_notes("above 1 2");
    read_profile();
    CU_ASSERT(crossing.state.is_above && crossing.state.count == 1 && crossing.state.version == 2);
    end();
}

static void test_an_outage_of_the_store(void)
{
    begin();
    profile_moves();
    read_profile();
    CU_ASSERT_EQUAL(step("0.8"), CHURN_PENDING);
    alert_is_answered();
    atomic_store(&store.out, 1);
    CU_ASSERT_EQUAL(step("0.8"), CHURN_RETRY);
    atomic_store(&store.out, 0);
    fake.monotonic_ms = 1;
    session.retry_at_ms = 0;
    atomic_store(&store.lose_reply, 1); /* written, and the answer lost */
    CU_ASSERT_EQUAL(step("0.8"), CHURN_RETRY);
    session.retry_at_ms = 0;
    CU_ASSERT_EQUAL(step("0.8"), CHURN_OK);
    CU_ASSERT_STRING_EQUAL(state(), "above 1 1");
    CU_ASSERT_EQUAL(fake.alert_count, 1);
    end();
}

static int32_t check_rule(double above, double clear_below, int32_t severity)
{
    rule = (struct crossing_rule){.above = above, .clear_below = clear_below, .severity = severity};
    err = (churn_error){.size = sizeof err};
    return crossing_check(&rule, &fake.host, &err);
}

static void test_options(void)
{
    begin();
    CU_ASSERT_EQUAL(check_rule(1, 1, 1), CHURN_OK);
    CU_ASSERT_FALSE(crossing_is_on(&rule));
    CU_ASSERT_EQUAL(check_rule(0.5, 1, 1), CHURN_OK);
    CU_ASSERT_TRUE(crossing_is_on(&rule));
    CU_ASSERT_EQUAL(rule.clear_below, 0.5);
    CU_ASSERT_EQUAL(check_rule(0.5, 0.5, 0), CHURN_OK);
    CU_ASSERT_EQUAL(check_rule(0.5, 0.51, 1), CHURN_FATAL);
    CU_ASSERT_STRING_EQUAL(err.option, "alert.clear_below");
    CU_ASSERT_EQUAL(check_rule(1, 0.5, 1), CHURN_FATAL);
    CU_ASSERT_STRING_EQUAL(err.option, "alert.above");
    CU_ASSERT_EQUAL(check_rule(1, 1, 2), CHURN_FATAL);
    CU_ASSERT_STRING_EQUAL(err.option, "alert.above");
    fake.alerts_heard = 0;
    CU_ASSERT_EQUAL(check_rule(0.5, 0.4, 1), CHURN_FATAL);
    CU_ASSERT_STRING_EQUAL(err.option, "alert");
    CU_ASSERT_EQUAL(check_rule(1, 1, 1), CHURN_OK);
    end();
}

int main(void)
{
    CU_TestInfo tests[] = {TEST(test_up_and_down),
                           TEST(test_a_profile_that_moves),
                           TEST(test_a_conflict_is_judged_again),
                           TEST(test_an_older_profile_decides_nothing),
                           TEST(test_another_count),
                           TEST(test_no_profile_and_no_state),
                           TEST(test_an_outage_of_the_store),
                           TEST(test_options),
                           CU_TEST_INFO_NULL};
    return run_tests_without_leaks("score crossings", tests);
}
