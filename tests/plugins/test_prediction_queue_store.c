/* The queue of the sink `prediction` in an embedded store: what is written and removed, whatever the store answers. */
#include "../unit/no_leaks.h"
#include "fake_host.h"
#include "memory_store.h"
#include "queue.h"
#include "take_job.h"

#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

static struct fake_host fake;
static struct memory_store store;
static struct settings settings;
static struct counters counters;
static struct store_session session; /* the back's */
static struct queue queue;
static struct waiting waiting;
static churn_error err;
static churn_done done[2048];
static char values[1100][256];

static int64_t now_ms, tick_ms; /* the host's clock, and how much it moves on with each look */

/* What the next put is answered, by its reply or at once; 0: as the store does. */
static int32_t reply_result, put_result;
static unsigned put_count, poll_count;
static uint32_t poll_timeout; /* of the newest one */
static char calls[4096];      /* scans and removals */

static int64_t clock_ms(const churn_host *host)
{
    (void)host;
    return now_ms += tick_ms;
}

__attribute__((format(printf, 1, 2))) static void note(const char *format, ...)
{
    size_t at = strlen(calls);
    va_list args;
    va_start(args, format);
    (void)vsnprintf(calls + at, sizeof calls - at, format, args);
    va_end(args);
}

/* --- The store --- */

static int32_t put(void *s, const churn_put *p, churn_error *why)
{
    int32_t result = put_result;
    put_result = 0;
    put_count++;
    return result != 0 ? churn_fail(why, result, "put refused") : memory_store_ops.put(s, p, why);
}

static int32_t poll_store(void *s, churn_put_reply *replies, uint32_t max, uint32_t timeout_ms, uint32_t *ret_count,
                          churn_error *why)
{
    int32_t result = memory_store_ops.poll(s, replies, max, timeout_ms, ret_count, why);
    poll_count++;
    poll_timeout = timeout_ms;
    if (reply_result != 0 && *ret_count > 0) {
        replies[0].result = reply_result;
        replies[0].message = reply_result == CHURN_RETRY ? "full" : NULL;
        reply_result = 0;
    }
    return result;
}

static int32_t scan(void *s, churn_str prefix, churn_str after, uint32_t max, churn_fields_fn fn, void *ctx,
                    churn_error *why)
{
    note("scan %.*s after %.*s max %u; ", (int)prefix.len, prefix.ptr, (int)after.len,
         after.ptr != NULL ? after.ptr : "", max);
    return memory_store_ops.scan(s, prefix, after, max, fn, ctx, why);
}

static int32_t remove_if(void *s, churn_str key, churn_str field, churn_str value, churn_error *why)
{
    note("remove %.*s if %.*s=%.*s; ", (int)key.len, key.ptr, (int)field.len, field.ptr, (int)value.len, value.ptr);
    return memory_store_ops.remove(s, key, field, value, why);
}

static churn_store_ops ops;

/* In place of the system's: time passes, by the host's clock, only while somebody waits. */
static int pauses[8]; /* the first of them, in ms */
static unsigned pause_count;

EXPORT int poll(struct pollfd *fds, nfds_t count, int timeout_ms)
{
    (void)fds;
    CU_ASSERT_EQUAL(count, 0);
    if (pause_count < sizeof pauses / sizeof pauses[0]) {
        pauses[pause_count] = timeout_ms;
    }
    pause_count++;
    now_ms += timeout_ms;
    return 0;
}

/* --- The fixture --- */

