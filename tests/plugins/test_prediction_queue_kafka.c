/* The queue of the sink `prediction` in Kafka: what it asks of librdkafka, and what it makes of the answers. */
#include "../unit/no_leaks.h"
#include "fake_kafka.h"
#include "kafka_producer.h"
#include "queue.h"
#include "queue_kafka_state.h"
#include "take_job.h"

#include <stdlib.h>

#define TRIGGER(customer, event)                                                                                       \
    "{\"request_id\":\"t/0/1\",\"customer_id\":\"" customer "\",\"trigger\":{\"event_id\":\"" event                    \
    "\",\"event_type\":\"login\",\"timestamp\":\"2026-01-01T00:00:00.000Z\"}}"
#define ASSIGN RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS
#define REVOKE RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS

static struct fake_host fake;
static struct settings settings;
static struct counters counters;
static struct queue queue;
static struct waiting waiting;
static churn_error err;

/* --- The producer of the front --- */

static struct {
    int refuses;  /* to be made */
    int no_topic; /* … to make a topic */
    int room;     /* for so many records; then it answers `full` */
    int32_t full;
    int32_t polled; /* what poll answers */
} producer;

struct kafka_producer *kafka_producer_new(const churn_host *host, const char *brokers, const churn_map *properties,
                                          const char *linger_ms, churn_error *why)
{
    (void)linger_ms;
    (void)host;
    fake_kafka_note("producer %s %u", brokers, properties->count);
    return producer.refuses ? (void)churn_fail(why, CHURN_FATAL, "no producer"), NULL : (void *)&producer;
}

int32_t kafka_producer_ensure_topic(struct kafka_producer *p, const char *topic, int32_t partitions,
                                    const char *const *config, churn_error *why)
{
    (void)p;
    fake_kafka_note("topic %s %d %s=%s%s", topic, (int)partitions, config[0], config[1], config[2] != NULL ? "…" : "");
    return producer.no_topic ? churn_fail(why, CHURN_FATAL, "no topic") : CHURN_OK;
}

int32_t kafka_producer_send(struct kafka_producer *p, const char *topic, const churn_record *r, churn_error *why)
{
    (void)p;
    (void)why;
    if (producer.room-- <= 0) {
        return producer.full;
    }
    fake_kafka_note("send %s %d %llu %.*s=%.*s %.*s:%s %u %u", topic, (int)r->kind, (unsigned long long)r->id,
                    (int)r->key.len, r->key.ptr, (int)r->value.len, r->value.ptr, (int)r->headers[0].value.len,
                    r->headers[0].value.ptr, r->headers[0].name, r->header_count, r->size);
    return CHURN_OK;
}

int32_t kafka_producer_poll(struct kafka_producer *p, churn_done *done, uint32_t max, uint32_t timeout_ms,
                            uint32_t *ret_count, churn_error *why)
{
    (void)p;
    (void)why;
    fake_kafka_note("poll %u within %u", max, timeout_ms);
    done[0].id = 7;
    *ret_count = 1;
    return producer.polled;
}

void kafka_producer_free(struct kafka_producer *p, int64_t deadline_ms)
{
    if (p != NULL) {
        fake_kafka_note("producer ends within %lld", (long long)deadline_ms);
    }
}

/* --- The fixture --- */

static void begin(void)
{
    memset(&producer, 0, sizeof producer);
    memset(&queue, 0, sizeof queue);
    memset(&waiting, 0, sizeof waiting);
    memset(&err, 0, sizeof err);
    err.size = sizeof err;
    fake_host_init(&fake);
    fake_kafka_init(&fake);
    settings = (struct settings){
        .brokers = "b", .queue_topic = "q", .queue_group = "", .queue_partitions = 3, .max_waiting = 1000};
    counters = (struct counters){.coalesced = counter_new(&fake.host, "predictions_coalesced")};
}

static void open_queue(void)
{
    CU_ASSERT_EQUAL_FATAL(queue_kafka_open(&queue, &fake.host, &settings, &counters, &err), CHURN_OK);
    (void)fake_kafka_calls();
}

/* What is left is given back; the calls of that are left to the caller. */
static void end(void)
{
    waiting_free(&waiting);
    if (queue.back != NULL) {
        queue.back_ops->free(queue.back, 4000);
    }
    if (queue.front != NULL) {
        queue.front_ops->free(queue.front, 50);
    }
    queue = (struct queue){0};
    CU_ASSERT_EQUAL(fake_kafka.live, 0);
}

/* A read; 1 when more can be read at once. */
static int read_back(void)
{
    int more = -1;
    CU_ASSERT_EQUAL_FATAL(queue.back_ops->read(queue.back, &waiting, &more, &err), CHURN_OK);
    return more;
}

static int64_t count_back(void)
{
    return queue.back_ops->count(queue.back, &waiting);
}

/* 1, 0: nothing waits, or something may. */
static int is_empty(int wrote)
{
    int empty = -1;
    CU_ASSERT_EQUAL(queue.back_ops->is_empty(queue.back, wrote, &empty, &err), CHURN_OK);
    return empty;
}

/* A queue whose topic of `partitions` partitions is assigned. */
static void begin_assigned(const char *list, int partitions)
{
    begin();
    for (int i = 0; i < partitions; i++) {
        (void)fake_kafka_partition("q", i);
    }
    open_queue();
    CU_ASSERT_EQUAL(read_back(), 0);
    fake_kafka_rebalances(1, ASSIGN, list);
    CU_ASSERT_EQUAL(read_back(), 0);
    (void)fake_kafka_calls();
}

static void put(int32_t partition, int64_t offset, const char *value)
{
    (void)fake_kafka_record("q", partition, offset, value);
}

