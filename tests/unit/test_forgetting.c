/* Forgotten customers as a run follows them: by the clock, through outages of the store, and what it answers when. */
#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/engine/forgetting.h"
#include "core/engine/salts.h"
#include "core/engine/strays.h"
#include "core/pipeline/protect_section.h"
#include "core/plugin/loader.h"

#include "check.h"
#include "memory_store.h"

#include <sodium.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define KEY "6c6c6c6c6c6c6c6c6c6c6c6c6c6c6c6c6c6c6c6c6c6c6c6c6c6c6c6c6c6c6c6c"
#define PATIENCE 3000 /* naps */

/* --- The clock, which stands but where a test turns it --- */

static _Atomic int64_t clock_now;

int64_t __wrap_clock_monotonic_ms(void);
int64_t __wrap_clock_monotonic_ms(void)
{
    return atomic_load(&clock_now);
}

/* --- The store: in memory, but with a server's ways; what matters is written down in its order --- */

static struct memory_store store;
static churn_store_ops ops;
static _Atomic int erased, answers; /* keys of profiles, and answers of the instance */
static _Atomic int64_t answered;    /* the newest */
static _Atomic int erased_by_then;  /* as the first answer of 1 came */

static int32_t note_write(void *session, const churn_hash *hashes, uint32_t count, churn_error *err)
{
    int32_t result = memory_store_ops.write(session, hashes, count, err);
    int64_t adopted = strtoll(hashes[0].fields[0].value.ptr, NULL, 10);
    if (result == CHURN_OK && count == 1 && churn_equal(hashes[0].fields[0].name, churn_text("adopted"))) {
        if (adopted == 1 && atomic_load(&answered) != 1) {
            atomic_store(&erased_by_then, atomic_load(&erased));
        }
        atomic_store(&answered, adopted);
        (void)atomic_fetch_add(&answers, 1);
    }
    return result;
}

static int32_t note_remove(void *session, churn_str key, churn_str field, churn_str value, churn_error *err)
{
    (void)atomic_fetch_add(&erased, key.len > 8 && memcmp(key.ptr, "profile:", 8) == 0);
    return memory_store_ops.remove(session, key, field, value, err);
}

/* --- The pipeline --- */

static struct loaded loaded, source;
static churn_source_ops no_source;
static struct instance instance;
static struct pipeline pipeline;
static struct forgetting *forgetting;
static FILE *said;

static void nap(void)
{
    const struct timespec pause = {.tv_nsec = 10000000};
    (void)nanosleep(&pause, NULL);
}

#define WAIT_FOR(condition)                                                                                            \
    do {                                                                                                               \
        int left = PATIENCE;                                                                                           \
        while (!(condition) && left-- > 0) {                                                                           \
            nap();                                                                                                     \
        }                                                                                                              \
        CU_ASSERT_FATAL(condition);                                                                                    \
    } while (0)

static churn_str text(const char *bytes)
{
    return (churn_str){.ptr = bytes, .len = (uint32_t)strlen(bytes)};
}

/* The record of this number, of the customer "gone". */
static void put_tombstone(const char *key, const char *id)
{
    struct key parsed;
    char message[256], hex[TOMBSTONE_HASH_SIZE], name[64] = TOMBSTONE_CUSTOMER, seal[TOMBSTONE_SEAL_SIZE];
    unsigned char hash[TOMBSTONE_HASH_BYTES];
    CU_ASSERT_FATAL(key_parse(KEY, &parsed, message, sizeof message));
    tombstones_hash(&parsed, text("gone"), hash);
    (void)strcat(name, sodium_bin2hex(hex, sizeof hex, hash, sizeof hash));
    const churn_pair fields[] = {{text(TOMBSTONE_ID), text(id)},
                                 {text(TOMBSTONE_AT), text("1000")},
                                 {text(TOMBSTONE_END "t/0"), text("10")},
                                 {text(name), text("1")}};
    CU_ASSERT(tombstones_seal(&parsed, fields, 4, seal));
    memory_store_set(&store, key, TOMBSTONE_ID, id, TOMBSTONE_AT, "1000", TOMBSTONE_END "t/0", "10", name, "1",
                     TOMBSTONE_SEAL, seal, NULL);
}

