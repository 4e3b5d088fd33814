/* The serving thread of the sink `prediction`, turn by turn: a fake queue, API, producer and store, and the test's
 * clock. The thread stands in http_client_wait until the test lets it take its next turn. */
#include "../unit/no_leaks.h"
#include "fake_host.h"
#include "form.h"
#include "http_client.h"
#include "kafka_producer.h"
#include "memory_store.h"
#include "service.h"

#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>

#define REQUESTS_MAX 64

static struct fake_host fake;
static struct memory_store store;
static churn_store_ops ops;
static struct settings settings;
static struct counters counters;
static struct store_session session;
static struct service *service;
static churn_error err;
static _Atomic int64_t clock_now;

/* --- What happened, written down --- */

static char calls[8192];

__attribute__((format(printf, 1, 2))) static void note(const char *format, ...)
{
    size_t at = strlen(calls);
    va_list args;
    va_start(args, format);
    (void)vsnprintf(calls + at, sizeof calls - at, format, args);
    va_end(args);
    at = strlen(calls);
    (void)snprintf(calls + at, sizeof calls - at, "; ");
}

#define CHECK_CALLS(expected)                                                                                          \
    do {                                                                                                               \
        size_t len = strlen(calls);                                                                                    \
        calls[len > 2 ? len - 2 : 0] = '\0';                                                                           \
        if (strcmp(calls, expected) != 0) {                                                                            \
            (void)fprintf(stderr, "\n%s:%d: calls\n  %s\nexpected\n  %s\n", __FILE__, __LINE__, calls, expected);      \
            CU_FAIL("other calls than expected");                                                                      \
        }                                                                                                              \
        calls[0] = '\0';                                                                                               \
    } while (0)

static int64_t clock_ms(const churn_host *host)
{
    (void)host;
    return atomic_load(&clock_now);
}

/* --- Turns --- */

static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int taken, allowed; /* turns */
    int stopping;       /* the next wake lets it go */
    int free;           /* no turn waits */
    int wait_ms;        /* for which the thread would wait now */
    int others[3];      /* descriptors that would end it, beside the client's */
} pace = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

void http_client_wait(struct http_client *client, const struct pollfd *others, uint32_t count, int timeout_ms)
{
    (void)client;
    (void)pthread_mutex_lock(&pace.lock);
    for (uint32_t i = 0; i < count && i < COUNT(pace.others); i++) {
        pace.others[i] = others[i].fd;
    }
    atomic_fetch_add(&clock_now, pace.free ? timeout_ms : 0); /* it winds up */
    pace.wait_ms = timeout_ms;
    pace.taken++;
    (void)pthread_cond_broadcast(&pace.changed);
    while (!pace.free && pace.allowed < pace.taken) {
        (void)pthread_cond_wait(&pace.changed, &pace.lock);
    }
    (void)pthread_mutex_unlock(&pace.lock);
}

static int has_ended;

/* The thread takes one turn. */
static void turn(void)
{
    (void)pthread_mutex_lock(&pace.lock);
    pace.allowed++;
    (void)pthread_cond_broadcast(&pace.changed);
    while (pace.taken <= pace.allowed && !has_ended) {
        (void)pthread_cond_wait(&pace.changed, &pace.lock);
    }
    (void)pthread_mutex_unlock(&pace.lock);
}

/* Stops the service, which takes no turn before it knows. */
static int stop(int64_t deadline_ms)
{
    (void)pthread_mutex_lock(&pace.lock);
    pace.stopping = 1;
    (void)pthread_mutex_unlock(&pace.lock);
    return service_stop(service, deadline_ms);
}

void http_client_wake(struct http_client *client)
{
    (void)client;
    (void)pthread_mutex_lock(&pace.lock);
    pace.free = pace.stopping;
    (void)pthread_cond_broadcast(&pace.changed);
    (void)pthread_mutex_unlock(&pace.lock);
}

/* --- The API --- */

static struct {
    void *request;
    struct http_result result;
    int answered;
} requests[REQUESTS_MAX]; /* under way */
static uint32_t request_count;
static int32_t run_result;

struct http_client *http_client_new(const struct http_settings *s, churn_error *why)
{
    (void)why;
    note("http %u", s->concurrency);
    return (struct http_client *)(void *)&requests;
}

int32_t http_client_post(struct http_client *client, churn_str body, void *request, churn_error *why)
{
    (void)client;
    (void)why;
    note("post %.*s", (int)body.len, body.ptr);
    requests[request_count].answered = 0;
    requests[request_count++].request = request;
    return CHURN_OK;
}

int32_t http_client_run(struct http_client *client, http_done_fn done, void *arg, churn_error *why)
{
    (void)client;
    for (uint32_t i = 0; i < request_count;) {
        if (requests[i].answered) {
            void *request = requests[i].request;
            struct http_result result = requests[i].result;
            memmove(&requests[i], &requests[i + 1], (--request_count - i) * sizeof requests[0]);
            done(arg, request, &result);
        } else {
            i++;
        }
    }
    return run_result == CHURN_OK ? CHURN_OK : churn_fail(why, run_result, "http failed");
}

const char *http_client_origin(const struct http_client *client)
{
    (void)client;
    return "http://api";
}

void http_client_abort(struct http_client *client, void (*dropped)(void *request))
{
    (void)client;
    (void)dropped;
    note("abort %u", request_count);
}

void http_client_free(struct http_client *client)
{
    if (client != NULL) {
        note("http freed");
    }
}

/* Answers request number `i` of those under way in the next turn. */
static void answer(uint32_t i, struct http_result result)
{
    CU_ASSERT_FATAL(i < request_count);
    requests[i].answered = 1;
    requests[i].result = result;
}

#define GOOD ((struct http_result){.verdict = HTTP_DONE, .status = 200, .body = str("{\"churn_probability\":0.5}")})
#define OUTAGE(after)                                                                                                  \
    ((struct http_result){.verdict = HTTP_OUTAGE, .status = 503, .reason = "HTTP 503", .retry_after_ms = (after)})
#define FAULT ((struct http_result){.verdict = HTTP_FAULT, .status = 422, .reason = "HTTP 422"})

/* --- The producer --- */

static struct {
    const char *fails;    /* this topic cannot be made */
    int32_t full;         /* what a send answers instead; 0: it takes */
    churn_done sent[256]; /* reported by the next poll but where `held` */
    uint32_t count;
    int held;
    int32_t result; /* of the reports */
} producer;

struct kafka_producer *kafka_producer_new(const churn_host *host, const char *brokers, const churn_map *properties,
                                          const char *linger_ms, churn_error *why)
{
    (void)linger_ms;
    (void)host;
    (void)properties;
    (void)why;
    note("producer %s", brokers);
    return (void *)&producer;
}

int32_t kafka_producer_ensure_topic(struct kafka_producer *p, const char *topic, int32_t partitions,
                                    const char *const *config, churn_error *why)
{
    (void)p;
    note("topic %s %d%s", topic, (int)partitions, config != NULL ? " configured" : "");
    return producer.fails != NULL && strcmp(topic, producer.fails) == 0 ? churn_fail(why, CHURN_FATAL, "no topic")
                                                                        : CHURN_OK;
}

int32_t kafka_producer_send(struct kafka_producer *p, const char *topic, const churn_record *r, churn_error *why)
{
    (void)p;
    if (producer.full != 0) {
        return producer.full == CHURN_PENDING ? CHURN_PENDING : churn_fail(why, producer.full, "not sent");
    }
    note("send %s %.*s=%.*s", topic, (int)r->key.len, r->key.ptr, (int)r->value.len, r->value.ptr);
    for (uint32_t i = 0; i < r->header_count; i++) {
        note("%s: %.*s", r->headers[i].name, (int)r->headers[i].value.len, r->headers[i].value.ptr);
    }
    producer.sent[producer.count++] = (churn_done){.id = r->id, .result = producer.result};
    return CHURN_OK;
}

int kafka_producer_descriptor(struct kafka_producer *p)
{
    (void)p;
    return 78;
}

int32_t kafka_producer_poll(struct kafka_producer *p, churn_done *done, uint32_t max, uint32_t timeout_ms,
                            uint32_t *ret_count, churn_error *why)
{
    (void)p;
    (void)timeout_ms;
    (void)why;
    *ret_count = producer.held ? 0 : producer.count < max ? producer.count : max;
    memcpy(done, producer.sent, *ret_count * sizeof *done);
    producer.count -= *ret_count;
    memmove(producer.sent, producer.sent + *ret_count, producer.count * sizeof *done);
    return CHURN_OK;
}

void kafka_producer_free(struct kafka_producer *p, int64_t deadline_ms)
{
    if (p != NULL) {
        note("producer ends within %lld", (long long)deadline_ms);
    }
}

/* --- The queue --- */

static struct {
    struct {
        const char *customer, *event, *position;
    } rows[256]; /* to be read */
    uint32_t count;
    int more;
    int32_t read_result, remove_result;
    int64_t known; /* what count says */
    int empty;
    int revoked; /* all that was read is taken away with the next read */
} rows;

static int is_gone(const void *ctx, const struct token *token)
{
    (void)ctx;
    (void)token;
    return 1;
}