/* Serves the next job that waits. */
static void serve_one(const char *event)
{
    struct job *job = take_job(&waiting, fake_kafka.now_ms, 0);
    CU_ASSERT_PTR_NOT_NULL_FATAL(job);
    CU_ASSERT_EQUAL(job->trigger->event_id.len, strlen(event));
    CU_ASSERT_EQUAL(memcmp(job->trigger->event_id.ptr, event, strlen(event)), 0);
    CU_ASSERT_EQUAL(queue.back_ops->remove(queue.back, job, &err), CHURN_OK);
    waiting_finish(&waiting, job, fake_kafka.now_ms);
}

static void later(int64_t ms)
{
    fake_kafka.now_ms += ms;
}

/* --- Opening --- */

static const struct {
    const char *name;
    const char *value;
} configured[] = {{"enable.auto.commit", "false"},
                  {"enable.auto.offset.store", "false"},
                  {"auto.offset.reset", "smallest"}, /* the library's word for earliest */
                  {"partition.assignment.strategy", "range,roundrobin"},
                  {"enable.partition.eof", "true"},
                  {"topic.metadata.refresh.interval.ms", "5000"},
                  {"session.timeout.ms", "10000"},
                  {"queued.max.messages.kbytes", "16384"},
                  {"group.id", "test-predictions"}};
#define CONFIGURED (sizeof configured / sizeof configured[0])

static void test_opening(void)
{
    begin();
    CU_ASSERT_EQUAL_FATAL(queue_kafka_open(&queue, &fake.host, &settings, &counters, &err), CHURN_OK);
    CHECK_CALLS("producer b 0; topic q 3 cleanup.policy=compact; open consumer 1; one queue");
    CU_ASSERT_TRUE(fake_kafka.woken_fd >= 0); /* what comes wakes whoever waits */
    CU_ASSERT_EQUAL(queue.back_ops->descriptor(queue.back), fake_kafka.woken_fd);
    for (size_t i = 0; i < CONFIGURED; i++) {
        char value[64] = "";
        size_t size = sizeof value;
        CU_ASSERT_EQUAL(rd_kafka_conf_get(fake_kafka.conf, configured[i].name, value, &size), RD_KAFKA_CONF_OK);
        if (strcmp(configured[i].name, "auto.offset.reset") == 0) {
            CU_ASSERT(strcmp(value, "earliest") == 0 || strcmp(value, "smallest") == 0);
        } else {
            CU_ASSERT_STRING_EQUAL(value, configured[i].value);
        }
    }
    end();
    CHECK_CALLS("destroy open within 2000; producer ends within 50");
    CU_ASSERT_EQUAL(fake_kafka.woken_fd, -1);
}

/* What librdkafka refuses ends the opening, and nothing is left of it. */
static void test_opening_fails(void)
{
    for (size_t i = 0; i < CONFIGURED; i++) {
        char call[64];
        begin();
        (void)snprintf(call, sizeof call, "set %s", configured[i].name);
        fake_kafka_fail(call, RD_KAFKA_RESP_ERR__FAIL, 2);
        CU_ASSERT_EQUAL(queue_kafka_open(&queue, &fake.host, &settings, &counters, &err), CHURN_FATAL);
        CU_ASSERT_PTR_NOT_NULL(strstr(err.message, configured[i].name));
        CU_ASSERT_EQUAL(queue_kafka_check(&fake.host, &settings, &err), CHURN_FATAL);
        CHECK_CALLS("producer b 0; topic q 3 cleanup.policy=compact; producer ends within 0");
        CU_ASSERT_PTR_NULL(queue.back);
        CU_ASSERT_EQUAL(fake_kafka.live, 0);
    }
    begin();
    producer.refuses = 1;
    CU_ASSERT_EQUAL(queue_kafka_open(&queue, &fake.host, &settings, &counters, &err), CHURN_FATAL);
    CHECK_CALLS("producer b 0");
    CU_ASSERT_EQUAL(fake_kafka.live, 0);
    begin();
    producer.no_topic = 1;
    CU_ASSERT_EQUAL(queue_kafka_open(&queue, &fake.host, &settings, &counters, &err), CHURN_FATAL);
    CHECK_CALLS("producer b 0; topic q 3 cleanup.policy=compact; producer ends within 0");
    CU_ASSERT_EQUAL(fake_kafka.live, 0);
    begin();
    fake_kafka_fail("open", RD_KAFKA_RESP_ERR__FAIL, 1);
    CU_ASSERT_EQUAL(queue_kafka_open(&queue, &fake.host, &settings, &counters, &err), CHURN_FATAL);
    CHECK_CALLS("producer b 0; topic q 3 cleanup.policy=compact; producer ends within 0");
    CU_ASSERT_EQUAL(fake_kafka.live, 0);
}

static void test_what_the_properties_may_not_say(void)
{
    static const char *const names[] = {"group.id",           "enable.auto.commit",
                                        "auto.commit.enable", "enable.auto.offset.store",
                                        "auto.offset.reset",  "partition.assignment.strategy",
                                        "group.instance.id",  "enable.partition.eof"};
    static const char *const reasons[] = {
        "use `queue_group`",
        "offsets are committed once triggers are served",
        "offsets are committed once triggers are served",
        "offsets are committed once triggers are served",
        "no trigger may be skipped",
        "partitions are assigned eagerly",
        "instances share the properties, and each needs another one",
        "the end of a partition must be seen",
    };
    static const char *values[] = {"5000", "6000"};
    static const char *keys[] = {"", "session.timeout.ms"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        begin();
        keys[0] = names[i];
        settings.properties = (churn_map){.keys = keys, .values = values, .count = 1};
        CU_ASSERT_EQUAL(queue_kafka_check(&fake.host, &settings, &err), CHURN_FATAL);
        CU_ASSERT_STRING_EQUAL(err.option, names[i]);
        CU_ASSERT_STRING_EQUAL(err.message, reasons[i]);
    }
    begin(); /* what has a default may be said */
    keys[0] = "topic.metadata.refresh.interval.ms";
    settings.properties = (churn_map){.keys = keys, .values = values, .count = 2};
    CU_ASSERT_EQUAL(queue_kafka_check(&fake.host, &settings, &err), CHURN_OK);
    CHECK_CALLS("try a consumer");
    fake_kafka_fail("try", RD_KAFKA_RESP_ERR__FAIL, 1);
    CU_ASSERT_EQUAL(queue_kafka_check(&fake.host, &settings, &err), CHURN_FATAL);
    CU_ASSERT_EQUAL(fake_kafka.live, 0);
}

