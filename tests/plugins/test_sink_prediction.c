/* The sink `prediction` with its queue in the store: nothing is lost, whatever the API and the store do. */
#include "cunit_main.h"
#include "fake_host.h"
#include "memory_store.h"
#include "mock_kafka.h"
#include "scripted_http.h"

#include <churn/sink.h>
#include <curl/curl.h>
#include <stdlib.h>
#include <unistd.h>

static struct fake_host fake;
static struct memory_store store;
static struct scripted_http server;
static const churn_plugin *plugin;
static void *self;
static char texts[1500][256];
static churn_done done[1500];

static const churn_sink_ops *ops(void)
{
    return plugin->ops;
}

static const char *timeout = "500ms"; /* of a request */

static void start_sink(void)
{
    churn_error err = {.size = sizeof err};
    self = fake_instance_new(plugin, "url", server.url, "timeout", timeout, "concurrency", "4", "retry_min", "10ms",
                             "retry_max", "40ms", "breaker_failures", "3", "breaker_pause", "100ms", "token", "s3cret",
                             "cache_ttl", "2h", NULL);
    CU_ASSERT_EQUAL_FATAL(ops()->create(self, &fake.host, &err), CHURN_OK);
    CU_ASSERT_EQUAL_FATAL(ops()->start(self, &err), CHURN_OK);
}

static void stop_sink(void)
{
    ops()->stop(self, 2000);
    ops()->destroy(self);
    CU_ASSERT_EQUAL(atomic_load(&store.sessions), 0);
    fake_instance_free(plugin, self);
}

static void begin(scripted_fn script, void *ctx)
{
    memory_store_init(&store);
    fake_host_init(&fake);
    fake.store = &memory_store_ops;
    fake.store_self = &store;
    scripted_http_start(&server, 0, script, ctx);
    start_sink();
}

static void end(void)
{
    stop_sink();
    scripted_http_free(&server);
    memory_store_free(&store);
}

static churn_record trigger(unsigned n, const char *customer, const char *event, int day)
{
    (void)snprintf(texts[n], sizeof texts[n],
                   "{\"request_id\":\"r-%s\",\"customer_id\":\"%s\",\"trigger\":{\"event_id\":\"%s\",\"event_type\":"
                   "\"order_placed\",\"timestamp\":\"2026-01-%02dT00:00:00.000Z\"}}",
                   event, customer, event, day);
    return (churn_record){.kind = CHURN_RECORD_TRIGGER, .key = str(customer), .value = str(texts[n]), .id = n};
}

static void wait_until(int (*reached)(void), int timeout_ms)
{
    for (int i = 0; i < timeout_ms / 5 && !reached(); i++) {
        (void)usleep(5000);
    }
    CU_ASSERT_TRUE(reached());
}

/* Writes records and waits until each is answered. */
static void feed(const churn_record *records, uint32_t count)
{
    churn_error err = {.size = sizeof err};
    uint32_t taken = 0, answered = 0, n;
    for (int i = 0; i < 2000 && answered < count; i++) {
        CU_ASSERT_EQUAL_FATAL(ops()->write(self, records + taken, count - taken, &n, &err), CHURN_OK);
        taken += n;
        CU_ASSERT_EQUAL_FATAL(ops()->poll(self, done + answered, count - answered, 20, &n, &err), CHURN_OK);
        answered += n;
    }
    CU_ASSERT_EQUAL_FATAL(answered, count);
}

static void feed_one(const char *customer, const char *event, int day)
{
    churn_record record = trigger(0, customer, event, day);
    feed(&record, 1);
    CU_ASSERT_EQUAL(done[0].result, CHURN_OK);
}

/* 1 when the sink says that nothing is left within the time. */
static int drained(int timeout_ms)
{
    churn_error err = {.size = sizeof err};
    int64_t until = fake.host.monotonic_ms(&fake.host) + timeout_ms;
    int32_t rc;
    while ((rc = ops()->drain(self, &err)) == CHURN_PENDING && fake.host.monotonic_ms(&fake.host) < until) {
        (void)usleep(2000);
    }
    return rc == CHURN_OK;
}

static int queue_is_empty(void)
{
    return memory_store_count(&store, "prediction-request:") == 0;
}

static const char *field(const char *key, const char *name)
{
    static char rooms[8][256];
    static unsigned next;
    const char *text = memory_store_get(&store, key, name, rooms[next++ % 8]);
    return text != NULL ? text : "(none)";
}

