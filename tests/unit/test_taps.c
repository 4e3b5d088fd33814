/* Taps: what is copied when somebody looks, what is passed over, and that nothing is done while nobody does. */
#include "core/pipeline/taps.h"

#include "check.h"
#include <pthread.h>

static struct taps *taps;

static void set_up(void)
{
    taps = taps_new();
}

static void tear_down(void)
{
    taps_free(taps);
}

/* What was taken: each record's value, and of the newest all else. */
struct taken {
    unsigned count;
    char values[8][64];
    struct tapped last;
    char customer[64], key[64], topic[64], header[2][64];
};

static void text_to(char to[64], churn_str text)
{
    (void)snprintf(to, 64, "%.*s", text.ptr != NULL ? (int)text.len : 4, text.ptr != NULL ? text.ptr : "NULL");
}

static void take(void *ctx, const struct tapped *tapped)
{
    struct taken *taken = ctx;
    text_to(taken->values[taken->count++ % 8], tapped->record.value);
    taken->last = *tapped;
    text_to(taken->customer, tapped->customer);
    text_to(taken->key, tapped->record.key);
    text_to(taken->topic, churn_text(tapped->record.topic != NULL ? tapped->record.topic : "NULL"));
    for (uint32_t i = 0; i < tapped->record.header_count && i < 2; i++) {
        (void)snprintf(taken->header[i], 64, "%s=%.*s", tapped->record.headers[i].name,
                       tapped->record.headers[i].value.ptr != NULL ? (int)tapped->record.headers[i].value.len : 4,
                       tapped->record.headers[i].value.ptr != NULL ? tapped->record.headers[i].value.ptr : "NULL");
    }
}

static struct taken take_all(void)
{
    struct taken taken = {0};
    (void)taps_take(taps, UINT32_MAX, take, &taken);
    return taken;
}

static churn_record record_of(const char *customer, const char *value)
{
    return (churn_record){.size = sizeof(churn_record),
                          .key = churn_text(customer),
                          .value = churn_text(value),
                          .topic = "events",
                          .partition = 3,
                          .offset = 77,
                          .timestamp_ms = 12345,
                          .severity = 2};
}

static void offer(enum tap_point point, const char *customer, const char *value)
{
    churn_record record = record_of(customer, value);
    taps_offer(taps, 0, point, record.key, &record);
}

static void test_names(void)
{
    enum tap_point point = TAP_POINTS;
    for (unsigned i = 0; i < TAP_POINTS; i++) {
        CU_ASSERT(taps_point_find(taps_point_name((enum tap_point)i), &point) && point == (enum tap_point)i);
    }
    CU_ASSERT(!taps_point_find("sinks", &point) && !taps_point_find("", &point));
}

static void test_nobody_looks(void)
{
    CU_ASSERT(!taps_watched(NULL, TAP_EVENTS) && !taps_watched(taps, TAP_EVENTS));
    offer(TAP_EVENTS, "ada", "1");
    CU_ASSERT(take_all().count == 0 && taps_passed_over(taps, TAP_EVENTS) == 0);
    taps_watch(taps, 1, TAP_ALERTS, NULL);
    CU_ASSERT(taps_watched(taps, TAP_ALERTS) && !taps_watched(taps, TAP_EVENTS));
    offer(TAP_EVENTS, "ada", "2");
    CU_ASSERT(take_all().count == 0);
    taps_unwatch(taps, 1);
    CU_ASSERT(!taps_watched(taps, TAP_ALERTS));
    offer(TAP_ALERTS, "ada", "3");
    CU_ASSERT(take_all().count == 0);
}

static void test_a_copy_is_whole(void)
{
    const churn_header headers[] = {{.name = "churn.reason", .value = churn_text("empty")}, {.name = "trace"}};
    char value[] = "{\"a\": 1}";
    churn_record record = record_of("ada", value);
    struct taken taken;
    taps_watch(taps, 0, TAP_DEAD_LETTERS, NULL);
    record.headers = headers;
    record.header_count = COUNT(headers);
    taps_offer(taps, 5, TAP_DEAD_LETTERS, churn_text("lovelace"), &record);
    memset(value, 'x', sizeof value - 1); /* as the source does at its next poll */
    taken = take_all();
    CU_ASSERT_FATAL(taken.count == 1);
    check_text(taken.values[0], "{\"a\": 1}", "value");
    check_text(taken.customer, "lovelace", "customer");
    check_text(taken.key, "ada", "key");
    check_text(taken.topic, "events", "topic");
    check_text(taken.header[0], "churn.reason=empty", "header");
    check_text(taken.header[1], "trace=NULL", "header without a value");
    CU_ASSERT(taken.last.point == TAP_DEAD_LETTERS && taken.last.record.partition == 3);
    CU_ASSERT(taken.last.record.offset == 77 && taken.last.record.timestamp_ms == 12345);
    CU_ASSERT(taken.last.record.severity == 2 && taken.last.cut == 0);
    record = (churn_record){.size = sizeof record, .offset = -1};
    taps_offer(taps, 5, TAP_DEAD_LETTERS, record.key, &record);
    taken = take_all();
    CU_ASSERT_FATAL(taken.count == 1);
    check_text(taken.values[0], "NULL", "no value");
    check_text(taken.customer, "NULL", "no customer");
    check_text(taken.topic, "NULL", "no topic");
}

