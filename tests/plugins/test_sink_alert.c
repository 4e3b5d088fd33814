/* The sink `alert`: the log's limit, and a webhook that misbehaves in every way. */
#include "cunit_main.h"
#include "fake_host.h"
#include "scripted_http.h"

#include <churn/sink.h>
#include <curl/curl.h>
#include <stdatomic.h>
#include <stdlib.h>

static struct fake_host fake;
static struct scripted_http server;
static const churn_plugin *plugin;
static void *self;
static char texts[1100][256];

static const churn_sink_ops *ops(void)
{
    return plugin->ops;
}

static void begin(void *instance)
{
    churn_error err = {.size = sizeof err};
    self = instance;
    CU_ASSERT_EQUAL_FATAL(ops()->create(self, &fake.host, &err), CHURN_OK);
    CU_ASSERT_EQUAL_FATAL(ops()->start(self, &err), CHURN_OK);
}

/* What the host says of customers who are forgotten; NULL: nothing. */
static int32_t (*forgets)(const churn_forgettable *what);

static void begin_webhook(scripted_fn script, void *ctx, const char *timeout)
{
    char url[96];
    fake_host_init(&fake);
    fake.forgotten = forgets;
    scripted_http_start(&server, 0, script, ctx);
    (void)snprintf(url, sizeof url, "%s/hook?key=secret", server.url);
    begin(fake_instance_new(plugin, "to", "webhook", "webhook_url", url, "webhook_timeout", timeout, "retry_min",
                            "10ms", "retry_max", "40ms", "webhook_headers", "X-Key=abc,X-Empty=", NULL));
}

static void end(void)
{
    ops()->stop(self, 100);
    ops()->destroy(self);
    fake_instance_free(plugin, self);
    if (server.port != 0) {
        scripted_http_free(&server);
        server.port = 0;
    }
}

static churn_record alert(unsigned n, uint32_t severity)
{
    (void)snprintf(
        texts[n], sizeof texts[n],
        "{\"alert_id\":\"a%u\",\"severity\":\"critical\",\"event_id\":\"e%u\",\"event_type\":\"payment_failed\","
        "\"customer_id\":\"C%u\",\"timestamp\":\"2026-01-01T00:00:00.000Z\",\"message\":\"Payment of %u\\n"
        "failed\",\"data\":{\"iban\":\"DE00\"}}",
        n, n, n, n);
    return (churn_record){
        .kind = CHURN_RECORD_ALERT, .key = str("C"), .value = str(texts[n]), .severity = severity, .id = 5000u + n};
}

static uint32_t write_records(const churn_record *records, uint32_t count)
{
    churn_error err = {.size = sizeof err};
    uint32_t taken = 0;
    CU_ASSERT_EQUAL(ops()->write(self, records, count, &taken, &err), CHURN_OK);
    return taken;
}

/* Polls until `count` answers came or `timeout_ms` is over. */
static uint32_t collect(churn_done *done, uint32_t count, int timeout_ms)
{
    churn_error err = {.size = sizeof err};
    int64_t until = fake.host.monotonic_ms(&fake.host) + timeout_ms;
    uint32_t n = 0, more = 0;
    while (n < count && fake.host.monotonic_ms(&fake.host) < until) {
        CU_ASSERT_EQUAL(ops()->poll(self, done + n, count - n, 20, &more, &err), CHURN_OK);
        n += more;
    }
    return n;
}

static void look_once(void)
{
    churn_error err = {.size = sizeof err};
    churn_done done;
    uint32_t count = 0;
    CU_ASSERT_EQUAL(ops()->poll(self, &done, 1, 0, &count, &err), CHURN_OK);
    CU_ASSERT_EQUAL(count, 0);
}