static void say(struct scripted_reply *reply, const char *body)
{
    (void)snprintf(reply->body, sizeof reply->body, "%s", body);
}

static void say_ok(void *ctx, unsigned number, const char *head, const char *body, struct scripted_reply *reply)
{
    (void)ctx;
    (void)number;
    (void)head;
    (void)body;
    say(reply, "{\"churn_probability\": 0.50, \"risk_level\": \"\xc3\xa9lev\xc3\xa9\", \"model_version\": \"v\\\"7\", "
               "\"more\": [1]}");
}

static char first_head[2048];

static void keep_head(void *ctx, unsigned number, const char *head, const char *body, struct scripted_reply *reply)
{
    if (number == 0) {
        (void)snprintf(first_head, sizeof first_head, "%s", head);
    }
    say_ok(ctx, number, head, body, reply);
}

static void test_answers_reach_the_store(void)
{
    begin(keep_head, NULL);
    memory_store_set(&store, "profile:C\"1", "events_total", "3", "last_event_type", "login", "_m:t/0", "9", NULL);
    feed_one("C\\\"1", "e1", 1);
    CU_ASSERT_TRUE(drained(3000));
    CU_ASSERT_TRUE(queue_is_empty());
    CU_ASSERT_STRING_EQUAL(server.bodies[0],
                           "{\"request_id\":\"r-e1\",\"customer_id\":\"C\\\"1\",\"trigger\":{\"event_id\":\"e1\","
                           "\"event_type\":\"order_placed\",\"timestamp\":\"2026-01-01T00:00:00.000Z\"},\"profile\":{"
                           "\"events_total\":3,\"last_event_type\":\"login\"}}");
    CU_ASSERT_EQUAL(strncmp(first_head, "POST /api/predict HTTP/1.1\r\n", 28), 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(first_head, "Authorization: Bearer s3cret\r\n"));
    CU_ASSERT_STRING_EQUAL(field("prediction:C\"1", "churn_probability"), "0.50");
    CU_ASSERT_STRING_EQUAL(field("prediction:C\"1", "risk_level"), "\xc3\xa9lev\xc3\xa9");
    CU_ASSERT_STRING_EQUAL(field("prediction:C\"1", "model_version"), "v\"7");
    CU_ASSERT_STRING_EQUAL(field("prediction:C\"1", "event_id"), "e1");
    CU_ASSERT_EQUAL(strlen(field("prediction:C\"1", "predicted_at")), 24);
    CU_ASSERT_EQUAL(memory_store_ttl(&store, "prediction:C\"1"), 7200000);
    CU_ASSERT_EQUAL(fake_host_counter(&fake, "predictions_requested"), 1);
    CU_ASSERT_EQUAL(fake_host_counter(&fake, "predictions_answered"), 1);
    CU_ASSERT_EQUAL(fake_host_counter(&fake, "predictions_failed"), 0);
    end();
}

/* Every answer but the last is wrong in its own way. */
static void misbehave(void *ctx, unsigned number, const char *head, const char *body, struct scripted_reply *reply)
{
    static const char *const wrong[] = {"",
                                        "{",
                                        "[]",
                                        "{}",
                                        "{\"churn_probability\":\"0.5\"}",
                                        "{\"churn_probability\":1.5}",
                                        "{\"churn_probability\":-0.1}",
                                        "{\"churn_probability\":NaN}",
                                        "{\"churn_probability\":0.5} x",
                                        "{\"churn_probability\":0.5,\"risk_level\":7}",
                                        "{\"churn_probability\":01}"};
    static const int statuses[] = {500, 503, 401, 403, 404, 405, 408, 425, 302, 0};
    unsigned *total = ctx;
    const unsigned bodies = sizeof wrong / sizeof wrong[0], codes = sizeof statuses / sizeof statuses[0];
    *total = bodies + codes + 4;
    if (number < bodies) {
        say(reply, wrong[number]);
    } else if (number < bodies + codes) {
        reply->status = statuses[number - bodies];
    } else if (number == bodies + codes) {
        reply->delay_ms = 1000;
    } else if (number == bodies + codes + 1) {
        say(reply, "{\"churn_probability\":0.5}");
        reply->padding = 70000;
    } else if (number == bodies + codes + 2) {
        reply->status = 429;
        (void)strcpy(reply->headers, "Retry-After: 1\r\n");
    } else {
        say_ok(NULL, number, head, body, reply);
    }
}