static int32_t read_rows(void *back, struct waiting *waiting, int *ret_more, churn_error *why)
{
    (void)back;
    *ret_more = rows.more;
    if (rows.revoked) {
        waiting_forget(waiting, is_gone, NULL);
        rows.revoked = 0;
    }
    for (uint32_t i = 0; i < rows.count && rows.read_result == CHURN_OK; i++) {
        const struct trigger texts = {.request_id = str(rows.rows[i].position),
                                      .customer_id = str(rows.rows[i].customer),
                                      .event_id = str(rows.rows[i].event),
                                      .event_type = str("login"),
                                      .timestamp = str("2026-01-01T00:00:00.000Z")};
        struct token token = {.partition = 1};
        (void)waiting_add(waiting, trigger_new(&texts), &token, clock_ms(NULL));
    }
    rows.count = rows.read_result == CHURN_OK ? 0 : rows.count;
    return rows.read_result != CHURN_OK ? churn_fail(why, rows.read_result, "not read") : CHURN_OK;
}

static int32_t remove_job(void *back, const struct job *job, churn_error *why)
{
    (void)back;
    if (rows.remove_result != CHURN_OK) {
        return churn_fail(why, rows.remove_result, "not removed");
    }
    note("remove %.*s %u", (int)job->trigger->event_id.len, job->trigger->event_id.ptr, job->token_count);
    return CHURN_OK;
}

static int32_t is_empty(void *back, int wrote, int *ret_empty, churn_error *why)
{
    (void)back;
    (void)why;
    note("empty? %d", wrote);
    *ret_empty = rows.empty;
    return CHURN_OK;
}

static int64_t count_rows(void *back, const struct waiting *waiting)
{
    (void)back;
    (void)waiting;
    return rows.known;
}

static void free_back(void *back, int64_t deadline_ms)
{
    (void)back;
    note("queue ends within %lld", (long long)deadline_ms);
    (void)pthread_mutex_lock(&pace.lock);
    has_ended = 1; /* nothing that the test looks at follows but the ending itself */
    (void)pthread_cond_broadcast(&pace.changed);
    (void)pthread_mutex_unlock(&pace.lock);
}

static int describe_back(void *back)
{
    (void)back;
    return 77;
}

static const struct queue_back_ops back_ops = {.read = read_rows,
                                               .descriptor = describe_back,
                                               .remove = remove_job,
                                               .is_empty = is_empty,
                                               .count = count_rows,
                                               .free = free_back};
static const struct queue queue = {.back_ops = &back_ops, .back = &rows};

static void arrives_from(const char *customer, const char *event, const char *position)
{
    rows.rows[rows.count].customer = customer;
    rows.rows[rows.count].position = position;
    rows.rows[rows.count++].event = event;
}

static void arrives(const char *customer, const char *event)
{
    arrives_from(customer, event, "t/0/1");
}

/* --- The store --- */

static int32_t write_result, get_result;

static int32_t write_hashes(void *s, const churn_hash *hashes, uint32_t count, churn_error *why)
{
    if (ops.embedded) { /* else by a thread of its own */
        note("write %u", count);
    }
    return write_result != CHURN_OK ? churn_fail(why, write_result, "not written")
                                    : memory_store_ops.write(s, hashes, count, why);
}

/* A server that takes calls and answers none while it is closed. */
static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int closed, gets;
} server = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static void set_server(int closed)
{
    (void)pthread_mutex_lock(&server.lock);
    server.closed = closed;
    (void)pthread_cond_broadcast(&server.changed);
    (void)pthread_mutex_unlock(&server.lock);
}

static int gets(void)
{
    int count;
    (void)pthread_mutex_lock(&server.lock);
    count = server.gets;
    (void)pthread_mutex_unlock(&server.lock);
    return count;
}

/* 60 s: it is not opened, as the thread that would do so waits for it. */
static void pass_server(void)
{
    struct timespec until;
    (void)clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 60;
    (void)pthread_mutex_lock(&server.lock);
    server.gets++;
    while (server.closed && pthread_cond_timedwait(&server.changed, &server.lock, &until) == 0) {
    }
    (void)pthread_mutex_unlock(&server.lock);
}

static int32_t get_hash(void *s, churn_str key, churn_fields_fn fn, void *ctx, churn_error *why)
{
    pass_server();
    return get_result != CHURN_OK ? churn_fail(why, get_result, "damaged") : memory_store_ops.get(s, key, fn, ctx, why);
}

static const char *stored(const char *key, const char *name)
{
    static char room[256];
    const char *text = memory_store_get(&store, key, name, room);
    return text != NULL ? text : "(none)";
}

/* --- The fixture --- */

static void prepare(const char *brokers)
{
    memory_store_init(&store);
    fake_host_init(&fake);
    fake.host.monotonic_ms = clock_ms;
    fake.host.name = "predict";
    fake.clock_ms = 1767225600000;
    atomic_store(&clock_now, 1000000);
    ops = memory_store_ops;
    ops.write = write_hashes;
    ops.get = get_hash;
    fake.store = &ops;
    fake.store_self = &store;
    write_result = get_result = run_result = CHURN_OK;
    memset(&producer, 0, sizeof producer);
    memset(&rows, 0, sizeof rows);
    request_count = 0;
    has_ended = pace.stopping = pace.free = pace.taken = pace.allowed = 0;
    calls[0] = '\0';
    err = (churn_error){.size = sizeof err};
    session = (struct store_session){0};
    settings = (struct settings){.model = {.name = "", .tensor = ""},
                                 .brokers = brokers,
                                 .topic = "predictions",
                                 .partitions = 4,
                                 .dead_letter_topic = "dead",
                                 .concurrency = 2,
                                 .timeout_ms = 5000,
                                 .retry_min_ms = 100,
                                 .retry_max_ms = 100,
                                 .breaker_failures = 2,
                                 .breaker_pause_ms = 1000,
                                 .max_attempts = 2,
                                 .alert = {.above = 1},
                                 .cache_prefix = "prediction:",
                                 .cache_ttl_ms = 3600000,
                                 .http = {.concurrency = 2}};
    counters = (struct counters){.requested = counter_new(&fake.host, "requested"),
                                 .answered = counter_new(&fake.host, "answered"),
                                 .failed = counter_new(&fake.host, "failed"),
                                 .waiting = counter_new(&fake.host, "waiting"),
                                 .coalesced = counter_new(&fake.host, "coalesced"),
                                 .dead_lettered = counter_new(&fake.host, "dead_lettered"),
                                 .unwanted = counter_new(&fake.host, "unwanted"),
                                 .recent = counter_new(&fake.host, "recent"),
                                 .forgotten = counter_new(&fake.host, "forgotten"),
                                 .letters = counter_new(&fake.host, "letters"),
                                 .letters_by_sink = counter_new(&fake.host, "letters_by_sink")};
    CU_ASSERT_EQUAL_FATAL(store_session_init(&session, &fake.host, "predictions", &err), CHURN_OK);
}

/* Started, and in its first wait. */
static void begin(const char *brokers)
{
    prepare(brokers);
    service = service_start(&fake.host, &settings, &counters, &queue, &session, &err);
    CU_ASSERT_PTR_NOT_NULL_FATAL(service);
    turn();
    calls[0] = '\0';
}

static void end(void)
{
    CU_ASSERT_TRUE(stop(8000));
    service_free(service);
    memory_store_free(&store);
}

static void later(int64_t ms)
{
    atomic_fetch_add(&clock_now, ms);
}

static int64_t counted(const char *name)
{
    return fake_host_counter(&fake, name);
}

#define BODY(customer, event)                                                                                          \
    "{\"request_id\":\"t/0/1\",\"customer_id\":\"" customer "\",\"trigger\":{\"event_id\":\"" event                    \
    "\",\"event_type\":\"login\",\"timestamp\":\"2026-01-01T00:00:00.000Z\"}"
#define POST(customer, event) "post " BODY(customer, event) ",\"profile\":{}}"

/* --- The tests --- */

static void test_starting(void)
{
    prepare("b");
    producer.fails = "predictions";
    CU_ASSERT_PTR_NULL(service_start(&fake.host, &settings, &counters, &queue, &session, &err));
    CHECK_CALLS("http 2; producer b; topic predictions 4; producer ends within 0; http freed");
    producer.fails = "dead";
    CU_ASSERT_PTR_NULL(service_start(&fake.host, &settings, &counters, &queue, &session, &err));
    CHECK_CALLS("http 2; producer b; topic predictions 4; topic dead 0; producer ends within 0; http freed");
    memory_store_free(&store);
    begin("");
    CU_ASSERT_EQUAL(service_check(service, &err), CHURN_OK);
    CU_ASSERT_TRUE(stop(8000));
    CHECK_CALLS("abort 0; queue ends within 6000");
    CU_ASSERT_TRUE(stop(8000)); /* once more */
    service_free(service);
    CHECK_CALLS("http freed");
    service_free(NULL);
    memory_store_free(&store);
}