static void begin(void)
{
    memory_store_init(&store);
    fake_host_init(&fake);
    fake.host.monotonic_ms = clock_ms;
    now_ms = 1000;
    tick_ms = 0;
    reply_result = put_result = 0;
    put_count = poll_count = pause_count = 0;
    calls[0] = '\0';
    err = (churn_error){.size = sizeof err};
    ops = memory_store_ops;
    ops.put = put;
    ops.poll = poll_store;
    ops.scan = scan;
    ops.remove = remove_if;
    fake.store = &ops;
    fake.store_self = &store;
    fake.host.worker_count = 3;
    fake.host.worker = 1;
    settings = (struct settings){.max_waiting = 100000};
    counters = (struct counters){.coalesced = counter_new(&fake.host, "predictions_coalesced")};
    queue = (struct queue){0};
    waiting = (struct waiting){0};
    session = (struct store_session){0};
    CU_ASSERT_EQUAL_FATAL(store_session_init(&session, &fake.host, "predictions", &err), CHURN_OK);
    CU_ASSERT_EQUAL_FATAL(queue_store_open(&queue, &fake.host, &settings, &counters, &session, &err), CHURN_OK);
}

static void end(void)
{
    waiting_free(&waiting);
    queue.front_ops->free(queue.front, 0);
    queue.back_ops->free(queue.back, 0);
    store_session_close(&session);
    CU_ASSERT_EQUAL(atomic_load(&store.sessions), 0);
    memory_store_free(&store);
}

static churn_record record(unsigned n, const char *customer, const char *event, int day)
{
    (void)snprintf(values[n], sizeof values[n],
                   "{\"request_id\":\"r-%s\",\"customer_id\":\"%s\",\"trigger\":{\"event_id\":\"%s\",\"event_type\":"
                   "\"login\",\"timestamp\":\"2026-01-%02dT00:00:00.000Z\"}}",
                   event, customer, event, day);
    return (churn_record){.kind = CHURN_RECORD_TRIGGER, .value = str(values[n]), .id = 100 + n};
}

/* How many of them are taken. */
static uint32_t write_records(const churn_record *records, uint32_t count)
{
    uint32_t taken = 99;
    CU_ASSERT_EQUAL(queue.front_ops->write(queue.front, records, count, &taken, &err), CHURN_OK);
    return taken;
}

static void write_one(const char *customer, const char *event, int day)
{
    churn_record r = record(0, customer, event, day);
    CU_ASSERT_EQUAL(write_records(&r, 1), 1);
}

/* How many records are answered. */
static uint32_t poll_front(uint32_t max)
{
    uint32_t count = 99;
    CU_ASSERT_EQUAL(queue.front_ops->poll(queue.front, done, max, 0, &count, &err), CHURN_OK);
    return count;
}

/* Polls until all are answered; how many poll_count of the queue that takes. */
static unsigned answer_all(uint32_t count)
{
    unsigned rounds = 0;
    for (uint32_t answered = 0; answered < count && rounds < 100; rounds++) {
        answered += poll_front(2048);
    }
    return rounds;
}

static const char *field(const char *customer, const char *name)
{
    static char room[256];
    char key[64];
    const char *text;
    (void)snprintf(key, sizeof key, "prediction-request:%s", customer);
    text = memory_store_get(&store, key, name, room);
    return text != NULL ? text : "(none)";
}

#define CHECK_FIELD(customer, name, expected) CU_ASSERT_STRING_EQUAL(field(customer, name), expected)

/* --- The front --- */

static void test_what_is_stored(void)
{
    begin();
    write_one("C1", "e1", 5);
    CU_ASSERT_EQUAL(poll_front(9) + poll_front(9), 1);
    CU_ASSERT_EQUAL(done[0].id, 100);
    CU_ASSERT_EQUAL(done[0].result, CHURN_OK);
    CU_ASSERT_PTR_NULL(done[0].message);
    CHECK_FIELD("C1", "request_id", "r-e1");
    CHECK_FIELD("C1", "customer_id", "C1");
    CHECK_FIELD("C1", "event_id", "e1");
    CHECK_FIELD("C1", "event_type", "login");
    CHECK_FIELD("C1", "timestamp", "2026-01-05T00:00:00.000Z");
    CHECK_FIELD("C1", "worker", "1");
    CU_ASSERT_EQUAL(strlen(field("C1", "revision")), 16);
    CU_ASSERT_EQUAL(strspn(field("C1", "revision"), "0123456789abcdef"), 16);
    CU_ASSERT_EQUAL(put_count, 1);
    end();
}