static void begin(unsigned tombstones)
{
    memory_store_init(&store);
    ops = memory_store_ops;
    ops.embedded = 0;
    ops.write = note_write;
    ops.remove = note_remove;
    atomic_store(&clock_now, 1000000);
    atomic_store(&erased, 0);
    atomic_store(&answers, 0);
    atomic_store(&answered, -2);
    atomic_store(&erased_by_then, -1);
    loaded = (struct loaded){.plugin = {.ops = &ops}};
    source = (struct loaded){.plugin = {.ops = &no_source}};
    instance = (struct instance){.self = &store};
    said = tmpfile();
    CU_ASSERT_FATAL(said != NULL);
    pipeline = (struct pipeline){.store = {.loaded = &loaded, .label = "store"},
                                 .source = {.loaded = &source, .label = "source"},
                                 .store_instance = &instance,
                                 .log = log_new(fileno(said), CHURN_LOG_INFO, LOG_FORMAT_TEXT)};
    pipeline.stalls = stalls_new(pipeline.log, clock_monotonic_ms);
    CU_ASSERT_FATAL(pipeline.stalls != NULL);
    pipeline.store_settings.key_prefix = "profile:";
    pipeline.forget_settings.key = KEY;
    if (tombstones > 0) {
        put_tombstone("churnd:forgotten:profile:/1", "first");
    }
    CU_ASSERT_FATAL(forgetting_start(&pipeline, 1, &forgetting));
    pipeline.forgetting = forgetting;
    WAIT_FOR(forgetting_known(forgetting) == (int64_t)tombstones);
}

static void end(void)
{
    forgetting_stop(forgetting);
    stalls_free(pipeline.stalls);
    log_free(pipeline.log);
    (void)fclose(said);
    memory_store_free(&store);
}

static bool is_settled(void)
{
    char id[TOMBSTONE_ID_SIZE];
    bool settled = false;
    CU_ASSERT(forgetting_find(forgetting, text("gone"), id, &settled) && strcmp(id, "first") == 0);
    return settled;
}

/* No profile of his is put until nobody can put one without knowing. */
static void test_a_profile_waits(void)
{
    begin(1);
    CU_ASSERT(!is_settled());
    atomic_store(&clock_now, 1000000 + FORGETTING_SETTLE_MS - 1);
    CU_ASSERT(!is_settled());
    atomic_store(&clock_now, 1000000 + FORGETTING_SETTLE_MS);
    CU_ASSERT(is_settled());
    CU_ASSERT(FORGETTING_LEASE_MS + FORGETTING_LOOK_MS < FORGETTING_SETTLE_MS);
    end();
}

/* Whoever cannot look puts nothing of anybody; and what a store lost meanwhile is written again. */
static void test_an_outage(void)
{
    int64_t looked;
    char room[256];
    begin(1);
    atomic_store(&store.out, 1);
    WAIT_FOR(lseek(fileno(said), 0, SEEK_END) > 0); /* it says so */
    looked = forgetting_looked_ms(forgetting);
    CU_ASSERT_EQUAL(looked, 1000000);
    atomic_store(&clock_now, looked + FORGETTING_LEASE_MS - 1);
    CU_ASSERT(!forgetting_lapsed(forgetting));
    atomic_store(&clock_now, looked + FORGETTING_LEASE_MS);
    CU_ASSERT(forgetting_lapsed(forgetting));
    CU_ASSERT(forgetting_covers(forgetting, text("gone"), text("t/0"), 9, INT64_MAX));
    memory_store_clear(&store);
    atomic_store(&store.out, 0);
    WAIT_FOR(forgetting_looked_ms(forgetting) > looked);
    CU_ASSERT(!forgetting_lapsed(forgetting));
    CU_ASSERT_EQUAL(forgetting_known(forgetting), 1);
    CU_ASSERT_STRING_EQUAL(memory_store_get(&store, "churnd:forgotten:profile:/1", TOMBSTONE_ID, room), "first");
    CU_ASSERT_STRING_EQUAL(memory_store_get(&store, "churnd:forgotten:profile:/1", TOMBSTONE_END "t/0", room), "10");
    end();
}