static void on_target(void *ctx, const churn_target *target)
{
    (void)ctx;
    (void)target;
}

static void test_probe(void)
{
    begin();
    (void)fake_kafka_calls();
    queue_kafka_probe(&fake.host, &settings, 700, on_target, NULL);
    queue_kafka_probe(&fake.host, &settings, 0, on_target, NULL);
    CHECK_CALLS("probe b as consumer within 700; queue_topic q 3 1; "
                "probe b as consumer within 0 by name; queue_topic q 3 1");
    CU_ASSERT_EQUAL(CHURN_TARGET_WRITES | CHURN_TARGET_READS, 3);
    CU_ASSERT_EQUAL(fake_kafka.live, 0);
}

/* --- The front --- */

static void test_what_is_written_names_its_group(void)
{
    const churn_record records[] = {
        {.kind = CHURN_RECORD_TRIGGER, .key = str("a"), .value = str("1"), .id = 11},
        {.kind = CHURN_RECORD_TRIGGER, .key = str("b"), .value = str("2"), .id = 12},
        {.kind = CHURN_RECORD_TRIGGER, .key = str("c"), .value = str("3"), .id = 13},
    };
    uint32_t taken = 9, count = 0;
    churn_done done[4];
    char expected[256];
    begin();
    settings.queue_group = "own";
    open_queue();
    producer.room = 2;
    producer.full = CHURN_PENDING;
    CU_ASSERT_EQUAL(queue.front_ops->write(queue.front, records, 3, &taken, &err), CHURN_OK);
    CU_ASSERT_EQUAL(taken, 2);
    (void)snprintf(expected, sizeof expected,
                   "send q %d 11 a=1 own:churn.group 1 %zu; send q %d 12 b=2 own:churn.group 1 %zu",
                   CHURN_RECORD_TRIGGER, sizeof(churn_record), CHURN_RECORD_TRIGGER, sizeof(churn_record));
    CHECK_CALLS(expected);
    producer.room = 1;
    producer.full = CHURN_FATAL;
    CU_ASSERT_EQUAL(queue.front_ops->write(queue.front, records, 3, &taken, &err), CHURN_FATAL);
    CU_ASSERT_EQUAL(taken, 1);
    CU_ASSERT_EQUAL(queue.front_ops->write(queue.front, records, 0, &taken, &err), CHURN_OK);
    CU_ASSERT_EQUAL(taken, 0);
    (void)fake_kafka_calls();
    producer.polled = CHURN_FATAL;
    CU_ASSERT_EQUAL(queue.front_ops->poll(queue.front, done, 4, 30, &count, &err), CHURN_FATAL);
    CU_ASSERT_EQUAL(count, 1);
    CU_ASSERT_EQUAL(done[0].id, 7);
    CHECK_CALLS("poll 4 within 30");
    end();
    queue_kafka_open(&queue, &fake.host, &settings, &counters, &err);
    end();
}

/* --- Joining --- */

/* It joins once the topic exists, and looks for that often at first, then once a second. */
static void test_a_topic_is_waited_for(void)
{
    begin();
    open_queue();
    CU_ASSERT_EQUAL(read_back(), 0);
    CHECK_CALLS("metadata q within 1000; check");
    CU_ASSERT_TRUE(is_empty(0)); /* nothing was ever written */
    CU_ASSERT_FALSE(is_empty(1));
    CHECK_CALLS("");
    later(99);
    (void)read_back();
    CHECK_CALLS("check");
    later(1);
    fake_kafka_fail("metadata", RD_KAFKA_RESP_ERR__TIMED_OUT, 1);
    (void)read_back();
    CHECK_CALLS("metadata q within 1000; check");
    CU_ASSERT_FALSE(is_empty(0)); /* not known any more */
    later(100);
    fake_kafka_fail("topic_new", RD_KAFKA_RESP_ERR__TIMED_OUT, 1);
    (void)read_back();
    CHECK_CALLS("check");
    fake_kafka_fail("no topics", RD_KAFKA_RESP_ERR__TIMED_OUT, 1);
    (void)read_back();
    CHECK_CALLS("metadata q within 1000; check");
    later(100);
    (void)fake_kafka_partition("q", 0);
    fake_kafka_fail("topic q", RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, 1);
    (void)read_back();
    CHECK_CALLS("metadata q within 1000; check");
    CU_ASSERT_TRUE(fake_host_stalled(&fake, "queue", NULL));
    CU_ASSERT_STRING_EQUAL(fake.last_log,
                           "topic `q` may not be read by this client: Broker: Topic authorization failed; "
                           "predictions wait");
    later(100);
    fake_kafka_fail("topic q", RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE, 1);
    (void)read_back();
    CHECK_CALLS("metadata q within 1000; check");
    CU_ASSERT_FALSE(is_empty(0));
    later(100);
    fake_kafka_fail("subscribe", RD_KAFKA_RESP_ERR__STATE, 1);
    (void)read_back();
    CHECK_CALLS("metadata q within 1000; subscribe q; check");
    later(100);
    (void)read_back();
    CHECK_CALLS("metadata q within 1000; subscribe q; check; look for the group, 1");
    CU_ASSERT_FALSE(is_empty(0));
    later(100);
    (void)read_back();
    CHECK_CALLS("check; look for the group, 2");
    fake_kafka_rebalances(1, ASSIGN, "q/0");
    (void)read_back();
    CHECK_CALLS("protocol; forward q/0 to records; assign q/0; committed q/0 within 1000; check");
    CU_ASSERT_FALSE(fake_host_stalled(&fake, "queue", NULL));
    end();
}

