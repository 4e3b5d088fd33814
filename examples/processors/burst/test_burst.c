/* The burst processor: which events alert, judged by a model that forgets nothing; and that the answers stay what they
 * are when events come again, to it or to another process, with what the store had at that time. */
#include "cunit_main.h"
#include "fake_edit.h"
#include "fake_host.h"
#include "memory_store.h"

#include <stdlib.h>
#include <unistd.h>

static const churn_event_type type = {.size = sizeof type};
static const churn_plugin *plugin;
static const churn_processor_ops *ops;
static struct fake_host fake;
static struct memory_store store;
static churn_error err;
static struct fake_edit edit;

static void begin(void)
{
    memory_store_init(&store);
    fake_host_init(&fake);
    fake.store = &memory_store_ops;
    fake.store_self = &store;
    fake.types[0] = &type;
    fake.type_names[0] = "payment_failed";
    fake.type_count = 1;
    err = (churn_error){.size = sizeof err};
}

static void end(void)
{
    CU_ASSERT_EQUAL(atomic_load(&store.sessions), 0);
    memory_store_free(&store);
}

/* Three within 100 ms; 200 ms late; an alert every 300 ms. */
static void *make(const char *key, const char *value)
{
    void *self = fake_instance_new(plugin, "count", "3", "window", "100ms", "lateness", "200ms", "cooldown", "300ms",
                                   "severity", "warning", key, value, NULL);
    CU_ASSERT_EQUAL_FATAL(ops->create(self, &fake.host, &err), CHURN_OK);
    return self;
}

static void drop(void *self)
{
    ops->stop(self);
    ops->destroy(self);
    fake_instance_free(plugin, self);
}

static int32_t give(void *self, const char *customer, int32_t partition, int64_t offset, int64_t time_ms)
{
    churn_event event = {.size = sizeof event,
                         .topic = str("t"),
                         .partition = partition,
                         .offset = offset,
                         .event_type = str("payment_failed"),
                         .customer_id = str(customer),
                         .timestamp_ms = time_ms};
    fake_edit_init(&edit);
    return ops->transform(self, &event, &edit.edit, &err);
}

/* Does the event alert? */
static int alerts(void *self, int64_t offset, int64_t time_ms)
{
    CU_ASSERT_EQUAL(give(self, "anna", 0, offset, time_ms), CHURN_OK);
    return edit.alert_count == 1;
}

static void three_within_the_window(void)
{
    begin();
    void *self = make(NULL, NULL);
    CU_ASSERT(!alerts(self, 0, 1000));
    CU_ASSERT(!alerts(self, 1, 1050));
    CU_ASSERT(alerts(self, 2, 1100));
    CU_ASSERT_STRING_EQUAL(edit.alerts[0].name, "burst");
    CU_ASSERT_STRING_EQUAL(edit.alerts[0].message, "Customer anna has had 3 payment_failed events within 100ms");
    CU_ASSERT_EQUAL(edit.alerts[0].severity, CHURN_SEVERITY_WARNING);
    CU_ASSERT(!alerts(self, 3, 1110)); /* cooling */
    CU_ASSERT(!alerts(self, 4, 1399));
    CU_ASSERT(!alerts(self, 5, 1400));
    CU_ASSERT(alerts(self, 6, 1450)); /* 1399, 1400, 1450 */
    drop(self);
    end();
}

static void one_millisecond_too_many(void)
{
    begin();
    void *self = make(NULL, NULL);
    CU_ASSERT(!alerts(self, 0, 1000));
    CU_ASSERT(!alerts(self, 1, 1050));
    CU_ASSERT(!alerts(self, 2, 1101));
    CU_ASSERT(alerts(self, 3, 1150));
    drop(self);
    end();
}

static void a_late_event_completes_a_burst(void)
{
    begin();
    void *self = make(NULL, NULL);
    CU_ASSERT(!alerts(self, 0, 1000));
    CU_ASSERT(!alerts(self, 1, 1100));
    CU_ASSERT(!alerts(self, 2, 1250));
    CU_ASSERT(alerts(self, 3, 1050)); /* 200 ms late */
    drop(self);
    self = make("cooldown", "0s");
    CU_ASSERT_EQUAL(give(self, "bob", 0, 0, 1000), CHURN_OK);
    CU_ASSERT_EQUAL(give(self, "bob", 0, 1, 1001), CHURN_OK);
    CU_ASSERT_EQUAL(give(self, "bob", 0, 2, 1202), CHURN_OK);
    CU_ASSERT_EQUAL(give(self, "bob", 0, 3, 1001), CHURN_OK); /* too late to count */
    CU_ASSERT_EQUAL(edit.alert_count, 0);
    CU_ASSERT_EQUAL(give(self, "bob", 0, 4, 1002), CHURN_OK);
    CU_ASSERT_EQUAL(edit.alert_count, 1);
    drop(self);
    end();
}