/* What a worker held is erased before the instance answers, and what began after stays. */
static void test_what_was_held_is_erased_first(void)
{
    char room[256];
    begin(1);
    memory_store_set(&store, "profile:gone", CHURN_VERSION_FIELD, "7", "events_total", "3", NULL);
    memory_store_set(&store, "profile:stays", CHURN_VERSION_FIELD, "7", NULL);
    CU_ASSERT(forgetting_erase(forgetting, text("gone")) && forgetting_erase(forgetting, text("stays")));
    forgetting_adopt(forgetting, 0, 1);
    WAIT_FOR(atomic_load(&answered) == 1);
    CU_ASSERT_EQUAL(atomic_load(&erased_by_then), 1);
    CU_ASSERT_PTR_NULL(memory_store_get(&store, "profile:gone", "events_total", room));
    CU_ASSERT_PTR_NOT_NULL(memory_store_get(&store, "profile:stays", CHURN_VERSION_FIELD, room));
    memory_store_set(&store, "profile:gone", CHURN_VERSION_FIELD, "1", TOMBSTONE_FIELD, "first", NULL);
    CU_ASSERT(forgetting_erase(forgetting, text("gone")));
    int before = atomic_load(&answers);
    WAIT_FOR(atomic_load(&answers) >= before + 3);
    CU_ASSERT_PTR_NOT_NULL(memory_store_get(&store, "profile:gone", TOMBSTONE_FIELD, room));
    end();
}

/* Each instance of a plugin that takes part is waited for, as each worker is. */
static void test_everybody_has_to_answer(void)
{
    churn_host sink = {.size = sizeof sink}, other = {.size = sizeof other};
    begin(1);
    forgetting_adopt_instance(forgetting, &sink, -1);
    forgetting_adopt_instance(forgetting, &other, 1);
    forgetting_adopt(forgetting, 0, 1);
    int before = atomic_load(&answers);
    WAIT_FOR(atomic_load(&answers) >= before + 3);
    CU_ASSERT_EQUAL(atomic_load(&answered), -1);
    forgetting_adopt_instance(forgetting, &sink, 1);
    WAIT_FOR(atomic_load(&answered) == 1);
    CU_ASSERT_EQUAL(memory_store_count(&store, "churnd:instance:"), 1);
    end();
}

/* Of a run that ends some go on for long; nobody waits for those that have ended. */
static void test_nobody_waits_for_who_has_ended(void)
{
    churn_host sink = {.size = sizeof sink}, other = {.size = sizeof other};
    begin(1);
    forgetting_adopt_instance(forgetting, &sink, -1);
    forgetting_adopt_instance(forgetting, &other, 1);
    forgetting_leave_instance(forgetting, &sink);
    forgetting_leave_instance(forgetting, &sink);
    int before = atomic_load(&answers);
    WAIT_FOR(atomic_load(&answers) >= before + 3);
    CU_ASSERT_EQUAL(atomic_load(&answered), -1);
    forgetting_leave(forgetting, 0);
    WAIT_FOR(atomic_load(&answered) == 1);
    end();
}

/* Whoever cannot look makes no key of a customer's own, and erases none: it may be of after a tombstone not known here.
 */
static void test_keys_of_customers(void)
{
    struct protect protect = {.salts = true};
    struct protection protection = {.protect = &protect};
    unsigned char salt[SEAL_SALT_SIZE], again[SEAL_SALT_SIZE];
    churn_error err = {.size = sizeof err};
    char room[256];
    struct salts *salts;
    begin(1);
    pipeline.protection = &protection;
    CU_ASSERT_FATAL(salts_start(&pipeline, &salts) && salts != NULL);
    CU_ASSERT_EQUAL(salts_find(salts, text("stays"), true, salt, &err), CHURN_OK);
    atomic_store(&store.out, 1);
    WAIT_FOR(lseek(fileno(said), 0, SEEK_END) > 0);
    atomic_store(&clock_now, 1000000 + FORGETTING_SETTLE_MS);
    memory_store_set(&store, "churnd:salt:gone", SALTS_FIELD, "00", TOMBSTONE_FIELD, "second", NULL);
    CU_ASSERT_EQUAL(salts_find(salts, text("gone"), true, again, &err), CHURN_RETRY);
    CU_ASSERT_STRING_EQUAL(err.message, "who is forgotten cannot be read at the moment");
    CU_ASSERT_EQUAL(salts_find(salts, text("stays"), true, again, &err), CHURN_OK); /* it is at hand */
    CU_ASSERT_EQUAL(memcmp(salt, again, sizeof salt), 0);
    CU_ASSERT_PTR_NOT_NULL(memory_store_get(&store, "churnd:salt:gone", SALTS_FIELD, room));
    salts_stop(salts);
    end();
}