static void test_bad_answers_are_tried_again(void)
{
    unsigned total = 0;
    begin(misbehave, &total);
    feed_one("C1", "e1", 1);
    wait_until(queue_is_empty, 15000);
    CU_ASSERT_EQUAL(scripted_http_count(&server), total);
    for (unsigned i = 1; i < total; i++) {
        CU_ASSERT_STRING_EQUAL_FATAL(server.bodies[i] != NULL ? server.bodies[i] : "", server.bodies[0]);
    }
    CU_ASSERT_STRING_EQUAL(field("prediction:C1", "churn_probability"), "0.50");
    /* libcurl itself repeats a request whose kept connection was closed. */
    CU_ASSERT_EQUAL(fake_host_counter(&fake, "predictions_failed"), total - 2);
    CU_ASSERT_EQUAL(fake_host_counter(&fake, "predictions_answered"), 1);
    end();
}

/* Answers without an end, each cut off by what it is, long before the timeout. */
static const struct {
    const char *begin;
    const char *flood;
    const char *reason;
} endless[] = {
    {"HTTP/1.1 200 OK\r\n", "X-More: and more\r\n", "headers"},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", "X-More: and more\r\n", "headers"},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;", "and-more=and-more;", "larger"},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "1;and-more=and-more-and-more-and-more\r\na\r\n",
     "larger"},
    {"HTTP/1.1 102 Processing\r\n\r\n", "HTTP/1.1 102 Processing\r\n\r\n", "headers"},
    {"HTTP/1.1 100 Continue\r\n", "X-More: and more\r\n", "headers"},
    {"HTTP/1.1 200 ", "and more and more", "header that is too long"},
    {"HTTP/1.1 200 OK\r\nX-More: ", "and more and more", "header that is too long"},
    {"HTTP/1.1 200 OK\r\n\r\n", "                ", "answer is larger"},
    {"HTTP/1.1 500 No\r\nContent-Length: 1000000000000\r\n\r\n", "                ", "answer is larger"},
};
#define ENDLESS (sizeof endless / sizeof endless[0])

static void say_without_end(void *ctx, unsigned number, const char *head, const char *body,
                            struct scripted_reply *reply)
{
    const unsigned *kind = ctx;
    if (number > 0) {
        say_ok(NULL, number, head, body, reply);
        return;
    }
    reply->raw = endless[*kind].begin;
    reply->flood = endless[*kind].flood;
}

static void test_endless_answers_are_cut(void)
{
    timeout = "10m";
    for (unsigned i = 0; i < ENDLESS; i++) {
        begin(say_without_end, &i);
        feed_one("C1", "e1", 1);
        wait_until(queue_is_empty, 30000);
        CU_ASSERT_PTR_NOT_NULL(strstr(fake.last_log, endless[i].reason));
        CU_ASSERT_PTR_NULL(strstr(fake.last_log, "out of memory"));
        CU_ASSERT_EQUAL(fake_host_counter(&fake, "predictions_failed"), 1);
        scripted_http_stop(&server);
        CU_ASSERT_TRUE(server.flooded < 64 << 20); /* with all that the kernel holds */
        end();
    }
    timeout = "500ms";
}

static void keep_http(void *ctx, const churn_target *target)
{
    churn_error *found = ctx;
    if (strcmp(target->kind, "http") == 0) {
        found->code = target->result;
        (void)snprintf(found->message, sizeof found->message, "%s", target->message != NULL ? target->message : "");
    }
}

/* A probe asks for no more than the first line. */
static void test_probe_of_endless_answers(void)
{
    for (unsigned i = 0; i < ENDLESS; i++) {
        churn_error found = {.code = -1};
        int64_t begun;
        begin(say_without_end, &i);
        begun = fake.host.monotonic_ms(&fake.host);
        ops()->probe(self, 60000, keep_http, &found);
        CU_ASSERT_TRUE(fake.host.monotonic_ms(&fake.host) - begun < 50000);
        CU_ASSERT_EQUAL(found.code, strcmp(endless[i].begin, "HTTP/1.1 200 ") == 0 ? CHURN_RETRY : CHURN_OK);
        CU_ASSERT_PTR_NULL(strstr(found.message, "ut of memory"));
        scripted_http_stop(&server);
        CU_ASSERT_TRUE(server.flooded < 64 << 20);
        end();
    }
}