/* A trigger's way: asked for, published, cached, removed; what is cached was told. */
static void test_a_prediction(void)
{
    begin("b");
    settings.model.name = "churn";
    settings.cache_features = 1;
    memory_store_set(&store, "profile:C", "events_total", "3", NULL);
    arrives("C", "e1");
    turn();
    CHECK_CALLS("post " BODY("C", "e1") ",\"profile\":{\"events_total\":3}}");
    CU_ASSERT_EQUAL(pace.wait_ms, 20);
    answer(0, (struct http_result){.verdict = HTTP_DONE,
                                   .body = str("{\"churn_probability\":0.25,\"risk_level\":\"low\","
                                               "\"model_version\":\"7\"}")});
    producer.held = 1;
    turn();
    CHECK_CALLS(
        "send predictions C={\"request_id\":\"t/0/1\",\"customer_id\":\"C\",\"churn_probability\":0.25,"
        "\"risk_level\":\"low\",\"model\":\"churn\",\"model_version\":\"7\",\"predicted_at\":\"2026-01-01T00:00:00.000Z\","
        "\"event_id\":\"e1\",\"event_type\":\"login\",\"timestamp\":\"2026-01-01T00:00:00.000Z\","
        "\"features\":{\"events_total\":3}}");
    CU_ASSERT_EQUAL(pace.wait_ms, 20);
    CU_ASSERT_EQUAL(pace.others[1], 78); /* its report ends the wait */
    CU_ASSERT_STRING_EQUAL(stored("prediction:C", "churn_probability"), "(none)");
    CU_ASSERT_EQUAL(counted("answered"), 0);
    producer.held = 0;
    turn();
    CHECK_CALLS("write 1; remove e1 1");
    CU_ASSERT_STRING_EQUAL(stored("prediction:C", "features"), "{\"events_total\":3}");
    CU_ASSERT_STRING_EQUAL(stored("prediction:C", "churn_probability"), "0.25");
    CU_ASSERT_STRING_EQUAL(stored("prediction:C", "event_id"), "e1");
    CU_ASSERT_EQUAL(memory_store_ttl(&store, "prediction:C"), 3600000);
    CU_ASSERT_EQUAL(counted("answered"), 1);
    CU_ASSERT_EQUAL(counted("failed") + counted("dead_lettered") + counted("letters"), 0);
    CU_ASSERT_EQUAL(pace.wait_ms, 20);
    end();
}

#define PUBLISHED                                                                                                      \
    "send predictions C={\"request_id\":\"t/0/1\",\"customer_id\":\"C\",\"churn_probability\":0.5,"                    \
    "\"predicted_at\":\"2026-01-01T00:00:00.000Z\",\"event_id\":\"e1\",\"event_type\":\"login\","                      \
    "\"timestamp\":\"2026-01-01T00:00:00.000Z\",\"features\":{}}"

/* What the API does not say is left out. What Kafka refuses is neither cached nor removed: it is sent again, and as it
 * takes up a request's place, no more is asked for than can be told. */
static void test_a_prediction_that_is_not_published(void)
{
    char said[512];
    begin("b");
    settings.concurrency = 1;
    producer.result = CHURN_REJECT;
    arrives("C", "e1");
    turn();
    answer(0, GOOD);
    calls[0] = '\0';
    turn();
    CHECK_CALLS(PUBLISHED);
    turn();
    arrives("D", "d1");
    CU_ASSERT_TRUE(fake_host_stalled(&fake, "publishing", said));
    CU_ASSERT_STRING_EQUAL(
        said, "Kafka refuses what is to be published to predictions (refused); it waits, and is tried again");
    later(99);
    turn();
    turn();
    CHECK_CALLS("");
    later(1);
    producer.result = CHURN_OK;
    turn();
    CHECK_CALLS(PUBLISHED);
    CU_ASSERT_STRING_EQUAL(stored("prediction:C", "churn_probability"), "(none)");
    turn();
    CHECK_CALLS(POST("D", "d1") "; write 1; remove e1 1");
    CU_ASSERT_FALSE(fake_host_stalled(&fake, "publishing", NULL));
    CU_ASSERT_EQUAL(counted("answered"), 1);
    end();
}

/* Begins with an answer about C that rises above the threshold and was published. */
static void begin_above(int shadow)
{
    begin("b");
    fake.alerts_heard = 1;
    settings.shadow = shadow;
    settings.alert = (struct crossing_rule){.above = 0.4, .clear_below = 0.4, .severity = 1};
    (void)memory_store_merge(&store, str("profile:C"), NULL, 0);
    arrives("C", "e1");
    turn();
    answer(0, GOOD);
    calls[0] = '\0';
    turn();
    CHECK_CALLS(PUBLISHED);
}

/* A score that crosses is published, told, noted in the profile, and cached, in this order. */
static void test_a_crossing_is_told_before_it_is_cached(void)
{
    begin_above(0);
    CU_ASSERT_EQUAL(fake.alert_count, 0);
    turn();
    CHECK_CALLS("");
    CU_ASSERT_EQUAL(fake.alert_count, 1);
    CU_ASSERT_PTR_NOT_NULL(strstr(fake.alerts[0].text, "crossing:predict:C:1 score C "));
    turn();
    CHECK_CALLS("");
    CU_ASSERT_STRING_EQUAL(stored("profile:C", "_c:predict"), "(none)");
    fake.alerts[0].answered = 1;
    turn();
    CHECK_CALLS("write 1; remove e1 1");
    CU_ASSERT_STRING_EQUAL(stored("profile:C", "_c:predict"), "above 1 1");
    CU_ASSERT_EQUAL(fake.alert_count, 1);
    CU_ASSERT_EQUAL(counted("answered"), 1);
    end();
}

/* A second model's answer is published, and nothing else becomes of it. */
static void test_a_shadow_is_published_alone(void)
{
    begin_above(1);
    turn();
    CHECK_CALLS("remove e1 1");
    CU_ASSERT_EQUAL(fake.alert_count, 0);
    CU_ASSERT_STRING_EQUAL(stored("prediction:C", "churn_probability"), "(none)");
    CU_ASSERT_EQUAL(counted("answered"), 1);
    end();
}

/* A profile that was read ahead, and whose request had to wait for another one, is read again. */
static void test_a_profile_that_waited_is_read_again(void)
{
    begin("");
    settings.concurrency = 1;
    memory_store_set(&store, "profile:B", "order_count", "1", NULL);
    arrives("A", "a");
    arrives("B", "b");
    turn();
    CHECK_CALLS(POST("A", "a"));
    memory_store_set(&store, "profile:B", "order_count", "2", NULL);
    later(1001);
    answer(0, GOOD);
    turn();
    turn();
    CHECK_CALLS("write 1; remove a 1; post " BODY("B", "b") ",\"profile\":{\"order_count\":2}}");
    end();
}

/* What waits for Kafka to take it is left in the queue when the service stops. */
static void test_what_is_not_published_stays_in_the_queue(void)
{
    begin("b");
    producer.result = CHURN_REJECT;
    arrives("C", "e1");
    turn();
    answer(0, GOOD);
    turn();
    turn();
    calls[0] = '\0';
    CU_ASSERT_TRUE(stop(8000));
    CHECK_CALLS("abort 0; queue ends within 6000; producer ends within 0");
    service_free(service);
    memory_store_free(&store);
}

/* --- What is not asked about --- */

static churn_when_subject judged;
static char judged_type[32], judged_score[64], judged_field[64];

static int32_t holds_if_three(const churn_when_subject *subject)
{
    judged = *subject; /* its texts go with the job */
    (void)snprintf(judged_type, sizeof judged_type, "%.*s", (int)subject->event_type.len, subject->event_type.ptr);
    (void)snprintf(judged_score, sizeof judged_score, "%.*s", (int)subject->score.len, subject->score.ptr);
    judged_field[0] = '\0';
    for (uint32_t i = 0; i < subject->count; i++) {
        if (churn_equal(subject->fields[i].name, str("order_count"))) {
            (void)snprintf(judged_field, sizeof judged_field, "%.*s", (int)subject->fields[i].value.len,
                           subject->fields[i].value.ptr);
        }
    }
    return strcmp(judged_field, "3") == 0;
}

/* The condition sees the profile that the request would carry, and the newest prediction where it asks for that. */
static void test_a_trigger_that_is_not_wanted(void)
{
    begin("b");
    fake.when_asks = CHURN_WHEN_PROFILE | CHURN_WHEN_SCORE;
    fake.when_holds = holds_if_three;
    memory_store_set(&store, "profile:C", "order_count", "2", NULL);
    memory_store_set(&store, "prediction:C", "churn_probability", "0.75", "predicted_at", "2025-12-31T23:00:00.000Z",
                     "event_id", "e0", NULL);
    arrives("C", "e1");
    turn();
    CHECK_CALLS("remove e1 1");
    CU_ASSERT_EQUAL(counted("unwanted"), 1);
    CU_ASSERT_EQUAL(counted("dead_lettered") + counted("letters") + counted("answered") + counted("failed"), 0);
    CU_ASSERT_STRING_EQUAL(judged_score, "0.75");
    CU_ASSERT_EQUAL(judged.score_age_ms, 3600000);
    CU_ASSERT_STRING_EQUAL(judged_type, "login");
    CU_ASSERT_EQUAL(judged.timestamp_ms, 1767225600000);
    memory_store_set(&store, "profile:C", "order_count", "3", NULL);
    arrives("C", "e2");
    turn();
    CHECK_CALLS("post " BODY("C", "e2") ",\"profile\":{\"order_count\":3}}");
    end();
}

/* A prediction that is young enough stands for those of other events, but not for a trigger that is served again. */
static void test_a_recent_prediction_stands(void)
{
    begin("");
    settings.min_interval_ms = 3600000;
    memory_store_set(&store, "prediction:C", "churn_probability", "0.75", "predicted_at", "2025-12-31T23:00:00.001Z",
                     "event_id", "e0", NULL);
    arrives("C", "e1");
    turn();
    CHECK_CALLS("remove e1 1");
    CU_ASSERT_EQUAL(counted("recent"), 1);
    arrives("C", "e0");
    turn();
    CHECK_CALLS(POST("C", "e0"));
    answer(0, GOOD);
    turn();
    CHECK_CALLS("write 1; remove e0 1");
    memory_store_set(&store, "prediction:D", "churn_probability", "0.75", "predicted_at", "2025-12-31T23:00:00.000Z",
                     "event_id", "e0", NULL);
    arrives("D", "d1");
    arrives("E", "f1"); /* without any */
    turn();
    CHECK_CALLS(POST("D", "d1") "; " POST("E", "f1"));
    CU_ASSERT_EQUAL(counted("recent"), 1);
    end();
}

