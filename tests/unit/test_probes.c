/* A load test's look at profiles: what was seen, how late, what waits, and a store that is away. The store is one of
 * this file, whose profiles are counts. */
#include "core/cli/load/probes.h"

#include "core/base/clock.h"
#include "core/base/json_text.h"
#include "log_fixture.h"
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#include "check.h"

#define PREFIX "load_1_probe_"
#define PATIENCE_MS 30000

static struct {
    pthread_mutex_t lock;
    int64_t totals[PROBES]; /* events_total of each customer; 0: no profile */
    int32_t answer;         /* of each call */
    unsigned opened, closed;
    bool other_key; /* one was asked for that is none of the customers' */
} store = {.lock = PTHREAD_MUTEX_INITIALIZER};

static int32_t answer(churn_error *err)
{
    int32_t result;
    (void)pthread_mutex_lock(&store.lock);
    result = store.answer;
    (void)pthread_mutex_unlock(&store.lock);
    return result == CHURN_OK ? result : churn_fail(err, result, "the store says no");
}

static int32_t fake_open(void *self, void **ret_session, churn_error *err)
{
    int32_t result = answer(err);
    if (result == CHURN_OK) {
        (void)pthread_mutex_lock(&store.lock);
        store.opened++;
        (void)pthread_mutex_unlock(&store.lock);
        *ret_session = self;
    }
    return result;
}

static void fake_close(void *session)
{
    (void)session;
    (void)pthread_mutex_lock(&store.lock);
    store.closed++;
    (void)pthread_mutex_unlock(&store.lock);
}

static int32_t fake_get(void *session, churn_str key, churn_fields_fn fn, void *ctx, churn_error *err)
{
    static const char begin[] = "profile:" PREFIX;
    char number[8] = "", text[24];
    int64_t total = 0;
    int32_t result = answer(err);
    (void)session;
    if (result != CHURN_OK) {
        return result;
    }
    (void)pthread_mutex_lock(&store.lock);
    if (key.len == sizeof begin - 1 + 6 && memcmp(key.ptr, begin, sizeof begin - 1) == 0) {
        memcpy(number, key.ptr + sizeof begin - 1, 6);
        total = store.totals[strtol(number, NULL, 10) - 1];
    } else {
        store.other_key = true;
    }
    (void)pthread_mutex_unlock(&store.lock);
    (void)snprintf(text, sizeof text, "%lld", (long long)total);
    const churn_pair fields[] = {{.name = churn_text("login_count"), .value = churn_text("7")},
                                 {.name = churn_text("events_total"), .value = churn_text(text)}};
    return fn(ctx, key, fields, total > 0 ? 2 : 0);
}

static int32_t fake_get_many(void *session, const churn_str *keys, uint32_t count, churn_fields_fn fn, void *ctx,
                             churn_error *err)
{
    int32_t result = CHURN_OK;
    for (uint32_t i = 0; i < count && result == CHURN_OK; i++) {
        result = fake_get(session, keys[i], fn, ctx, err);
    }
    return result;
}

static churn_store_ops ops = {.size = sizeof ops, .open = fake_open, .get = fake_get, .close = fake_close};

/* ---- what the tests do ---- */

static struct log *the_log;
static struct probes *probes;

static void begin(bool many)
{
    ops.get_many = many ? fake_get_many : NULL;
    (void)pthread_mutex_lock(&store.lock);
    memset(store.totals, 0, sizeof store.totals);
    store.answer = CHURN_OK;
    store.opened = store.closed = 0;
    (void)pthread_mutex_unlock(&store.lock);
    the_log = log_open();
    probes = probes_new(&ops, &store, the_log, "profile:", PREFIX);
    CU_ASSERT_PTR_NOT_NULL_FATAL(probes);
}

static void end(void)
{
    probes_free(probes);
    CU_ASSERT_EQUAL(store.opened, store.closed);
    CU_ASSERT_FALSE(store.other_key);
    log_free(the_log);
    log_closed();
}

static bool note(unsigned customer, int64_t due_ms, uint64_t written, struct step *step)
{
    char name[64];
    (void)snprintf(name, sizeof name, PREFIX "%06u", customer);
    return probes_note(probes, churn_text(name), due_ms, written, step);
}

static void set_total(unsigned customer, int64_t total)
{
    (void)pthread_mutex_lock(&store.lock);
    store.totals[customer - 1] = total;
    (void)pthread_mutex_unlock(&store.lock);
}

static void set_answer(int32_t result)
{
    (void)pthread_mutex_lock(&store.lock);
    store.answer = result;
    (void)pthread_mutex_unlock(&store.lock);
}

static void nap(void)
{
    const struct timespec time = {.tv_nsec = 1000000};
    (void)nanosleep(&time, NULL);
}

/* Until so many events wait. */
static void await_waiting(uint32_t count)
{
    int64_t deadline = clock_monotonic_ms() + PATIENCE_MS;
    while (probes_waiting(probes).count != count && clock_monotonic_ms() < deadline) {
        nap();
    }
    CU_ASSERT_EQUAL(probes_waiting(probes).count, count);
}