/* A coordinator that is not found again is looked for with another client. */
static void test_a_group_that_is_lost(void)
{
    begin();
    (void)fake_kafka_partition("q", 0);
    open_queue();
    (void)read_back();
    CHECK_CALLS("metadata q within 1000; subscribe q; check; look for the group, 1");
    fake_kafka.group = KAFKA_GROUP_SILENT;
    (void)read_back();
    CHECK_CALLS("check; look for the group, 2");
    CU_ASSERT_TRUE(fake_host_stalled(&fake, "group", NULL));
    CU_ASSERT_PTR_NOT_NULL(strstr(fake.last_log, "group `test-predictions` cannot be found"));
    fake_kafka.group = KAFKA_GROUP_LOST;
    (void)read_back();
    CHECK_CALLS("check; look for the group, 3; destroy open within 2000; open consumer 2; 2: one queue");
    CU_ASSERT_STRING_EQUAL(fake.last_log,
                           "the Kafka client of group `test-predictions` is made anew, to find its coordinator");
    (void)read_back(); /* it joins at once, and its time begins anew */
    CHECK_CALLS("2: metadata q within 1000; 2: subscribe q; check; look for the group, 1; 2: destroy open within 2000; "
                "open consumer 3; 3: one queue");
    fake_kafka.group = KAFKA_GROUP_FOUND;
    (void)read_back();
    CU_ASSERT_FALSE(fake_host_stalled(&fake, "group", NULL));
    fake_kafka_rebalances(3, ASSIGN, "q/0");
    (void)read_back();
    (void)fake_kafka_calls();
    fake_kafka.group = KAFKA_GROUP_LOST; /* nobody asks while there are partitions */
    (void)read_back();
    CHECK_CALLS("check");
    fake_kafka_rebalances(3, REVOKE, "q/0");
    fake_kafka.group = KAFKA_GROUP_FOUND;
    (void)read_back();
    CHECK_CALLS("3: assign none; check; look for the group, 1");
    end();
    CHECK_CALLS("3: leave within 2000; 3: destroy within 2000; producer ends within 50");
}

static void test_a_client_that_cannot_be_made_anew(void)
{
    int more;
    begin();
    (void)fake_kafka_partition("q", 0);
    open_queue();
    (void)read_back();
    fake_kafka.group = KAFKA_GROUP_LOST;
    fake_kafka_fail("open", RD_KAFKA_RESP_ERR__FAIL, 1);
    CU_ASSERT_EQUAL(queue.back_ops->read(queue.back, &waiting, &more, &err), CHURN_FATAL);
    CU_ASSERT_STRING_EQUAL(err.message, "not opened");
    (void)fake_kafka_calls();
    end();
    CHECK_CALLS("producer ends within 50");
}

/* --- Reading and committing --- */

static void test_offsets_are_committed_as_triggers_are_served(void)
{
    begin_assigned("q/0,q/1", 2);
    put(0, 5, TRIGGER("a", "a1"));
    put(0, 6, TRIGGER("b", "b1"));
    put(0, 8, TRIGGER("c", "c1")); /* compaction left a gap */
    put(1, 40, TRIGGER("d", "d1"));
    CU_ASSERT_EQUAL(read_back(), 0);
    CU_ASSERT_EQUAL(waiting.jobs, 4);
    CHECK_CALLS("check; commit q/0=5,q/1=40");
    serve_one("a1");
    later(999);
    (void)read_back();
    CHECK_CALLS("check"); /* once a second while some are not served */
    later(1);
    (void)read_back();
    CHECK_CALLS("check; commit q/0=6");
    { /* the second is served last */
        struct job *second = take_job(&waiting, fake_kafka.now_ms, 0);
        serve_one("c1");
        serve_one("d1");
        later(1000);
        (void)read_back();
        CHECK_CALLS("check; commit q/1=41");
        (void)queue.back_ops->remove(queue.back, second, &err);
        waiting_finish(&waiting, second, fake_kafka.now_ms);
    }
    later(99);
    (void)read_back();
    CHECK_CALLS("check");
    later(1);
    (void)read_back();
    CHECK_CALLS("check; commit q/0=9"); /* sooner, since nothing waits */
    later(5000);
    (void)read_back();
    CHECK_CALLS("check"); /* there is nothing new */
    end();
    CHECK_CALLS("commit q/0=9,q/1=41; wait for it within 2000; leave within 2000; destroy within 2000; "
                "producer ends within 50");
}

static void commit_answered(rd_kafka_resp_err_t code)
{
    struct back *b = queue.back;
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, "q", 0)->err = code;
    fake_kafka.on_commit(b->rk, RD_KAFKA_RESP_ERR_NO_ERROR, list, b->client);
    rd_kafka_topic_partition_list_destroy(list);
}

static void test_a_right_that_is_lost(void)
{
    begin_assigned("q/0", 1);
    put(0, 5, TRIGGER("a", "a1"));
    (void)read_back();
    CHECK_CALLS("check; commit q/0=5");
    commit_answered(RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED);
    CU_ASSERT_TRUE(fake_host_stalled(&fake, "commit", NULL));
    later(1000);
    (void)read_back();
    CHECK_CALLS("check; commit q/0=5"); /* once more */
    commit_answered(RD_KAFKA_RESP_ERR_NO_ERROR);
    CU_ASSERT_FALSE(fake_host_stalled(&fake, "commit", NULL));
    later(1000);
    (void)read_back();
    CHECK_CALLS("check");
    commit_answered(RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS);
    CU_ASSERT_FALSE(fake_host_stalled(&fake, "commit", NULL));
    end();
}