/* Of one customer the newest is stored, by the time of its event; of equal times the last. */
static void test_a_batch_is_joined_by_customer(void)
{
    const churn_record records[] = {record(0, "C", "new", 7),   record(1, "C", "old", 6), record(2, "D", "first", 3),
                                    record(3, "D", "last", 3),  record(4, "DD", "x", 1),  record(5, "E", "old", 1),
                                    record(6, "E", "newer", 2), record(7, "F", "f", 1)};
    begin();
    CU_ASSERT_EQUAL(write_records(records, 8), 8);
    (void)answer_all(8);
    CHECK_FIELD("C", "event_id", "new");
    CHECK_FIELD("D", "event_id", "last");
    CHECK_FIELD("DD", "event_id", "x");
    CHECK_FIELD("E", "event_id", "newer");
    CHECK_FIELD("F", "event_id", "f");
    CU_ASSERT_EQUAL(put_count, 5);
    CU_ASSERT_EQUAL(fake_host_counter(&fake, "predictions_coalesced"), 3);
    end();
}

/* A batch takes no more records once it is with the store, and no more than it has room for. */
static void test_batches(void)
{
    static churn_record records[1100];
    begin();
    for (unsigned i = 0; i < 1100; i++) {
        char customer[16];
        (void)snprintf(customer, sizeof customer, "C%u", i);
        records[i] = record(i, customer, "e", 1);
    }
    CU_ASSERT_EQUAL(write_records(records, 1000), 1000);
    CU_ASSERT_EQUAL(write_records(records + 1000, 100), 24);
    CU_ASSERT_EQUAL(poll_front(2048), 0); /* 64 replies at a time */
    CU_ASSERT_EQUAL(put_count, 1024);
    CU_ASSERT_EQUAL(write_records(records + 1024, 76), 0);
    for (int i = 0; i < 14; i++) {
        CU_ASSERT_EQUAL(poll_front(2048), 0);
    }
    CU_ASSERT_EQUAL(poll_front(1000), 1000);
    CU_ASSERT_EQUAL(done[0].id, 100);
    CU_ASSERT_EQUAL(done[999].id, 1099);
    CU_ASSERT_EQUAL(write_records(records + 1024, 76), 0); /* 24 are to be answered yet */
    CU_ASSERT_EQUAL(poll_front(1000), 24);
    CU_ASSERT_EQUAL(done[0].id, 1100);
    CU_ASSERT_EQUAL(poll_front(1000), 0);
    CU_ASSERT_EQUAL(poll_count, 16);
    CU_ASSERT_EQUAL(write_records(records + 1024, 76), 76);
    (void)answer_all(76);
    CU_ASSERT_EQUAL(memory_store_count(&store, "prediction-request:"), 1100);
    CU_ASSERT_EQUAL(put_count, 1100);
    end();
}

static void test_what_is_no_trigger_is_refused(void)
{
    churn_record records[] = {record(0, "C", "e", 1), record(1, "D", "e", 1), record(2, "E", "e", 1)};
    records[1].value = str("{}");
    begin();
    CU_ASSERT_EQUAL(write_records(records, 3), 3);
    (void)answer_all(3);
    CU_ASSERT_EQUAL(done[0].result, CHURN_OK);
    CU_ASSERT_EQUAL(done[1].result, CHURN_REJECT);
    CU_ASSERT_EQUAL(done[1].id, 101);
    CU_ASSERT_PTR_NOT_NULL(done[1].message);
    CU_ASSERT_EQUAL(done[2].result, CHURN_OK);
    CU_ASSERT_PTR_NULL(done[2].message);
    CU_ASSERT_EQUAL(memory_store_count(&store, "prediction-request:"), 2);
    CU_ASSERT_EQUAL(write_records(records + 1, 1), 1); /* one that goes to no store is answered all the same */
    CU_ASSERT_EQUAL(poll_front(9), 1);
    CU_ASSERT_EQUAL(done[0].result, CHURN_REJECT);
    end();
}