/* --- Customers who are forgotten --- */

static _Atomic int64_t forgotten_below; /* in t/0, of customer G */
static _Atomic int is_unsure;

static int32_t covers_g(const churn_forgettable *what)
{
    return atomic_load(&is_unsure) ? CHURN_PENDING
                                   : churn_equal(what->customer_id, str("G")) && churn_equal(what->topic, str("t")) &&
                                         what->partition == 0 && what->offset < atomic_load(&forgotten_below);
}

/* Nobody is forgotten yet, and the service knows. */
static void begin_forgetting(const char *brokers)
{
    prepare(brokers);
    fake.forgotten = covers_g;
    atomic_store(&forgotten_below, 0);
    atomic_store(&is_unsure, 0);
    fake.forgotten_adopted = 99;
    service = service_start(&fake.host, &settings, &counters, &queue, &session, &err);
    CU_ASSERT_PTR_NOT_NULL_FATAL(service);
    turn();
    CU_ASSERT_EQUAL(fake.forgotten_adopted, 0);
    calls[0] = '\0';
}

static void forget_g(void)
{
    atomic_store(&forgotten_below, 5);
    fake.forgotten_known = fake.forgotten_known + 1;
    calls[0] = '\0';
}

/* Nothing came of it but that it is removed, and whoever forgets is told. */
static void expect_given_up(void)
{
    turn();
    CHECK_CALLS("remove g1 1");
    later(50);
    turn();
    CHECK_CALLS("");
    CU_ASSERT_EQUAL(fake.forgotten_adopted, 1);
    CU_ASSERT_EQUAL(counted("forgotten"), 1);
    CU_ASSERT_EQUAL(counted("answered") + counted("dead_lettered") + counted("letters"), 0);
    CU_ASSERT_STRING_EQUAL(stored("prediction:G", "churn_probability"), "(none)");
    end();
}

/* What is read of the queue later, or again. */
static void test_a_forgotten_trigger_is_removed_only(void)
{
    begin_forgetting("b");
    forget_g();
    arrives("G", "g1");
    expect_given_up();
    begin_forgetting("b");
    forget_g();
    arrives_from("G", "g9", "t/0/5"); /* of after */
    arrives("H", "h1");
    turn();
    CHECK_CALLS("post {\"request_id\":\"t/0/5\",\"customer_id\":\"G\",\"trigger\":{\"event_id\":\"g9\",\"event_type\":"
                "\"login\",\"timestamp\":\"2026-01-01T00:00:00.000Z\"},\"profile\":{}}; " POST("H", "h1"));
    CU_ASSERT_EQUAL(fake.forgotten_adopted, 1);
    end();
}

static void test_forgotten_before_a_request(void)
{
    begin_forgetting("b");
    settings.batch_max = 2;
    settings.batch_wait_ms = 1000;
    arrives("G", "g1");
    turn();
    CHECK_CALLS(""); /* its profile was read, and it waits for another row */
    forget_g();
    expect_given_up();

    begin_forgetting("b");
    arrives("G", "g1");
    turn();
    answer(0, OUTAGE(60000));
    turn();
    forget_g(); /* it waits for a minute */
    expect_given_up();
}

/* A request that is out cannot be called back: what it answers is dropped, and nobody is told before. */
static void test_forgotten_during_a_request(void)
{
    begin_forgetting("b");
    arrives("G", "g1");
    turn();
    forget_g();
    later(50);
    turn();
    CHECK_CALLS("");
    CU_ASSERT_EQUAL(fake.forgotten_adopted, 0);
    answer(0, GOOD);
    expect_given_up();

    begin_forgetting("b"); /* nor becomes a refused one a dead letter */
    settings.max_attempts = 1;
    arrives("G", "g1");
    turn();
    forget_g();
    answer(0, FAULT);
    expect_given_up();
}

static void test_forgotten_before_it_is_published(void)
{
    begin_forgetting("b");
    producer.full = CHURN_PENDING;
    arrives("G", "g1");
    turn();
    answer(0, GOOD);
    turn();
    forget_g();
    producer.full = 0;
    expect_given_up();

    begin_forgetting("b"); /* Kafka refused it, and it would be sent again later */
    settings.retry_min_ms = settings.retry_max_ms = 60000;
    producer.result = CHURN_REJECT;
    arrives("G", "g1");
    turn();
    answer(0, GOOD);
    turn();
    turn();
    forget_g();
    expect_given_up();
}

static void test_forgotten_before_it_is_cached(void)
{
    begin_forgetting("b");
    producer.held = 1;
    arrives("G", "g1");
    turn();
    answer(0, GOOD);
    turn();
    forget_g();
    later(50);
    turn();
    CHECK_CALLS("");
    CU_ASSERT_EQUAL(fake.forgotten_adopted, 0);
    producer.held = 0;
    expect_given_up();

    begin_forgetting(""); /* with another's in the same write */
    write_result = CHURN_RETRY;
    arrives("H", "h1");
    arrives("G", "g1");
    turn();
    answer(0, GOOD);
    answer(1, GOOD);
    turn();
    forget_g();
    write_result = CHURN_OK;
    later(2000); /* the store is opened again */
    turn();
    CHECK_CALLS("remove g1 1; write 1; remove h1 1");
    CU_ASSERT_STRING_EQUAL(stored("prediction:G", "churn_probability"), "(none)");
    CU_ASSERT_STRING_EQUAL(stored("prediction:H", "churn_probability"), "0.5");
    end();
}

/* Nothing is made while nobody knows, and no turn follows the other at once. */
static void test_who_is_forgotten_is_not_known(void)
{
    begin_forgetting("b");
    atomic_store(&is_unsure, 1);
    arrives("G", "g1");
    turn();
    CHECK_CALLS("");
    CU_ASSERT_EQUAL(pace.wait_ms, 20);
    fake.forgotten_known = 1;
    turn();
    CU_ASSERT_EQUAL(fake.forgotten_adopted, 0);
    atomic_store(&is_unsure, 0);
    later(50);
    turn();
    CHECK_CALLS(POST("G", "g1"));
    answer(0, GOOD);
    atomic_store(&is_unsure, 1);
    turn();
    turn();
    CHECK_CALLS("");
    atomic_store(&is_unsure, 0);
    turn();
    turn();
    CU_ASSERT_EQUAL(counted("answered"), 1);
    end();
}

/* Of several that have joined, those of after are asked about, though one of before is as new by its time. */
static void test_another_trigger_is_left(void)
{
    begin_forgetting("");
    arrives("G", "g1");
    turn();
    answer(0, OUTAGE(1000));
    turn();
    arrives_from("G", "g5", "t/0/5");
    arrives_from("G", "g2", "t/0/2"); /* the newest */
    turn();
    forget_g();
    later(1000);
    turn();
    CHECK_CALLS("post {\"request_id\":\"t/0/5\",\"customer_id\":\"G\",\"trigger\":{\"event_id\":\"g5\",\"event_type\":"
                "\"login\",\"timestamp\":\"2026-01-01T00:00:00.000Z\"},\"profile\":{}}");
    answer(0, GOOD);
    turn();
    CHECK_CALLS("write 1; remove g5 3");
    CU_ASSERT_STRING_EQUAL(stored("prediction:G", "event_id"), "g5");
    end();

    begin_forgetting(""); /* the answer to one of before is not taken for the other's */
    arrives("G", "g1");
    arrives_from("G", "g5", "t/0/5");
    arrives_from("G", "g2", "t/0/2");
    turn();
    forget_g();
    answer(0, GOOD);
    turn();
    CHECK_CALLS("");
    turn();
    answer(0, GOOD);
    turn();
    CU_ASSERT_STRING_EQUAL(stored("prediction:G", "event_id"), "g5");
    end();
}

/* The process may have been stopped between asking and writing: what was written since the newest look is erased. */
static void test_what_was_cached_is_erased(void)
{
    begin_forgetting("");
    arrives("G", "g1");
    arrives("H", "h1");
    turn();
    answer(0, GOOD);
    answer(1, GOOD);
    turn();
    CU_ASSERT_STRING_EQUAL(stored("prediction:G", "churn_probability"), "0.5");
    forget_g();
    turn();
    CU_ASSERT_STRING_EQUAL(stored("prediction:G", "churn_probability"), "(none)");
    CU_ASSERT_STRING_EQUAL(stored("prediction:H", "churn_probability"), "0.5");
    CU_ASSERT_EQUAL(fake.forgotten_adopted, 1);
    end();

    begin_forgetting(""); /* what is older was erased by whoever forgets, and is remembered no longer */
    arrives("G", "g1");
    turn();
    answer(0, GOOD);
    turn();
    later(10);
    fake.forgotten_looked_ms = atomic_load(&clock_now);
    later(10);
    arrives("H", "h1");
    turn();
    answer(0, GOOD);
    turn();
    forget_g();
    turn();
    CU_ASSERT_STRING_EQUAL(stored("prediction:G", "churn_probability"), "0.5");
    CU_ASSERT_EQUAL(fake.forgotten_adopted, 1);
    end();
}