static void test_a_partition_begins_at_0(void)
{
    begin_assigned("q/0", 1);
    put(0, 0, TRIGGER("a", "a1"));
    (void)read_back();
    CHECK_CALLS("check; commit q/0=0");
    end();
}

/* The end waits for a commit and for the group, though not for ever. */
static void test_the_end_is_bounded(void)
{
    begin_assigned("q/0", 1);
    put(0, 5, TRIGGER("a", "a1"));
    (void)read_back();
    (void)fake_kafka_calls();
    fake_kafka.leaves = 0;
    fake_kafka.no_answer = 1;
    waiting_free(&waiting);
    queue.back_ops->free(queue.back, 60000);
    queue.back = NULL;
    CHECK_CALLS("commit q/0=5; wait for it within 3000; leave within 30000; destroy open within 2000");
    end();
    begin_assigned("q/0", 1);
    put(0, 5, TRIGGER("a", "a1"));
    (void)read_back();
    (void)fake_kafka_calls();
    fake_kafka_fail("commit", RD_KAFKA_RESP_ERR__STATE, 1);
    queue.back_ops->free(queue.back, 100);
    queue.back = NULL;
    CHECK_CALLS("commit q/0=5; leave within 50; destroy within 2000");
    end();
}

/* Many at once, in rounds, so that the ring grows and goes round. */
static void test_many(void)
{
    char value[256];
    int more, reads = 0;
    begin_assigned("q/0", 1);
    settings.max_waiting = 100000;
    for (int i = 0; i < 100; i++) {
        put(0, i, TRIGGER("first", "e"));
    }
    (void)read_back();
    serve_one("e");
    for (int i = 100; i < 2700; i++) {
        (void)snprintf(value, sizeof value, TRIGGER("c%d", "e%d"), i, i);
        put(0, i, value);
    }
    do {
        more = read_back();
        reads++;
    } while (more);
    CU_ASSERT_EQUAL(reads, 3); /* 1000, 1000, 600 */
    CU_ASSERT_EQUAL(waiting.jobs, 2600);
    (void)fake_kafka_calls();
    for (int i = 100; i < 2700; i++) {
        (void)snprintf(value, sizeof value, "e%d", i);
        serve_one(value);
        if (i % 500 == 0) {
            char expected[64];
            later(1000);
            (void)read_back();
            (void)snprintf(expected, sizeof expected, "check; commit q/0=%d", i + 1);
            CHECK_CALLS(expected);
        }
    }
    later(100);
    (void)read_back();
    CHECK_CALLS("check; commit q/0=2700");
    end();
}

/* No more is read than may wait, of all partitions. */
static void test_reading_ahead_is_bounded(void)
{
    begin_assigned("q/0,q/1", 2);
    settings.max_waiting = 3;
    for (int i = 0; i < 3; i++) {
        put(0, i, TRIGGER("a", "e"));
        put(1, i, TRIGGER("b", "f"));
    }
    CU_ASSERT_EQUAL(read_back(), 0);
    CU_ASSERT_EQUAL(waiting.tokens, 3);
    CU_ASSERT_EQUAL(fake_kafka_waiting(), 3);
    CU_ASSERT_EQUAL(read_back(), 0);
    CU_ASSERT_EQUAL(waiting.tokens, 3);
    serve_one("e");
    (void)read_back();
    CU_ASSERT_EQUAL(waiting.tokens, 3);
    CU_ASSERT_EQUAL(fake_kafka_waiting(), 1);
    end();
}

static void test_what_is_no_trigger_is_passed_by(void)
{
    begin_assigned("q/0", 1);
    put(0, 5, "{}");
    put(0, 6, TRIGGER("a", "a1"));
    (void)read_back();
    CU_ASSERT_EQUAL(waiting.tokens, 1);
    CU_ASSERT_EQUAL(strncmp(fake.last_log, "skipped record 5 of partition 0 of topic `q`: ", 46), 0);
    CU_ASSERT(strlen(fake.last_log) > 46);
    CHECK_CALLS("check; commit q/0=6");
    end();
}

/* What others wrote is theirs: counted, and said at the partition's end. */
static void test_triggers_of_other_groups(void)
{
    rd_kafka_message_t *m;
    begin_assigned("q/0", 1);
    m = fake_kafka_record("q", 0, 1, TRIGGER("a", "a1"));
    fake_kafka_header(m, "churn.group", "others");
    m = fake_kafka_record("q", 0, 2, TRIGGER("b", "b1"));
    fake_kafka_header(m, "churn.group", "test-prediction!"); /* one letter of ours differs, and one is missing */
    m = fake_kafka_record("q", 0, 3, TRIGGER("c", "c1"));
    fake_kafka_header(m, "churn.group", "test-predictionz");
    m = fake_kafka_record("q", 0, 4, TRIGGER("d", "d1"));
    fake_kafka_header(m, "other", "others");
    m = fake_kafka_record("q", 0, 5, TRIGGER("e", "e1"));
    fake_kafka_header(m, "churn.group", "test-predictions");
    (void)read_back();
    CU_ASSERT_EQUAL(waiting.jobs, 2);
    CU_ASSERT_EQUAL(fake.log_lines, 0);
    fake_kafka_says("q", 0, 6, RD_KAFKA_RESP_ERR__PARTITION_EOF, "end");
    (void)read_back();
    CU_ASSERT_EQUAL(fake.log_lines, 1);
    CU_ASSERT_EQUAL(fake.last_level, CHURN_LOG_WARN);
    CU_ASSERT_STRING_EQUAL(
        fake.last_log,
        "passed over 3 triggers of topic `q` that were written for other groups than `test-predictions`; those of them "
        "that still wait are served under their group's name (`queue_group`)");
    fake_kafka_says("q", 0, 6, RD_KAFKA_RESP_ERR__PARTITION_EOF, "end");
    (void)read_back();
    CU_ASSERT_EQUAL(fake.log_lines, 1);
    m = fake_kafka_record("q", 0, 6, TRIGGER("a", "a1"));
    fake_kafka_header(m, "churn.group", "others");
    (void)read_back();
    end();
    CU_ASSERT_EQUAL(fake.log_lines, 2); /* said at the end at the latest */
    CU_ASSERT_EQUAL(strncmp(fake.last_log, "passed over 1 triggers", 22), 0);
}

