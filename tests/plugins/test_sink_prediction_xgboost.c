/* The sink `prediction_xgboost` on its own thread: batches, joining, an outage of the store, what it refuses. What it
 * scores is compared with Python's XGBoost by tests/integration/test_xgboost.py. */
#include "scoring_fixture.h"

#include <stdlib.h>

#define MODEL TEST_SRCDIR "/tests/plugins/models/churn.json"

static const churn_profile_field profile_fields[] = {
    {.name = {.ptr = "order_count", .len = 11}, .type = CHURN_PROFILE_INT},
    {.name = {.ptr = "total_spent", .len = 11}, .type = CHURN_PROFILE_MONEY},
    {.name = {.ptr = "last_order_at", .len = 13}, .type = CHURN_PROFILE_TIME}};

static void prepare(void)
{
    prepare_host();
    fake.fields = profile_fields;
    fake.field_count = sizeof profile_fields / sizeof profile_fields[0];
}

static void begin(void)
{
    churn_error err = {.size = sizeof err};
    prepare();
    self = fake_instance_new(plugin, "model", MODEL, "cache_ttl", "2h", NULL);
    if (ops()->create(self, &fake.host, &err) != CHURN_OK) {
        (void)fprintf(stderr, "%s: %s\n", err.option, err.message);
        abort();
    }
    CU_ASSERT_EQUAL_FATAL(ops()->start(self, &err), CHURN_OK);
}

/* For as long as a loaded machine may take. */
static void await(churn_done *done, uint32_t count)
{
    uint32_t answered = 0;
    for (int i = 0; i < 600 && answered < count; i++) {
        answered += poll_answers(done + answered, count - answered);
    }
    CU_ASSERT_EQUAL_FATAL(answered, count);
}

static void test_a_prediction(void)
{
    churn_record records[2];
    churn_done done[2];
    char room[256], other[256];
    begin();
    memory_store_set(&store, "profile:a", "order_count", "9", "total_spent", "10.50", NULL);
    records[0] = trigger(0, "a", "e1", "2026-01-01T00:00:00.000Z");
    records[1] = trigger(1, "nobody", "e2", "2026-01-01T00:00:00.000Z");
    CU_ASSERT_EQUAL(write_records(records, 2), 2);
    await(done, 2);
    CU_ASSERT(done[0].result == CHURN_OK && done[1].result == CHURN_OK);
    CU_ASSERT_STRING_EQUAL(memory_store_get(&store, "prediction:a", "event_id", room), "e1");
    CU_ASSERT_EQUAL(strlen(memory_store_get(&store, "prediction:a", "model_version", room)), 16);
    CU_ASSERT_EQUAL(memory_store_ttl(&store, "prediction:a"), 7200000);
    CU_ASSERT_STRING_NOT_EQUAL(memory_store_get(&store, "prediction:a", "churn_probability", room),
                               memory_store_get(&store, "prediction:nobody", "churn_probability", other));
    CU_ASSERT_EQUAL(fake_host_counter(&fake, "predictions_answered"), 2);
    end();
}

static void test_the_newest_trigger_of_a_customer_wins(void)
{
    churn_record records[3];
    churn_done done[3];
    char room[256];
    begin();
    records[0] = trigger(0, "a", "e1", "2026-01-01T00:00:00.000Z");
    records[1] = trigger(1, "a", "e3", "2026-01-03T00:00:00.000Z");
    records[2] = trigger(2, "a", "e2", "2026-01-02T00:00:00.000Z");
    CU_ASSERT_EQUAL(write_records(records, 3), 3);
    await(done, 3);
    CU_ASSERT_STRING_EQUAL(memory_store_get(&store, "prediction:a", "event_id", room), "e3");
    CU_ASSERT_EQUAL(fake_host_counter(&fake, "predictions_answered"), 1);
    end();
}

static void test_many_are_taken_in_parts(void)
{
    static churn_record records[2000];
    static churn_done done[2000];
    uint32_t taken = 0, answered = 0;
    begin();
    for (unsigned i = 0; i < 2000; i++) {
        char customer[16];
        (void)snprintf(customer, sizeof customer, "c%u", i);
        records[i] = trigger(i, customer, "e1", "2026-01-01T00:00:00.000Z");
    }
    CU_ASSERT_TRUE((taken = write_records(records, 2000)) < 2000);
    for (int i = 0; i < 3000 && answered < 2000; i++) {
        answered += poll_answers(done + answered, 2000 - answered);
        taken += taken < 2000 ? write_records(records + taken, 2000 - taken) : 0;
    }
    CU_ASSERT_EQUAL(answered, 2000);
    CU_ASSERT_EQUAL(memory_store_count(&store, "prediction:"), 2000);
    end();
}

static void test_an_outage_of_the_store(void)
{
    churn_record record;
    churn_done done[1];
    begin();
    atomic_store(&store.out, 1);
    record = trigger(0, "a", "e1", "2026-01-01T00:00:00.000Z");
    CU_ASSERT_EQUAL(write_records(&record, 1), 1);
    for (int i = 0; i < 600 && !fake_host_stalled(&fake, "store", NULL); i++) {
        CU_ASSERT_EQUAL(poll_answers(done, 1), 0);
    }
    CU_ASSERT_TRUE(fake_host_stalled(&fake, "store", NULL));
    atomic_store(&store.out, 0);
    await(done, 1);
    CU_ASSERT_EQUAL(done[0].result, CHURN_OK);
    end();
}

static void test_what_is_refused(void)
{
    const char *const bad[] = {"", "[]", "{\"request_id\":\"r\",\"customer_id\":\"C\"}"};
    churn_done done[1];
    begin();
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        churn_record record = {.kind = CHURN_RECORD_TRIGGER, .value = str(bad[i]), .id = i};
        CU_ASSERT_EQUAL(write_records(&record, 1), 1);
        await(done, 1);
        CU_ASSERT(done[0].id == i && done[0].result == CHURN_REJECT);
        CU_ASSERT_PTR_NOT_NULL(strstr(done[0].message, "trigger"));
    }
    end();
}

static void test_a_field_that_profiles_lack(void)
{
    churn_error err = {.size = sizeof err};
    prepare();
    fake.field_count = 1;
    self = fake_instance_new(plugin, "model", MODEL, NULL);
    CU_ASSERT_EQUAL(ops()->create(self, &fake.host, &err), CHURN_FATAL);
    CU_ASSERT_STRING_EQUAL(err.option, "model");
    CU_ASSERT_PTR_NOT_NULL(strstr(err.message, "1 of the model's 2 features: total_spent"));
    memory_store_free(&store);
    fake_instance_free(plugin, self);
}

/* What still waits when it stops is not answered, and freed. */
static void test_stopping(void)
{
    churn_record record;
    begin();
    atomic_store(&store.out, 1);
    record = trigger(0, "a", "e1", "2026-01-01T00:00:00.000Z");
    CU_ASSERT_EQUAL(write_records(&record, 1), 1);
    end();
}

int main(void)
{
    CU_TestInfo tests[] = {TEST(test_a_prediction),
                           TEST(test_the_newest_trigger_of_a_customer_wins),
                           TEST(test_many_are_taken_in_parts),
                           TEST(test_an_outage_of_the_store),
                           TEST(test_what_is_refused),
                           TEST(test_a_field_that_profiles_lack),
                           TEST(test_stopping),
                           CU_TEST_INFO_NULL};
    plugin = fake_plugin_load("sink", "prediction_xgboost");
    return run_tests("sink prediction_xgboost", tests);
}