/* --- Conflicts: another trigger of the customer is stored --- */

static void test_the_newer_of_two_stays(void)
{
    char first[32];
    begin();
    write_one("C", "stored", 5);
    (void)answer_all(1);
    (void)snprintf(first, sizeof first, "%s", field("C", "revision"));
    write_one("C", "older", 4);
    (void)answer_all(1);
    CHECK_FIELD("C", "event_id", "stored"); /* under a new revision, so that it is served for both */
    CU_ASSERT_STRING_NOT_EQUAL(field("C", "revision"), first);
    write_one("C", "same", 5);
    (void)answer_all(1);
    CHECK_FIELD("C", "event_id", "same");
    write_one("C", "newer", 6);
    (void)answer_all(1);
    CHECK_FIELD("C", "event_id", "newer");
    CU_ASSERT_EQUAL(fake_host_counter(&fake, "predictions_coalesced"), 3);
    CU_ASSERT_EQUAL(put_count, 1 + 3 * 2);
    end();
}

/* What was written as the session broke is found, and not written again. */
static void test_a_reply_that_is_lost(void)
{
    begin();
    write_one("C", "e", 5);
    atomic_store(&store.lose_reply, 1);
    CU_ASSERT_EQUAL(poll_front(9), 0);
    CHECK_FIELD("C", "event_id", "e");
    CU_ASSERT_EQUAL(put_count, 1);
    now_ms += 500;
    CU_ASSERT_EQUAL(answer_all(1), 1);
    CU_ASSERT_EQUAL(done[0].result, CHURN_OK);
    CU_ASSERT_EQUAL(put_count, 2);
    CU_ASSERT_EQUAL(fake_host_counter(&fake, "predictions_coalesced"), 0);
    end();
}

/* A hash that could not be served makes room. */
static void test_what_is_stored_amiss_is_replaced(void)
{
    static const char *const amiss[][2] = {
        {"revision", "short"}, {"timestamp", "never"}, {"revision", "0123456789abcdef0"}}; /* one letter too many */
    for (size_t i = 0; i < sizeof amiss / sizeof amiss[0]; i++) {
        churn_pair pair = {.name = str(amiss[i][0]), .value = str(amiss[i][1])};
        begin();
        write_one("C", "stored", 5);
        (void)answer_all(1);
        CU_ASSERT_TRUE(memory_store_merge(&store, str("prediction-request:C"), &pair, 1));
        write_one("C", "older", 4);
        (void)answer_all(1);
        CHECK_FIELD("C", "event_id", "older");
        CHECK_FIELD("C", "timestamp", "2026-01-04T00:00:00.000Z");
        end();
    }
}

static struct queue another;

static bool open_another(void)
{
    return queue_store_open(&another, &fake.host, &settings, &counters, &session, &err) == CHURN_OK;
}

static void close_another(bool ok)
{
    if (ok) {
        another.front_ops->free(another.front, 0);
        another.back_ops->free(another.back, 0);
    }
}

static void test_no_memory_to_open(void)
{
    begin();
    check_allocations("opening", NULL, open_another, close_another);
    end();
}

/* --- A store that does not take them --- */

static void test_a_store_that_is_full_for_now(void)
{
    begin();
    write_one("C", "e", 5);
    reply_result = CHURN_RETRY;
    CU_ASSERT_EQUAL(poll_front(9), 0);
    CU_ASSERT_STRING_EQUAL(fake.last_log, "the store does not take triggers for now (full); they wait");
    CU_ASSERT_EQUAL(fake.last_level, CHURN_LOG_WARN);
    now_ms += 199;
    CU_ASSERT_EQUAL(poll_front(9), 0);
    CU_ASSERT_EQUAL(put_count, 1);
    now_ms += 1;
    (void)answer_all(1);
    CU_ASSERT_EQUAL(put_count, 2);
    CU_ASSERT_EQUAL(done[0].result, CHURN_OK);
    end();
}