/* Something comes all the time, and it is no end of the answer. */
static void drip(void *ctx, unsigned number, const char *head, const char *body, struct scripted_reply *reply)
{
    static const char *const begins[] = {"HTTP/1.1 200 OK\r\n",
                                         "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n",
                                         "HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 102 Processing\r\n"};
    (void)ctx;
    if (number < sizeof begins / sizeof begins[0]) {
        reply->raw = begins[number];
        reply->flood = "X: y\r\n";
        reply->drip_ms = 20;
        return;
    }
    say_ok(NULL, number, head, body, reply);
}

static void test_dripping_answers_are_cut(void)
{
    begin(drip, NULL);
    feed_one("C1", "e1", 1);
    wait_until(queue_is_empty, 30000);
    CU_ASSERT_EQUAL(scripted_http_count(&server), 4);
    CU_ASSERT_EQUAL(fake_host_counter(&fake, "predictions_failed"), 3);
    end();
}

static atomic_int was_slow;

/* Takes longer than a request may, once, while one is on its way. */
static int32_t get_slowly(void *session, churn_str key, churn_fields_fn fn, void *ctx, churn_error *err)
{
    unsigned asking;
    (void)pthread_mutex_lock(&server.lock);
    asking = server.asking;
    (void)pthread_mutex_unlock(&server.lock);
    if (asking > 0 && atomic_exchange(&was_slow, 1) == 0) {
        (void)usleep(3000000);
    }
    return memory_store_ops.get(session, key, fn, ctx, err);
}

/* One of two answers makes room for the next request while the other is on its way. */
static void say_by_turns(void *ctx, unsigned number, const char *head, const char *body, struct scripted_reply *reply)
{
    say_ok(ctx, number, head, body, reply);
    reply->delay_ms = number % 2 == 0 ? 100 : 900;
}

/* The time that a slow store takes is not the API's. */
static void test_slow_store_is_not_blamed_on_the_api(void)
{
    churn_record records[8];
    churn_store_ops slow = memory_store_ops;
    slow.get = get_slowly;
    memory_store_init(&store);
    fake_host_init(&fake);
    fake.store = &slow;
    fake.store_self = &store;
    scripted_http_start(&server, 0, say_by_turns, NULL);
    atomic_store(&was_slow, 0);
    timeout = "2s";
    start_sink();
    for (unsigned i = 0; i < 8; i++) {
        char customer[16];
        (void)snprintf(customer, sizeof customer, "C%u", i);
        records[i] = trigger(i, customer, "e", 1);
    }
    feed(records, 8);
    wait_until(queue_is_empty, 60000);
    CU_ASSERT_EQUAL(fake_host_counter(&fake, "predictions_failed"), 0);
    CU_ASSERT_EQUAL(scripted_http_count(&server), 8);
    end();
    timeout = "500ms";
}

static void test_dead_api_opens_the_breaker(void)
{
    churn_record records[50];
    unsigned before;
    int port;
    begin(say_ok, NULL);
    port = server.port;
    scripted_http_stop(&server);
    for (unsigned i = 0; i < 50; i++) {
        char customer[16], event[16];
        (void)snprintf(customer, sizeof customer, "C%u", i % 10);
        (void)snprintf(event, sizeof event, "e%u", i);
        records[i] = trigger(i, customer, event, 1 + (int)(i / 10));
    }
    feed(records, 50);
    CU_ASSERT_TRUE(drained(3000)); /* it gives up */
    CU_ASSERT_EQUAL(memory_store_count(&store, "prediction-request:"), 10);
    CU_ASSERT_EQUAL(memory_store_count(&store, "prediction:"), 0);
    before = fake.log_lines;
    (void)usleep(500000);
    CU_ASSERT_TRUE(fake.log_lines - before <= 12); /* debugging lines of the probes */
    CU_ASSERT_TRUE(fake_host_counter(&fake, "predictions_failed") < 20);
    scripted_http_free(&server);
    scripted_http_start(&server, port, say_ok, NULL);
    wait_until(queue_is_empty, 5000);
    CU_ASSERT_EQUAL(scripted_http_count(&server), 10); /* one for each customer */
    CU_ASSERT_STRING_EQUAL(field("prediction:C3", "event_id"), "e43");
    CU_ASSERT_TRUE(drained(3000));
    end();
}

/* The first requests end one after the other, so that the last of them fails while a probe is out; no later one is ever
 * answered. */
static void hang(void *ctx, unsigned number, const char *head, const char *body, struct scripted_reply *reply)
{
    (void)ctx;
    (void)head;
    (void)body;
    reply->status = 0;
    reply->delay_ms = number < 4 ? 130 * (int)(number + 1) : 700;
}