/* As many requests at a time as may be, outcomes that wait included. */
static void test_concurrency(void)
{
    begin("");
    arrives("A", "a");
    arrives("B", "b");
    arrives("C", "c");
    turn();
    CHECK_CALLS(POST("A", "a") "; " POST("B", "b"));
    write_result = CHURN_RETRY;
    answer(1, GOOD);
    turn();
    CHECK_CALLS("write 1");
    turn(); /* the store is not asked for a while, and there is no room */
    CHECK_CALLS("");
    write_result = CHURN_OK;
    later(500);
    turn();
    CHECK_CALLS("write 1; remove b 1");
    turn();
    CHECK_CALLS(POST("C", "c"));
    answer(0, GOOD);
    answer(1, GOOD);
    turn();
    CHECK_CALLS("write 2; remove a 1; remove c 1"); /* in one write */
    CU_ASSERT_EQUAL(counted("answered"), 3);
    end();
}

/* A full producer, and a queue that cannot remove for now: the outcome waits, and is not written twice. */
static void test_an_outcome_waits(void)
{
    begin("b");
    arrives("C", "e");
    turn();
    answer(0, GOOD);
    producer.full = CHURN_PENDING;
    calls[0] = '\0';
    turn();
    turn();
    CHECK_CALLS("");
    producer.full = 0;
    rows.remove_result = CHURN_RETRY;
    turn();
    turn();
    CU_ASSERT_PTR_NOT_NULL(strstr(calls, "send predictions C="));
    CU_ASSERT_PTR_NOT_NULL(strstr(calls, "; write 1"));
    calls[0] = '\0';
    turn();
    CHECK_CALLS("");
    rows.remove_result = CHURN_OK;
    turn();
    CHECK_CALLS("remove e 1");
    end();
}

/* After two failures in a row the API is left alone for a second; one probe decides. */
static void test_the_breaker(void)
{
    begin("");
    rows.known = 17;
    arrives("A", "a");
    arrives("B", "b");
    arrives("C", "c");
    turn();
    answer(0, OUTAGE(0));
    calls[0] = '\0';
    turn();
    CHECK_CALLS("");
    CU_ASSERT_EQUAL(fake.last_level, CHURN_LOG_DEBUG);
    CU_ASSERT_STRING_EQUAL(fake.last_log, "prediction API at http://api: HTTP 503");
    turn();
    CHECK_CALLS(POST("C", "c"));
    answer(0, OUTAGE(0));
    turn();
    CHECK_CALLS("");
    CU_ASSERT_TRUE(fake_host_stalled(&fake, "breaker", NULL));
    CU_ASSERT_STRING_EQUAL(fake.last_log,
                           "prediction API at http://api is failing (HTTP 503); 17 triggers wait, profiles go on");
    answer(0, OUTAGE(0)); /* was started before: nothing new */
    later(999);
    turn();
    turn();
    CHECK_CALLS("");
    later(1);
    turn();
    CHECK_CALLS(POST("A", "a")); /* the probe, alone */
    turn();
    CHECK_CALLS("");
    answer(0, GOOD);
    turn();
    CHECK_CALLS("write 1; remove a 1");
    CU_ASSERT_FALSE(fake_host_stalled(&fake, "breaker", NULL));
    CU_ASSERT_STRING_EQUAL(fake.last_log, "prediction API at http://api answers again");
    CU_ASSERT_EQUAL(fake.last_level, CHURN_LOG_INFO);
    turn();
    CHECK_CALLS(POST("B", "b") "; " POST("C", "c")); /* at once */
    CU_ASSERT_EQUAL(counted("failed"), 3);
    end();
}

/* One that calls a request wrong answers. */
static void test_a_fault_closes_the_breaker(void)
{
    begin("");
    arrives("A", "a");
    arrives("B", "b");
    turn();
    answer(0, OUTAGE(0));
    answer(1, OUTAGE(0));
    turn();
    later(1000);
    calls[0] = '\0';
    turn();
    CHECK_CALLS(POST("A", "a"));
    answer(0, FAULT);
    turn();
    CU_ASSERT_FALSE(fake_host_stalled(&fake, "breaker", NULL));
    CU_ASSERT_STRING_EQUAL(fake.last_log, "prediction API at http://api answers again");
    end();
}