static void test_errors_of_the_consumer(void)
{
    int more;
    begin_assigned("q/0", 1);
    fake_kafka_tells(1, "q", 0, 0, RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, "not allowed");
    (void)read_back();
    CU_ASSERT_TRUE(fake_host_stalled(&fake, "queue", NULL));
    CU_ASSERT_STRING_EQUAL(fake.last_log, "topic `q`: not allowed; predictions wait");
    put(0, 3, TRIGGER("a", "a1"));
    (void)read_back();
    CU_ASSERT_FALSE(fake_host_stalled(&fake, "queue", NULL));
    fake_kafka_says("q", 0, 0, RD_KAFKA_RESP_ERR__TRANSPORT, "connection lost");
    (void)read_back();
    CU_ASSERT_FALSE(fake_host_stalled(&fake, "queue", NULL));
    CU_ASSERT_STRING_EQUAL(fake.last_log, "topic `q`: connection lost");
    CU_ASSERT_EQUAL(fake.last_level, CHURN_LOG_DEBUG);
    fake_kafka_tells(1, NULL, 0, 0, RD_KAFKA_RESP_ERR__FATAL, "fatal");
    fake_kafka_tells(1, NULL, 0, 0, RD_KAFKA_RESP_ERR__TRANSPORT, "never taken");
    put(0, 4, TRIGGER("b", "b1"));
    CU_ASSERT_EQUAL(queue.back_ops->read(queue.back, &waiting, &more, &err), CHURN_FATAL);
    CU_ASSERT_STRING_EQUAL(err.message, "the consumer of topic `q` failed for good: beyond help");
    CU_ASSERT_STRING_EQUAL(fake.last_log, "topic `q`: connection lost");
    CU_ASSERT_EQUAL(waiting.tokens, 1); /* nothing is read beyond it */
    put(0, 5, TRIGGER("c", "c1"));
    end();
}

/* --- Rebalances --- */

/* What goes away takes its triggers along; what of them was under way is void when it comes back. */
static void test_partitions_come_and_go(void)
{
    struct job *job;
    begin_assigned("q/0,q/2", 3);
    put(0, 5, TRIGGER("a", "a1"));
    put(2, 7, TRIGGER("b", "b1"));
    put(2, 8, TRIGGER("c", "c1"));
    (void)read_back();
    job = take_job(&waiting, fake_kafka.now_ms, 0); /* a1 */
    (void)fake_kafka_calls();
    put(0, 6, TRIGGER("never", "read"));
    fake_kafka_rebalances(1, REVOKE, "q/0,q/2");
    (void)read_back();
    CHECK_CALLS("commit q/0=5,q/2=7; wait for it within 3000; assign none; check");
    CU_ASSERT_EQUAL(waiting.jobs, 1); /* the one under way */
    CU_ASSERT_EQUAL(waiting.tokens, 0);
    CU_ASSERT_EQUAL(job->token_count, 0);
    put(0, 5, TRIGGER("a", "a1"));
    CU_ASSERT_FALSE(is_empty(0));
    fake_kafka_rebalances(1, ASSIGN, "q/0");
    (void)read_back();
    CU_ASSERT_EQUAL(waiting.tokens, 1);
    (void)fake_kafka_calls();
    CU_ASSERT_EQUAL(queue.back_ops->remove(queue.back, job, &err), CHURN_OK);
    waiting_finish(&waiting, job, fake_kafka.now_ms);
    later(1000);
    (void)read_back();
    CHECK_CALLS("check; commit q/0=5");
    serve_one("a1");
    later(1000);
    (void)read_back();
    CHECK_CALLS("check; commit q/0=6");
    end();
}

/* A token of an older assignment marks nothing in a newer one of the same partition. */
static void test_tokens_of_an_older_assignment(void)
{
    struct job *job;
    struct token old;
    begin_assigned("q/0", 1);
    put(0, 5, TRIGGER("a", "a1"));
    put(0, 6, TRIGGER("b", "b1"));
    (void)read_back();
    job = take_job(&waiting, fake_kafka.now_ms, 0);
    old = job->tokens[0];
    fake_kafka.lost = 1; /* what was lost is not committed */
    (void)fake_kafka_calls();
    fake_kafka_rebalances(1, REVOKE, "q/0");
    fake_kafka_rebalances(1, ASSIGN, "q/0");
    (void)read_back();
    CHECK_CALLS("assign none; protocol; forward q/0 to records; assign q/0; committed q/0 within 1000; check");
    put(0, 5, TRIGGER("a", "a1"));
    put(0, 6, TRIGGER("b", "b1"));
    (void)read_back();
    job->tokens[0] = old;
    job->token_count = 1;
    CU_ASSERT_EQUAL(queue.back_ops->remove(queue.back, job, &err), CHURN_OK);
    job->token_count = 0;
    waiting_finish(&waiting, job, fake_kafka.now_ms);
    (void)fake_kafka_calls();
    later(1000);
    (void)read_back();
    CHECK_CALLS("check; commit q/0=5");
    end();
}