/* One probe at a time, and a failure is no progress: so there is a moment at which nothing more can be done. */
static void test_drain_ends_while_the_api_hangs(void)
{
    churn_record records[8];
    begin(hang, NULL);
    for (unsigned i = 0; i < 8; i++) {
        char customer[16];
        (void)snprintf(customer, sizeof customer, "C%u", i);
        records[i] = trigger(i, customer, "e", 1);
    }
    feed(records, 8);
    CU_ASSERT_TRUE(drained(20000));
    CU_ASSERT_EQUAL(memory_store_count(&store, "prediction-request:"), 8);
    end();
}

static void refuse_c2(void *ctx, unsigned number, const char *head, const char *body, struct scripted_reply *reply)
{
    if (strstr(body, "\"C2\"") != NULL) {
        reply->status = 422;
        return;
    }
    say_ok(ctx, number, head, body, reply);
}

static void test_refused_request_is_given_up(void)
{
    churn_record records[3];
    begin(refuse_c2, NULL);
    records[0] = trigger(0, "C1", "e1", 1);
    records[1] = trigger(1, "C2", "e2", 1);
    records[2] = trigger(2, "C3", "e3", 1);
    feed(records, 3);
    CU_ASSERT_TRUE(drained(5000));
    CU_ASSERT_EQUAL(scripted_http_count(&server), 5); /* three attempts for C2 */
    CU_ASSERT_EQUAL(memory_store_count(&store, "prediction:"), 2);
    CU_ASSERT_STRING_EQUAL(field("prediction-failed:C2", "event_id"), "e2");
    CU_ASSERT_PTR_NOT_NULL(strstr(field("prediction-failed:C2", "detail"), "422"));
    CU_ASSERT_EQUAL(fake_host_counter(&fake, "predictions_dead_lettered"), 1);
    CU_ASSERT_EQUAL(fake_host_counter(&fake, "predictions_answered"), 2);
    end();
}

static void say_slowly(void *ctx, unsigned number, const char *head, const char *body, struct scripted_reply *reply)
{
    say_ok(ctx, number, head, body, reply);
    reply->delay_ms = 150;
}

static int one_request(void)
{
    return scripted_http_count(&server) == 1;
}

/* A trigger that comes while its customer's request is under way gets a request of its own, even when it is older. */
static void test_trigger_during_a_request(void)
{
    begin(say_slowly, NULL);
    feed_one("C1", "e5", 5);
    wait_until(one_request, 2000);
    feed_one("C1", "e3", 3);
    feed_one("C1", "e4", 4);
    CU_ASSERT_TRUE(drained(5000));
    CU_ASSERT_EQUAL(scripted_http_count(&server), 2);
    CU_ASSERT_TRUE(queue_is_empty());
    end();
}

static void test_newest_waiting_trigger_wins(void)
{
    churn_record records[3];
    begin(say_slowly, NULL);
    atomic_store(&store.lose_reply, 1); /* written, but the sink does not know */
    records[0] = trigger(0, "C1", "e1", 1);
    records[1] = trigger(1, "C1", "e3", 3);
    records[2] = trigger(2, "C1", "e2", 2);
    feed(records, 3);
    CU_ASSERT_TRUE(drained(5000));
    CU_ASSERT_STRING_EQUAL(field("prediction:C1", "event_id"), "e3");
    CU_ASSERT_EQUAL(fake_host_counter(&fake, "predictions_coalesced"), 2);
    end();
}

static const char waiting_key[] = "prediction-request:C1";

/* Of the trigger that waits in the store and one that comes, the newer stays, whichever was first; of equal times the
 * one that comes. */
static void test_newer_stored_trigger_stays(void)
{
    static const struct {
        const char *event;
        int day;
        const char *stays;
    } steps[] = {{"e5", 5, "e5"}, {"e3", 3, "e5"}, {"e7", 7, "e7"}, {"f7", 7, "f7"}, {"e6", 6, "f7"}};
    char revision[64] = "";
    begin(say_ok, NULL);
    scripted_http_stop(&server);
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        feed_one("C1", steps[i].event, steps[i].day);
        CU_ASSERT_STRING_EQUAL(field(waiting_key, "event_id"), steps[i].stays);
        CU_ASSERT_EQUAL(strlen(field(waiting_key, "revision")), 16);
        CU_ASSERT_STRING_NOT_EQUAL(field(waiting_key, "revision"), revision); /* so that no older removal takes it */
        (void)snprintf(revision, sizeof revision, "%s", field(waiting_key, "revision"));
        CU_ASSERT_EQUAL(fake_host_counter(&fake, "predictions_coalesced") >= (int64_t)i, 1);
    }
    CU_ASSERT_EQUAL(memory_store_count(&store, "prediction-request:"), 1);
    end();
}