/* Whatever the API asks for: one line says why nothing is asked, and until when. */
static void test_a_long_retry_after(void)
{
    static const struct {
        int64_t asked_ms, waits_ms;
        const char *said;
    } cases[] = {
        {3000, 3000, "asks by Retry-After to wait 3 s; what it refused waits until 2026-01-01T00:00:03.000Z"},
        {60000, 60000, "to wait 60 s; what it refused waits until 2026-01-01T00:01:00.000Z"},
        {3600000, 60000, "to wait 3600 s; what it refused waits until 2026-01-01T00:01:00.000Z, the longest pause"},
        {INT64_MAX / 1000 * 1000, 60000, "until 2026-01-01T00:01:00.000Z, the longest pause"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        prepare("");
        settings.breaker_failures = 100;
        service = service_start(&fake.host, &settings, &counters, &queue, &session, &err);
        CU_ASSERT_PTR_NOT_NULL_FATAL(service);
        turn();
        arrives("A", "a");
        arrives("B", "b");
        turn();
        calls[0] = '\0';
        answer(0, OUTAGE(cases[i].asked_ms));
        turn();
        CU_ASSERT_EQUAL(fake.last_level, CHURN_LOG_WARN);
        CU_ASSERT_PTR_NOT_NULL(strstr(fake.last_log, cases[i].said));
        CU_ASSERT_PTR_NOT_NULL(strstr(fake.last_log, "prediction API at http://api asks"));
        answer(0, OUTAGE(cases[i].asked_ms));
        turn();
        CU_ASSERT_EQUAL(fake.last_level, CHURN_LOG_DEBUG); /* it was said */
        later(cases[i].waits_ms - 1);
        turn();
        CHECK_CALLS("");
        later(1);
        turn();
        CHECK_CALLS(POST("A", "a") "; " POST("B", "b"));
        end();
    }
}

/* Tried again after its pause, or after what the API asked for; a newer trigger of the customer joins. */
static void test_trying_again(void)
{
    begin("");
    settings.breaker_failures = 100;
    arrives("A", "a");
    turn();
    arrives("A", "a2");
    turn();
    calls[0] = '\0';
    answer(0, OUTAGE(0));
    turn();
    CU_ASSERT_EQUAL(pace.wait_ms, 20);
    later(90);
    turn();
    CHECK_CALLS("");
    CU_ASSERT_EQUAL(pace.wait_ms, 10); /* what is left of the pause */
    later(10);
    turn();
    CHECK_CALLS(POST("A", "a2"));
    answer(0, OUTAGE(3000));
    turn();
    later(2999);
    turn();
    CHECK_CALLS("");
    later(1);
    turn();
    CHECK_CALLS(POST("A", "a2"));
    answer(0, (struct http_result){.verdict = HTTP_DONE, .body = str("{}")}); /* no answer at all */
    turn();
    CU_ASSERT_EQUAL(counted("failed"), 3);
    CU_ASSERT_PTR_NOT_NULL(strstr(fake.last_log, "churn_probability"));
    end();
}

/* A request that the API calls wrong is given up after so many attempts: a dead letter as the host writes them. */
static void test_a_request_that_is_refused(void)
{
    begin("b");
    arrives("A", "a");
    turn();
    answer(0, FAULT);
    calls[0] = '\0';
    turn();
    CHECK_CALLS("");
    later(100);
    turn();
    CHECK_CALLS(POST("A", "a"));
    answer(0, FAULT);
    turn();
    CHECK_CALLS("send dead A=" BODY(
        "A",
        "a") "}; churn.reason: rejected_by_sink; churn.detail: the prediction API answered "
             "HTTP 422 to each of 2 attempts; churn.written_at: 2026-01-01T00:00:00.000Z; churn.topic: t; churn.partition: 0; churn.offset: 1; "
             "churn.kind: trigger; churn.sink: predict");
    CU_ASSERT_STRING_EQUAL(fake.last_log,
                           "prediction API refused 1 requests, the newest (HTTP 422) for event a; they go "
                           "to dead");
    turn();
    CHECK_CALLS("remove a 1");
    CU_ASSERT_EQUAL(counted("failed"), 2);
    CU_ASSERT_EQUAL(counted("answered"), 0);
    CU_ASSERT_EQUAL(counted("dead_lettered"), 1);
    CU_ASSERT_EQUAL(counted("letters"), 1);
    CU_ASSERT_EQUAL(counted("letters_by_sink"), 1);
    end();
}

/* Without Kafka it is kept in the store; the log says so every ten seconds. */
static void test_refused_without_kafka(void)
{
    unsigned lines;
    begin("");
    settings.max_attempts = 1;
    arrives("A", "a");
    turn();
    answer(0, FAULT);
    calls[0] = '\0';
    turn();
    CHECK_CALLS("write 1; remove a 1");
    CU_ASSERT_STRING_EQUAL(stored("prediction-failed:A", "event_id"), "a");
    CU_ASSERT_STRING_EQUAL(stored("prediction-failed:A", "request_id"), "t/0/1");
    CU_ASSERT_STRING_EQUAL(stored("prediction-failed:A", "event_type"), "login");
    CU_ASSERT_STRING_EQUAL(stored("prediction-failed:A", "timestamp"), "2026-01-01T00:00:00.000Z");
    CU_ASSERT_STRING_EQUAL(stored("prediction-failed:A", "detail"),
                           "the prediction API answered HTTP 422 to each of 1 attempts");
    CU_ASSERT_EQUAL(memory_store_ttl(&store, "prediction-failed:A"), 0);
    CU_ASSERT_STRING_EQUAL(fake.last_log,
                           "prediction API refused 1 requests, the newest (HTTP 422) for event a; they go "
                           "to prediction-failed:<customer> in the store");
    lines = fake.log_lines;
    arrives("B", "b");
    turn();
    answer(0, FAULT);
    turn();
    CU_ASSERT_EQUAL(fake.log_lines, lines);
    later(10000);
    arrives("C", "c");
    turn();
    answer(0, FAULT);
    turn();
    CU_ASSERT_STRING_EQUAL(fake.last_log,
                           "prediction API refused 2 requests, the newest (HTTP 422) for event c; they go "
                           "to prediction-failed:<customer> in the store");
    CU_ASSERT_EQUAL(counted("dead_lettered"), 3);
    CU_ASSERT_EQUAL(counted("letters"), 0); /* of the pipeline's there are none */
    end();
}

/* A customer whose profile is damaged holds up nobody. */
static void test_a_damaged_profile(void)
{
    begin("");
    get_result = CHURN_REJECT;
    arrives("A", "a");
    turn();
    CHECK_CALLS("write 1; remove a 1");
    CU_ASSERT_STRING_EQUAL(stored("prediction-failed:A", "detail"),
                           "the stored profile is damaged; mend it, then churnd redrive");
    CU_ASSERT_STRING_EQUAL(
        fake.last_log,
        "no prediction for event a: damaged; its trigger goes to prediction-failed:<customer> in the store");
    CU_ASSERT_EQUAL(counted("failed"), 1);
    get_result = CHURN_RETRY; /* a store that is away is waited for */
    arrives("B", "b");
    turn();
    CHECK_CALLS("");
    get_result = CHURN_OK;
    later(500);
    turn();
    CHECK_CALLS(POST("B", "b"));
    CU_ASSERT_EQUAL(counted("failed"), 1);
    end();
}

/* Whatever fails for good ends the thread, and the worker is told. */
static void test_failures_for_good(void)
{
    static const char *const messages[] = {"not read", "damaged", "http failed", "not written", "not removed"};
    for (int i = 0; i < 5; i++) {
        begin("");
        if (i > 0) {
            arrives("A", "a");
        }
        rows.read_result = i == 0 ? CHURN_FATAL : CHURN_OK;
        get_result = i == 1 ? CHURN_FATAL : CHURN_OK;
        run_result = i == 2 ? CHURN_FATAL : CHURN_OK;
        if (i >= 3) {
            turn();
            answer(0, GOOD);
        }
        write_result = i == 3 ? CHURN_FATAL : CHURN_OK;
        rows.remove_result = i == 4 ? CHURN_FATAL : CHURN_OK;
        turn();
        while (service_check(service, &err) == CHURN_OK) {
        }
        CU_ASSERT_EQUAL(service_check(service, &err), CHURN_FATAL);
        CU_ASSERT_STRING_EQUAL(err.message, messages[i]);
        CU_ASSERT_EQUAL(service_drain(service, 1, &err), CHURN_FATAL);
        CU_ASSERT_PTR_NULL(strstr(calls, "abort")); /* it does not wind up */
        end();
    }
}

/* A queue out of reach stops nothing else. */
static void test_a_queue_out_of_reach(void)
{
    begin("");
    arrives("A", "a");
    turn();
    answer(0, GOOD);
    rows.read_result = CHURN_RETRY;
    calls[0] = '\0';
    turn();
    CHECK_CALLS("write 1; remove a 1");
    rows.read_result = CHURN_OK;
    rows.more = 1;
    turn();
    CU_ASSERT_EQUAL(pace.wait_ms, 0);
    CU_ASSERT_EQUAL(pace.others[0], 77);
    end();
}

static void test_the_gauge(void)
{
    begin("");
    rows.known = 9;
    later(999);
    turn();
    CU_ASSERT_EQUAL(counted("waiting"), 0);
    later(1);
    turn();
    CU_ASSERT_EQUAL(counted("waiting"), 9);
    rows.known = 4;
    later(1000);
    turn();
    CU_ASSERT_EQUAL(counted("waiting"), 4);
    rows.known = 2;
    end(); /* once more at the end */
    CU_ASSERT_EQUAL(counted("waiting"), 2);
}

/* --- Batches: of a form in which each row is answered by a word: a number, or what is none --- */

int __real_form_answers(const struct service *s, churn_str body, uint32_t count, struct answer **answers,
                        const char **ret_reason);
int __wrap_form_answers(const struct service *s, churn_str body, uint32_t count, struct answer **answers,
                        const char **ret_reason);

int __wrap_form_answers(const struct service *s, churn_str body, uint32_t count, struct answer **answers,
                        const char **ret_reason)
{
    char text[256], *rest = text;
    int some = 0;
    if (body.len > 0 && body.ptr[0] == '{') {
        return __real_form_answers(s, body, count, answers, ret_reason);
    }
    (void)snprintf(text, sizeof text, "%.*s", (int)body.len, body.ptr);
    *ret_reason = "its answer has another number of rows";
    for (uint32_t i = 0; i < count; i++) {
        const char *word = strtok_r(rest, " ", &rest);
        if (word == NULL) {
            while (i > 0) {
                free(answers[--i]);
            }
            return 0;
        }
        if (word[0] == '0') {
            answers[i] = calloc(1, sizeof *answers[i]);
            (void)snprintf(answers[i]->churn_probability, sizeof answers[i]->churn_probability, "%s", word);
        } else {
            *ret_reason = "a row of its answer is no number";
        }
        some |= answers[i] != NULL;
    }
    return some;
}

static void begin_batches(int64_t max, int64_t failures)
{
    prepare("");
    settings.breaker_failures = failures;
    settings.batch_max = max;
    settings.batch_wait_ms = 5;
    settings.concurrency = 1;
    service = service_start(&fake.host, &settings, &counters, &queue, &session, &err);
    CU_ASSERT_PTR_NOT_NULL_FATAL(service);
    turn();
    calls[0] = '\0';
}

static void arrive(const char *const *customers, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        arrives(customers[i], customers[i]);
    }
    turn();
}

/* The customers of the request that was made since. */
static const char *asked(void)
{
    static char names[64];
    size_t len = 0;
    for (const char *at = calls; (at = strstr(at, "\"customer_id\":\"")) != NULL;) {
        at += strlen("\"customer_id\":\"");
        names[len++] = *at;
    }
    names[len] = '\0';
    calls[0] = '\0';
    return names;
}

#define SAYS(words) ((struct http_result){.verdict = HTTP_DONE, .status = 200, .body = str(words)})

static const char *const letters[] = {"A", "B", "C", "D", "E", "F", "G", "H"};

/* A request goes out full, or once its first trigger has waited long enough. */
static void test_a_batch_is_collected(void)
{
    begin_batches(3, 2);
    arrive(letters, 5);
    CU_ASSERT_STRING_EQUAL(asked(), "ABC");
    answer(0, SAYS("0.1 0.2 0.3"));
    turn();
    CU_ASSERT_STRING_EQUAL(stored("prediction:B", "churn_probability"), "0.2");
    CU_ASSERT_STRING_EQUAL(stored("prediction:C", "churn_probability"), "0.3");
    CU_ASSERT_EQUAL(counted("answered"), 3);
    CU_ASSERT_STRING_EQUAL(asked(), "");
    later(4);
    turn();
    CU_ASSERT_STRING_EQUAL(asked(), "");
    CU_ASSERT_EQUAL(pace.wait_ms, 1);
    later(1);
    turn();
    CU_ASSERT_STRING_EQUAL(asked(), "DE");
    end();
}

/* A profile that is read again meanwhile, for a newer trigger or because it is old, makes nobody wait longer. */
static void test_a_batch_waits_no_longer_than_it_may(void)
{
    begin_batches(3, 2);
    arrive(letters, 1);
    later(3);
    arrives("A", "A2");
    turn();
    CU_ASSERT_STRING_EQUAL(asked(), "");
    later(2);
    turn();
    CU_ASSERT_STRING_EQUAL(asked(), "A");
    end();
    begin_batches(3, 2);
    settings.batch_wait_ms = 2500;
    arrive(letters, 1);
    for (int ms = 0; ms < 2400; ms += 100) {
        later(100);
        turn();
    }
    CU_ASSERT_STRING_EQUAL(asked(), "");
    later(100);
    turn();
    CU_ASSERT_STRING_EQUAL(asked(), "A");
    end();
}

/* What a batch is refused for is found by halves, and the others are answered meanwhile. */
static void test_a_refused_batch_is_halved(void)
{
    static const char *const rounds[] = {"ABCDEFGH", "ABCD", "EFGH", "EF", "GH", "E", "F"};
    begin_batches(8, 2);
    settings.max_attempts = 1;
    arrive(letters, 8);
    for (size_t i = 0; i < sizeof rounds / sizeof rounds[0]; i++) {
        const char *names = asked();
        CU_ASSERT_STRING_EQUAL(names, rounds[i]);
        answer(0, strchr(names, 'F') != NULL ? FAULT : SAYS("0.1 0.1 0.1 0.1"));
        turn();
        turn();
    }
    CU_ASSERT_EQUAL(counted("answered"), 7);
    CU_ASSERT_EQUAL(counted("dead_lettered"), 1);
    CU_ASSERT_STRING_EQUAL(stored("prediction-failed:F", "event_id"), "F");
    CU_ASSERT_FALSE(fake_host_stalled(&fake, "breaker", NULL));
    end();
}