/* Records that were on their way as their partition was taken away are nobody's. */
/* However often they are read, while the API is down. */
static void test_triggers_that_join_are_counted_once(void)
{
    begin_assigned("q/0", 1);
    for (int round = 0; round < 3; round++) {
        put(0, 0, TRIGGER("a", "a1"));
        put(0, 1, TRIGGER("b", "b1"));
        put(0, 2, TRIGGER("a", "a2"));
        put(0, 3, TRIGGER("a", "a3"));
        (void)read_back();
        CU_ASSERT_EQUAL(waiting.jobs, 2);
        CU_ASSERT_EQUAL(fake_host_counter(&fake, "predictions_coalesced"), 0);
        if (round < 2) {
            fake_kafka_rebalances(1, REVOKE, "q/0");
            fake_kafka_rebalances(1, ASSIGN, "q/0");
            (void)read_back();
        }
    }
    serve_one("a3");
    CU_ASSERT_EQUAL(fake_host_counter(&fake, "predictions_coalesced"), 2);
    serve_one("b1");
    CU_ASSERT_EQUAL(fake_host_counter(&fake, "predictions_coalesced"), 2);
    end();
}

static void test_records_of_partitions_that_are_not_ours(void)
{
    begin_assigned("q/0", 2);
    fake_kafka_tells(1, "q", 1, 9, RD_KAFKA_RESP_ERR_NO_ERROR, TRIGGER("a", "a1"));
    fake_kafka_tells(1, "q", 1, 9, RD_KAFKA_RESP_ERR__PARTITION_EOF, "");
    (void)read_back();
    CU_ASSERT_EQUAL(waiting.tokens, 0);
    CHECK_CALLS("check");
    put(0, 90, TRIGGER("a", "a1"));
    put(0, 3, TRIGGER("b", "b1")); /* the topic was made anew */
    (void)read_back();
    serve_one("a1");
    serve_one("b1");
    (void)fake_kafka_calls();
    later(1000);
    (void)read_back();
    CHECK_CALLS("check; commit q/0=4");
    end();
}

static void test_a_partition_without_a_queue(void)
{
    int more;
    begin();
    (void)fake_kafka_partition("q", 0);
    open_queue();
    (void)read_back();
    fake_kafka_fail("queue", RD_KAFKA_RESP_ERR__FAIL, 1);
    fake_kafka_rebalances(1, ASSIGN, "q/0");
    fake_kafka_tells(1, NULL, 0, 0, RD_KAFKA_RESP_ERR__TRANSPORT, "");
    CU_ASSERT_EQUAL(queue.back_ops->read(queue.back, &waiting, &more, &err), CHURN_FATAL);
    CU_ASSERT_STRING_EQUAL(err.message, "out of memory");
    end();
}

/* --- How many wait, and whether any --- */

static void test_count(void)
{
    struct fake_partition *p, *other;
    begin();
    p = fake_kafka_partition("q", 0);
    other = fake_kafka_partition("q", 1);
    other->seen_low = 0;
    other->seen_high = 1000; /* not ours */
    open_queue();
    (void)read_back();
    CU_ASSERT_EQUAL(count_back(), 0);
    p->committed = 20;
    fake_kafka_rebalances(1, ASSIGN, "q/0");
    (void)read_back();
    CU_ASSERT_EQUAL(count_back(), 0); /* nothing is known of its end */
    p->seen_low = 10;
    p->seen_high = 50;
    CU_ASSERT_EQUAL(count_back(), 30);
    p->seen_low = 25; /* expired, or compacted */
    CU_ASSERT_EQUAL(count_back(), 25);
    p->seen_low = 20;
    CU_ASSERT_EQUAL(count_back(), 30);
    p->seen_high = 20;
    CU_ASSERT_EQUAL(count_back(), 0);
    p->seen_high = 19;
    CU_ASSERT_EQUAL(count_back(), 0);
    p->seen_high = 50;
    put(0, 40, TRIGGER("a", "a1"));
    put(0, 41, TRIGGER("a", "a1"));
    (void)read_back();
    CU_ASSERT_EQUAL(count_back(), 2 + 8);
    p->err = RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION;
    CU_ASSERT_EQUAL(count_back(), 2);
    end();
    /* of a group that has committed nothing, from where the partition begins */
    begin();
    p = fake_kafka_partition("q", 0);
    p->seen_low = 0;
    p->seen_high = 7;
    open_queue();
    (void)read_back();
    fake_kafka_fail("committed", RD_KAFKA_RESP_ERR__TIMED_OUT, 1);
    fake_kafka_rebalances(1, ASSIGN, "q/0");
    (void)read_back();
    CU_ASSERT_EQUAL(count_back(), 7);
    p->seen_low = RD_KAFKA_OFFSET_INVALID;
    CU_ASSERT_EQUAL(count_back(), 0);
    end();
    begin();
    p = fake_kafka_partition("q", 0);
    p->committed = 0;
    p->seen_low = 0;
    p->seen_high = 5;
    open_queue();
    (void)read_back();
    fake_kafka_rebalances(1, ASSIGN, "q/0");
    (void)read_back();
    CU_ASSERT_EQUAL(count_back(), 5);
    end();
}