static void partitions_types_and_customers_are_apart(void)
{
    begin();
    void *self = make(NULL, NULL);
    churn_event other = {
        .size = sizeof other, .topic = str("t"), .event_type = str("login"), .customer_id = str("anna")};
    for (int64_t i = 0; i < 2; i++) {
        CU_ASSERT(!alerts(self, i, 1000));
        CU_ASSERT_EQUAL(give(self, "anna", 1, i, 1000), CHURN_OK);
        CU_ASSERT_EQUAL(edit.alert_count, 0);
        CU_ASSERT_EQUAL(give(self, "bob", 0, i, 1000), CHURN_OK);
        CU_ASSERT_EQUAL(edit.alert_count, 0);
    }
    CU_ASSERT_EQUAL(ops->transform(self, &other, &edit.edit, &err), CHURN_OK);
    CU_ASSERT_EQUAL(ops->checkpoint(self, &err), CHURN_OK);
    CU_ASSERT_EQUAL(memory_store_count(&store, "churnd:burst:profile:burst\tanna"), 1);
    drop(self);
    self = make(NULL, NULL);
    CU_ASSERT_EQUAL(give(self, "anna", 1, 2, 1000), CHURN_OK);
    CU_ASSERT_EQUAL(edit.alert_count, 1);
    CU_ASSERT(alerts(self, 2, 1000));
    drop(self);
    end();
}

static void the_store_out_of_reach(void)
{
    begin();
    void *self = make("customers", "1");
    atomic_store(&store.out, 1);
    CU_ASSERT_EQUAL(give(self, "anna", 0, 0, 1000), CHURN_RETRY);
    CU_ASSERT_EQUAL(ops->checkpoint(self, &err), CHURN_OK); /* nothing to store */
    atomic_store(&store.out, 0);
    (void)usleep(600000);
    CU_ASSERT(!alerts(self, 0, 1000));
    atomic_store(&store.out, 1);
    CU_ASSERT_EQUAL(ops->checkpoint(self, &err), CHURN_RETRY);
    CU_ASSERT(!alerts(self, 1, 1000)); /* of a customer in memory */
    CU_ASSERT_EQUAL(give(self, "bob", 0, 2, 1000), CHURN_RETRY);
    atomic_store(&store.out, 0);
    (void)usleep(600000);
    CU_ASSERT_EQUAL(give(self, "bob", 0, 2, 1000), CHURN_OK); /* anna is stored to make room */
    CU_ASSERT(alerts(self, 3, 1000));
    atomic_store(&store.lose_reply, 1); /* it is written, and nobody knows */
    CU_ASSERT_EQUAL(ops->checkpoint(self, &err), CHURN_RETRY);
    CU_ASSERT_EQUAL(ops->checkpoint(self, &err), CHURN_OK);
    atomic_store(&store.broken, 1);
    CU_ASSERT_EQUAL(give(self, "cy", 0, 4, 1000), CHURN_FATAL);
    drop(self);
    end();
}

static void what_it_refuses(void)
{
    static const struct {
        const char *key, *value;
    } cases[] = {{"name", ""}, {"name", "a/b"}, {"event_type", "nothing"}};
    begin();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        void *self = fake_instance_new(plugin, cases[i].key, cases[i].value, NULL);
        CU_ASSERT_EQUAL(ops->create(self, &fake.host, &err), CHURN_FATAL);
        CU_ASSERT_STRING_EQUAL(err.option, cases[i].key);
        fake_instance_free(plugin, self);
    }
    fake.store = NULL;
    void *self = fake_instance_new(plugin, NULL);
    CU_ASSERT_EQUAL(ops->create(self, &fake.host, &err), CHURN_FATAL);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.message, "store:"));
    fake_instance_free(plugin, self);
    end();
}

/* ---- random histories ---- */

#define EVENTS 40
#define CUSTOMERS 3