static void test_a_store_that_is_out_of_reach(void)
{
    begin();
    atomic_store(&store.out, 1);
    write_one("C", "e", 5);
    CU_ASSERT_EQUAL(poll_front(9), 0);
    CU_ASSERT_EQUAL(write_records(NULL, 0), 0);
    tick_ms = 10; /* it waits its time, and no longer */
    {
        uint32_t count = 9;
        int64_t began = now_ms;
        CU_ASSERT_EQUAL(queue.front_ops->poll(queue.front, done, 9, 100, &count, &err), CHURN_OK);
        CU_ASSERT_EQUAL(count, 0);
        CU_ASSERT(now_ms - began >= 100 && now_ms - began <= 150);
    }
    tick_ms = 0;
    atomic_store(&store.out, 0);
    now_ms += 500;
    (void)answer_all(1);
    CHECK_FIELD("C", "event_id", "e");
    atomic_store(&store.out, 1); /* as it is written */
    write_one("D", "e", 5);
    CU_ASSERT_EQUAL(poll_front(9), 0);
    atomic_store(&store.out, 0);
    now_ms += 500;
    (void)answer_all(1);
    CHECK_FIELD("D", "event_id", "e");
    end();
}

/* While nothing moves it is looked at again after a pause, until the poll's time is over. */
static void test_a_poll_that_waits(void)
{
    static const struct {
        uint32_t timeout_ms;
        unsigned pauses;
        int last;
    } polls[] = {{0, 0, 0}, {1, 1, 1}, {49, 1, 49}, {50, 1, 50}, {51, 2, 1}, {120, 3, 20}};
    for (size_t i = 0; i < sizeof polls / sizeof polls[0]; i++) {
        uint32_t count = 9;
        begin();
        atomic_store(&store.out, 1);
        tick_ms = 0;
        write_one("C", "e", 5);
        int64_t began = now_ms;
        (void)alarm(20); /* time that does not pass */
        CU_ASSERT_EQUAL(queue.front_ops->poll(queue.front, done, 9, polls[i].timeout_ms, &count, &err), CHURN_OK);
        (void)alarm(0);
        CU_ASSERT_EQUAL(count, 0);
        CU_ASSERT_EQUAL(now_ms - began, polls[i].timeout_ms);
        CU_ASSERT_EQUAL_FATAL(pause_count, polls[i].pauses);
        CU_ASSERT(pause_count == 0 || pauses[pause_count - 1] == polls[i].last);
        atomic_store(&store.out, 0);
        end();
    }
}

/* A batch that the store could not even be given takes no more records either: they would be answered with it. */
static void test_a_batch_that_waits_takes_no_more(void)
{
    churn_record more = record(1, "D", "e", 5);
    begin();
    atomic_store(&store.out, 1);
    write_one("C", "e", 5);
    CU_ASSERT_EQUAL(poll_front(9), 0);
    CU_ASSERT_EQUAL(write_records(&more, 1), 0);
    atomic_store(&store.out, 0);
    now_ms += 500;
    (void)answer_all(1);
    CU_ASSERT_EQUAL(write_records(&more, 1), 1);
    (void)answer_all(1);
    end();
}

/* The store has all of a poll's time, to the last millisecond. */
static void test_the_store_has_the_time_of_a_poll(void)
{
    static const uint32_t times[] = {0, 1, 2, 5000};
    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++) {
        uint32_t count = 9;
        begin();
        poll_timeout = 99;
        write_one("C", "e", 5);
        CU_ASSERT_EQUAL(queue.front_ops->poll(queue.front, done, 9, times[i], &count, &err), CHURN_OK);
        CU_ASSERT_EQUAL(count, 1);
        CU_ASSERT_EQUAL(poll_timeout, times[i]);
        end();
    }
}