/* Ours are read to their ends, and what others have was committed. */
static void test_is_empty(void)
{
    struct fake_partition *ours, *theirs;
    begin();
    ours = fake_kafka_partition("q", 1);
    theirs = fake_kafka_partition("q", 0);
    (void)fake_kafka_partition("q", 2);
    ours->low = 0;
    ours->high = 8;
    theirs->low = 3;
    theirs->high = 5;
    open_queue();
    (void)read_back();
    fake_kafka_rebalances(1, ASSIGN, "q/1");
    (void)read_back();
    (void)fake_kafka_calls();
    CU_ASSERT_FALSE(is_empty(0)); /* not known how far it is read */
    CHECK_CALLS("metadata q within 1000; offsets q/0=end,q/1=end,q/2=end within 1000");
    put(1, 6, TRIGGER("a", "a1"));
    (void)read_back();
    (void)fake_kafka_calls();
    CU_ASSERT_FALSE(is_empty(0)); /* not served */
    CHECK_CALLS("");
    serve_one("a1");
    CU_ASSERT_FALSE(is_empty(0)); /* not at its end */
    CHECK_CALLS("offsets q/1=begin within 1000");
    put(1, 7, TRIGGER("b", "b1"));
    (void)read_back();
    serve_one("b1");
    put(1, 8, TRIGGER("c", "c1")); /* written after the drain began */
    (void)read_back();
    (void)fake_kafka_calls();
    theirs->committed = 4;
    CU_ASSERT_FALSE(is_empty(0));
    CHECK_CALLS("committed q/0,q/2 within 1000; offsets q/0=begin,q/2=begin within 1000");
    theirs->committed = 5;
    theirs->high = ours->high = 9; /* they go on */
    CU_ASSERT_TRUE(is_empty(0));
    CHECK_CALLS("committed q/0,q/2 within 1000; offsets q/2=begin within 1000");
    queue.back_ops->bound(queue.back); /* of another drain */
    CU_ASSERT_FALSE(is_empty(0));
    serve_one("c1");
    CU_ASSERT_FALSE(is_empty(0));
    theirs->committed = 9;
    CU_ASSERT_TRUE(is_empty(0));
    theirs->committed = RD_KAFKA_OFFSET_INVALID; /* they have served nothing */
    CU_ASSERT_FALSE(is_empty(0));
    theirs->low = 9; /* … and all of it expired */
    CU_ASSERT_TRUE(is_empty(0));
    theirs->low = 3;
    later(15000);
    CU_ASSERT_FALSE(is_empty(0));
    later(1); /* they live, or their partitions were ours */
    CU_ASSERT_TRUE(is_empty(0));
    theirs->committed = 9;
    for (int i = 0; i < 2; i++) { /* who is not answered knows nothing */
        static const char *const asked[] = {"metadata", "topic_new", "no topics", "offsets", "committed"};
        for (size_t k = 0; k < sizeof asked / sizeof asked[0]; k++) {
            queue.back_ops->bound(queue.back);
            fake_kafka_fail(asked[k], RD_KAFKA_RESP_ERR__TIMED_OUT, 1);
            CU_ASSERT_FALSE(is_empty(0));
        }
        queue.back_ops->bound(queue.back);
        theirs->err = RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE;
        CU_ASSERT_FALSE(is_empty(0));
        theirs->err = RD_KAFKA_RESP_ERR_NO_ERROR;
        CU_ASSERT_TRUE(is_empty(0));
    }
    fake_kafka_rebalances(1, REVOKE, "q/1");
    (void)read_back();
    CU_ASSERT_FALSE(is_empty(0)); /* until the group has given out its partitions */
    end();
    /* one is theirs */
    begin();
    ours = fake_kafka_partition("q", 0);
    theirs = fake_kafka_partition("q", 1);
    theirs->low = 3;
    theirs->high = theirs->committed = 5;
    open_queue();
    (void)read_back();
    fake_kafka_rebalances(1, ASSIGN, "q/0");
    fake_kafka_says("q", 0, 0, RD_KAFKA_RESP_ERR__PARTITION_EOF, "");
    (void)read_back();
    CU_ASSERT_TRUE(is_empty(0));
    end();
    /* all partitions are ours */
    begin_assigned("q/0", 1);
    ours = fake_kafka_partition("q", 0);
    ours->low = ours->high = 0;
    fake_kafka_says("q", 0, 0, RD_KAFKA_RESP_ERR__PARTITION_EOF, "");
    (void)read_back();
    (void)fake_kafka_calls();
    CU_ASSERT_TRUE(is_empty(1));
    CHECK_CALLS("metadata q within 1000; offsets q/0=end within 1000");
    queue.back_ops->bound(queue.back);
    ours->low = ours->high = 30; /* what was not read expired */
    CU_ASSERT_TRUE(is_empty(1));
    queue.back_ops->bound(queue.back);
    ours->high = 31;
    CU_ASSERT_FALSE(is_empty(1));
    end();
}

int main(void)
{
    CU_TestInfo tests[] = {TEST(test_opening),
                           TEST(test_opening_fails),
                           TEST(test_what_the_properties_may_not_say),
                           TEST(test_probe),
                           TEST(test_what_is_written_names_its_group),
                           TEST(test_a_topic_is_waited_for),
                           TEST(test_a_group_that_is_lost),
                           TEST(test_a_client_that_cannot_be_made_anew),
                           TEST(test_offsets_are_committed_as_triggers_are_served),
                           TEST(test_a_right_that_is_lost),
                           TEST(test_a_partition_begins_at_0),
                           TEST(test_the_end_is_bounded),
                           TEST(test_many),
                           TEST(test_reading_ahead_is_bounded),
                           TEST(test_what_is_no_trigger_is_passed_by),
                           TEST(test_triggers_of_other_groups),
                           TEST(test_errors_of_the_consumer),
                           TEST(test_partitions_come_and_go),
                           TEST(test_tokens_of_an_older_assignment),
                           TEST(test_triggers_that_join_are_counted_once),
                           TEST(test_records_of_partitions_that_are_not_ours),
                           TEST(test_a_partition_without_a_queue),
                           TEST(test_count),
                           TEST(test_is_empty),
                           CU_TEST_INFO_NULL};
    return run_tests_without_leaks("sink/prediction: the queue in Kafka", tests);
}