/* A window is given up while a sink has its records: what it may still write is held until it is answered. */
static void test_what_sinks_still_have(void)
{
    static struct worker worker;
    struct sink_state sink = {.lost = 0};
    churn_record outputs[] = {{.key = text("gone"), .topic = "t", .offset = 9, .timestamp_ms = 5000},
                              {.key = text("stays"), .topic = "t", .offset = 9, .timestamp_ms = 5000},
                              {.key = text("gone"), .topic = "t", .offset = 10, .timestamp_ms = 5000},
                              {.key = text("gone"), .topic = "an id", .offset = -1, .timestamp_ms = 999}};
    const uint64_t window = UINT64_C(3) << 32;
    begin(1);
    pipeline.sink_count = 1;
    worker = (struct worker){.pipeline = &pipeline, .sink_states = &sink};
    window_at(&worker, 3)->number = 3;
    window_at(&worker, 3)->outputs = outputs;
    window_at(&worker, 3)->output_count = 4;
    CU_ASSERT_FATAL(owed_reserve(&sink.owed, 4));
    for (uint64_t i = 0; i < 4; i++) {
        owed_add(&sink.owed, window | i);
    }
    CU_ASSERT(!strays_are_held(&worker)); /* the window is there */
    strays_keep(&worker);
    window_at(&worker, 3)->output_count = 0;
    CU_ASSERT(strays_are_held(&worker));
    CU_ASSERT(owed_remove(&sink.owed, window | 0) && strays_are_held(&worker)); /* what no record caused was before */
    CU_ASSERT(owed_remove(&sink.owed, window | 3) && !strays_are_held(&worker));
    CU_ASSERT(worker.forgetting.strays != NULL); /* for whoever is forgotten later */
    strays_free(&worker);
    parts_free(&worker.parts);
    owed_free(&sink.owed);
    end();
}

static enum forgetting_base judge(const char *customer, const char *by)
{
    const churn_pair fields[] = {{text(CHURN_VERSION_FIELD), text("3")},
                                 {text(TOMBSTONE_FIELD), text(by != NULL ? by : "")}};
    return forgetting_judge(forgetting, text(customer), fields, by != NULL ? 2 : 1);
}

static void test_what_can_be_joined_to(void)
{
    begin(1);
    CU_ASSERT(judge("stays", NULL) == FORGETTING_BASE_GOOD && judge("gone", "first") == FORGETTING_BASE_GOOD);
    CU_ASSERT(judge("gone", NULL) == FORGETTING_BASE_OLD && judge("gone", "another") == FORGETTING_BASE_OLD);
    CU_ASSERT(judge("stays", "another") == FORGETTING_BASE_UNKNOWN);
    CU_ASSERT(forgetting_judge(forgetting, text("gone"), NULL, 0) == FORGETTING_BASE_GOOD);
    end();
}

int main(void)
{
    static CU_TestInfo tests[] = {TEST(test_a_profile_waits),
                                  TEST(test_an_outage),
                                  TEST(test_what_was_held_is_erased_first),
                                  TEST(test_everybody_has_to_answer),
                                  TEST(test_nobody_waits_for_who_has_ended),
                                  TEST(test_keys_of_customers),
                                  TEST(test_what_sinks_still_have),
                                  TEST(test_what_can_be_joined_to),
                                  CU_TEST_INFO_NULL};
    return sodium_init() < 0 ? 1 : run_tests("forgetting", tests);
}
