/* The sink `prediction_local`: the formula, joining, outages of the store. */
#include "scoring_fixture.h"

#include <math.h>
#include <stdlib.h>
#include <unistd.h>

static void begin(void)
{
    churn_error err = {.size = sizeof err};
    prepare_host();
    fake.clock_ms = 1767225600123; /* 2026-01-01T00:00:00.123Z */
    self = fake_instance_new(plugin, "cache_ttl", "2h", NULL);
    CU_ASSERT_EQUAL_FATAL(ops()->create(self, &fake.host, &err), CHURN_OK);
    CU_ASSERT_EQUAL_FATAL(ops()->start(self, &err), CHURN_OK);
}

static double predict_one(const char *customer, const char *timestamp)
{
    churn_record record = trigger(0, customer, "e1", timestamp);
    churn_done done[1];
    char room[256], key[64];
    CU_ASSERT_EQUAL(write_records(&record, 1), 1);
    CU_ASSERT_EQUAL_FATAL(poll_answers(done, 1), 1);
    CU_ASSERT_EQUAL(done[0].result, CHURN_OK);
    (void)snprintf(key, sizeof key, "prediction:%s", customer);
    CU_ASSERT_PTR_NOT_NULL_FATAL(memory_store_get(&store, key, "churn_probability", room));
    CU_ASSERT_EQUAL(strlen(room), 6);
    return strtod(room, NULL);
}

static void expect_score(double score, double z)
{
    CU_ASSERT_DOUBLE_EQUAL(score, 1 / (1 + exp(-z)), 0.00005001);
}

static void test_formula(void)
{
    char room[256];
    begin();
    expect_score(predict_one("nobody", "2026-01-01T00:00:00.000Z"), -2.2);
    CU_ASSERT_STRING_EQUAL(memory_store_get(&store, "prediction:nobody", "risk_level", room), "low");
    CU_ASSERT_STRING_EQUAL(memory_store_get(&store, "prediction:nobody", "model_version", room), "baseline-1");
    CU_ASSERT_STRING_EQUAL(memory_store_get(&store, "prediction:nobody", "event_id", room), "e1");
    CU_ASSERT_STRING_EQUAL(memory_store_get(&store, "prediction:nobody", "predicted_at", room),
                           "2026-01-01T00:00:00.123Z");
    CU_ASSERT_EQUAL(memory_store_ttl(&store, "prediction:nobody"), 7200000);
    memory_store_set(&store, "profile:bad", "subscription_status", "cancelled", "payment_failures", "9",
                     "refunds_requested", "1", "support_tickets", "2", "orders_cancelled", "1", "carts_abandoned", "3",
                     "order_count", "1", "email_click_rate", "0.5000", "logins_per_day", "0.2500", "last_order_at",
                     "2025-12-02T00:00:00.000Z", NULL);
    expect_score(predict_one("bad", "2026-01-01T00:00:00.000Z"),
                 -2.2 + 0.9 + 2.5 + 2.5 + 0.35 + 0.5 + 0.2 + 0.3 - 0.4 * log(2) - 0.4 - 0.125);
    CU_ASSERT_STRING_EQUAL(memory_store_get(&store, "prediction:bad", "risk_level", room), "critical");
    /* Neither a future order nor nonsense in the store counts. */
    memory_store_set(&store, "profile:odd", "last_order_at", "2027-01-01T00:00:00.000Z", "payment_failures", "nan",
                     "first_event_at", "yesterday", NULL);
    expect_score(predict_one("odd", "2026-01-01T00:00:00.000Z"), -2.2);
    memory_store_set(&store, "profile:old", "first_event_at", "2020-01-01T00:00:00.000Z", NULL);
    expect_score(predict_one("old", "2026-01-01T00:00:00.000Z"), -2.2 + 2.7);
    CU_ASSERT_EQUAL(fake_host_counter(&fake, "predictions_answered"), 4);
    end();
}