static void test_log(void)
{
    churn_record records[20];
    churn_done done[20];
    fake_host_init(&fake);
    fake.monotonic_ms = 1000;
    begin(fake_instance_new(plugin, "log_per_second", "3", NULL));
    for (unsigned i = 0; i < 20; i++) {
        records[i] = alert(i, i == 0 ? CHURN_SEVERITY_INFO : CHURN_SEVERITY_CRITICAL);
    }
    CU_ASSERT_EQUAL(write_records(records, 1), 1);
    CU_ASSERT_EQUAL(fake.last_level, CHURN_LOG_INFO);
    CU_ASSERT_EQUAL(write_records(records + 1, 1), 1);
    CU_ASSERT_EQUAL(fake.last_level, CHURN_LOG_WARN);
    CU_ASSERT_STRING_EQUAL(fake.last_log, "alert critical: Payment of 1 failed (customer C1, event e1)");
    CU_ASSERT_EQUAL(write_records(records + 2, 18), 18);
    CU_ASSERT_EQUAL(collect(done, 20, 500), 20);
    CU_ASSERT_EQUAL(done[19].result, CHURN_OK);
    CU_ASSERT_EQUAL(fake.log_lines, 3);
    CU_ASSERT_EQUAL(fake_host_counter(&fake, "alerts_suppressed_in_log"), 17);
    CU_ASSERT_EQUAL(fake_host_counter(&fake, "alerts_info"), 1);
    CU_ASSERT_EQUAL(fake_host_counter(&fake, "alerts_critical"), 19);
    fake.monotonic_ms = 1999;
    look_once();
    CU_ASSERT_EQUAL(fake.log_lines, 3);
    fake.monotonic_ms = 2000;
    look_once();
    CU_ASSERT_STRING_EQUAL(fake.last_log, "... 17 more alerts not shown");
    end();
}

