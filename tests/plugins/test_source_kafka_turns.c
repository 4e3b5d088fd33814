/*
 * The Kafka source far behind, with a reader that comes late: partitions are read one at a time, each record once and
 * in its partition's order, whatever happens in the middle of a turn. A mock cluster, no server.
 */
#include "cunit_main.h"
#include "fake_host.h"
#include "mock_kafka.h"

#include <churn/source.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define TOPIC "t"
#define GROUP "g"
#define PARTITIONS 3
#define RECORDS 45000 /* of each partition */
#define POLL 1000
#define LATE_US 25000
#define DEADLINE_S 120
#define LONG_RUN 15000 /* records of one partition after another, which no reading together gives */

static const churn_plugin *plugin;
static const churn_source_ops *ops;
static struct fake_host fake;
static struct cluster cluster;

/* A member of the group. */
struct reader {
    void *source;
    churn_source_listener listener;
    bool late;
    bool held[PARTITIONS];
    int64_t next[PARTITIONS]; /* expected; -1: any */
    int64_t total;
    int64_t rest_at;      /* `total` at which it is late the next time */
    int newest;           /* partition of the newest record */
    int64_t run, longest; /* of records of one partition */
    int revoked;
    int strays; /* records that must not come */
};

static unsigned char seen[PARTITIONS][RECORDS];
static time_t deadline;

static void fill(void)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_t *producer;
    CU_ASSERT_EQUAL_FATAL(rd_kafka_conf_set(conf, "queue.buffering.max.messages", "1000000", NULL, 0),
                          RD_KAFKA_CONF_OK);
    producer = cluster_client(&cluster, RD_KAFKA_PRODUCER, GROUP, conf);
    for (int i = 0; i < RECORDS; i++) {
        for (int p = 0; p < PARTITIONS; p++) {
            static char value[90] = "as long as the mock cluster keeps RECORDS of, and more than the source's buffer";
            CU_ASSERT_EQUAL_FATAL(rd_kafka_producev(producer, RD_KAFKA_V_TOPIC(TOPIC), RD_KAFKA_V_PARTITION(p),
                                                    RD_KAFKA_V_VALUE(value, sizeof value), RD_KAFKA_V_END),
                                  RD_KAFKA_RESP_ERR_NO_ERROR);
        }
    }
    CU_ASSERT_EQUAL_FATAL(rd_kafka_flush(producer, 30000), RD_KAFKA_RESP_ERR_NO_ERROR);
    rd_kafka_destroy(producer);
}

/* --- The host's part --- */

static void on_assigned(void *ctx, const churn_position *positions, uint32_t count)
{
    struct reader *r = ctx;
    for (uint32_t i = 0; i < count; i++) {
        int p = positions[i].partition;
        CU_ASSERT_FALSE(r->held[p]);
        r->held[p] = true;
        r->next[p] = positions[i].offset >= 0 ? positions[i].offset : 0;
    }
}

static void on_revoked(void *ctx, const churn_position *positions, uint32_t count, int32_t lost)
{
    struct reader *r = ctx;
    churn_position at[PARTITIONS];
    churn_error err = {.size = sizeof err};
    CU_ASSERT_FALSE(lost);
    r->revoked++;
    for (uint32_t i = 0; i < count; i++) {
        int p = positions[i].partition;
        at[i] = (churn_position){.topic = TOPIC, .partition = p, .offset = r->next[p]};
        r->held[p] = false;
    }
    (void)ops->commit(r->source, at, count, 1, &err); /* refused: the next one reads again what was not committed */
}

static void take(struct reader *r, const churn_record *record)
{
    int p = record->partition;
    if (!r->held[p] || record->offset != r->next[p]) {
        if (r->strays++ == 0) {
            (void)fprintf(stderr, "partition %d%s: offset %lld where %lld follows\n", p, r->held[p] ? "" : ", not ours",
                          (long long)record->offset, (long long)r->next[p]);
            CU_FAIL("a record that is not the next one of a partition of ours");
        }
        return;
    }
    seen[p][record->offset] = 1;
    r->next[p] = record->offset + 1;
    r->run = p == r->newest ? r->run + 1 : 1;
    r->newest = p;
    r->longest = r->run > r->longest ? r->run : r->longest;
    r->total++;
}