static void test_newest_trigger_of_a_customer_wins(void)
{
    churn_record records[4];
    churn_done done[4];
    char room[256];
    begin();
    records[0] = trigger(0, "C1", "e1", "2026-01-01T00:00:00.000Z");
    records[1] = trigger(1, "C1", "e3", "2026-01-03T00:00:00.000Z");
    records[2] = trigger(2, "C2", "e9", "2026-01-01T00:00:00.000Z");
    records[3] = trigger(3, "C1", "e2", "2026-01-02T00:00:00.000Z");
    CU_ASSERT_EQUAL(write_records(records, 4), 4);
    CU_ASSERT_EQUAL(poll_answers(done, 3), 3);
    CU_ASSERT_EQUAL(poll_answers(done + 3, 4), 1);
    CU_ASSERT_STRING_EQUAL(memory_store_get(&store, "prediction:C1", "event_id", room), "e3");
    CU_ASSERT_EQUAL(fake_host_counter(&fake, "predictions_answered"), 2);
    end();
}

static void test_outage_of_the_store(void)
{
    churn_record record;
    churn_done done[1];
    char said[512];
    begin();
    record = trigger(0, "C1", "e1", "2026-01-01T00:00:00.000Z");
    (void)predict_one("C0", "2026-01-01T00:00:00.000Z");
    atomic_store(&store.out, 1);
    CU_ASSERT_EQUAL(write_records(&record, 1), 1);
    for (int i = 0; i < 5; i++) {
        CU_ASSERT_EQUAL(poll_answers(done, 1), 0);
    }
    CU_ASSERT_EQUAL(fake.log_lines, 1);
    CU_ASSERT(fake_host_stalled(&fake, "store", said) && strstr(said, "the store is out of reach") == said);
    atomic_store(&store.out, 0);
    for (int i = 0; i < 200 && poll_answers(done, 1) == 0; i++) {
    }
    CU_ASSERT_EQUAL(done[0].id, record.id);
    CU_ASSERT_EQUAL(fake.last_level, CHURN_LOG_INFO);
    end();
}

/* So many calls find that the session is broken. */
static unsigned breaks;

static int32_t get_broken(void *session, churn_str key, churn_fields_fn fn, void *ctx, churn_error *err)
{
    if (breaks > 0) {
        breaks--;
        return churn_fail(err, CHURN_RETRY, "the peer has closed the connection");
    }
    return memory_store_ops.get(session, key, fn, ctx, err);
}

static void answer_in_time(churn_done *done)
{
    for (int i = 0; i < 500 && poll_answers(done, 1) == 0; i++) {
    }
    CU_ASSERT_EQUAL(done->result, CHURN_OK);
}

/* A connection that was lost while nobody used it is no outage: nothing is said, and nothing waits. One that is lost in
 * use is. */
static void test_a_session_that_breaks_while_it_is_idle(void)
{
    churn_store_ops breaking = memory_store_ops;
    churn_record records[2];
    churn_done done[1];
    char said[512];
    churn_error err = {.size = sizeof err};
    begin();
    breaking.get = get_broken;
    ops()->stop(self, 100);
    fake.store = &breaking;
    CU_ASSERT_EQUAL_FATAL(ops()->start(self, &err), CHURN_OK);
    (void)predict_one("C0", "2026-01-01T00:00:00.000Z");
    records[0] = trigger(0, "C1", "e1", "2026-01-01T00:00:00.000Z");
    records[1] = trigger(1, "C2", "e2", "2026-01-01T00:00:00.000Z");
    (void)usleep(1100000);
    breaks = 1;
    CU_ASSERT_EQUAL(write_records(&records[0], 1), 1);
    answer_in_time(done);
    CU_ASSERT(!fake_host_stalled(&fake, "store", NULL) && fake.last_level != CHURN_LOG_WARN);
    CU_ASSERT_PTR_NULL(strstr(fake.last_log, "the store is back"));
    breaks = 1;
    CU_ASSERT_EQUAL(write_records(&records[1], 1), 1);
    CU_ASSERT_EQUAL(poll_answers(done, 1), 0);
    CU_ASSERT(fake_host_stalled(&fake, "store", said) && strstr(said, "closed the connection") != NULL);
    answer_in_time(done);
    CU_ASSERT(!fake_host_stalled(&fake, "store", NULL) && strstr(fake.last_log, "the store is back") != NULL);
    end();
}