/* What lies under the key and is no trigger that could be served gives way. */
static void test_what_is_no_trigger_is_replaced(void)
{
    static const churn_pair rubbish[] = {{.name = {.ptr = "x", .len = 1}, .value = {.ptr = "y", .len = 1}}};
    begin(say_ok, NULL);
    for (int i = 0; i < 3; i++) {
        CU_ASSERT_TRUE_FATAL(memory_store_merge(&store, str(waiting_key), rubbish, 1));
    }
    feed_one("C1", "e1", 1);
    CU_ASSERT_TRUE(drained(5000));
    CU_ASSERT_STRING_EQUAL(field("prediction:C1", "event_id"), "e1");
    CU_ASSERT_EQUAL(fake_host_counter(&fake, "predictions_coalesced"), 0);
    end();
}

static atomic_int put_count, refusals_left;

static int32_t count_put(void *session, const churn_put *put, churn_error *err)
{
    atomic_fetch_add(&put_count, 1);
    return memory_store_ops.put(session, put, err);
}

static int32_t refuse_replies(void *session, churn_put_reply *replies, uint32_t max, uint32_t timeout_ms,
                              uint32_t *ret_count, churn_error *err)
{
    int32_t rc = memory_store_ops.poll(session, replies, max, timeout_ms, ret_count, err);
    for (uint32_t i = 0; rc == CHURN_OK && i < *ret_count && atomic_load(&refusals_left) > 0; i++) {
        replies[i].result = CHURN_RETRY;
        replies[i].message = "it says no";
        atomic_fetch_sub(&refusals_left, 1);
    }
    return rc;
}

/* A store that refuses writes for now is asked again after a pause, until it takes the trigger. */
static void test_store_refuses_for_a_while(void)
{
    churn_record record = trigger(0, "C1", "e1", 1);
    churn_store_ops refusing = memory_store_ops;
    churn_error err = {.size = sizeof err};
    int64_t begun;
    uint32_t n;
    refusing.put = count_put;
    refusing.poll = refuse_replies;
    memory_store_init(&store);
    fake_host_init(&fake);
    fake.store = &refusing;
    fake.store_self = &store;
    scripted_http_start(&server, 0, say_ok, NULL);
    scripted_http_stop(&server);
    start_sink();
    atomic_store(&put_count, 0);
    atomic_store(&refusals_left, 3);
    begun = fake.host.monotonic_ms(&fake.host);
    CU_ASSERT_EQUAL(ops()->write(self, &record, 1, &n, &err), CHURN_OK);
    CU_ASSERT_EQUAL(ops()->poll(self, done, 10, 0, &n, &err), CHURN_OK);
    CU_ASSERT_EQUAL(n, 0);
    for (int i = 0; i < 2000 && n == 0; i++) {
        CU_ASSERT_EQUAL(ops()->poll(self, done, 10, 20, &n, &err), CHURN_OK);
    }
    CU_ASSERT_EQUAL(n, 1);
    CU_ASSERT_EQUAL(done[0].result, CHURN_OK);
    CU_ASSERT_EQUAL(atomic_load(&put_count), 4);
    CU_ASSERT_TRUE(fake.host.monotonic_ms(&fake.host) - begun >= 500);
    CU_ASSERT_EQUAL(memory_store_count(&store, "prediction-request:"), 1);
    end();
}

static void test_restart_serves_what_waits(void)
{
    int port;
    begin(say_ok, NULL);
    port = server.port;
    scripted_http_stop(&server);
    for (unsigned i = 0; i < 7; i++) {
        char customer[16];
        (void)snprintf(customer, sizeof customer, "C%u", i);
        feed_one(customer, "e1", 1);
    }
    stop_sink();
    CU_ASSERT_EQUAL(memory_store_count(&store, "prediction-request:"), 7);
    scripted_http_free(&server);
    scripted_http_start(&server, port, say_ok, NULL);
    start_sink();
    CU_ASSERT_TRUE(drained(5000)); /* without a word from the worker */
    CU_ASSERT_TRUE(queue_is_empty());
    CU_ASSERT_EQUAL(memory_store_count(&store, "prediction:"), 7);
    end();
}