static void test_only_what_somebody_wants_is_copied(void)
{
    churn_record nobodys = record_of("?", "nobody's");
    taps_watch(taps, 0, TAP_EVENTS, "ada");
    taps_watch(taps, 1, TAP_EVENTS, "bob");
    taps_watch(taps, 2, TAP_ALERTS, "eve");
    offer(TAP_EVENTS, "ada", "1");
    offer(TAP_EVENTS, "eve", "2");
    offer(TAP_EVENTS, "bob", "3");
    offer(TAP_ALERTS, "ada", "4");
    taps_offer(taps, 0, TAP_EVENTS, (churn_str){0}, &nobodys); /* whose it is must be found out */
    struct taken taken = take_all();
    CU_ASSERT(taken.count == 3);
    check_text(taken.values[0], "1", "ada");
    check_text(taken.values[1], "3", "bob");
    check_text(taken.values[2], "nobody's", "unknown");
    taps_watch(taps, 3, TAP_EVENTS, NULL);
    offer(TAP_EVENTS, "eve", "5");
    CU_ASSERT(take_all().count == 1);
    taps_unwatch(taps, 3);
    taps_unwatch(taps, 0);
    offer(TAP_EVENTS, "eve", "6");
    offer(TAP_EVENTS, "ada", "7");
    CU_ASSERT(take_all().count == 0);
}

static void test_what_finds_no_room_is_passed_over(void)
{
    static char value[1000];
    churn_record record = record_of("ada", "");
    unsigned fit = 0;
    taps_watch(taps, 0, TAP_SOURCE, NULL);
    record.value = (churn_str){.ptr = value, .len = sizeof value};
    memset(value, 'a', sizeof value);
    while (taps_passed_over(taps, TAP_SOURCE) == 0 && fit < 10000) {
        taps_offer(taps, 0, TAP_SOURCE, record.key, &record);
        fit++;
    }
    CU_ASSERT(fit > 3000 && fit <= TAPS_ROOM / sizeof value);
    taps_offer(taps, 0, TAP_SOURCE, record.key, &record);
    CU_ASSERT(taps_passed_over(taps, TAP_SOURCE) == 2 && taps_passed_over(taps, TAP_EVENTS) == 0);
    taps_offer(taps, 1, TAP_SOURCE, record.key, &record); /* another worker has a ring of its own */
    CU_ASSERT(taps_passed_over(taps, TAP_SOURCE) == 2);
    struct taken first = {0};
    CU_ASSERT(taps_take(taps, 10, take, &first) == 10 && first.count == 10);
    offer(TAP_SOURCE, "ada", "room again");
    struct taken taken = take_all();
    CU_ASSERT(taken.count == fit - 1 - 10 + 1 + 1 && taps_passed_over(taps, TAP_SOURCE) == 2);
}

static void test_a_long_value_is_left_out(void)
{
    char *value = malloc(TAPS_ROOM);
    churn_record record = record_of("ada", "");
    struct taken taken;
    CU_ASSERT_FATAL(value != NULL);
    memset(value, 'v', TAPS_ROOM);
    taps_watch(taps, 0, TAP_SOURCE, NULL);
    record.value = (churn_str){.ptr = value, .len = TAPS_MAX_VALUE};
    taps_offer(taps, 0, TAP_SOURCE, record.key, &record);
    taken = take_all();
    CU_ASSERT(taken.count == 1 && taken.last.cut == 0 && taken.last.record.value.len == TAPS_MAX_VALUE);
    record.value.len = TAPS_MAX_VALUE + 1;
    taps_offer(taps, 0, TAP_SOURCE, record.key, &record);
    taken = take_all();
    CU_ASSERT(taken.count == 1 && taken.last.cut == TAPS_MAX_VALUE + 1 && taken.last.record.value.ptr == NULL);
    record.value.len = 3;
    record.key = (churn_str){.ptr = value, .len = TAPS_ROOM}; /* nor does a key that fills the ring */
    taps_offer(taps, 0, TAP_SOURCE, record.key, &record);
    taken = take_all();
    CU_ASSERT(taken.count == 1 && taken.last.cut == 3 && taken.last.record.key.ptr == NULL);
    free(value);
}