static void test_events_are_seen_in_order(void)
{
    for (int many = 0; many < 2; many++) {
        struct step step = {.rate = 1, .seconds = 1, .produced = 1};
        int64_t now = clock_monotonic_ms();
        begin(many == 1);
        CU_ASSERT(note(3, now - 5000, 100, &step));
        CU_ASSERT(note(64, now - 4000, 110, &step));
        CU_ASSERT(note(3, now - 1000, 120, &step));
        CU_ASSERT_EQUAL(probes_waiting(probes).count, 3);
        CU_ASSERT_EQUAL(probes_waiting(probes).written, 100);
        set_total(3, 1); /* the first of the two */
        await_waiting(2);
        CU_ASSERT_EQUAL(probes_waiting(probes).written, 110);
        set_total(64, 1);
        await_waiting(1);
        CU_ASSERT_EQUAL(probes_waiting(probes).written, 120);
        set_total(3, 2);
        await_waiting(0);
        CU_ASSERT(probes_resolution_ms(probes) >= 1);
        end();
        step_end(&step);
        CU_ASSERT_EQUAL(step.count, 3);
        CU_ASSERT_EQUAL(step.unseen, 0);
        CU_ASSERT(step_percentile(&step, 1) >= 1000);
        CU_ASSERT(step_percentile(&step, 50) >= 4000);
        CU_ASSERT(step_percentile(&step, 100) >= 5000);
        step_free(&step);
    }
}

/* More than there was room for at first, in pieces, so that the ring goes round. */
static void test_many_events_of_one_customer(void)
{
    struct step step = {.rate = 1};
    int64_t made = 0;
    begin(true);
    for (unsigned round = 1; round <= 40; round++) {
        for (unsigned i = 0; i < round; i++) {
            CU_ASSERT(note(1, clock_monotonic_ms(), (uint64_t)made, &step));
            made++;
        }
        set_total(1, made - 3 > 0 ? made - 3 : 0);
        await_waiting(made < 3 ? (uint32_t)made : 3);
    }
    set_total(1, made);
    await_waiting(0);
    end();
    CU_ASSERT_EQUAL(step.count, (size_t)made);
    step_free(&step);
}

static void test_what_is_never_seen(void)
{
    struct step step = {.rate = 1};
    begin(true);
    CU_ASSERT(note(1, clock_monotonic_ms() - 2000, 0, &step));
    CU_ASSERT(note(2, clock_monotonic_ms() - 3000, 1, &step));
    set_total(1, 1);
    await_waiting(1);
    probes_give_up(probes);
    await_waiting(0);
    end();
    step_end(&step);
    CU_ASSERT_EQUAL(step.count, 2);
    CU_ASSERT_EQUAL(step.unseen, 1);
    CU_ASSERT(step_percentile(&step, 100) >= 3000);
    CU_ASSERT_EQUAL(step.verdict, VERDICT_LAG_GROWS);
    step_free(&step);
}

static void test_other_customers(void)
{
    static const char *const names[] = {"",          "load_1_",           PREFIX, PREFIX "0", PREFIX "65",
                                        PREFIX "1x", PREFIX "99999999999"};
    struct step step = {.rate = 1};
    begin(true);
    for (size_t i = 0; i < COUNT(names); i++) {
        check(!probes_note(probes, churn_text(names[i]), 0, 0, &step), "'%s' is none of the customers", names[i]);
    }
    CU_ASSERT_EQUAL(probes_waiting(probes).count, 0);
    end();
}

/* It is looked for again, and that it was away is part of the latency. */
static void test_a_store_that_is_away(void)
{
    struct step step = {.rate = 1};
    int64_t deadline = clock_monotonic_ms() + PATIENCE_MS;
    begin(true);
    CU_ASSERT(note(1, clock_monotonic_ms(), 0, &step));
    set_answer(CHURN_RETRY);
    for (unsigned closed = 0; closed == 0 && clock_monotonic_ms() < deadline; nap()) {
        (void)pthread_mutex_lock(&store.lock);
        closed = store.closed;
        (void)pthread_mutex_unlock(&store.lock);
    }
    set_total(1, 1);
    CU_ASSERT_EQUAL(probes_waiting(probes).count, 1);
    CU_ASSERT_PTR_NULL(probes_failure(probes));
    set_answer(CHURN_OK);
    await_waiting(0);
    end();
    step_free(&step);
}

static void test_a_store_that_cannot_be_used(void)
{
    int64_t deadline = clock_monotonic_ms() + PATIENCE_MS;
    struct step step = {.rate = 1};
    begin(true);
    set_answer(CHURN_FATAL);
    CU_ASSERT(note(1, clock_monotonic_ms(), 0, &step));
    while (probes_failure(probes) == NULL && clock_monotonic_ms() < deadline) {
        nap();
    }
    CU_ASSERT_PTR_NOT_NULL_FATAL(probes_failure(probes));
    check_text(probes_failure(probes), "the store says no", "why");
    end();
}

int main(void)
{
    CU_TestInfo tests[] = {
        TEST(test_events_are_seen_in_order),
        TEST(test_many_events_of_one_customer),
        TEST(test_what_is_never_seen),
        TEST(test_other_customers),
        TEST(test_a_store_that_is_away),
        TEST(test_a_store_that_cannot_be_used),
        CU_TEST_INFO_NULL,
    };
    return run_tests("probes", tests);
}