static void test_a_store_that_fails_for_good(void)
{
    uint32_t count;
    begin();
    write_one("C", "e", 5);
    put_result = CHURN_FATAL;
    CU_ASSERT_EQUAL(queue.front_ops->poll(queue.front, done, 9, 0, &count, &err), CHURN_FATAL);
    CU_ASSERT_STRING_EQUAL(err.message, "put refused");
    CU_ASSERT_EQUAL(count, 0);
    reply_result = CHURN_FATAL;
    CU_ASSERT_EQUAL(queue.front_ops->poll(queue.front, done, 9, 0, &count, &err), CHURN_FATAL);
    CU_ASSERT_STRING_EQUAL(err.message, "a trigger cannot be stored: no reason given");
    end();
}

/* --- The back --- */

static int read_back(void)
{
    int more = -1;
    CU_ASSERT_EQUAL(queue.back_ops->read(queue.back, &waiting, &more, &err), CHURN_OK);
    return more;
}

static void store_trigger(const char *customer, const char *event, const char *worker, const char *revision)
{
    char key[64];
    (void)snprintf(key, sizeof key, "prediction-request:%s", customer);
    memory_store_set(&store, key, "request_id", "r", "customer_id", customer, "event_id", event, "event_type", "login",
                     "timestamp", "2026-01-01T00:00:00.000Z", "revision", revision, "worker", worker, NULL);
}

static void check_calls(const char *expected)
{
    CU_ASSERT_STRING_EQUAL(calls, expected);
    if (strcmp(calls, expected) != 0) {
        (void)fprintf(stderr, "\ncalls: %s\n", calls);
    }
    calls[0] = '\0';
}

#define FIRST "0123456789abcdef"
#define SECOND "fedcba9876543210"

/* Of three workers, this is number 1: 4 and 11 lead to it, too. */
static void test_which_triggers_are_mine(void)
{
    static const char *const workers[] = {"0", "1", "2", "3", "4", "10", "13", "1000000001"};
    char customer[16];
    begin();
    for (size_t i = 0; i < sizeof workers / sizeof workers[0]; i++) {
        (void)snprintf(customer, sizeof customer, "C%s", workers[i]);
        store_trigger(customer, "e", workers[i], FIRST);
    }
    memory_store_set(&store, "prediction-request:amiss", "worker", "1", NULL);
    memory_store_set(&store, "other:key", "worker", "1", NULL);
    CU_ASSERT_EQUAL(read_back(), 0);
    check_calls("scan prediction-request: after  max 256; ");
    CU_ASSERT_EQUAL(waiting.jobs, 5); /* 1, 4, 10, 13, and a number that is read no further than nine digits */
    CU_ASSERT_STRING_EQUAL(fake.last_log, "skipped prediction-request:amiss in the store: not a waiting trigger");
    CU_ASSERT_EQUAL(fake.last_level, CHURN_LOG_WARN);
    CU_ASSERT_EQUAL(queue.back_ops->count(queue.back, &waiting), 5);
    end();
    begin();
    fake.host.worker_count = 0; /* a host that says nothing has one */
    fake.host.worker = 0;
    store_trigger("C", "e", "5", FIRST);
    (void)read_back();
    CU_ASSERT_EQUAL(waiting.jobs, 1);
    end();
}

/* A look begins anew after a pause; what was seen is known. */
static void test_a_look_begins_anew(void)
{
    begin();
    store_trigger("A", "a", "1", FIRST);
    (void)read_back();
    check_calls("scan prediction-request: after  max 256; ");
    now_ms += 24;
    (void)read_back();
    check_calls("");
    now_ms += 1;
    store_trigger("B", "b", "1", SECOND);
    (void)read_back();
    check_calls("scan prediction-request: after  max 256; ");
    CU_ASSERT_EQUAL(waiting.jobs, 2);
    CU_ASSERT_EQUAL(waiting.tokens, 2);
    end();
}