static int64_t forgotten_before_ms; /* of customer g1, whose triggers here say no position */
static int is_unsure;

static int32_t covers_g1(const churn_forgettable *what)
{
    CU_ASSERT_EQUAL(what->topic.len, 0);
    return is_unsure ? CHURN_PENDING
                     : churn_equal(what->customer_id, str("g1")) && what->timestamp_ms < forgotten_before_ms;
}

/* Profiles are read: meanwhile somebody is forgotten, or nobody knows any more. */
static int forgets_while_reading;

static int32_t get_and_forget(void *session, churn_str key, churn_fields_fn fn, void *ctx, churn_error *err)
{
    forgotten_before_ms = forgets_while_reading ? INT64_MAX : forgotten_before_ms;
    return memory_store_ops.get(session, key, fn, ctx, err);
}

static void begin_forgetting(void)
{
    static churn_store_ops reading;
    churn_error err = {.size = sizeof err};
    begin();
    ops()->stop(self, 100);
    reading = memory_store_ops;
    reading.get = get_and_forget;
    fake.store = &reading;
    fake.forgotten = covers_g1;
    forgotten_before_ms = is_unsure = forgets_while_reading = 0;
    CU_ASSERT_EQUAL_FATAL(ops()->start(self, &err), CHURN_OK);
    CU_ASSERT_EQUAL(fake.forgotten_adopted, -1);
    CU_ASSERT_EQUAL(poll_answers(NULL, 0), 0); /* with nothing to do */
    CU_ASSERT_EQUAL(fake.forgotten_adopted, 0);
}

/* They are answered, and nothing is stored of them; nor is a damaged profile of theirs anybody's matter. */
static void test_triggers_of_a_customer_who_is_forgotten(void)
{
    churn_record records[3];
    churn_done done[3];
    char room[256];
    begin_forgetting();
    records[0] = trigger(0, "g1", "e1", "2026-01-01T00:00:00.000Z");
    records[1] = trigger(1, "g1", "e3", "2026-01-03T00:00:00.000Z");
    records[2] = trigger(2, "h1", "e9", "2026-01-01T00:00:00.000Z");
    forgotten_before_ms = INT64_MAX;
    fake.forgotten_known = 1;
    CU_ASSERT_EQUAL(write_records(records, 3), 3);
    CU_ASSERT_EQUAL(poll_answers(done, 3), 3);
    CU_ASSERT(done[0].result == CHURN_OK && done[1].result == CHURN_OK && done[2].result == CHURN_OK);
    CU_ASSERT_PTR_NULL(memory_store_get(&store, "prediction:g1", "event_id", room));
    CU_ASSERT_STRING_EQUAL(memory_store_get(&store, "prediction:h1", "event_id", room), "e9");
    CU_ASSERT_EQUAL(fake_host_counter(&fake, "predictions_forgotten"), 2);
    CU_ASSERT_EQUAL(fake_host_counter(&fake, "predictions_answered"), 1);
    CU_ASSERT_EQUAL(fake.forgotten_adopted, 1);

    forgotten_before_ms = 1767225600001; /* the newest of those that are left counts: that of after */
    records[0] = trigger(0, "g1", "e1", "2026-01-01T00:00:00.000Z");
    records[1] = trigger(1, "g1", "e2", "2026-01-02T00:00:00.000Z");
    CU_ASSERT_EQUAL(write_records(records, 2), 2);
    CU_ASSERT_EQUAL(poll_answers(done, 3), 2);
    CU_ASSERT_STRING_EQUAL(memory_store_get(&store, "prediction:g1", "event_id", room), "e2");
    end();
}