static uint64_t next_random(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

struct history {
    int64_t times[EVENTS];
    unsigned customer[EVENTS];
    int alerts[EVENTS]; /* as the manual says */
};

/* Is the event in some stretch of 100 ms with two others that came before it? */
static int completes(const struct history *h, const int *counted, int event)
{
    for (int64_t from = h->times[event] - 100; from <= h->times[event]; from++) {
        int inside = 0;
        for (int i = 0; i <= event; i++) {
            inside +=
                counted[i] && h->customer[i] == h->customer[event] && h->times[i] >= from && h->times[i] <= from + 100;
        }
        if (inside >= 3) {
            return 1;
        }
    }
    return 0;
}

static void make_history(struct history *h, uint64_t *random)
{
    int counted[EVENTS] = {0};
    int64_t now = 1000;
    for (int i = 0; i < EVENTS; i++) {
        int64_t newest = INT64_MIN;
        int cooling = 0;
        now += (int64_t)(next_random(random) % 50);
        h->times[i] = now - (next_random(random) % 4 == 0 ? (int64_t)(next_random(random) % 350) : 0);
        h->customer[i] = (unsigned)(next_random(random) % CUSTOMERS);
        for (int k = 0; k < i; k++) {
            int same = h->customer[k] == h->customer[i];
            newest = same && counted[k] && h->times[k] > newest ? h->times[k] : newest;
            cooling |= same && h->alerts[k] && llabs(h->times[k] - h->times[i]) < 300;
        }
        counted[i] = newest == INT64_MIN || h->times[i] >= newest - 200;
        h->alerts[i] = counted[i] && !cooling && completes(h, counted, i);
    }
}

static void check_event(void *self, const struct history *h, int event, uint64_t seed)
{
    static const char *const names[CUSTOMERS] = {"anna", "bob", "cy"};
    CU_ASSERT_EQUAL(give(self, names[h->customer[event]], 0, event, h->times[event]), CHURN_OK);
    if ((int)edit.alert_count != h->alerts[event]) {
        CU_FAIL("another answer than the model's");
        (void)fprintf(stderr, "seed %llu: event %d: %u alerts, must be %d\n", (unsigned long long)seed, event,
                      edit.alert_count, h->alerts[event]);
    }
}

/* One partition, read by turns by two processes, each of which may be killed, give the partition up without knowing
 * (and then go on for a while), or go back. What is committed never goes beyond a checkpoint. */
static int play(uint64_t seed)
{
    struct history h;
    uint64_t random = seed;
    int committed = 0, raised = 0;
    begin();
    make_history(&h, &random);
    void *self = make("customers", seed % 2 == 0 ? "1" : "2");
    void *zombie = NULL;
    int at = 0, zombie_at = 0;
    while (committed < EVENTS) {
        uint64_t draw = next_random(&random) % 16;
        if (zombie != NULL && draw < 3 && zombie_at < EVENTS) {
            check_event(zombie, &h, zombie_at++, seed);
        } else if (draw == 3) { /* killed */
            drop(self);
            self = make("customers", "2");
            at = committed;
        } else if (draw == 4) { /* the partition goes to another one */
            if (zombie != NULL) {
                (void)ops->checkpoint(zombie, &err);
                drop(zombie);
            }
            zombie = self;
            zombie_at = at;
            self = make("customers", "2");
            at = committed;
        } else if (draw == 5 && zombie != NULL) { /* … and back to one that has old state in memory */
            void *other = zombie;
            ops->forget(zombie);
            zombie = self;
            zombie_at = at;
            self = other;
            at = committed;
        } else if (draw == 6 && at > committed) { /* the source reads again */
            at = committed + (int)(next_random(&random) % (uint64_t)(at - committed + 1));
        } else if (draw == 7) { /* a replay */
            at = (int)(next_random(&random) % (uint64_t)(at + 1));
        } else if (draw == 8 || at == EVENTS) {
            CU_ASSERT_EQUAL(ops->checkpoint(self, &err), CHURN_OK);
            committed = at > committed ? at : committed;
        } else {
            check_event(self, &h, at++, seed);
        }
    }
    for (int i = 0; i < EVENTS; i++) {
        raised += h.alerts[i];
    }
    if (zombie != NULL) {
        drop(zombie);
    }
    drop(self);
    end();
    return raised;
}

static void random_histories(void)
{
    int raised = 0;
    for (uint64_t seed = 1; seed <= 100; seed++) {
        raised += play(seed);
    }
    CU_ASSERT(raised > 100);
}

int main(void)
{
    CU_TestInfo tests[] = {TEST(three_within_the_window),
                           TEST(one_millisecond_too_many),
                           TEST(a_late_event_completes_a_burst),
                           TEST(partitions_types_and_customers_are_apart),
                           TEST(the_store_out_of_reach),
                           TEST(what_it_refuses),
                           TEST(random_histories),
                           CU_TEST_INFO_NULL};
    plugin = fake_plugin_load("../examples/processors/burst", "burst");
    ops = plugin->ops;
    return run_tests("burst", tests);
}