static void say_ok(void *ctx, unsigned number, const char *head, const char *body, struct scripted_reply *reply)
{
    (void)ctx;
    (void)number;
    (void)body;
    (void)reply;
    CU_ASSERT_EQUAL(strncmp(head, "POST /hook?key=secret HTTP/1.1\r\n", 32), 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(head, "Content-Type: application/json\r\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(head, "X-Key: abc\r\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(head, "X-Empty:\r\n"));
    reply->delay_ms = 2;
}

static void test_webhook_gets_each_alert(void)
{
    static churn_record records[1100];
    static churn_done done[1100];
    uint32_t taken, answered;
    unsigned seen = 0;
    begin_webhook(say_ok, NULL, "5s");
    for (unsigned i = 0; i < 1100; i++) {
        records[i] = alert(i, CHURN_SEVERITY_WARNING);
    }
    taken = write_records(records, 1100);
    CU_ASSERT_TRUE(taken >= 256 && taken < 1100); /* full */
    answered = collect(done, taken, 10000);
    taken += write_records(records + taken, 1100 - taken);
    CU_ASSERT_EQUAL(taken, 1100);
    answered += collect(done + answered, taken - answered, 10000);
    CU_ASSERT_EQUAL(answered, 1100);
    for (unsigned i = 0; i < 1100; i++) {
        CU_ASSERT_EQUAL(done[i].result, CHURN_OK);
        seen += (unsigned)(done[i].id - 5000);
    }
    CU_ASSERT_EQUAL(seen, 1100 * 1099 / 2);
    CU_ASSERT_EQUAL(scripted_http_count(&server), 1100);
    CU_ASSERT_TRUE(server.connections <= 4); /* kept alive */
    CU_ASSERT_EQUAL(server.asking_max, 4);
    end();
}

/* Each alert's answer depends on its attempt. */
static void misbehave(void *ctx, unsigned number, const char *head, const char *body, struct scripted_reply *reply)
{
    (void)ctx;
    (void)head;
    (void)body;
    switch (number) {
    case 0:
        reply->status = 500;
        break;
    case 1:
        reply->status = 0;
        break;
    case 2:
        reply->delay_ms = 400; /* beyond the timeout */
        break;
    case 3:
        reply->status = 302;
        (void)strcpy(reply->headers, "Location: http://127.0.0.1:1/\r\n");
        break;
    case 4:
        reply->padding = 100000; /* too large an answer */
        break;
    case 5:
        reply->status = 401;
        break;
    case 6:
        reply->status = 429;
        (void)strcpy(reply->headers, "Retry-After: 1\r\n");
        break;
    case 7:
        reply->raw = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n";
        reply->flood = "X-More: and more\r\n"; /* trailers without an end */
        break;
    case 8:
        reply->raw = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n";
        reply->flood = "X: y\r\n";
        reply->drip_ms = 20;
        break;
    default:
        reply->status = 204;
    }
}

static void test_webhook_outages_are_waited_out(void)
{
    churn_record record;
    churn_done done[1];
    int64_t begun;
    begin_webhook(misbehave, NULL, "200ms");
    record = alert(0, CHURN_SEVERITY_INFO);
    begun = fake.host.monotonic_ms(&fake.host);
    CU_ASSERT_EQUAL(write_records(&record, 1), 1);
    CU_ASSERT_EQUAL(collect(done, 1, 10000), 1);
    CU_ASSERT_EQUAL(done[0].result, CHURN_OK);
    CU_ASSERT_EQUAL(done[0].id, 5000);
    CU_ASSERT_EQUAL(scripted_http_count(&server), 10);
    CU_ASSERT_TRUE(fake.host.monotonic_ms(&fake.host) - begun >= 1200); /* two time-outs and Retry-After */
    for (unsigned i = 1; i < 10; i++) {
        CU_ASSERT_STRING_EQUAL_FATAL(server.bodies[i] != NULL ? server.bodies[i] : "", server.bodies[0]);
    }
    CU_ASSERT_PTR_NOT_NULL(strstr(fake.last_log, "works again"));
    CU_ASSERT_PTR_NULL(strstr(fake.last_log, "secret"));
    end();
}

static void refuse_odd(void *ctx, unsigned number, const char *head, const char *body, struct scripted_reply *reply)
{
    (void)ctx;
    (void)number;
    (void)head;
    if (strstr(body, "\"e1\"") != NULL) {
        reply->status = 422;
    }
}

static void test_webhook_refuses_an_alert(void)
{
    churn_record records[2] = {alert(0, CHURN_SEVERITY_WARNING), alert(1, CHURN_SEVERITY_WARNING)};
    churn_done done[2];
    begin_webhook(refuse_odd, NULL, "1s");
    CU_ASSERT_EQUAL(write_records(records, 2), 2);
    CU_ASSERT_EQUAL(collect(done, 2, 5000), 2);
    for (int i = 0; i < 2; i++) {
        CU_ASSERT_EQUAL(done[i].result, done[i].id == 5001 ? CHURN_REJECT : CHURN_OK);
        if (done[i].id == 5001) {
            CU_ASSERT_PTR_NOT_NULL(strstr(done[i].message, "422"));
        }
    }
    end();
}

static _Atomic int32_t verdict_on_g; /* CHURN_PENDING, 0 or 1 */

static int32_t judge_g(const churn_forgettable *what)
{
    int place =
        churn_equal(what->topic, str("t")) && what->partition == 3 && what->offset == 7 && what->timestamp_ms == 9;
    return churn_equal(what->customer_id, str("G")) && place ? atomic_load(&verdict_on_g) : 0;
}

static void fail_always(void *ctx, unsigned number, const char *head, const char *body, struct scripted_reply *reply)
{
    (void)ctx;
    (void)number;
    (void)head;
    (void)body;
    reply->status = 503;
}

/* The webhook is down, and would be tried for ever: an alert of a customer who is forgotten is let go of, as if it were
 * delivered, and another's is not. */
static void test_an_alert_is_given_up(void)
{
    churn_record records[2] = {alert(0, CHURN_SEVERITY_WARNING), alert(1, CHURN_SEVERITY_WARNING)};
    churn_done done[2];
    records[0].key = str("G");
    records[0].topic = records[1].topic = "t";
    records[0].partition = 3;
    records[0].offset = 7;
    records[0].timestamp_ms = 9;
    forgets = judge_g;
    atomic_store(&verdict_on_g, 0);
    begin_webhook(fail_always, NULL, "1s");
    CU_ASSERT_EQUAL(write_records(records, 2), 2);
    while (scripted_http_count(&server) < 4) {
        look_once();
    }
    atomic_store(&verdict_on_g, 1);
    CU_ASSERT_EQUAL(collect(done, 1, 10000), 1);
    CU_ASSERT(done[0].id == records[0].id && done[0].result == CHURN_OK);
    look_once();
    end();

    atomic_store(&verdict_on_g, CHURN_PENDING); /* nobody knows: it is not sent */
    begin_webhook(say_ok, NULL, "1s");
    CU_ASSERT_EQUAL(write_records(records, 2), 2);
    CU_ASSERT_EQUAL(collect(done, 1, 10000), 1);
    CU_ASSERT_EQUAL(done[0].id, records[1].id);
    CU_ASSERT_EQUAL(scripted_http_count(&server), 1);
    atomic_store(&verdict_on_g, 0);
    CU_ASSERT_EQUAL(collect(done, 1, 10000), 1);
    CU_ASSERT_EQUAL(scripted_http_count(&server), 2);
    end();
    forgets = NULL;
}

static void test_stop_with_requests_under_way(void)
{
    churn_record records[10];
    int64_t begun;
    int port;
    begin_webhook(misbehave, NULL, "5s");
    port = server.port;
    scripted_http_stop(&server);
    CU_ASSERT_TRUE(port > 0);
    for (unsigned i = 0; i < 10; i++) {
        records[i] = alert(i, CHURN_SEVERITY_WARNING);
    }
    CU_ASSERT_EQUAL(write_records(records, 10), 10);
    (void)collect((churn_done[10]){{0}}, 10, 100);
    CU_ASSERT_PTR_NOT_NULL(strstr(fake.last_log, "webhook"));
    CU_ASSERT_PTR_NULL(strstr(fake.last_log, "secret"));
    begun = fake.host.monotonic_ms(&fake.host);
    end();
    CU_ASSERT_TRUE(fake.host.monotonic_ms(&fake.host) - begun < 1000);
}

static void refused(const char *option, void *instance)
{
    churn_error err = {.size = sizeof err};
    CU_ASSERT_EQUAL(ops()->create(instance, &fake.host, &err), CHURN_FATAL);
    CU_ASSERT_STRING_EQUAL(err.option, option);
    fake_instance_free(plugin, instance);
}

static void test_options_are_checked(void)
{
    fake_host_init(&fake);
    refused("to", fake_instance_new(plugin, "to", "", NULL));
    refused("brokers", fake_instance_new(plugin, "to", "kafka", NULL));
    refused("webhook_url", fake_instance_new(plugin, "to", "webhook", NULL));
    refused("webhook_url", fake_instance_new(plugin, "to", "webhook", "webhook_url", "ftp://x/", NULL));
    refused("webhook_url", fake_instance_new(plugin, "to", "webhook", "webhook_url", "http://u:p@x/", NULL));
    refused("webhook_headers.A", fake_instance_new(plugin, "to", "webhook", "webhook_url", "http://x/",
                                                   "webhook_headers", "A=b\r\nC: d", NULL));
    refused("webhook_headers.A b",
            fake_instance_new(plugin, "to", "webhook", "webhook_url", "http://x/", "webhook_headers", "A b=c", NULL));
    refused("retry_max", fake_instance_new(plugin, "retry_min", "2s", "retry_max", "1s", NULL));
    refused("properties.no.such",
            fake_instance_new(plugin, "to", "kafka", "brokers", "127.0.0.1:1", "properties", "no.such=1", NULL));
}

int main(void)
{
    CU_TestInfo tests[] = {TEST(test_log),
                           TEST(test_webhook_gets_each_alert),
                           TEST(test_webhook_outages_are_waited_out),
                           TEST(test_webhook_refuses_an_alert),
                           TEST(test_an_alert_is_given_up),
                           TEST(test_stop_with_requests_under_way),
                           TEST(test_options_are_checked),
                           CU_TEST_INFO_NULL};
    int status;
    (void)curl_global_init(CURL_GLOBAL_DEFAULT);
    plugin = fake_plugin_load("sink", "alert");
    status = run_tests("sink alert", tests);
    curl_global_cleanup();
    return status;
}