static void reader_open(struct reader *r, bool late)
{
    churn_error err = {.size = sizeof err};
    *r = (struct reader){.late = late, .newest = -1};
    r->source = fake_instance_new(plugin, "brokers", cluster.brokers, "topics", TOPIC, "group_id", GROUP, "buffer",
                                  "1MiB", "properties", "session.timeout.ms=4000,heartbeat.interval.ms=200", NULL);
    r->listener =
        (churn_source_listener){.size = sizeof r->listener, .ctx = r, .assigned = on_assigned, .revoked = on_revoked};
    CU_ASSERT_EQUAL_FATAL(ops->create(r->source, &fake.host, &err), CHURN_OK);
    CU_ASSERT_EQUAL_FATAL(ops->start(r->source, &r->listener, &err), CHURN_OK);
}

static void reader_close(struct reader *r)
{
    ops->stop(r->source);
    ops->destroy(r->source);
    fake_instance_free(plugin, r->source);
}

static void read_once(struct reader *r)
{
    churn_record records[POLL];
    churn_error err = {.size = sizeof err};
    uint32_t count = 0;
    int32_t result = ops->poll(r->source, records, POLL, 20, &count, &err);
    CU_ASSERT_NOT_EQUAL_FATAL(result, CHURN_FATAL);
    for (uint32_t i = 0; i < count; i++) {
        take(r, &records[i]);
    }
    if (r->late && r->total >= r->rest_at) {
        r->rest_at = r->total + 5000;
        (void)usleep(LATE_US);
    }
}

static bool in_time(void)
{
    bool yes = time(NULL) < deadline;
    CU_ASSERT_TRUE(yes);
    return yes;
}

static bool all_seen(void)
{
    for (int p = 0; p < PARTITIONS; p++) {
        if (memchr(seen[p], 0, RECORDS) != NULL) {
            return false;
        }
    }
    return true;
}

/* Reads until in the middle of a turn. */
static void read_into_a_turn(struct reader *r)
{
    while (in_time() && r->run < LONG_RUN) {
        read_once(r);
    }
}

static void set_up(void)
{
    memset(seen, 0, sizeof seen);
    deadline = time(NULL) + DEADLINE_S;
    cluster = cluster_new(1, TOPIC, PARTITIONS);
    fill();
}

/* --- The tests --- */

static void test_a_late_reader_reads_one_partition_at_a_time(void)
{
    struct reader r;
    set_up();
    reader_open(&r, true);
    while (in_time() && !all_seen()) {
        read_once(&r);
    }
    CU_ASSERT(r.longest >= LONG_RUN);
    reader_close(&r);
    cluster_free(&cluster);
}

static void test_a_seek_in_the_middle_of_a_turn(void)
{
    churn_error err = {.size = sizeof err};
    struct reader r;
    set_up();
    reader_open(&r, true);
    for (int round = 0; round < 2; round++) { /* the partition whose turn it is, and another one */
        int p;
        read_into_a_turn(&r);
        p = (r.newest + round) % PARTITIONS;
        for (int64_t i = 100; i < r.next[p]; i++) {
            seen[p][i] = 0;
        }
        r.next[p] = r.next[p] < 100 ? r.next[p] : 100;
        CU_ASSERT_EQUAL(
            ops->seek(r.source, &(churn_position){.topic = TOPIC, .partition = p, .offset = r.next[p]}, &err),
            CHURN_OK);
        r.run = 0;
    }
    while (in_time() && !all_seen()) {
        read_once(&r);
    }
    reader_close(&r);
    cluster_free(&cluster);
}

static void test_partitions_given_up_in_the_middle_of_a_turn(void)
{
    struct reader first, second;
    set_up();
    reader_open(&first, true);
    read_into_a_turn(&first);
    reader_open(&second, true);
    while (in_time() && !all_seen()) {
        read_once(&first);
        read_once(&second);
    }
    CU_ASSERT(first.revoked > 0 && second.total > 0);
    reader_close(&second);
    reader_close(&first);
    cluster_free(&cluster);
}

static void test_a_reader_in_time_reads_all_together(void)
{
    struct reader r;
    set_up();
    reader_open(&r, false);
    while (in_time() && !all_seen()) {
        read_once(&r);
    }
    reader_close(&r);
    cluster_free(&cluster);
}

int main(void)
{
    CU_TestInfo tests[] = {TEST(test_a_late_reader_reads_one_partition_at_a_time),
                           TEST(test_a_seek_in_the_middle_of_a_turn),
                           TEST(test_partitions_given_up_in_the_middle_of_a_turn),
                           TEST(test_a_reader_in_time_reads_all_together), CU_TEST_INFO_NULL};
    plugin = fake_plugin_load("source", "kafka");
    ops = plugin->ops;
    fake_host_init(&fake);
    (void)alarm(5 * DEADLINE_S);
    return run_tests("source/kafka: turns", tests);
}
