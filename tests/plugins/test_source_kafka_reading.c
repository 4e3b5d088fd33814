/* What the Kafka source hands out and where it begins and ends, with a mock cluster and no server. */
#include "cunit_main.h"
#include "fake_host.h"
#include "mock_kafka.h"

#include <churn/source.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

#define PROPERTIES "session.timeout.ms=4000,heartbeat.interval.ms=200,topic.metadata.refresh.interval.ms=500"
#define POLL 16
#define ROUNDS 1500 /* of 20 ms */
#define EACH 30     /* records of each partition at first */
#define PLACES 8
#define WATCHDOG_S 300

static struct cluster cluster;
static const churn_plugin *plugin;
static const churn_source_ops *ops;
static struct fake_host fake;
static int groups;

/* A partition as the source tells of it. */
struct place {
    char topic[64];
    int32_t partition;
    uint32_t flags;
    int64_t offset;      /* as it was assigned */
    int64_t first, next; /* of the records read; -1: none */
    int64_t passed;      /* -1: never */
    uint32_t count;
};

struct reader {
    void *source;
    churn_source_listener listener;
    char group[32];
    struct place places[PLACES];
    uint32_t place_count;
    uint32_t count, headers;
    char text[512]; /* "name=value;" of each header */
    bool ended;
    char failure[CHURN_ERROR_MESSAGE_SIZE];
};

static char said[4096]; /* the log */

static void on_log(const churn_host *host, int32_t level, const char *message)
{
    size_t at = strlen(said);
    (void)host;
    (void)level;
    (void)snprintf(said + at, sizeof said - at, "%s\n", message);
}

/* --- The cluster --- */

static void produce(const char *topic, int partition, int count, rd_kafka_headers_t *headers)
{
    rd_kafka_t *producer = cluster_client(&cluster, RD_KAFKA_PRODUCER, "", NULL);
    char value[] = "v";
    bool failed = false;
    for (int i = 0; i < count; i++) {
        rd_kafka_resp_err_t code = rd_kafka_producev(
            producer, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_PARTITION(partition), RD_KAFKA_V_VALUE(value, 1),
            RD_KAFKA_V_KEY(value, 1), RD_KAFKA_V_HEADERS(headers != NULL ? rd_kafka_headers_copy(headers) : NULL),
            RD_KAFKA_V_END);
        failed = failed || code != RD_KAFKA_RESP_ERR_NO_ERROR;
    }
    if (failed || rd_kafka_flush(producer, 30000) != RD_KAFKA_RESP_ERR_NO_ERROR) {
        (void)fprintf(stderr, "the test's own records of %s could not be written\n", topic);
        exit(1);
    }
    rd_kafka_destroy(producer);
}

/* --- The host's part --- */

static struct place *place_of(struct reader *r, const char *topic, int32_t partition)
{
    for (uint32_t i = 0; i < r->place_count; i++) {
        if (r->places[i].partition == partition && strcmp(r->places[i].topic, topic) == 0) {
            return &r->places[i];
        }
    }
    return NULL;
}

static void on_assigned(void *ctx, const churn_position *positions, uint32_t count)
{
    struct reader *r = ctx;
    for (uint32_t i = 0; i < count && r->place_count < PLACES; i++) {
        struct place *p = &r->places[r->place_count++];
        *p = (struct place){.partition = positions[i].partition,
                            .flags = positions[i].flags,
                            .offset = positions[i].offset,
                            .first = -1,
                            .next = -1,
                            .passed = -1};
        (void)snprintf(p->topic, sizeof p->topic, "%s", positions[i].topic);
    }
}

static void on_revoked(void *ctx, const churn_position *positions, uint32_t count, int32_t lost)
{
    struct reader *r = ctx;
    (void)positions;
    (void)count;
    (void)lost;
    r->place_count = 0;
}

static void on_passed(void *ctx, const churn_position *positions, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        struct place *p = place_of(ctx, positions[i].topic, positions[i].partition);
        CU_ASSERT_PTR_NOT_NULL_FATAL(p);
        CU_ASSERT(p->next < 0 || positions[i].offset > p->next);
        p->passed = positions[i].offset;
    }
}

static uint32_t asks_headers;