static void test_a_look_in_steps(void)
{
    char customer[16];
    begin();
    for (int i = 0; i < 300; i++) {
        (void)snprintf(customer, sizeof customer, "C%03d", i);
        store_trigger(customer, "e", "1", FIRST);
    }
    CU_ASSERT_EQUAL(read_back(), 1);
    check_calls("scan prediction-request: after  max 256; ");
    CU_ASSERT_EQUAL(waiting.jobs, 256);
    CU_ASSERT_EQUAL(read_back(), 0);
    check_calls("scan prediction-request: after prediction-request:C255 max 256; ");
    CU_ASSERT_EQUAL(waiting.jobs, 300);
    end();
}

/* No more is read ahead than may wait: the look goes on where it stopped. */
static void test_reading_ahead_is_bounded(void)
{
    begin();
    queue.front_ops->free(queue.front, 0);
    queue.back_ops->free(queue.back, 0);
    settings.max_waiting = 2;
    CU_ASSERT_EQUAL_FATAL(queue_store_open(&queue, &fake.host, &settings, &counters, &session, &err), CHURN_OK);
    store_trigger("A", "a", "1", FIRST);
    store_trigger("B", "b", "1", FIRST);
    store_trigger("C", "c", "1", FIRST);
    CU_ASSERT_EQUAL(read_back(), 1);
    CU_ASSERT_EQUAL(waiting.jobs, 2);
    check_calls("scan prediction-request: after  max 256; ");
    CU_ASSERT_EQUAL(read_back(), 0);
    check_calls("");
    waiting_finish(&waiting, take_job(&waiting, now_ms, 0), now_ms);
    CU_ASSERT_EQUAL(read_back(), 1);
    CU_ASSERT_EQUAL(waiting.jobs, 2);
    check_calls("scan prediction-request: after prediction-request:B max 256; ");
    end();
}

/* Only what was served is removed. */
static void test_remove(void)
{
    struct job *job;
    begin();
    store_trigger("A", "a", "1", FIRST);
    (void)read_back();
    job = take_job(&waiting, now_ms, 0);
    CU_ASSERT_EQUAL(queue.back_ops->remove(queue.back, job, &err), CHURN_OK);
    CU_ASSERT_EQUAL(memory_store_count(&store, "prediction-request:"), 0);
    store_trigger("A", "a2", "1", SECOND); /* written meanwhile */
    calls[0] = '\0';
    CU_ASSERT_EQUAL(queue.back_ops->remove(queue.back, job, &err), CHURN_OK);
    CU_ASSERT_EQUAL(memory_store_count(&store, "prediction-request:"), 1);
    check_calls("remove prediction-request:A if revision=" FIRST "; ");
    now_ms += 100;
    waiting_finish(&waiting, job, now_ms);
    store_trigger("A", "a1", "1", FIRST);
    (void)read_back();
    store_trigger("A", "a2", "1", SECOND);
    now_ms += 100;
    (void)read_back();
    calls[0] = '\0';
    job = take_job(&waiting, now_ms, 0);
    CU_ASSERT_EQUAL_FATAL(job->token_count, 2);
    CU_ASSERT_EQUAL(queue.back_ops->remove(queue.back, job, &err), CHURN_OK);
    check_calls("remove prediction-request:A if revision=" SECOND "; remove prediction-request:A if revision=" FIRST
                "; ");
    atomic_store(&store.out, 1);
    CU_ASSERT_EQUAL(queue.back_ops->remove(queue.back, job, &err), CHURN_RETRY);
    CU_ASSERT_EQUAL(queue.back_ops->remove(queue.back, job, &err), CHURN_RETRY);
    waiting_finish(&waiting, job, now_ms);
    end();
}