/* Sizes of all kinds, so that copies end everywhere before the ring's end. */
static void test_around_the_end_many_times(void)
{
    static char value[20000];
    uint64_t state = 7;
    unsigned long offered = 0, taken = 0;
    taps_watch(taps, 0, TAP_EVENTS, NULL);
    for (int i = 0; i < 3000; i++) {
        churn_record record = record_of("ada", "");
        struct taken now = {0};
        record.value = (churn_str){.ptr = value, .len = (uint32_t)(next_random(&state) % sizeof value)};
        memset(value, 'a' + i % 26, record.value.len);
        record.offset = i;
        taps_offer(taps, 0, TAP_EVENTS, record.key, &record);
        offered++;
        if (next_random(&state) % 3 == 0) {
            taken += taps_take(taps, 1 + (unsigned)(next_random(&state) % 4), take, &now);
            check(now.count == 0 || now.last.record.partition == 3, "copy %d is not itself", i);
        }
    }
    taken += taps_take(taps, UINT32_MAX, take, &(struct taken){0});
    check(taken + taps_passed_over(taps, TAP_EVENTS) == offered, "%lu taken, %lu offered", taken, offered);
    CU_ASSERT(taken > 2000);
}

#define EACH 20000

static void *offer_many(void *argument)
{
    unsigned worker = (unsigned)(uintptr_t)argument;
    char value[32];
    for (int i = 0; i < EACH; i++) {
        churn_record record = record_of("ada", "");
        (void)snprintf(value, sizeof value, "%u:%d", worker, i);
        record.value = churn_text(value);
        record.partition = (int32_t)worker;
        record.offset = i;
        if (worker < 2) {
            taps_offer(taps, worker, TAP_EVENTS, record.key, &record);
        } else {
            taps_offer_shared(taps, TAP_EVENTS, record.key, &record);
        }
    }
    return NULL;
}

struct seen {
    int64_t last[4];
    unsigned long count, wrong;
};

static void see(void *ctx, const struct tapped *tapped)
{
    struct seen *seen = ctx;
    char expected[32];
    const churn_record *record = &tapped->record;
    (void)snprintf(expected, sizeof expected, "%d:%d", (int)record->partition, (int)record->offset);
    seen->count++;
    seen->wrong += record->offset <= seen->last[record->partition] || !churn_equal(record->value, churn_text(expected));
    seen->last[record->partition] = record->offset;
}

/* Two workers and two threads of plugins, with somebody who looks all the while: in order, whole, each once. */
static void test_threads(void)
{
    pthread_t threads[4];
    struct seen seen = {.last = {-1, -1, -1, -1}};
    taps_watch(taps, 0, TAP_EVENTS, NULL);
    for (uintptr_t i = 0; i < COUNT(threads); i++) {
        CU_ASSERT_FATAL(pthread_create(&threads[i], NULL, offer_many, (void *)i) == 0);
    }
    for (int i = 0; i < 500; i++) {
        taps_watch(taps, 1, TAP_ALERTS, i % 2 == 0 ? "bob" : NULL); /* others come and go */
        (void)taps_take(taps, 300, see, &seen);
        taps_unwatch(taps, 1);
    }
    for (size_t i = 0; i < COUNT(threads); i++) {
        (void)pthread_join(threads[i], NULL);
    }
    (void)taps_take(taps, UINT32_MAX, see, &seen);
    check(seen.wrong == 0, "%lu copies are not what was offered", seen.wrong);
    check(seen.count + taps_passed_over(taps, TAP_EVENTS) == COUNT(threads) * EACH, "%lu seen", seen.count);
    CU_ASSERT(seen.count > EACH);
}

int main(void)
{
    CU_TestInfo tests[] = {TEST(test_names),
                           TEST(test_nobody_looks),
                           TEST(test_a_copy_is_whole),
                           TEST(test_only_what_somebody_wants_is_copied),
                           TEST(test_what_finds_no_room_is_passed_over),
                           TEST(test_a_long_value_is_left_out),
                           TEST(test_around_the_end_many_times),
                           TEST(test_threads),
                           CU_TEST_INFO_NULL};
    return run_tests_with("taps", set_up, tear_down, tests);
}