static void test_outage_of_the_store(void)
{
    churn_error err = {.size = sizeof err};
    churn_record record = trigger(1, "C2", "e2", 1);
    uint32_t n;
    begin(say_slowly, NULL);
    feed_one("C1", "e1", 1);
    wait_until(one_request, 2000);
    atomic_store(&store.out, 1); /* the answer comes while the store is away */
    CU_ASSERT_EQUAL(ops()->write(self, &record, 1, &n, &err), CHURN_OK);
    CU_ASSERT_EQUAL(n, 1);
    CU_ASSERT_EQUAL(ops()->poll(self, done, 10, 300, &n, &err), CHURN_OK);
    CU_ASSERT_EQUAL(n, 0);
    atomic_store(&store.out, 0);
    for (int i = 0; i < 200 && n == 0; i++) {
        CU_ASSERT_EQUAL(ops()->poll(self, done, 10, 20, &n, &err), CHURN_OK);
    }
    CU_ASSERT_EQUAL(n, 1);
    CU_ASSERT_TRUE(drained(5000));
    CU_ASSERT_EQUAL(memory_store_count(&store, "prediction:"), 2);
    CU_ASSERT_EQUAL(scripted_http_count(&server), 2); /* the answer at hand was kept */
    end();
}

static void test_broken_store_stops_the_pipeline(void)
{
    churn_error err = {.size = sizeof err};
    int32_t rc = CHURN_OK;
    uint32_t n;
    begin(say_ok, NULL);
    feed_one("C1", "e1", 1);
    atomic_store(&store.broken, 1);
    for (int i = 0; i < 200 && rc == CHURN_OK; i++) {
        rc = ops()->poll(self, done, 10, 0, &n, &err);
        (void)usleep(10000);
    }
    CU_ASSERT_EQUAL(rc, CHURN_FATAL);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.message, "broken for good"));
    end();
}

static void test_many_customers(void)
{
    static churn_record records[1500];
    begin(say_ok, NULL);
    for (unsigned i = 0; i < 1500; i++) {
        char customer[16], event[16];
        (void)snprintf(customer, sizeof customer, "C%u", i);
        (void)snprintf(event, sizeof event, "e%u", i);
        records[i] = trigger(i, customer, event, 1);
    }
    feed(records, 1500);
    CU_ASSERT_TRUE(drained(30000));
    CU_ASSERT_EQUAL(memory_store_count(&store, "prediction:"), 1500);
    CU_ASSERT_TRUE(queue_is_empty());
    CU_ASSERT_TRUE(scripted_http_count(&server) >= 1500);
    CU_ASSERT_TRUE(server.asking_max <= 4);
    CU_ASSERT_EQUAL(fake_host_counter(&fake, "predictions_answered"), 1500);
    end();
}

static void test_malformed_trigger(void)
{
    churn_record records[2] = {trigger(0, "C1", "e1", 1), {.value = str("{\"request_id\":7}"), .id = 1}};
    begin(say_ok, NULL);
    feed(records, 2);
    for (int i = 0; i < 2; i++) {
        CU_ASSERT_EQUAL(done[i].result, done[i].id == 1 ? CHURN_REJECT : CHURN_OK);
    }
    CU_ASSERT_TRUE(drained(3000));
    end();
}

static int stalled_on_queue(void)
{
    return fake_host_stalled(&fake, "queue", NULL);
}

static int one_prediction(void)
{
    return memory_store_count(&store, "prediction:") == 1;
}

#define FIND_COORDINATOR 10 /* Kafka's number of the request */

/* A queue that may not be read is said while it lasts; predictions go on once it may be. */
static void test_queue_that_may_not_be_read(void)
{
    struct cluster kafka = cluster_new(1, "churn-prediction-requests", 2);
    char message[512];
    (void)rd_kafka_mock_topic_create(kafka.mock, "churn-predictions", 1, 1);
    (void)rd_kafka_mock_topic_create(kafka.mock, "churn-dead-letters", 1, 1);
    memory_store_init(&store);
    fake_host_init(&fake);
    fake.host.pipeline = "p";
    fake.store = &memory_store_ops;
    fake.store_self = &store;
    scripted_http_start(&server, 0, say_ok, NULL);
    self = fake_instance_new(plugin, "url", server.url, "brokers", kafka.brokers, NULL);
    for (int i = 0; i < 2; i++) {
        rd_kafka_mock_push_request_errors(kafka.mock, FIND_COORDINATOR, 1,
                                          RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED);
    }
    {
        churn_error err = {.size = sizeof err};
        CU_ASSERT_EQUAL_FATAL(ops()->create(self, &fake.host, &err), CHURN_OK);
        CU_ASSERT_EQUAL_FATAL(ops()->start(self, &err), CHURN_OK);
    }
    wait_until(stalled_on_queue, 30000);
    (void)fake_host_stalled(&fake, "queue", message);
    CU_ASSERT_PTR_NOT_NULL(strstr(message, "lacks READ on the group `p-predictions`"));
    feed_one("C1", "e1", 1);
    wait_until(one_prediction, 30000);
    CU_ASSERT_FALSE(stalled_on_queue());
    stop_sink();
    scripted_http_free(&server);
    memory_store_free(&store);
    cluster_free(&kafka);
}