/* `group` NULL: a new one. Further options end with NULL. */
static void open_reader(struct reader *r, const char *group, const char *topics, const char *option, const char *value)
{
    churn_error err = {.size = sizeof err};
    char chosen[32];
    (void)snprintf(chosen, sizeof chosen, "g%d", groups += group == NULL);
    if (group != NULL) {
        (void)snprintf(chosen, sizeof chosen, "%s", group);
    }
    *r = (struct reader){.place_count = 0};
    memcpy(r->group, chosen, sizeof chosen);
    r->source = fake_instance_new(plugin, "brokers", cluster.brokers, "topics", topics, "group_id", r->group,
                                  "properties", PROPERTIES, option, value, NULL);
    r->listener = (churn_source_listener){.size = sizeof r->listener,
                                          .ctx = r,
                                          .assigned = on_assigned,
                                          .revoked = on_revoked,
                                          .passed = on_passed,
                                          .asks_headers = asks_headers};
    CU_ASSERT_EQUAL_FATAL(ops->create(r->source, &fake.host, &err), CHURN_OK);
    CU_ASSERT_EQUAL_FATAL(ops->start(r->source, &r->listener, &err), CHURN_OK);
}

static void close_reader(struct reader *r)
{
    ops->stop(r->source);
    ops->destroy(r->source);
    fake_instance_free(plugin, r->source);
}

static void take(struct reader *r, const churn_record *record)
{
    struct place *p = place_of(r, record->topic, record->partition);
    CU_ASSERT_PTR_NOT_NULL_FATAL(p);
    CU_ASSERT(p->next < 0 || record->offset == p->next);
    p->first = p->first < 0 ? record->offset : p->first;
    p->next = record->offset + 1;
    p->count++;
    r->count++;
    CU_ASSERT(record->timestamp_ms > 0 && record->value.len == 1 && record->key.len == 1);
    for (uint32_t i = 0; i < record->header_count; i++) {
        const churn_header *h = &record->headers[i];
        size_t at = strlen(r->text);
        (void)snprintf(r->text + at, sizeof r->text - at, "%s=%.*s;", h->name, (int)h->value.len,
                       h->value.ptr != NULL ? h->value.ptr : "");
        r->headers++;
    }
}

static void poll_once(struct reader *r, uint32_t max)
{
    churn_record records[POLL];
    churn_error err = {.size = sizeof err};
    uint32_t count = 0;
    int32_t result = ops->poll(r->source, records, max, 20, &count, &err);
    for (uint32_t i = 0; i < count; i++) {
        if (asks_headers) {
            CU_ASSERT_EQUAL(records[i].header_count, 0);
            CU_ASSERT_EQUAL(ops->headers(r->source, &records[i], &err), CHURN_OK);
        }
        take(r, &records[i]);
    }
    r->ended = r->ended || result == CHURN_END;
    if (result == CHURN_FATAL) {
        (void)snprintf(r->failure, sizeof r->failure, "%s", err.message);
    }
}

typedef bool condition(struct reader *r);

static void read_until(struct reader *r, condition *done)
{
    int round = 0;
    while (!done(r) && r->failure[0] == '\0' && round < ROUNDS) {
        poll_once(r, POLL);
        round++;
    }
    CU_ASSERT(round < ROUNDS);
}

static bool has_ended(struct reader *r)
{
    return r->ended;
}

static bool is_assigned(struct reader *r)
{
    return r->place_count > 0;
}

static bool has_two_partitions(struct reader *r)
{
    return r->place_count == 2 && r->count == 2 * EACH;
}

static bool is_passed(struct reader *r)
{
    return r->place_count > 0 && r->places[0].passed >= 0;
}

static bool has_failed(struct reader *r)
{
    return r->failure[0] != '\0';
}

static churn_lag lag_of(struct reader *r)
{
    churn_lag lag = {.size = sizeof lag};
    ops->lag(r->source, &lag);
    return lag;
}

/* --- Until the end --- */

static void until_end(int32_t on)
{
    fake.host.until_end = on;
}

/* Every topic, whichever place it has among the names, and one that is named twice only once. */
static void test_all_topics_are_read(void)
{
    static const char *const orders[] = {"a,b", "b,a", "a,a,b", "b,nowhere,a"};
    struct reader readers[sizeof orders / sizeof orders[0]];
    until_end(1);
    for (size_t i = 0; i < sizeof orders / sizeof orders[0]; i++) {
        open_reader(&readers[i], NULL, orders[i], NULL, NULL);
        poll_once(&readers[i], POLL); /* joins its group: that takes the mock cluster a while */
    }
    for (size_t i = 0; i < sizeof orders / sizeof orders[0]; i++) {
        struct reader *r = &readers[i];
        read_until(r, has_ended);
        CU_ASSERT(r->count == 3 * EACH && r->place_count == 3);
        for (uint32_t p = 0; p < r->place_count; p++) {
            CU_ASSERT(r->places[p].count == EACH && r->places[p].first == 0);
            CU_ASSERT_EQUAL(r->places[p].flags, CHURN_POSITION_WHOLE);
        }
        CU_ASSERT(lag_of(r).known && lag_of(r).messages == 0 && lag_of(r).total == 3 * EACH);
        close_reader(r);
    }
}