static void test_forgotten_between_reading_and_storing(void)
{
    churn_record records[2];
    churn_done done[2];
    char room[256];
    begin_forgetting();
    forgets_while_reading = 1;
    records[0] = trigger(0, "g1", "e1", "2026-01-01T00:00:00.000Z");
    records[1] = trigger(1, "h1", "e9", "2026-01-01T00:00:00.000Z");
    CU_ASSERT_EQUAL(write_records(records, 2), 2);
    CU_ASSERT_EQUAL(poll_answers(done, 2), 0);
    CU_ASSERT_PTR_NULL(memory_store_get(&store, "prediction:g1", "event_id", room));
    CU_ASSERT_EQUAL(poll_answers(done, 2), 2);
    CU_ASSERT_PTR_NULL(memory_store_get(&store, "prediction:g1", "event_id", room));
    CU_ASSERT_STRING_EQUAL(memory_store_get(&store, "prediction:h1", "event_id", room), "e9");
    end();
}

static void test_nobody_knows_who_is_forgotten(void)
{
    churn_record record;
    churn_done done[1];
    char room[256];
    begin_forgetting();
    record = trigger(0, "g1", "e1", "2026-01-01T00:00:00.000Z");
    is_unsure = 1;
    CU_ASSERT_EQUAL(write_records(&record, 1), 1);
    CU_ASSERT_EQUAL(poll_answers(done, 1), 0);
    CU_ASSERT_PTR_NULL(memory_store_get(&store, "prediction:g1", "event_id", room));
    is_unsure = 0;
    CU_ASSERT_EQUAL(poll_answers(done, 1), 1);
    CU_ASSERT_STRING_EQUAL(memory_store_get(&store, "prediction:g1", "event_id", room), "e1");
    end();
}

/* It was written by a process that had been stopped between asking and writing. */
static void test_what_was_stored_meanwhile_is_erased(void)
{
    churn_record records[2];
    churn_done done[2];
    char room[256];
    begin_forgetting();
    records[0] = trigger(0, "g1", "e1", "2026-01-01T00:00:00.000Z");
    records[1] = trigger(1, "h1", "e9", "2026-01-01T00:00:00.000Z");
    CU_ASSERT_EQUAL(write_records(records, 2), 2);
    CU_ASSERT_EQUAL(poll_answers(done, 2), 2);
    CU_ASSERT_STRING_EQUAL(memory_store_get(&store, "prediction:g1", "event_id", room), "e1");
    forgotten_before_ms = INT64_MAX;
    fake.forgotten_known = 1;
    CU_ASSERT_EQUAL(poll_answers(done, 2), 0);
    CU_ASSERT_PTR_NULL(memory_store_get(&store, "prediction:g1", "event_id", room));
    CU_ASSERT_STRING_EQUAL(memory_store_get(&store, "prediction:h1", "event_id", room), "e9");
    CU_ASSERT_EQUAL(fake.forgotten_adopted, 1);
    end();
}

/* The store has something for this customer that it cannot read. */
static int32_t get_damaged(void *session, churn_str key, churn_fields_fn fn, void *ctx, churn_error *err)
{
    return key.len == 10 && memcmp(key.ptr, "profile:b1", 10) == 0
               ? churn_fail(err, CHURN_REJECT, "profile:b1 is no hash")
               : memory_store_ops.get(session, key, fn, ctx, err);
}

