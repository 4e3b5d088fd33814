/* The Kafka source, linked into the test, on a librdkafka that follows a script (fake_kafka.h). */
#ifndef TESTS_KAFKA_SOURCE_FIXTURE_H
#define TESTS_KAFKA_SOURCE_FIXTURE_H

#include "../unit/no_leaks.h"
#include "fake_kafka.h"
#include "source.h"

#include <stdlib.h>

#define ASSIGN RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS
#define REVOKE RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS
#define RECORDS_MAX 2048

extern const churn_plugin churn_plugin_entry;

static struct fake_host fake;
static struct kafka_source *source;
static churn_source_listener listener;
static churn_error err;
static churn_record records[RECORDS_MAX];
static int64_t seek_to; /* where the host seeks while a partition 0 is announced; -1: it does not */

static const churn_source_ops *ops(void)
{
    return churn_plugin_entry.ops;
}

/* --- The host's part: written down among the calls --- */

static void note_positions(const char *what, const churn_position *positions, uint32_t count, const char *ending)
{
    char text[1024] = "";
    for (uint32_t i = 0; i < count; i++) {
        size_t at = strlen(text);
        (void)snprintf(text + at, sizeof text - at, " %s/%d=%lld%s%s", positions[i].topic, (int)positions[i].partition,
                       (long long)positions[i].offset,
                       (positions[i].flags & CHURN_POSITION_RESUMED) != 0 ? " resumed" : "",
                       (positions[i].flags & CHURN_POSITION_WHOLE) != 0 ? " whole" : "");
    }
    fake_kafka_note("%s%s%s", what, text, ending);
}

static void on_assigned(void *ctx, const churn_position *positions, uint32_t count)
{
    (void)ctx;
    note_positions("ASSIGNED", positions, count, "");
    if (seek_to >= 0) {
        churn_position to = {.topic = positions[0].topic, .offset = seek_to};
        CU_ASSERT_EQUAL(ops()->seek(source, &to, &err), CHURN_OK);
    }
}

static void on_revoked(void *ctx, const churn_position *positions, uint32_t count, int32_t lost)
{
    (void)ctx;
    note_positions("REVOKED", positions, count, lost ? " lost" : "");
}

static void on_passed(void *ctx, const churn_position *positions, uint32_t count)
{
    (void)ctx;
    note_positions("PASSED", positions, count, "");
}

/* --- Beginning and end --- */

/* Before each test; `until_end` and partitions may be set after it. */
static void begin(void)
{
    fake_host_init(&fake);
    fake_kafka_init(&fake);
    err = (churn_error){.size = sizeof err};
    listener = (churn_source_listener){
        .size = sizeof listener, .assigned = on_assigned, .revoked = on_revoked, .passed = on_passed};
    seek_to = -1;
    source = NULL;
}

static void end(void)
{
    if (source != NULL) {
        ops()->stop(source);
        ops()->destroy(source);
        fake_instance_free(&churn_plugin_entry, source);
        source = NULL;
        CU_ASSERT_EQUAL(fake_kafka.live, 0);
    }
}

/* A source with these options ("topics", "t", …), created and started. */
#define OPEN_SOURCE(...)                                                                                               \
    open_source(fake_instance_new(&churn_plugin_entry, "brokers", "b", "group_id", "g", __VA_ARGS__, NULL))
static inline void open_source(void *instance)
{
    source = instance;
    CU_ASSERT_EQUAL_FATAL(ops()->create(source, &fake.host, &err), CHURN_OK);
    CU_ASSERT_EQUAL_FATAL(ops()->start(source, &listener, &err), CHURN_OK);
}

/* Of the client opened last. */
static inline const char *conf_value(const char *name)
{
    static char value[512];
    size_t size = sizeof value;
    value[0] = '\0';
    (void)rd_kafka_conf_get(fake_kafka.conf, name, value, &size);
    return value;
}

/* --- Polling --- */

/* What a poll answers: "OK t/0@5=value t/0@6=value", "PENDING", "END", or "FATAL message". */
static const char *polled(uint32_t max, uint32_t timeout_ms)
{
    static char text[1 << 16];
    static const char *const names[] = {"OK", "PENDING", "END"};
    uint32_t count = 77;
    int32_t rc = ops()->poll(source, records, max, timeout_ms, &count, &err);
    const char *name = rc == CHURN_OK        ? names[0]
                       : rc == CHURN_PENDING ? names[1]
                       : rc == CHURN_END     ? names[2]
                                             : "FATAL";
    size_t at = (size_t)snprintf(text, sizeof text, "%s", name);
    CU_ASSERT_FATAL(count <= max);
    if (rc == CHURN_FATAL) {
        (void)snprintf(text + at, sizeof text - at, " %s", err.message);
    }
    for (uint32_t i = 0; i < count && at < sizeof text - 64; i++) {
        at += (size_t)snprintf(text + at, sizeof text - at, " %s/%d@%lld=%.*s", records[i].topic,
                               (int)records[i].partition, (long long)records[i].offset, (int)records[i].value.len,
                               records[i].value.ptr);
    }
    return text;
}

#define CHECK_TEXT(actual, expected)                                                                                   \
    do {                                                                                                               \
        const char *text_is = (actual);                                                                                \
        if (strcmp(text_is, expected) != 0) {                                                                          \
            (void)fprintf(stderr, "\n%s:%d: text\n  %s\nexpected\n  %s\n", __FILE__, __LINE__, text_is, expected);     \
            CU_FAIL("another text than expected");                                                                     \
        }                                                                                                              \
    } while (0)

#define CHECK_POLL(expected) CHECK_TEXT(polled(16, 0), expected)

static inline void put(const char *topic, int32_t partition, int64_t offset)
{
    (void)fake_kafka_record(topic, partition, offset, "v");
}

/* Records `from` to `to` - 1. */
static inline void put_many(const char *topic, int32_t partition, int64_t from, int64_t to)
{
    for (; from < to; from++) {
        put(topic, partition, from);
    }
}

/* Has the group give out partitions, and forgets the calls. */
static inline void assign(const char *list)
{
    fake_kafka_rebalances(1, ASSIGN, list);
    CHECK_POLL("PENDING");
    (void)fake_kafka_calls();
}

static inline void later(int64_t ms)
{
    fake_kafka.now_ms += ms;
}

#endif