/* One row without an answer is asked about by itself; while it fails alone the others go on. */
static void test_a_bad_row_stands_alone(void)
{
    begin_batches(4, 2);
    settings.concurrency = 2;
    arrive(letters, 4);
    CU_ASSERT_STRING_EQUAL(asked(), "ABCD");
    answer(0, SAYS("0.1 0.2 NaN 0.4"));
    turn();
    CU_ASSERT_EQUAL(counted("answered"), 3);
    CU_ASSERT_EQUAL(counted("failed"), 1);
    for (int i = 0; i < 5; i++) { /* the breaker opens at two failures in a row */
        calls[0] = '\0';
        later(100);
        turn();
        CU_ASSERT_STRING_EQUAL(asked(), "C");
        answer(0, SAYS("NaN"));
        turn();
        CU_ASSERT_EQUAL(fake.last_level, i == 1 ? CHURN_LOG_WARN : CHURN_LOG_DEBUG); /* once, after max_attempts */
        CU_ASSERT_FALSE(fake_host_stalled(&fake, "breaker", NULL));
    }
    calls[0] = '\0';
    arrive(letters + 4, 4);
    CU_ASSERT_STRING_EQUAL(asked(), "EFGH");
    later(100);
    turn();
    CU_ASSERT_STRING_EQUAL(asked(), "C");
    answer(1, SAYS("0.3"));
    turn();
    CU_ASSERT_EQUAL(counted("answered"), 4);
    end();
}

/* Answers that are none count for the batch; after so many it is halved, the breaker open or not. */
static void test_a_batch_that_fails_is_halved(void)
{
    begin_batches(2, 100);
    arrive(letters, 2);
    CU_ASSERT_STRING_EQUAL(asked(), "AB");
    answer(0, OUTAGE(0));
    turn();
    later(100);
    turn();
    CU_ASSERT_STRING_EQUAL(asked(), "AB");
    answer(0, SAYS("0.1")); /* another number of rows */
    turn();
    later(100);
    turn();
    CU_ASSERT_STRING_EQUAL(asked(), "A");
    answer(0, SAYS("0.1"));
    turn();
    turn();
    CU_ASSERT_STRING_EQUAL(asked(), "B");
    CU_ASSERT_EQUAL(counted("answered"), 1);
    CU_ASSERT_EQUAL(counted("failed"), 4);
    end();
}

/* The search for a culprit does not wait longer and longer; nor is it only for those who answer: a row may bring the
 * server down. */
static void test_halves_are_halved_at_once(void)
{
    static const struct http_result failures[] = {
        {.verdict = HTTP_OUTAGE, .status = 500, .reached = 1, .reason = "HTTP 500"},
        {.verdict = HTTP_OUTAGE, .reached = 1, .reason = "the connection was closed"}};
    static const char *const rounds[] = {"ABCDEFGH", "ABCDEFGH", "ABCD", "EFGH", "EF", "GH", "E", "F"};
    for (size_t failure = 0; failure < sizeof failures / sizeof failures[0]; failure++) {
        begin_batches(8, 100);
        settings.retry_max_ms = 3600000;
        arrive(letters, 8);
        for (size_t i = 0; i < sizeof rounds / sizeof rounds[0]; i++) {
            const char *names = asked();
            CU_ASSERT_STRING_EQUAL(names, rounds[i]);
            answer(0, strchr(names, 'F') != NULL ? failures[failure] : SAYS("0.1 0.1 0.1 0.1"));
            turn();
            turn();
            if (calls[0] == '\0' || strstr(calls, "customer_id") == NULL) {
                later(100);
                turn();
            }
        }
        CU_ASSERT_EQUAL(counted("answered"), 7);
        CU_ASSERT_FALSE(fake_host_stalled(&fake, "breaker", NULL));
        end();
    }
}

/* An API that cannot be reached says nothing of the rows. */
static void test_no_answer_halves_nothing(void)
{
    begin_batches(2, 100);
    arrive(letters, 2);
    for (int i = 0; i < 5; i++) {
        CU_ASSERT_STRING_EQUAL(asked(), "AB");
        answer(0, (struct http_result){.verdict = HTTP_OUTAGE, .reason = "connection refused"});
        turn();
        later(100);
        turn();
    }
    end();
}

/* A batch that opens the breaker by its bad rows is probed by one row, and its parts do not open it again. */
static void test_a_probe_is_of_one_row(void)
{
    begin_batches(4, 2);
    arrive(letters, 4);
    for (int i = 0; i < 2; i++) {
        CU_ASSERT_STRING_EQUAL(asked(), "ABCD");
        answer(0, OUTAGE(0));
        turn();
        later(100);
        turn();
    }
    CU_ASSERT_TRUE(fake_host_stalled(&fake, "breaker", NULL));
    later(1000);
    turn();
    CU_ASSERT_STRING_EQUAL(asked(), "A");
    answer(0, SAYS("0.1"));
    turn();
    turn();
    CU_ASSERT_STRING_EQUAL(asked(), "BC");
    answer(0, OUTAGE(0));
    turn();
    CU_ASSERT_FALSE(fake_host_stalled(&fake, "breaker", NULL));
    turn();
    later(100);
    turn();
    CU_ASSERT_STRING_EQUAL(asked(), "D");
    answer(0, OUTAGE(0));
    turn();
    CU_ASSERT_FALSE(fake_host_stalled(&fake, "breaker", NULL));
    end();
}

/* Requests of one row each: those that always fail, while others are answered, hold nobody up for long. */
static void test_rows_that_always_fail(void)
{
    begin_batches(1, 2);
    settings.concurrency = 8;
    settings.http.concurrency = 8;
    settings.retry_max_ms = 3600000;
    arrive(letters, 3);
    for (uint32_t i = 0; i < 3; i++) {
        answer(i, OUTAGE(0));
    }
    turn();
    CU_ASSERT_TRUE(fake_host_stalled(&fake, "breaker", NULL));
    arrive(letters + 3, 1);
    calls[0] = '\0';
    later(1000);
    turn();
    CU_ASSERT_STRING_EQUAL(asked(), "D"); /* whatever else has waited longer: it has not failed yet */
    answer(0, GOOD);
    turn();
    CU_ASSERT_FALSE(fake_host_stalled(&fake, "breaker", NULL));
    turn();
    CU_ASSERT_STRING_EQUAL(asked(), "ABC");
    for (uint32_t i = 0; i < 3; i++) { /* for the last of their attempts: they stand alone from now on */
        answer(i, OUTAGE(0));
    }
    turn();
    later(1000);
    turn();
    CU_ASSERT_STRING_EQUAL(asked(), "A");
    answer(0, GOOD);
    turn();
    turn();
    CU_ASSERT_STRING_EQUAL(asked(), "BC");
    for (int round = 0; round < 3; round++) {
        answer(0, OUTAGE(0));
        answer(1, OUTAGE(0));
        turn();
        CU_ASSERT_FALSE(fake_host_stalled(&fake, "breaker", NULL));
        later(3600000);
        calls[0] = '\0';
        turn();
        CU_ASSERT_EQUAL(strlen(asked()), 2);
    }
    CU_ASSERT_EQUAL(counted("answered"), 2);
    end();
}

/* --- The end of the input --- */

static void test_drain(void)
{
    begin("");
    CU_ASSERT_EQUAL(service_drain(service, 0, &err), CHURN_PENDING);
    turn();
    CHECK_CALLS("empty? 0");
    CU_ASSERT_EQUAL(service_drain(service, 0, &err), CHURN_PENDING);
    later(49);
    turn();
    CHECK_CALLS("");
    rows.empty = 1;
    later(1);
    turn();
    CHECK_CALLS("empty? 0");
    CU_ASSERT_EQUAL(service_drain(service, 0, &err), CHURN_OK);
    turn();
    CHECK_CALLS("");
    CU_ASSERT_EQUAL(service_drain(service, 3, &err), CHURN_PENDING); /* there was more */
    arrives("A", "a");
    turn();
    turn();
    CHECK_CALLS(POST("A", "a")); /* the queue is not asked while something is known */
    answer(0, GOOD);
    turn();
    CU_ASSERT_EQUAL(service_drain(service, 3, &err), CHURN_PENDING);
    later(50);
    calls[0] = '\0';
    turn();
    CHECK_CALLS("empty? 1");
    CU_ASSERT_EQUAL(service_drain(service, 3, &err), CHURN_OK);
    end();
}

#define GIVEN_UP "triggers could not be served (5 are known); they wait for the next run"