static void test_is_empty(void)
{
    int empty = 7;
    begin();
    CU_ASSERT_EQUAL(queue.back_ops->is_empty(queue.back, 1, &empty, &err), CHURN_OK);
    CU_ASSERT_EQUAL(empty, 1);
    check_calls("scan prediction-request: after  max 4294967295; ");
    store_trigger("A", "a", "2", FIRST); /* another's */
    CU_ASSERT_EQUAL(queue.back_ops->is_empty(queue.back, 0, &empty, &err), CHURN_OK);
    CU_ASSERT_EQUAL(empty, 1);
    store_trigger("B", "b", "1", FIRST);
    CU_ASSERT_EQUAL(queue.back_ops->is_empty(queue.back, 0, &empty, &err), CHURN_OK);
    CU_ASSERT_EQUAL(empty, 0);
    (void)read_back();
    atomic_store(&store.out, 1);
    empty = 7;
    CU_ASSERT_EQUAL(queue.back_ops->is_empty(queue.back, 0, &empty, &err), CHURN_RETRY);
    CU_ASSERT_EQUAL(empty, 0);
    store_trigger("C", "c", "1", FIRST);
    CU_ASSERT_EQUAL(queue.back_ops->count(queue.back, &waiting), 1); /* those that were read */
    end();
}

static void test_a_back_whose_store_is_away(void)
{
    int more = 7;
    begin();
    atomic_store(&store.out, 1);
    CU_ASSERT_EQUAL(queue.back_ops->read(queue.back, &waiting, &more, &err), CHURN_RETRY);
    CU_ASSERT_EQUAL(more, 0);
    atomic_store(&store.out, 0);
    now_ms += 500;
    store_trigger("A", "a", "1", FIRST);
    (void)read_back();
    CU_ASSERT_EQUAL(waiting.jobs, 1);
    atomic_store(&store.out, 1);
    now_ms += 100;
    more = 7;
    CU_ASSERT_EQUAL(queue.back_ops->read(queue.back, &waiting, &more, &err), CHURN_RETRY);
    CU_ASSERT_EQUAL(more, 0);
    end();
    begin();
    atomic_store(&store.broken, 1);
    CU_ASSERT_EQUAL(queue.back_ops->read(queue.back, &waiting, &more, &err), CHURN_FATAL);
    end();
}

static void test_which_stores_can_hold_triggers(void)
{
    struct queue none = {0};
    begin();
    for (int i = 0; i < 3; i++) {
        ops.embedded = i != 0;
        ops.scan = i != 1 ? scan : NULL;
        ops.remove = i != 2 ? remove_if : NULL;
        CU_ASSERT_EQUAL(queue_store_open(&none, &fake.host, &settings, &counters, &session, &err), CHURN_FATAL);
        CU_ASSERT_STRING_EQUAL(err.option, "queue");
        CU_ASSERT_PTR_NULL(none.back);
    }
    end();
}

int main(void)
{
    CU_TestInfo tests[] = {TEST(test_what_is_stored),
                           TEST(test_a_batch_is_joined_by_customer),
                           TEST(test_batches),
                           TEST(test_what_is_no_trigger_is_refused),
                           TEST(test_the_newer_of_two_stays),
                           TEST(test_a_reply_that_is_lost),
                           TEST(test_what_is_stored_amiss_is_replaced),
                           TEST(test_a_store_that_is_full_for_now),
                           TEST(test_a_store_that_is_out_of_reach),
                           TEST(test_no_memory_to_open),
                           TEST(test_a_poll_that_waits),
                           TEST(test_a_batch_that_waits_takes_no_more),
                           TEST(test_the_store_has_the_time_of_a_poll),
                           TEST(test_a_store_that_fails_for_good),
                           TEST(test_which_triggers_are_mine),
                           TEST(test_a_look_begins_anew),
                           TEST(test_a_look_in_steps),
                           TEST(test_reading_ahead_is_bounded),
                           TEST(test_remove),
                           TEST(test_is_empty),
                           TEST(test_a_back_whose_store_is_away),
                           TEST(test_which_stores_can_hold_triggers),
                           CU_TEST_INFO_NULL};
    return run_tests_without_leaks("sink/prediction: the queue in the store", tests);
}