static void test_a_damaged_profile_holds_up_nobody(void)
{
    churn_store_ops damaged = memory_store_ops;
    churn_record records[3];
    churn_done done[3];
    char room[256];
    begin();
    damaged.get = get_damaged;
    ops()->stop(self, 100);
    fake.store = &damaged;
    churn_error err = {.size = sizeof err};
    CU_ASSERT_EQUAL_FATAL(ops()->start(self, &err), CHURN_OK);
    records[0] = trigger(0, "a1", "e1", "2026-01-01T00:00:00.000Z");
    records[1] = trigger(1, "b1", "e2", "2026-01-01T00:00:00.000Z");
    records[2] = trigger(2, "c1", "e3", "2026-01-01T00:00:00.000Z");
    CU_ASSERT_EQUAL(write_records(records, 3), 3);
    CU_ASSERT_EQUAL_FATAL(poll_answers(done, 3), 3);
    for (unsigned i = 0; i < 3; i++) {
        CU_ASSERT_EQUAL(done[i].result, i == 1 ? CHURN_REJECT : CHURN_OK);
    }
    CU_ASSERT_STRING_EQUAL(done[1].message, "profile:b1 is no hash");
    CU_ASSERT_PTR_NOT_NULL(memory_store_get(&store, "prediction:c1", "churn_probability", room));
    CU_ASSERT_PTR_NULL(memory_store_get(&store, "prediction:b1", "churn_probability", room));
    end();
}

static void test_malformed_triggers_are_rejected(void)
{
    static const char *const bad[] = {
        "",
        "[]",
        "{\"request_id\":\"r\",\"customer_id\":\"C\"}",
        "{\"request_id\":\"r\",\"customer_id\":\"C\",\"trigger\":{\"timestamp\":\"2026-02-20T00:00:00.000Z\"}}",
        "{\"request_id\":\"\",\"customer_id\":\"C\",\"trigger\":{\"event_id\":7}}",
        "{\"request_id\":7,\"customer_id\":\"C\",\"trigger\":{}}",
        "{\"request_id\":\"r\",\"customer_id\":\"\",\"trigger\":{}}"};
    churn_done done[1];
    begin();
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        churn_record record = {.kind = CHURN_RECORD_TRIGGER, .value = str(bad[i]), .id = i};
        CU_ASSERT_EQUAL(write_records(&record, 1), 1);
        CU_ASSERT_EQUAL_FATAL(poll_answers(done, 1), 1);
        CU_ASSERT_EQUAL(done[0].result, CHURN_REJECT);
        CU_ASSERT_PTR_NOT_NULL(strstr(done[0].message, "trigger"));
    }
    end();
}

/* In a test the model says what the test says. */
static int fails;

static int32_t say(const churn_host *host, const churn_when_subject *subject, churn_answer *ret)
{
    int has_seven = 0;
    CU_ASSERT_PTR_EQUAL(host, &fake.host);
    if (churn_equal(subject->customer_id, str("C2"))) {
        return CHURN_END;
    }
    for (uint32_t i = 0; i < subject->count; i++) {
        has_seven |= churn_equal(subject->fields[i].value, str("7"));
    }
    CU_ASSERT(has_seven); /* the profile */
    CU_ASSERT(churn_equal(subject->event_id, str("e1")) && churn_equal(subject->event_type, str("order_placed")));
    ret->churn_probability = str("0.123456789");
    if (churn_equal(subject->customer_id, str("C3"))) {
        ret->risk_level = (churn_str){.ptr = ""};
        ret->model_version = str("v2");
    }
    return fails-- > 0 ? CHURN_RETRY : CHURN_OK;
}