static void refused(const char *option, void *instance)
{
    churn_error err = {.size = sizeof err};
    CU_ASSERT_EQUAL(ops()->create(instance, &fake.host, &err), CHURN_FATAL);
    CU_ASSERT_STRING_EQUAL(err.option, option);
    CU_ASSERT_PTR_NULL(strstr(err.message, "s3cret"));
    fake_instance_free(plugin, instance);
}

static void test_options_are_checked(void)
{
    fake_host_init(&fake);
    refused("url", fake_instance_new(plugin, "url", "localhost:5000", NULL));
    refused("url", fake_instance_new(plugin, "url", "file:///etc/passwd", NULL));
    refused("url", fake_instance_new(plugin, "url", "http://u:s3cret@h/", NULL));
    refused("token", fake_instance_new(plugin, "url", "http://h/", "token", "s3cret\n", NULL));
    refused("brokers", fake_instance_new(plugin, "url", "http://h/", "queue", "kafka", NULL));
    refused("queue_topic", fake_instance_new(plugin, "url", "http://h/", "brokers", "127.0.0.1:1", "queue_topic",
                                             "churn-predictions", NULL));
    refused("properties.group.id",
            fake_instance_new(plugin, "url", "http://h/", "brokers", "127.0.0.1:1", "properties", "group.id=x", NULL));
}

static void test_a_server_store_needs_kafka(void)
{
    churn_store_ops server_ops = memory_store_ops;
    churn_error err = {.size = sizeof err};
    server_ops.embedded = 0;
    memory_store_init(&store);
    fake_host_init(&fake);
    fake.store = &server_ops;
    fake.store_self = &store;
    self = fake_instance_new(plugin, "url", "http://127.0.0.1:1", NULL);
    CU_ASSERT_EQUAL(ops()->create(self, &fake.host, &err), CHURN_OK);
    CU_ASSERT_EQUAL(ops()->start(self, &err), CHURN_FATAL);
    CU_ASSERT_STRING_EQUAL(err.option, "queue");
    CU_ASSERT_PTR_NOT_NULL(strstr(err.message, "brokers"));
    ops()->destroy(self);
    fake_instance_free(plugin, self);
    memory_store_free(&store);
}

int main(void)
{
    CU_TestInfo tests[] = {TEST(test_answers_reach_the_store),
                           TEST(test_bad_answers_are_tried_again),
                           TEST(test_endless_answers_are_cut),
                           TEST(test_probe_of_endless_answers),
                           TEST(test_dripping_answers_are_cut),
                           TEST(test_slow_store_is_not_blamed_on_the_api),
                           TEST(test_dead_api_opens_the_breaker),
                           TEST(test_drain_ends_while_the_api_hangs),
                           TEST(test_refused_request_is_given_up),
                           TEST(test_trigger_during_a_request),
                           TEST(test_newest_waiting_trigger_wins),
                           TEST(test_newer_stored_trigger_stays),
                           TEST(test_what_is_no_trigger_is_replaced),
                           TEST(test_store_refuses_for_a_while),
                           TEST(test_restart_serves_what_waits),
                           TEST(test_outage_of_the_store),
                           TEST(test_broken_store_stops_the_pipeline),
                           TEST(test_many_customers),
                           TEST(test_malformed_trigger),
                           TEST(test_queue_that_may_not_be_read),
                           TEST(test_options_are_checked),
                           TEST(test_a_server_store_needs_kafka),
                           CU_TEST_INFO_NULL};
    int status;
    (void)curl_global_init(CURL_GLOBAL_DEFAULT);
    plugin = fake_plugin_load("sink", "prediction");
    status = run_tests("sink prediction", tests);
    curl_global_cleanup();
    return status;
}