/* A drain ends when nothing moves, and says now and then what it waits for. */
static void test_a_drain_that_is_stuck(void)
{
    begin("");
    rows.known = 5;
    later(500000); /* an idle time before says nothing */
    arrives("A", "a");
    turn();
    later(500000);
    CU_ASSERT_EQUAL(service_drain(service, 1, &err), CHURN_PENDING);
    turn();
    later(9999);
    turn();
    CU_ASSERT_EQUAL(fake.log_lines, 0);
    later(1);
    turn();
    CU_ASSERT_STRING_EQUAL(fake.last_log,
                           "the end waits for 5 triggers to be served by the prediction API at http://api");
    turn();
    CU_ASSERT_EQUAL(fake.log_lines, 1);
    later(50000);
    turn();
    CU_ASSERT_EQUAL(service_drain(service, 1, &err), CHURN_PENDING);
    later(1);
    turn();
    CU_ASSERT_EQUAL(service_drain(service, 1, &err), CHURN_OK);
    CU_ASSERT_STRING_EQUAL(fake.last_log, GIVEN_UP);
    CU_ASSERT_EQUAL(fake.last_level, CHURN_LOG_WARN);
    end();
    begin(""); /* an API that fails */
    rows.known = 5;
    arrives("A", "a");
    arrives("B", "b");
    turn();
    answer(0, OUTAGE(0));
    answer(1, OUTAGE(0));
    turn();
    CU_ASSERT_EQUAL(service_drain(service, 1, &err), CHURN_PENDING);
    turn();
    CU_ASSERT_STRING_EQUAL(fake.last_log, GIVEN_UP);
    CU_ASSERT_EQUAL(service_drain(service, 1, &err), CHURN_OK);
    end();
    for (int i = 0; i < 2; i++) { /* one that asks to wait for long, or not so long */
        begin("");
        rows.known = 5;
        arrives("A", "a");
        turn();
        answer(0, OUTAGE(10000 + i));
        turn();
        CU_ASSERT_EQUAL(service_drain(service, 1, &err), CHURN_PENDING);
        turn();
        CU_ASSERT_EQUAL(service_drain(service, 1, &err), i == 0 ? CHURN_PENDING : CHURN_OK);
        end();
    }
    begin(""); /* longer where a request may take long */
    settings.timeout_ms = 40000;
    arrives("A", "a");
    turn();
    CU_ASSERT_EQUAL(service_drain(service, 1, &err), CHURN_PENDING);
    turn();
    later(80000);
    turn();
    CU_ASSERT_EQUAL(service_drain(service, 1, &err), CHURN_PENDING);
    later(1);
    turn();
    CU_ASSERT_EQUAL(service_drain(service, 1, &err), CHURN_OK);
    end();
}

/* --- A store that is a server --- */

static void begin_with_server(const char *brokers)
{
    prepare(brokers);
    ops.embedded = 0;
    server.gets = 0;
    service = service_start(&fake.host, &settings, &counters, &queue, &session, &err);
    CU_ASSERT_PTR_NOT_NULL_FATAL(service);
    turn();
    calls[0] = '\0';
}

/* The store has answered, or may have within the same turn. */
static void await_store(void)
{
    struct pollfd told = {.fd = pace.others[2], .events = POLLIN};
    (void)poll(&told, 1, 50);
    turn();
}

#define AWAIT(condition)                                                                                               \
    do {                                                                                                               \
        for (int turns_ = 0; turns_ < 2400 && !(condition); turns_++) {                                                \
            await_store();                                                                                             \
        }                                                                                                              \
        CU_ASSERT_FATAL(condition);                                                                                    \
    } while (0)

static int called(const char *part)
{
    return strstr(calls, part) != NULL;
}

static void test_a_store_that_hangs_holds_up_no_answer(void)
{
    begin_with_server("b");
    memory_store_set(&store, "profile:A", "events_total", "3", NULL);
    arrives("A", "a");
    turn();
    AWAIT(called("post {\"request_id\""));
    set_server(1);
    arrives("B", "b");
    turn();
    answer(0, GOOD);
    turn();
    CU_ASSERT_TRUE(called("send predictions A="));
    calls[0] = '\0';
    turn();
    CU_ASSERT_EQUAL(pace.wait_ms, 20); /* the thread does not turn round and round meanwhile */
    CHECK_CALLS("");
    set_server(0);
    AWAIT(called("remove a 1"));
    CU_ASSERT_STRING_EQUAL(stored("prediction:A", "churn_probability"), "0.5");
    AWAIT(called("\"event_id\":\"b\""));
    end();
}

static void test_a_profile_comes_after_its_partition_was_taken_away(void)
{
    begin_with_server("b");
    set_server(1);
    arrives("A", "a");
    turn();
    rows.revoked = 1;
    turn();
    set_server(0);
    arrives("B", "b"); /* read after it */
    turn();
    AWAIT(called("\"event_id\":\"b\""));
    CU_ASSERT_FALSE(called("\"event_id\":\"a\""));
    arrives("A", "a2"); /* it is ours again */
    turn();
    AWAIT(called("\"event_id\":\"a2\""));
    end();
}

static void test_a_newer_trigger_comes_while_its_profile_does(void)
{
    begin_with_server("b");
    set_server(1);
    arrives("A", "a");
    turn();
    arrives("A", "a2"); /* which that profile may lack */
    turn();
    set_server(0);
    AWAIT(called("\"event_id\":\"a2\""));
    CU_ASSERT_EQUAL(gets(), 2);
    CU_ASSERT_FALSE(called("\"event_id\":\"a\""));
    end();
}

static void test_stopping_while_the_store_hangs(void)
{
    begin_with_server("b");
    set_server(1);
    arrives("A", "a");
    turn();
    for (int i = 0; i < 24000 && gets() == 0; i++) {
        (void)poll(NULL, 0, 5); /* until the call is under way */
    }
    CU_ASSERT_FALSE(stop(50));
    set_server(0);
    service_free(service);
    memory_store_free(&store);
}

/* --- Stopping --- */

/* Outcomes at hand are handed on, requests under way dropped. */
static void test_stopping_hands_on_what_is_at_hand(void)
{
    begin("b");
    arrives("A", "a");
    arrives("B", "b");
    turn();
    answer(0, GOOD);
    producer.held = 1;
    turn();
    producer.held = 0;
    calls[0] = '\0';
    CU_ASSERT_TRUE(stop(8000));
    CHECK_CALLS("abort 1; write 1; remove a 1; queue ends within 5980; producer ends within 0");
    service_free(service);
    memory_store_free(&store);
}

/* … for three quarters of the time, where Kafka does not answer. */
static void test_stopping_is_bounded(void)
{
    begin("b");
    arrives("A", "a");
    turn();
    answer(0, GOOD);
    producer.held = 1;
    turn();
    calls[0] = '\0';
    CU_ASSERT_TRUE(stop(4000));
    CHECK_CALLS("abort 0; queue ends within 1000; producer ends within 0");
    CU_ASSERT_EQUAL(atomic_load(&clock_now), 1003000);
    service_free(service);
    memory_store_free(&store);
}

static void test_freeing_stops_it(void)
{
    begin("");
    pace.stopping = 1;
    service_free(service);
    CHECK_CALLS("abort 0; queue ends within 1000; http freed");
    memory_store_free(&store);
}

int main(void)
{
    CU_TestInfo tests[] = {TEST(test_starting),
                           TEST(test_a_prediction),
                           TEST(test_a_prediction_that_is_not_published),
                           TEST(test_a_profile_that_waited_is_read_again),
                           TEST(test_a_crossing_is_told_before_it_is_cached),
                           TEST(test_a_shadow_is_published_alone),
                           TEST(test_what_is_not_published_stays_in_the_queue),
                           TEST(test_a_trigger_that_is_not_wanted),
                           TEST(test_a_recent_prediction_stands),
                           TEST(test_a_forgotten_trigger_is_removed_only),
                           TEST(test_forgotten_before_a_request),
                           TEST(test_forgotten_during_a_request),
                           TEST(test_forgotten_before_it_is_published),
                           TEST(test_forgotten_before_it_is_cached),
                           TEST(test_who_is_forgotten_is_not_known),
                           TEST(test_another_trigger_is_left),
                           TEST(test_what_was_cached_is_erased),
                           TEST(test_concurrency),
                           TEST(test_an_outcome_waits),
                           TEST(test_the_breaker),
                           TEST(test_a_fault_closes_the_breaker),
                           TEST(test_a_long_retry_after),
                           TEST(test_trying_again),
                           TEST(test_a_request_that_is_refused),
                           TEST(test_refused_without_kafka),
                           TEST(test_a_damaged_profile),
                           TEST(test_failures_for_good),
                           TEST(test_a_queue_out_of_reach),
                           TEST(test_the_gauge),
                           TEST(test_a_batch_is_collected),
                           TEST(test_a_batch_waits_no_longer_than_it_may),
                           TEST(test_a_refused_batch_is_halved),
                           TEST(test_a_bad_row_stands_alone),
                           TEST(test_a_batch_that_fails_is_halved),
                           TEST(test_halves_are_halved_at_once),
                           TEST(test_no_answer_halves_nothing),
                           TEST(test_a_probe_is_of_one_row),
                           TEST(test_rows_that_always_fail),
                           TEST(test_drain),
                           TEST(test_a_drain_that_is_stuck),
                           TEST(test_a_store_that_hangs_holds_up_no_answer),
                           TEST(test_a_profile_comes_after_its_partition_was_taken_away),
                           TEST(test_a_newer_trigger_comes_while_its_profile_does),
                           TEST(test_stopping_while_the_store_hangs),
                           TEST(test_stopping_hands_on_what_is_at_hand),
                           TEST(test_stopping_is_bounded),
                           TEST(test_freeing_stops_it),
                           CU_TEST_INFO_NULL};
    return run_tests_without_leaks("sink/prediction: the serving thread", tests);
}