static void test_answers_of_a_test(void)
{
    static const churn_answers answers = {.size = sizeof answers, .answer = say};
    churn_error err = {.size = sizeof err};
    churn_record records[3];
    churn_done done[3];
    char room[256];
    prepare_host();
    fake.answers = &answers;
    self = fake_instance_new(plugin, NULL);
    CU_ASSERT_EQUAL_FATAL(ops()->create(self, &fake.host, &err), CHURN_OK);
    CU_ASSERT_EQUAL_FATAL(ops()->start(self, &err), CHURN_OK);
    memory_store_set(&store, "profile:C1", "payment_failures", "7", NULL);
    memory_store_set(&store, "profile:C3", "payment_failures", "7", NULL);
    records[0] = trigger(0, "C1", "e1", "2026-01-01T00:00:00.000Z");
    records[1] = trigger(1, "C2", "e1", "2026-01-01T00:00:00.000Z");
    records[2] = trigger(2, "C3", "e1", "2026-01-01T00:00:00.000Z");
    fails = 1;
    CU_ASSERT_EQUAL(write_records(records, 3), 3);
    CU_ASSERT_EQUAL(poll_answers(done, 3), 0);
    CU_ASSERT_EQUAL(memory_store_count(&store, "prediction:"), 0);
    CU_ASSERT_EQUAL(poll_answers(done, 3), 3);
    CU_ASSERT_EQUAL(memory_store_count(&store, "prediction:"), 2);
    CU_ASSERT_STRING_EQUAL(memory_store_get(&store, "prediction:C1", "churn_probability", room), "0.123456789");
    CU_ASSERT_STRING_EQUAL(memory_store_get(&store, "prediction:C1", "risk_level", room), "low");
    CU_ASSERT_PTR_NULL(memory_store_get(&store, "prediction:C1", "model_version", room));
    CU_ASSERT_PTR_NULL(memory_store_get(&store, "prediction:C3", "risk_level", room));
    CU_ASSERT_STRING_EQUAL(memory_store_get(&store, "prediction:C3", "model_version", room), "v2");
    CU_ASSERT_EQUAL(fake_host_counter(&fake, "predictions_answered"), 2);
    end();
}

static void test_many_are_taken_in_parts(void)
{
    churn_record records[300];
    churn_done done[300];
    uint32_t taken, answered = 0;
    begin();
    for (unsigned i = 0; i < 300; i++) {
        char customer[16];
        (void)snprintf(customer, sizeof customer, "C%u", i);
        records[i] = trigger(i, customer, "e1", "2026-01-01T00:00:00.000Z");
    }
    taken = write_records(records, 300);
    CU_ASSERT_TRUE(taken > 0 && taken < 300);
    CU_ASSERT_EQUAL(write_records(records + taken, 300 - taken), 0);
    while (answered < 300) {
        uint32_t n = poll_answers(done, 300);
        CU_ASSERT_TRUE_FATAL(n > 0);
        answered += n;
        taken += taken < 300 ? write_records(records + taken, 300 - taken) : 0;
    }
    CU_ASSERT_EQUAL(memory_store_count(&store, "prediction:"), 300);
    end();
}

static void test_a_store_is_needed(void)
{
    churn_error err = {.size = sizeof err};
    fake_host_init(&fake);
    self = fake_instance_new(plugin, NULL);
    CU_ASSERT_EQUAL(ops()->create(self, &fake.host, &err), CHURN_OK);
    CU_ASSERT_EQUAL(ops()->start(self, &err), CHURN_FATAL);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.message, "store:"));
    ops()->destroy(self);
    fake_instance_free(plugin, self);
}

int main(void)
{
    CU_TestInfo tests[] = {TEST(test_formula),
                           TEST(test_newest_trigger_of_a_customer_wins),
                           TEST(test_outage_of_the_store),
                           TEST(test_a_session_that_breaks_while_it_is_idle),
                           TEST(test_triggers_of_a_customer_who_is_forgotten),
                           TEST(test_forgotten_between_reading_and_storing),
                           TEST(test_nobody_knows_who_is_forgotten),
                           TEST(test_what_was_stored_meanwhile_is_erased),
                           TEST(test_malformed_triggers_are_rejected),
                           TEST(test_a_damaged_profile_holds_up_nobody),
                           TEST(test_answers_of_a_test),
                           TEST(test_many_are_taken_in_parts),
                           TEST(test_a_store_is_needed),
                           CU_TEST_INFO_NULL};
    plugin = fake_plugin_load("sink", "prediction_local");
    return run_tests("sink prediction_local", tests);
}