static void test_what_comes_later_is_not_read(void)
{
    struct reader r;
    until_end(1);
    open_reader(&r, NULL, "later", NULL, NULL);
    read_until(&r, is_assigned);
    produce("later", 0, 10, NULL);
    read_until(&r, has_ended);
    CU_ASSERT_EQUAL(r.count, EACH);
    for (int i = 0; i < 20; i++) {
        poll_once(&r, POLL);
    }
    CU_ASSERT_EQUAL(r.count, EACH);
    close_reader(&r);
}

static void test_nothing_to_read(void)
{
    static const struct {
        const char *topics, *said;
    } cases[] = {{"nowhere", "no such topic: `nowhere`; there is nothing to read"},
                 {"nowhere,elsewhere", "no such topic: `nowhere`, `elsewhere`; there is nothing to read"},
                 {"nowhere,empty", "no such topic: `nowhere`; not waiting for it in a run until the end"},
                 {"empty", ""}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct reader r;
        until_end(1);
        said[0] = '\0';
        open_reader(&r, NULL, cases[i].topics, NULL, NULL);
        read_until(&r, has_ended);
        CU_ASSERT_EQUAL(r.count, 0);
        CU_ASSERT_PTR_NOT_NULL(strstr(said, cases[i].said));
        close_reader(&r);
    }
}

/* --- Where reading begins --- */

/* A group of `b` that has committed this; its name is the reader's. */
static void commit_first(struct reader *r, int64_t offset)
{
    churn_position at = {.topic = "b", .offset = offset};
    churn_error err = {.size = sizeof err};
    read_until(r, is_assigned);
    CU_ASSERT(r->places[0].offset == -1 && r->places[0].flags == CHURN_POSITION_WHOLE);
    CU_ASSERT_EQUAL(ops->commit(r->source, &at, 1, 1, &err), CHURN_OK);
    close_reader(r);
}

static void test_where_a_group_goes_on(void)
{
    struct reader within, beyond;
    until_end(0);
    open_reader(&within, NULL, "b", NULL, NULL);
    open_reader(&beyond, NULL, "b", NULL, NULL);
    commit_first(&within, 12);
    commit_first(&beyond, 1000);
    open_reader(&within, within.group, "b", NULL, NULL);
    open_reader(&beyond, beyond.group, "b", NULL, NULL);
    read_until(&within, is_assigned);
    CU_ASSERT_EQUAL(within.places[0].offset, 12);
    CU_ASSERT_EQUAL(within.places[0].flags, CHURN_POSITION_WHOLE | CHURN_POSITION_RESUMED);
    close_reader(&within);
    read_until(&beyond, has_failed);
    CU_ASSERT_PTR_NOT_NULL(strstr(beyond.failure, "is at offset 1000, but the partition ends at 30"));
    CU_ASSERT_PTR_NOT_NULL(strstr(beyond.failure, "`epoch`"));
    CU_ASSERT_PTR_NULL(strstr(beyond.failure, "expired"));
    close_reader(&beyond);
}

/* `start: end`: the place is kept, and is told to be passed, but nobody has read there before. */
static void test_a_group_begins_at_the_end(void)
{
    struct reader r;
    until_end(0);
    open_reader(&r, NULL, "end", "start", "end");
    read_until(&r, is_passed);
    CU_ASSERT(r.places[0].offset == EACH && r.places[0].flags == 0 && r.places[0].passed == EACH && r.count == 0);
    close_reader(&r);
    produce("end", 0, 5, NULL);
    open_reader(&r, r.group, "end", "start", "end");
    read_until(&r, is_assigned);
    CU_ASSERT(r.places[0].offset == EACH && r.places[0].flags == 0);
    while (r.count < 5 && r.failure[0] == '\0') {
        poll_once(&r, POLL);
    }
    CU_ASSERT(r.places[0].first == EACH && r.places[0].next == EACH + 5);
    close_reader(&r);
}

static void test_seek_and_bounds(void)
{
    struct reader r;
    churn_position to = {.topic = "b", .offset = 7};
    churn_error err = {.size = sizeof err};
    int64_t low = -1, end = -1;
    until_end(1);
    open_reader(&r, NULL, "b", NULL, NULL);
    read_until(&r, has_ended);
    CU_ASSERT(ops->bounds(r.source, "b", 0, &low, &end, &err) == CHURN_OK && low == 0 && end == EACH);
    CU_ASSERT_EQUAL(ops->bounds(r.source, "other", 0, &low, &end, &err), CHURN_RETRY);
    int32_t sought;
    for (unsigned tries = 0; (sought = ops->seek(r.source, &to, &err)) == CHURN_RETRY && tries < 10; tries++) {
        poll_once(&r, POLL); /* librdkafka's threads may be held up: the host asks again, too */
    }
    CU_ASSERT_EQUAL(sought, CHURN_OK);
    r.ended = false;
    r.places[0].first = r.places[0].next = -1;
    read_until(&r, has_ended);
    CU_ASSERT(r.places[0].first == 7 && r.places[0].next == EACH);
    to.partition = 1;
    CU_ASSERT_EQUAL(ops->seek(r.source, &to, &err), CHURN_RETRY);
    close_reader(&r);
}

/* What it is given while it is paused is read once it goes on. */
static void test_partitions_that_come_in_a_pause(void)
{
    struct reader r;
    until_end(0);
    open_reader(&r, NULL, "a", NULL, NULL);
    ops->pause(r.source, 1);
    for (int round = 0; r.place_count == 0 && round < ROUNDS; round++) {
        poll_once(&r, 0);
    }
    for (int i = 0; i < 50; i++) {
        poll_once(&r, POLL);
    }
    CU_ASSERT(r.place_count == 2 && r.count == 0);
    ops->pause(r.source, 0);
    read_until(&r, has_two_partitions);
    CU_ASSERT_EQUAL(lag_of(&r).messages, 0);
    close_reader(&r);
}

/* --- Headers --- */

static void test_headers(void)
{
    static const char *const expected[] = {"", "one=1;empty=;none=;one=2;one=1;empty=;none=;one=2;"};
    rd_kafka_headers_t *headers = rd_kafka_headers_new(4);
    struct reader readers[4];
    (void)rd_kafka_header_add(headers, "one", -1, "1", 1);
    (void)rd_kafka_header_add(headers, "empty", -1, "", 0);
    (void)rd_kafka_header_add(headers, "none", -1, NULL, 0);
    (void)rd_kafka_header_add(headers, "one", -1, "2", 1);
    produce("headers", 0, 1, headers);
    produce("headers", 0, 1, NULL);
    produce("headers", 0, 1, headers);
    rd_kafka_headers_destroy(headers);
    until_end(1);
    for (int i = 0; i < 4; i++) { /* handed out, or asked for */
        asks_headers = i >= 2;
        open_reader(&readers[i], NULL, "headers", "headers", i % 2 != 0 ? "true" : "false");
        poll_once(&readers[i], POLL);
    }
    for (int i = 0; i < 4; i++) {
        asks_headers = i >= 2;
        read_until(&readers[i], has_ended);
        CU_ASSERT_EQUAL(readers[i].count, 3);
        CU_ASSERT_STRING_EQUAL(readers[i].text, expected[i % 2]);
        close_reader(&readers[i]);
    }
    asks_headers = 0;
}

int main(void)
{
    static const struct {
        const char *name;
        int partitions;
        int count;
    } topics[] = {{"b", 1, EACH}, {"later", 1, EACH}, {"end", 1, EACH}, {"empty", 1, 0}, {"headers", 1, 0}};
    CU_TestInfo tests[] = {TEST(test_all_topics_are_read),
                           TEST(test_what_comes_later_is_not_read),
                           TEST(test_nothing_to_read),
                           TEST(test_where_a_group_goes_on),
                           TEST(test_a_group_begins_at_the_end),
                           TEST(test_seek_and_bounds),
                           TEST(test_partitions_that_come_in_a_pause),
                           TEST(test_headers),
                           CU_TEST_INFO_NULL};
    int result;
    (void)alarm(WATCHDOG_S); /* a call that never returns */
    plugin = fake_plugin_load("source", "kafka");
    ops = plugin->ops;
    fake_host_init(&fake);
    fake.host.log = on_log;
    cluster = cluster_new(1, "a", 2);
    for (size_t i = 0; i < sizeof topics / sizeof topics[0]; i++) {
        (void)rd_kafka_mock_topic_create(cluster.mock, topics[i].name, topics[i].partitions, 1);
    }
    rd_kafka_mock_topic_set_error(cluster.mock, "nowhere", RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);
    rd_kafka_mock_topic_set_error(cluster.mock, "elsewhere", RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);
    for (int p = 0; p < 2; p++) {
        produce("a", p, EACH, NULL);
    }
    for (size_t i = 0; i < sizeof topics / sizeof topics[0]; i++) {
        produce(topics[i].name, 0, topics[i].count, NULL);
    }
    result = run_tests("source/kafka: reading", tests);
    cluster_free(&cluster);
    return result;
}
