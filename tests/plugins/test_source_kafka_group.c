/* The Kafka source as a member of its group: configuration, rebalances, where partitions begin, commits, the end. */
#include "conf.h"
#include "kafka_source_fixture.h"
#include "offsets.h"
#include "parts.h"

/* --- Creating --- */

static const struct {
    const char *name;
    const char *value;
} configured[] = {
    {"group.id", "g"},
    {"enable.auto.commit", "false"},
    {"enable.auto.offset.store", "false"},
    {"enable.partition.eof", "true"},
    {"queued.max.messages.kbytes", "512"}, /* half of `buffer` */
    {"allow.auto.create.topics", "false"},
    {"check.crcs", "true"},
    {"fetch.wait.max.ms", "50"},
    {"fetch.message.max.bytes", "262144"},
    {"queued.min.messages", "10000000"},
    {"topic.metadata.refresh.interval.ms", "5000"},
    {"reconnect.backoff.max.ms", "2000"},
};

static void test_configuration(void)
{
    OPEN_SOURCE("topics", "t");
    CHECK_CALLS("try a consumer; open consumer 1; one queue; subscribe t");
    for (size_t i = 0; i < sizeof configured / sizeof configured[0]; i++) {
        CHECK_TEXT(conf_value(configured[i].name), configured[i].value);
    }
    CHECK_TEXT(conf_value("auto.offset.reset"), "error");
    CU_ASSERT_EQUAL(conf_session_ms(source), 45000);
    CU_ASSERT_FALSE(source->fetchers_doze);
    end();
    CHECK_CALLS("leave within 5000; destroy open within 2000");
}

static void test_configuration_by_properties(void)
{
    fake.host.worker = 2;
    fake_kafka.fetchers = 0;
    OPEN_SOURCE("topics", "t", "buffer", "4MiB", "properties",
                "session.timeout.ms=7000,max.partition.fetch.bytes=1000,group.instance.id=me,check.crcs=false");
    CHECK_TEXT(conf_value("group.instance.id"), "me-2");
    CHECK_TEXT(conf_value("fetch.message.max.bytes"), "1000");
    CHECK_TEXT(conf_value("check.crcs"), "false");
    CHECK_TEXT(conf_value("queued.max.messages.kbytes"), "2048");
    CU_ASSERT_EQUAL(conf_session_ms(source), 7000);
    CU_ASSERT_TRUE(source->fetchers_doze);
    end();
    begin();
    OPEN_SOURCE("topics", "t", "properties", "group.instance.id=me");
    CHECK_TEXT(conf_value("group.instance.id"), "me"); /* of the first worker */
    end();
    begin();
    fake.host.worker = 1;
    OPEN_SOURCE("topics", "t", "properties", "check.crcs=true");
    CHECK_TEXT(conf_value("group.instance.id"), "");
}

/* Creates with these options; the error's option, or "". Nothing is left. */
static const char *refused(void *instance)
{
    static char option[CHURN_ERROR_OPTION_SIZE];
    int32_t rc;
    err = (churn_error){.size = sizeof err};
    rc = ops()->create(instance, &fake.host, &err);
    CU_ASSERT_EQUAL(rc == CHURN_OK, err.option[0] == '\0' && err.message[0] == '\0');
    CU_ASSERT(rc == CHURN_OK || rc == CHURN_FATAL);
    if (rc == CHURN_OK) {
        ops()->destroy(instance);
    }
    CU_ASSERT_PTR_NULL(((struct kafka_source *)instance)->topics);
    CU_ASSERT_PTR_NULL(((struct kafka_source *)instance)->group);
    CU_ASSERT_EQUAL(fake_kafka.live, 0);
    fake_instance_free(&churn_plugin_entry, instance);
    (void)snprintf(option, sizeof option, "%s", err.option);
    return option;
}
#define REFUSED(...) refused(fake_instance_new(&churn_plugin_entry, "brokers", "b", "group_id", "g", __VA_ARGS__, NULL))

static void test_what_create_refuses(void)
{
    static const char *const theirs[][2] = {
        {"group.id", "use `group_id`"},
        {"auto.offset.reset", "use `start` for a new group; an existing one never jumps silently"},
        {"enable.auto.commit", "churnd commits after the store's acknowledgement"},
        {"auto.commit.enable", "churnd commits after the store's acknowledgement"},
        {"enable.auto.offset.store", "churnd commits after the store's acknowledgement"},
        {"enable.partition.eof", "churnd needs it"},
        {"queued.max.messages.kbytes", "use `buffer`"},
    };
    char property[64];
    for (size_t i = 0; i < sizeof theirs / sizeof theirs[0]; i++) {
        (void)snprintf(property, sizeof property, "%s=x", theirs[i][0]);
        CHECK_TEXT(REFUSED("topics", "t", "properties", property), theirs[i][0]);
        CHECK_TEXT(err.message, theirs[i][1]);
    }
    for (size_t i = 0; i < sizeof configured / sizeof configured[0]; i++) {
        (void)snprintf(property, sizeof property, "set %s", configured[i].name);
        fake_kafka_fail(property, RD_KAFKA_RESP_ERR__FAIL, 1);
        (void)REFUSED("topics", "t");
        (void)snprintf(property, sizeof property, "no `%s`", configured[i].name);
        CHECK_TEXT(err.message, property);
    }
    fake.host.worker = 1;
    fake_kafka_fail("set group.instance.id", RD_KAFKA_RESP_ERR__FAIL, 2);
    (void)REFUSED("topics", "t", "properties", "group.instance.id=x");
    CHECK_TEXT(err.message, "no `group.instance.id`");
    fake_kafka_fail("try", RD_KAFKA_RESP_ERR__FAIL, 1);
    CHECK_TEXT(REFUSED("topics", "t"), "properties");
    fake_kafka_fail("conf", RD_KAFKA_RESP_ERR__FAIL, 1);
    CHECK_TEXT(REFUSED("topics", "t"), "properties.x");
    CHECK_TEXT(REFUSED("topics", "t"), "");
}

/* librdkafka before 2.10 can lose an assignment of the cooperative kind. */
static void test_cooperative_needs_a_new_library(void)
{
    fake_kafka.version = 0x02090fff;
    CHECK_TEXT(REFUSED("topics", "t", "properties", "partition.assignment.strategy=cooperative-sticky"),
               "properties.partition.assignment.strategy");
    CU_ASSERT_PTR_NOT_NULL(strstr(err.message, "use range or roundrobin"));
    CHECK_TEXT(REFUSED("topics", "t", "properties", "partition.assignment.strategy=roundrobin"), "");
    CHECK_TEXT(REFUSED("topics", "t", "properties", "client.rack=cooperative"), "");
    fake_kafka.version = 0x020a0000;
    CHECK_TEXT(REFUSED("topics", "t", "properties", "partition.assignment.strategy=cooperative-sticky"), "");
}

static void test_names_of_topics(void)
{
    char name[300], message[200];
    static const char *none = "";
    void *instance;
    memset(name, 'a', sizeof name);
    name[249] = '\0';
    CHECK_TEXT(REFUSED("topics", name), "");
    name[249] = 'a';
    name[250] = '\0';
    CHECK_TEXT(REFUSED("topics", name), "topics.0");
    CHECK_TEXT(REFUSED("topics", "a-Z_0.9,b c"), "topics.1");
    (void)snprintf(message, sizeof message, "`b c` is not a topic's name: up to 249 of a-z, A-Z, 0-9, `.`, `_`, `-`");
    CHECK_TEXT(err.message, message);
    instance = fake_instance_new(&churn_plugin_entry, "brokers", "b", "group_id", "g", "topics", "", NULL);
    free((void *)(uintptr_t)((struct kafka_source *)instance)->topic_names.items);
    ((struct kafka_source *)instance)->topic_names = (churn_list){.items = &none, .count = 1};
    CU_ASSERT_EQUAL(ops()->create(instance, &fake.host, &err), CHURN_FATAL);
    CHECK_TEXT(err.option, "topics.0");
    CHECK_TEXT(err.message, "a topic's name is empty");
    ((struct kafka_source *)instance)->topic_names = (churn_list){0};
    fake_instance_free(&churn_plugin_entry, instance);
    OPEN_SOURCE("topics", "a,b,a,c,b"); /* each once */
    CHECK_CALLS("try a consumer; try a consumer; open consumer 1; one queue; subscribe a b c");
}

/* `epoch`: the host and the group know everything by another name. */
static void test_epoch(void)
{
    fake_kafka_partition("t", 0)->committed = 4;
    fake_kafka_partition("t", 0)->high = 9;
    OPEN_SOURCE("topics", "t", "epoch", "3");
    CHECK_TEXT(conf_value("group.id"), "g.epoch3");
    fake_kafka_rebalances(1, ASSIGN, "t/0");
    (void)fake_kafka_calls();
    CHECK_POLL("PENDING");
    CHECK_CALLS("committed t/0 within 2000; ASSIGNED t@3/0=4 resumed whole; protocol; forward t/0 to records; "
                "protocol; assign t/0=4; check");
    put("t", 0, 4);
    CHECK_POLL("OK t@3/0@4=v");
    (void)fake_kafka_calls();
    CU_ASSERT_EQUAL(ops()->commit(source, &(churn_position){.topic = "t@3", .offset = 5}, 1, 0, &err), CHURN_OK);
    CHECK_CALLS("commit t/0=5");
    CU_ASSERT_EQUAL(ops()->seek(source, &(churn_position){.topic = "t", .offset = 5}, &err), CHURN_RETRY);
    CHECK_CALLS("");
}

static void test_starting_fails(void)
{
    static const char *const calls[] = {"open", "subscribe", "conf"};
    static const char *const messages[] = {"not opened", "cannot subscribe: Local: Erroneous state", "refused"};
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
        void *instance = fake_instance_new(&churn_plugin_entry, "brokers", "b", "group_id", "g", "topics", "t", NULL);
        CU_ASSERT_EQUAL_FATAL(ops()->create(instance, &fake.host, &err), CHURN_OK);
        fake_kafka_fail(calls[i], RD_KAFKA_RESP_ERR__STATE, 1);
        CU_ASSERT_EQUAL(ops()->start(instance, &listener, &err), CHURN_FATAL);
        CHECK_TEXT(err.message, messages[i]);
        CU_ASSERT_EQUAL(fake_kafka.live, 0);
        ops()->destroy(instance);
        fake_instance_free(&churn_plugin_entry, instance);
    }
}

static void on_target(void *ctx, const churn_target *target)
{
    (void)ctx;
    (void)target;
}

static void test_probe(void)
{
    source = fake_instance_new(&churn_plugin_entry, "brokers", "b", "group_id", "g", "topics", "t,u", "properties",
                               "check.crcs=true", NULL);
    CU_ASSERT_EQUAL_FATAL(ops()->create(source, &fake.host, &err), CHURN_OK);
    (void)fake_kafka_calls();
    ops()->probe(source, 300, on_target, NULL);
    CHECK_CALLS("probe b as consumer within 300; topics.0 t 1 0; topics.1 u 1 0");
    CU_ASSERT_EQUAL(CHURN_TARGET_READS, 1);
    ops()->probe(source, 0, on_target, NULL);
    CHECK_CALLS("risks of 1; probe b as consumer within 0 by name; topics.0 t 1 0; topics.1 u 1 0");
    CU_ASSERT_EQUAL(fake_kafka.live, 0);
    ops()->destroy(source);
    fake_instance_free(&churn_plugin_entry, source);
    source = NULL;
}

/* --- Rebalances --- */

static void test_partitions_come_and_go(void)
{
    fake_kafka_partition("t", 0)->committed = 5;
    (void)fake_kafka_partition("u", 1);
    OPEN_SOURCE("topics", "t,u");
    (void)fake_kafka_calls();
    fake_kafka_rebalances(1, ASSIGN, "t/0,u/1,strange/0");
    put("t", 0, 5);
    put("u", 1, 0);
    CHECK_POLL("PENDING"); /* nothing is read before the host could say where to begin */
    CHECK_CALLS("committed t/0,u/1,strange/0 within 2000; ASSIGNED t/0=5 resumed whole u/1=-1 whole; protocol; "
                "forward t/0 to records; forward u/1 to records; forward strange/0 to records; protocol; "
                "assign t/0=5,u/1=begin,strange/0=begin; check");
    CHECK_POLL("OK t/0@5=v u/1@0=v");
    CHECK_CALLS("check");
    fake_kafka.lost = 1;
    fake_kafka_rebalances(1, REVOKE, "t/0,u/1,strange/0");
    put("t", 0, 6); /* came too late */
    CHECK_POLL("PENDING");
    CHECK_CALLS("REVOKED u/1=1 whole t/0=6 resumed whole lost; protocol; assign none; check; look for the group, 1");
    fake_kafka.lost = 0;
    fake_kafka_rebalances(1, ASSIGN, "t/0");
    CHECK_POLL("PENDING");
    (void)fake_kafka_calls();
    fake_kafka_rebalances(1, REVOKE, "t/0");
    CHECK_POLL("PENDING");
    CHECK_CALLS("REVOKED t/0=5 resumed whole; protocol; assign none; check; look for the group, 1");
    fake_kafka_rebalances(1, ASSIGN, "");
    CHECK_POLL("PENDING");
    CHECK_CALLS("ASSIGNED; protocol; protocol; assign ; check");
    fake_kafka_rebalances(1, REVOKE, "t/0"); /* not ours: nobody is told */
    CHECK_POLL("PENDING");
    CHECK_CALLS("protocol; assign none; check; look for the group, 1");
}

/* One after the other, each in its own list. */
static void test_cooperative_rebalances(void)
{
    fake_kafka.protocol = "COOPERATIVE";
    for (int i = 0; i < 5; i++) {
        fake_kafka_partition("t", i)->committed = 10 + i;
    }
    OPEN_SOURCE("topics", "t");
    (void)fake_kafka_calls();
    fake_kafka_rebalances(1, ASSIGN, "t/0,t/1,t/2");
    CHECK_POLL("PENDING");
    CHECK_CALLS("committed t/0,t/1,t/2 within 2000; "
                "ASSIGNED t/0=10 resumed whole t/1=11 resumed whole t/2=12 resumed whole; protocol; "
                "forward t/0 to records; forward t/1 to records; forward t/2 to records; protocol; "
                "add t/0=10,t/1=11,t/2=12; check");
    fake_kafka_rebalances(1, ASSIGN, "t/3,t/4");
    CHECK_POLL("PENDING");
    CHECK_CALLS(
        "protocol; committed t/3,t/4 within 2000; ASSIGNED t/3=13 resumed whole t/4=14 resumed whole; protocol; "
        "forward t/3 to records; forward t/4 to records; protocol; add t/3=13,t/4=14; check");
    fake_kafka_rebalances(1, REVOKE, "t/1,t/4,t/0");
    CHECK_POLL("PENDING");
    CHECK_CALLS("REVOKED t/0=10 resumed whole t/4=14 resumed whole t/1=11 resumed whole; protocol; "
                "take away t/1,t/4,t/0; check; look for the group, 1");
    CU_ASSERT_EQUAL(source->part_count, 2);
    CU_ASSERT_PTR_NOT_NULL(part_named(source, "t", 2));
    CU_ASSERT_PTR_NOT_NULL(part_named(source, "t", 3));
    put("t", 2, 12);
    put("t", 0, 10);
    put("t", 3, 13);
    CHECK_POLL("OK t/2@12=v t/3@13=v");
    fake_kafka_fail("take away", RD_KAFKA_RESP_ERR__STATE, 1);
    fake_kafka_rebalances(1, REVOKE, "t/2,t/3");
    CHECK_POLL("PENDING");
    CU_ASSERT_EQUAL(source->part_count, 0);
    fake_kafka_fail("add", RD_KAFKA_RESP_ERR__STATE, 1);
    fake_kafka_rebalances(1, ASSIGN, "t/0");
    CHECK_POLL("FATAL the partitions of group `g` cannot be assigned: Local: Erroneous state");
    CHECK_POLL("FATAL the partitions of group `g` cannot be assigned: Local: Erroneous state");
}

static void test_an_assignment_that_fails(void)
{
    (void)fake_kafka_partition("t", 0);
    OPEN_SOURCE("topics", "t");
    fake_kafka_fail("assign", RD_KAFKA_RESP_ERR__STATE, 1);
    fake_kafka_rebalances(1, ASSIGN, "t/0");
    CHECK_POLL("FATAL the partitions of group `g` cannot be assigned: Local: Erroneous state");
}

/* A partition whose queue is not to be had is read through the group's. */
static void test_a_queue_that_is_not_there(void)
{
    (void)fake_kafka_partition("t", 0);
    OPEN_SOURCE("topics", "t");
    (void)fake_kafka_calls();
    fake_kafka_fail("queue", RD_KAFKA_RESP_ERR__FAIL, 1);
    fake_kafka_rebalances(1, ASSIGN, "t/0,t/1");
    CHECK_POLL("PENDING");
    CHECK_CALLS("committed t/0,t/1 within 2000; ASSIGNED t/0=-1 whole t/1=-1 whole; protocol; forward t/1 to records; "
                "protocol; assign t/0=begin,t/1=begin; check");
}

/* What the group has committed is asked for until there is an answer. */
static void test_committed_offsets_are_asked_for_again(void)
{
    fake_kafka_partition("t", 0)->committed = 3;
    OPEN_SOURCE("topics", "t");
    (void)fake_kafka_calls();
    fake_kafka_fail("committed", RD_KAFKA_RESP_ERR__TIMED_OUT, 1);
    fake_kafka_rebalances(1, ASSIGN, "t/0");
    fake_kafka_partition("t", 0)->err = RD_KAFKA_RESP_ERR_NOT_COORDINATOR;
    CHECK_POLL("PENDING"); /* as it came, and once more */
    CHECK_CALLS("committed t/0 within 2000; committed t/0 within 2000; check; look for the group, 1");
    CHECK_TEXT(fake.last_log, "committed offsets: Broker: Not coordinator; asking again");
    CU_ASSERT_EQUAL(fake.last_level, CHURN_LOG_DEBUG);
    fake_kafka_partition("t", 0)->err = RD_KAFKA_RESP_ERR_NO_ERROR;
    CHECK_POLL("PENDING");
    CHECK_CALLS("committed t/0=3 within 2000; ASSIGNED t/0=3 resumed whole; protocol; forward t/0 to records; "
                "protocol; assign t/0=3; check");
    fake_kafka_rebalances(1, REVOKE, "t/0");
    CHECK_POLL("PENDING");
    (void)fake_kafka_calls();
    fake_kafka_fail("committed", RD_KAFKA_RESP_ERR__TIMED_OUT, 2);
    fake_kafka_rebalances(1, ASSIGN, "t/0");
    CHECK_POLL("PENDING");
    fake_kafka_rebalances(1, REVOKE, "t/0"); /* before it was announced */
    CHECK_POLL("PENDING");
    CHECK_CALLS("committed t/0 within 2000; committed t/0 within 2000; check; look for the group, 2; "
                "protocol; assign none; check; look for the group, 3");
    fake_kafka_fail("committed", RD_KAFKA_RESP_ERR__TIMED_OUT, 2);
    fake_kafka_rebalances(1, ASSIGN, "t/0");
    CHECK_POLL("PENDING");
    fake_kafka_rebalances(1, ASSIGN, "t/1"); /* replaces what was pending */
    CHECK_POLL("PENDING");
    CU_ASSERT_EQUAL(source->part_count, 1);
    fake_kafka_fail("committed", RD_KAFKA_RESP_ERR__TIMED_OUT, 2);
    fake_kafka_rebalances(1, ASSIGN, "t/2");
    CHECK_POLL("PENDING"); /* it is pending at the end */
}

/* As when a topic grows while the assignment before has not been taken yet. */
static void test_an_assignment_upon_another(void)
{
    (void)fake_kafka_partition("t", 0);
    (void)fake_kafka_partition("t", 1);
    OPEN_SOURCE("topics", "t");
    fake_kafka_rebalances(1, ASSIGN, "t/0");
    CHECK_POLL("PENDING");
    (void)fake_kafka_calls();
    fake_kafka_rebalances(1, ASSIGN, "t/0,t/1");
    CHECK_POLL("PENDING");
    CU_ASSERT_EQUAL(source->part_count, 2);
    CHECK_CALLS("protocol; REVOKED t/0=-1 whole; assign none; committed t/0,t/1 within 2000; ASSIGNED t/0=-1 whole "
                "t/1=-1 whole; "
                "protocol; forward t/0 to records; forward t/1 to records; protocol; assign t/0=begin,t/1=begin; "
                "check");
}

static void test_committed_offsets_that_may_not_be_read(void)
{
    static const rd_kafka_resp_err_t codes[] = {RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED,
                                                RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED};
    for (int i = 0; i < 2; i++) {
        begin();
        (void)fake_kafka_partition("t", 0);
        OPEN_SOURCE("topics", "t");
        fake_kafka_fail("committed", codes[i], 1);
        fake_kafka_rebalances(1, ASSIGN, "t/0");
        CU_ASSERT_EQUAL(strncmp(polled(1, 0), "FATAL the committed offsets of group `g` cannot be read: ", 57), 0);
        end();
    }
}

/* --- Where partitions begin --- */

/* The member with partition 0 chooses for all, and says so in what it commits. */
static void test_start_end_chooses_for_all_partitions(void)
{
    fake_kafka_partition("t", 0)->high = 40;
    fake_kafka_partition("t", 1)->high = 50;
    fake_kafka_partition("t", 2)->high = 0;
    OPEN_SOURCE("topics", "t", "start", "end");
    (void)fake_kafka_calls();
    fake_kafka_rebalances(1, ASSIGN, "t/0,t/2");
    CHECK_POLL("PENDING");
    CHECK_CALLS("committed t/0,t/2 within 2000; metadata t within 2000; committed t/0,t/1,t/2 within 2000; "
                "offsets t/0=end,t/1=end,t/2=end within 2000; "
                "commit t/0=40 (chosen, nothing is read yet),t/1=50 (chosen, nothing is read yet),"
                "t/2=0 (chosen, nothing is read yet); wait for it within 10000; "
                "ASSIGNED t/0=40 t/2=0; protocol; forward t/0 to records; forward t/2 to records; protocol; "
                "assign t/0=40 (chosen, nothing is read yet),t/2=0 (chosen, nothing is read yet); check");
    fake_kafka_says("t", 0, 40, RD_KAFKA_RESP_ERR__PARTITION_EOF, "");
    fake_kafka_says("t", 2, 0, RD_KAFKA_RESP_ERR__PARTITION_EOF, ""); /* at 0 there was nothing to pass */
    CHECK_POLL("PENDING");
    (void)fake_kafka_calls();
    CHECK_POLL("PENDING");
    CHECK_CALLS("PASSED t/0=40; check"); /* though it stands where it began */
    put("t", 0, 40);
    CHECK_POLL("OK t/0@40=v");
    fake_kafka_says("t", 0, 41, RD_KAFKA_RESP_ERR__PARTITION_EOF, "");
    CHECK_POLL("PENDING");
    (void)fake_kafka_calls();
    CHECK_POLL("PENDING");
    CHECK_CALLS("check"); /* it is told of what was read already */
}

/* What was chosen and then read is read by nobody's choice. */
static void test_a_chosen_offset_is_not_resumed(void)
{
    struct fake_partition *p = fake_kafka_partition("t", 0);
    p->committed = 40;
    (void)strcpy(p->metadata, "chosen, nothing is read yet");
    OPEN_SOURCE("topics", "t", "start", "end");
    (void)fake_kafka_calls();
    fake_kafka_rebalances(1, ASSIGN, "t/0");
    CHECK_POLL("PENDING");
    CHECK_CALLS("committed t/0 within 2000; ASSIGNED t/0=40; protocol; forward t/0 to records; protocol; "
                "assign t/0=40 (chosen, nothing is read yet); check");
    put("t", 0, 40);
    CHECK_POLL("OK t/0@40=v");
    CU_ASSERT_FALSE(source->parts[0].untold);
    fake_kafka_rebalances(1, REVOKE, "t/0");
    (void)strcpy(p->metadata, "chosen, nothing is read ye!");
    CHECK_POLL("PENDING");
    fake_kafka_rebalances(1, ASSIGN, "t/0");
    (void)fake_kafka_calls();
    CHECK_POLL("PENDING");
    CHECK_CALLS("committed t/0 within 2000; ASSIGNED t/0=40 resumed; protocol; forward t/0 to records; protocol; "
                "assign t/0=40 (chosen, nothing is read ye!); check");
}

/* Added after the group met the topic: as new as any record. */
static void test_a_later_partition_is_read_from_its_beginning(void)
{
    static const char *const assigned[] = {"ASSIGNED t/1=-1 t/0=0 resumed; ", "ASSIGNED t/1=-1 t/0=40 resumed; "};
    for (int i = 0; i < 2; i++) { /* a group that committed 0 met the topic, too */
        begin();
        fake_kafka_partition("t", 0)->committed = i == 0 ? 0 : 40;
        fake_kafka_partition("t", 1)->committed = RD_KAFKA_OFFSET_INVALID;
        fake_kafka_partition("t", 1)->high = 50;
        OPEN_SOURCE("topics", "t", "start", "end");
        (void)fake_kafka_calls();
        fake_kafka_rebalances(1, ASSIGN, "t/1,t/0");
        CHECK_POLL("PENDING");
        {
            const char *made = fake_kafka_calls();
            CU_ASSERT_PTR_NOT_NULL(strstr(made, "committed t/0,t/1 within 2000; ASSIGNED"));
            CU_ASSERT_PTR_NOT_NULL(strstr(made, assigned[i]));
            CU_ASSERT_PTR_NOT_NULL(strstr(made, i == 0 ? "assign t/1=begin,t/0=0; " : "assign t/1=begin,t/0=40; "));
        }
        if (i == 0) {
            end();
        }
    }
}

/* Another member has partition 0: it is waited for, and what it chose is taken. */
static void test_others_wait_for_the_choice(void)
{
    struct fake_partition *p;
    (void)fake_kafka_partition("t", 0);
    p = fake_kafka_partition("t", 1);
    p->high = 50;
    OPEN_SOURCE("topics", "t", "start", "end");
    (void)fake_kafka_calls();
    fake_kafka_rebalances(1, ASSIGN, "t/1");
    CHECK_POLL("PENDING");
    CHECK_CALLS("committed t/1 within 2000; metadata t within 2000; committed t/0,t/1 within 2000; "
                "committed t/1 within 2000; metadata t within 2000; committed t/0,t/1 within 2000; "
                "check; look for the group, 1");
    p->committed = 30;
    (void)strcpy(p->metadata, "chosen, nothing is read yet");
    CHECK_POLL("PENDING");
    CHECK_CALLS("committed t/1 within 2000; ASSIGNED t/1=30; protocol; forward t/1 to records; protocol; "
                "assign t/1=30 (chosen, nothing is read yet); check");
}

/* … even where it chose between two questions. */
static void test_a_choice_between_two_questions(void)
{
    struct fake_partition *p;
    (void)fake_kafka_partition("t", 0);
    p = fake_kafka_partition("t", 1);
    p->committed = 30;
    (void)strcpy(p->metadata, "chosen, nothing is read yet");
    OPEN_SOURCE("topics", "t", "start", "end");
    fake_kafka_fail("stale", RD_KAFKA_RESP_ERR__FAIL, 1); /* the first answer knows of no offset */
    (void)fake_kafka_calls();
    fake_kafka_rebalances(1, ASSIGN, "t/1");
    CHECK_POLL("PENDING");
    CHECK_CALLS("committed t/1 within 2000; metadata t within 2000; committed t/0,t/1 within 2000; ASSIGNED t/1=30; "
                "protocol; forward t/1 to records; protocol; assign t/1=30 (chosen, nothing is read yet); check");
}

/* Whatever of it fails, it is all asked again, and nothing is announced. */
static void test_a_choice_that_fails(void)
{
    static const char *const calls[] = {"metadata", "topic_new", "no topics", "topic t", "offsets", "commit", "answer"};
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
        begin();
        fake_kafka_partition("t", 0)->high = 40;
        OPEN_SOURCE("topics", "t", "start", "end");
        (void)fake_kafka_calls();
        fake_kafka_fail(calls[i], RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE, 2);
        fake_kafka_rebalances(1, ASSIGN, "t/0");
        CHECK_POLL("PENDING");
        CU_ASSERT_PTR_NULL(strstr(fake_kafka_calls(), "ASSIGNED"));
        CU_ASSERT_EQUAL(source->part_count, 0);
        CHECK_POLL("PENDING");
        CU_ASSERT_PTR_NOT_NULL(strstr(fake_kafka_calls(), "ASSIGNED t/0=40;"));
        end();
    }
    begin(); /* nobody answers a commit */
    fake_kafka_partition("t", 0)->high = 40;
    OPEN_SOURCE("topics", "t", "start", "end");
    fake_kafka.no_answer = 1;
    fake_kafka_rebalances(1, ASSIGN, "t/0");
    CHECK_POLL("PENDING");
    CU_ASSERT_EQUAL(source->part_count, 0);
    CHECK_TEXT(fake.last_log, "committed offsets: Local: Timed out; asking again");
    CU_ASSERT_EQUAL(fake_kafka.now_ms, 100000 + 2 * 10000);
}

/* A topic that did not exist as the run began has nothing older than it. */
static void test_a_topic_that_appears(void)
{
    OPEN_SOURCE("topics", "t", "start", "end");
    fake_kafka_tells(1, "t", -1, 0, RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC, "");
    CHECK_POLL("PENDING");
    CHECK_TEXT(fake.last_log, "topic `t` does not exist; waiting for it");
    CU_ASSERT_EQUAL(fake.last_level, CHURN_LOG_INFO);
    fake_kafka_tells(1, "t", -1, 0, RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, "");
    fake_kafka_tells(1, "t", -1, 0, RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION, "");
    fake_kafka_tells(1, "x", -1, 0, RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC, "");
    CHECK_POLL("PENDING");
    CU_ASSERT_EQUAL(fake.log_lines, 1);
    fake_kafka_partition("t", 0)->low = 2;
    fake_kafka_partition("t", 0)->high = 40;
    (void)fake_kafka_calls();
    fake_kafka_rebalances(1, ASSIGN, "t/0");
    CHECK_POLL("PENDING");
    CHECK_CALLS("committed t/0 within 2000; metadata t within 2000; committed t/0 within 2000; "
                "offsets t/0=begin within 2000; commit t/0=2 (chosen, nothing is read yet); "
                "wait for it within 10000; ASSIGNED t/0=2; protocol; forward t/0 to records; protocol; "
                "assign t/0=2 (chosen, nothing is read yet); check");
    fake_kafka_rebalances(1, REVOKE, "t/0");
    CHECK_POLL("PENDING");
    fake_kafka_tells(1, "t", -1, 0, RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC, ""); /* once more */
    CHECK_POLL("PENDING");
    CU_ASSERT_EQUAL(fake.log_lines, 2);
}

/* --- Waiting for the group --- */

static void test_waiting_for_the_group_is_said_once(void)
{
    OPEN_SOURCE("topics", "t", "properties", "session.timeout.ms=7000");
    CHECK_POLL("PENDING");
    later(4999);
    CHECK_POLL("PENDING");
    CU_ASSERT_EQUAL(fake.log_lines, 0);
    fake_kafka.up = 0; /* the time begins anew with the broker */
    CHECK_POLL("PENDING");
    fake_kafka.up = 1;
    later(5000);
    CHECK_POLL("PENDING");
    CU_ASSERT_EQUAL(fake.log_lines, 0);
    fake_kafka.deaf = 1; /* … and with its answers: it is not the group that is waited for */
    later(5000);
    CHECK_POLL("PENDING");
    fake_kafka.deaf = 0;
    CHECK_POLL("PENDING");
    CU_ASSERT_EQUAL(fake.log_lines, 0);
    later(5000);
    CHECK_POLL("PENDING");
    CU_ASSERT_EQUAL(fake.log_lines, 1);
    CU_ASSERT_EQUAL(fake.last_level, CHURN_LOG_INFO);
    CHECK_TEXT(fake.last_log,
               "waiting for group `g` to give out its partitions: it hears from every member first, and waits for "
               "one that was killed until its session ends (session.timeout.ms, here 7 s)");
    later(50000);
    CHECK_POLL("PENDING");
    CHECK_POLL("PENDING");
    CU_ASSERT_EQUAL(fake.log_lines, 1);
    (void)fake_kafka_partition("t", 0);
    assign("t/0");
    CHECK_POLL("PENDING");
    CHECK_CALLS("check"); /* the group is looked for no more */
    fake_kafka_rebalances(1, REVOKE, "t/0");
    CHECK_POLL("PENDING");
    later(5000);
    CHECK_POLL("PENDING");
    CU_ASSERT_EQUAL(fake.log_lines, 2);
}

/* Nobody waits for topics that are not there. */
static void test_missing_topics_are_not_the_groups_fault(void)
{
    OPEN_SOURCE("topics", "t,u");
    fake_kafka_tells(1, "t", -1, 0, RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC, "");
    CHECK_POLL("PENDING");
    (void)fake_kafka_calls();
    CHECK_POLL("PENDING");
    CHECK_CALLS("check; look for the group, 2");
    fake_kafka_tells(1, "u", -1, 0, RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC, "");
    CHECK_POLL("PENDING");
    CHECK_CALLS("check");
}

static void test_a_group_that_is_lost(void)
{
    (void)fake_kafka_partition("t", 0);
    OPEN_SOURCE("topics", "t");
    fake_kafka.group = KAFKA_GROUP_SILENT;
    (void)fake_kafka_calls();
    CHECK_POLL("PENDING");
    CHECK_CALLS("check; look for the group, 1");
    CU_ASSERT_TRUE(fake_host_stalled(&fake, "group", NULL));
    CU_ASSERT_PTR_NOT_NULL(strstr(fake.last_log, "the coordinator of group `g` cannot be found"));
    later(6000);
    CHECK_POLL("PENDING");
    CU_ASSERT_EQUAL(fake.log_lines, 1); /* it is not waiting for its members */
    fake_kafka.group = KAFKA_GROUP_LOST;
    (void)fake_kafka_calls();
    CHECK_POLL("PENDING");
    CHECK_CALLS(
        "check; look for the group, 3; destroy open within 2000; open consumer 2; 2: one queue; 2: subscribe t");
    CHECK_TEXT(fake.last_log, "the Kafka client of group `g` is made anew, to find its coordinator");
    fake_kafka.group = KAFKA_GROUP_FOUND;
    CHECK_POLL("PENDING");
    CHECK_CALLS("check; look for the group, 1");
    CU_ASSERT_FALSE(fake_host_stalled(&fake, "group", NULL));
    fake_kafka.group = KAFKA_GROUP_LOST;
    fake_kafka_fail("open", RD_KAFKA_RESP_ERR__FAIL, 1);
    CHECK_POLL("FATAL not opened");
    end();
    begin();
    OPEN_SOURCE("topics", "t");
    fake_kafka.group = KAFKA_GROUP_LOST;
    fake_kafka_fail("subscribe", RD_KAFKA_RESP_ERR__STATE, 1);
    CHECK_POLL("FATAL cannot subscribe: Local: Erroneous state");
}

/* What is left of a rebalance that takes only some goes with the client. */
static void test_a_group_that_is_lost_within_a_rebalance(void)
{
    fake_kafka.protocol = "COOPERATIVE";
    (void)fake_kafka_partition("t", 0);
    OPEN_SOURCE("topics", "t");
    assign("t/0,t/1");
    fake_kafka_rebalances(1, REVOKE, "t/1");
    fake_kafka.group = KAFKA_GROUP_LOST;
    CHECK_POLL("PENDING");
    CHECK_CALLS(
        "REVOKED t/1=-1 whole; protocol; take away t/1; check; look for the group, 1; REVOKED t/0=-1 whole lost; "
        "destroy open within 2000; open consumer 2; 2: one queue; 2: subscribe t");
    CU_ASSERT_EQUAL(source->part_count, 0);
    CHECK_TEXT(polled(16, 0), "PENDING");
}

/* --- Commits --- */

static void test_commit(void)
{
    const churn_position positions[] = {
        {.topic = "t", .offset = 5}, {.topic = "strange", .offset = 6}, {.topic = "t", .partition = 2, .offset = 7}};
    OPEN_SOURCE("topics", "t");
    (void)fake_kafka_calls();
    CU_ASSERT_EQUAL(ops()->commit(source, positions, 0, 1, &err), CHURN_OK);
    CHECK_CALLS("");
    CU_ASSERT_EQUAL(ops()->commit(source, positions, 3, 0, &err), CHURN_OK);
    CHECK_CALLS("commit t/0=5,t/2=7");
    CU_ASSERT_EQUAL(ops()->commit(source, positions, 1, 1, &err), CHURN_OK);
    CHECK_CALLS("commit t/0=5; wait for it within 10000");
    CU_ASSERT_EQUAL(fake.log_lines, 0);
    fake_kafka_fail("commit", RD_KAFKA_RESP_ERR__STATE, 2);
    CU_ASSERT_EQUAL(ops()->commit(source, positions, 1, 0, &err), CHURN_RETRY);
    CHECK_TEXT(err.message, "offsets were not committed: Local: Erroneous state");
    CU_ASSERT_EQUAL(ops()->commit(source, positions, 1, 1, &err), CHURN_RETRY);
    CHECK_CALLS("commit t/0=5; commit t/0=5");
    fake_kafka_fail("answer", RD_KAFKA_RESP_ERR_NOT_COORDINATOR, 1);
    CU_ASSERT_EQUAL(ops()->commit(source, positions, 1, 1, &err), CHURN_RETRY);
    CHECK_TEXT(err.message, "offsets were not committed: Broker: Not coordinator");
    fake_kafka_partition("t", 0)->err = RD_KAFKA_RESP_ERR_OFFSET_METADATA_TOO_LARGE;
    CU_ASSERT_EQUAL(ops()->commit(source, positions, 1, 1, &err), CHURN_RETRY);
    fake_kafka.no_answer = 1;
    CU_ASSERT_EQUAL(ops()->commit(source, positions, 1, 1, &err), CHURN_RETRY);
    CHECK_TEXT(err.message, "offsets were not committed: Local: Timed out");
    CU_ASSERT_EQUAL(fake.log_lines, 5);
    CU_ASSERT_EQUAL(fake.last_level, CHURN_LOG_WARN);
    CHECK_TEXT(fake.last_log,
               "offsets of group `g` were not committed: Local: Timed out; a later commit includes them");
}

/* What a rebalance or a deleted topic explains is not worth a warning. */
static void test_the_answer_to_a_commit(void)
{
    static const struct {
        rd_kafka_resp_err_t code;
        int32_t level;
    } answers[] = {{RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION, CHURN_LOG_DEBUG},
                   {RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID, CHURN_LOG_DEBUG},
                   {RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS, CHURN_LOG_DEBUG},
                   {RD_KAFKA_RESP_ERR__NO_OFFSET, CHURN_LOG_DEBUG},
                   {RD_KAFKA_RESP_ERR__ASSIGNMENT_LOST, CHURN_LOG_DEBUG},
                   {RD_KAFKA_RESP_ERR__WAIT_COORD, CHURN_LOG_DEBUG},
                   {RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, CHURN_LOG_DEBUG},
                   {RD_KAFKA_RESP_ERR__TIMED_OUT, CHURN_LOG_WARN},
                   {RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED, CHURN_LOG_WARN}};
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(2);
    OPEN_SOURCE("topics", "t");
    for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++) {
        fake.log_lines = 0;
        offsets_on_commit(source->rk, answers[i].code, NULL, source->client);
        CU_ASSERT_EQUAL(fake.log_lines, 1);
        CU_ASSERT_EQUAL(fake.last_level, answers[i].level);
    }
    fake.log_lines = 0;
    (void)rd_kafka_topic_partition_list_add(list, "t", 0);
    offsets_on_commit(source->rk, RD_KAFKA_RESP_ERR_NO_ERROR, list, source->client);
    CU_ASSERT_EQUAL(fake.log_lines, 0);
    rd_kafka_topic_partition_list_add(list, "t", 1)->err = RD_KAFKA_RESP_ERR_NOT_COORDINATOR;
    offsets_on_commit(source->rk, RD_KAFKA_RESP_ERR_NO_ERROR, list, source->client);
    CHECK_TEXT(fake.last_log,
               "offsets of group `g` were not committed: Broker: Not coordinator; a later commit includes them");
    offsets_on_commit(source->rk, RD_KAFKA_RESP_ERR__TIMED_OUT, list, source->client);
    CHECK_TEXT(fake.last_log,
               "offsets of group `g` were not committed: Local: Timed out; a later commit includes them");
    CU_ASSERT_PTR_EQUAL(fake_kafka.on_commit, offsets_on_commit);
    rd_kafka_topic_partition_list_destroy(list);
    list = rd_kafka_topic_partition_list_new(1); /* the first one, too */
    rd_kafka_topic_partition_list_add(list, "t", 0)->err = RD_KAFKA_RESP_ERR_NOT_COORDINATOR;
    fake.log_lines = 0;
    offsets_on_commit(source->rk, RD_KAFKA_RESP_ERR_NO_ERROR, list, source->client);
    CU_ASSERT_EQUAL(fake.log_lines, 1);
    rd_kafka_topic_partition_list_destroy(list);
}

/* --- Seeking and asking --- */

static void test_seek_as_it_is_assigned(void)
{
    fake_kafka_partition("t", 0)->committed = 5;
    OPEN_SOURCE("topics", "t");
    (void)fake_kafka_calls();
    seek_to = 9;
    fake_kafka_rebalances(1, ASSIGN, "t/0");
    CHECK_POLL("PENDING");
    CHECK_CALLS("committed t/0 within 2000; ASSIGNED t/0=5 resumed whole; protocol; forward t/0 to records; protocol; "
                "assign t/0=9; check");
    put("t", 0, 8);
    put("t", 0, 9);
    CHECK_POLL("OK t/0@9=v");
}

static void test_seek_while_it_is_read(void)
{
    churn_position to = {.topic = "t", .partition = 1, .offset = 20};
    fake_kafka_partition("t", 1)->committed = 5;
    OPEN_SOURCE("topics", "t");
    CU_ASSERT_EQUAL(ops()->seek(source, &to, &err), CHURN_RETRY);
    CHECK_TEXT(err.message, "topic `t` partition 1 is not assigned to this worker");
    assign("t/1");
    CU_ASSERT_EQUAL(ops()->seek(source, &to, &err), CHURN_OK);
    CHECK_CALLS("seek t/1=20 within 2000");
    put("t", 1, 5);
    put("t", 1, 20);
    CHECK_POLL("OK t/1@20=v");
    (void)fake_kafka_calls();
    fake_kafka_fail("seek", RD_KAFKA_RESP_ERR__STATE, 2); /* not yet */
    to.offset = 30;
    CU_ASSERT_EQUAL(ops()->seek(source, &to, &err), CHURN_OK);
    CHECK_CALLS("seek t/1=30 within 2000; seek t/1=30 within 2000; seek t/1=30 within 2000");
    fake_kafka_fail("seek", RD_KAFKA_RESP_ERR__TIMED_OUT, 1);
    CU_ASSERT_EQUAL(ops()->seek(source, &to, &err), CHURN_RETRY);
    CHECK_TEXT(err.message, "topic `t` partition 1 cannot be read from offset 30 now: Local: Timed out");
    fake_kafka.seek_ms = 700;
    fake_kafka_fail("seek", RD_KAFKA_RESP_ERR__STATE, 99);
    (void)fake_kafka_calls();
    CU_ASSERT_EQUAL(ops()->seek(source, &to, &err), CHURN_RETRY);
    CHECK_CALLS("seek t/1=30 within 2000; seek t/1=30 within 2000; seek t/1=30 within 2000");
    fake_kafka_fail("seek", RD_KAFKA_RESP_ERR__STATE, 0);
    fake_kafka_partition("t", 1)->err = RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION;
    to.offset = 50;
    CU_ASSERT_EQUAL(ops()->seek(source, &to, &err), CHURN_RETRY);
    CU_ASSERT_EQUAL(source->parts[0].position, 30);
}

static void test_bounds_and_times(void)
{
    struct fake_partition *p = fake_kafka_partition("t", 1);
    int64_t low = -7, end_offset = -7, at = -7;
    p->low = 3;
    p->high = 90;
    p->at_time = 44;
    OPEN_SOURCE("topics", "t", "epoch", "1");
    (void)fake_kafka_calls();
    CU_ASSERT_EQUAL(ops()->bounds(source, "t@1", 1, &low, &end_offset, &err), CHURN_OK);
    CU_ASSERT(low == 3 && end_offset == 90);
    CU_ASSERT_EQUAL(ops()->offset_at(source, "t@1", 1, 123456, &at, &err), CHURN_OK);
    CU_ASSERT_EQUAL(at, 44);
    CU_ASSERT_EQUAL(ops()->offset_at(source, "t@1", 1, -5, &at, &err), CHURN_OK);
    CHECK_CALLS("offsets t/1=begin within 2000; offsets t/1=end within 2000; offsets t/1=123456 within 2000; "
                "offsets t/1=0 within 2000");
    p->at_time = -1; /* nothing is that new */
    CU_ASSERT_EQUAL(ops()->offset_at(source, "t@1", 1, 200000, &at, &err), CHURN_OK);
    CU_ASSERT_EQUAL(at, 90);
    CHECK_CALLS("offsets t/1=200000 within 2000; offsets t/1=end within 2000");
    CU_ASSERT_EQUAL(ops()->bounds(source, "t", 1, &low, &end_offset, &err), CHURN_RETRY);
    CHECK_TEXT(err.message, "topic `t` partition 1: its offsets cannot be asked for: Local: Unknown topic");
    CHECK_CALLS("");
    fake_kafka_fail("offsets", RD_KAFKA_RESP_ERR__TIMED_OUT, 1);
    CU_ASSERT_EQUAL(ops()->bounds(source, "t@1", 1, &low, &end_offset, &err), CHURN_RETRY);
    CHECK_CALLS("offsets t/1=begin within 2000");
    p->err = RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE;
    CU_ASSERT_EQUAL(ops()->offset_at(source, "t@1", 1, 200000, &at, &err), CHURN_RETRY);
    CHECK_TEXT(err.message, "topic `t@1` partition 1: its offsets cannot be asked for: Broker: Leader not available");
}

static const char *lag(void)
{
    static char text[64];
    churn_lag lag = {.size = sizeof lag, .known = 9, .messages = 9, .total = 9};
    ops()->lag(source, &lag);
    (void)snprintf(text, sizeof text, "%d %lld %lld", (int)lag.known, (long long)lag.messages, (long long)lag.total);
    return text;
}

static void test_lag(void)
{
    struct fake_partition *p = fake_kafka_partition("t", 0), *q;
    q = fake_kafka_partition("t", 1);
    p->committed = 5;
    OPEN_SOURCE("topics", "t");
    CHECK_TEXT(lag(), "0 0 -1");
    assign("t/0,t/1");
    CHECK_TEXT(lag(), "0 0 -1"); /* no end is known */
    p->seen_low = 0;
    p->seen_high = 9;
    CHECK_TEXT(lag(), "0 4 -1");
    q->seen_low = 2;
    q->seen_high = 8;
    CHECK_TEXT(lag(), "1 10 -1");
    q->seen_low = RD_KAFKA_OFFSET_INVALID;
    CHECK_TEXT(lag(), "0 4 -1");
    q->seen_low = q->seen_high = 0;
    p->seen_high = 5;
    CHECK_TEXT(lag(), "1 0 -1");
    p->seen_high = 4;
    CHECK_TEXT(lag(), "1 0 -1");
    CU_ASSERT_EQUAL(ops()->seek(source, &(churn_position){.topic = "t"}, &err), CHURN_OK);
    p->seen_low = 2;
    CHECK_TEXT(lag(), "1 4 -1");
}

/* --- Until the end --- */

static void open_until_end(const char *topics)
{
    fake.host.until_end = 1;
    OPEN_SOURCE("topics", topics);
    CHECK_CALLS("try a consumer; open consumer 1; one queue");
}

static void bound(const char *topic, int32_t partition, int64_t low, int64_t high)
{
    struct fake_partition *p = fake_kafka_partition(topic, partition);
    p->low = low;
    p->high = high;
}

static void test_until_end(void)
{
    bound("t", 0, 2, 5);
    bound("t", 1, 0, 0);
    open_until_end("t,none");
    CHECK_TEXT(lag(), "0 0 -1");
    CHECK_TEXT(polled(16, 50), "PENDING");
    CHECK_CALLS("metadata t within 100; metadata none within 100; offsets t/0=begin,t/1=begin within 100; "
                "offsets t/0=end,t/1=end within 100; subscribe t; check; look for the group, 1");
    CHECK_TEXT(fake.last_log, "no such topic: `none`; not waiting for it in a run until the end");
    CU_ASSERT_EQUAL(fake.last_level, CHURN_LOG_INFO);
    fake_kafka_rebalances(1, ASSIGN, "t/0,t/1");
    fake_kafka_partition("t", 0)->high = 50; /* what comes later does not count */
    CHECK_POLL("PENDING");
    CHECK_TEXT(lag(), "1 3 3");
    put_many("t", 0, 2, 4);
    CHECK_POLL("OK t/0@2=v t/0@3=v");
    CHECK_TEXT(lag(), "1 1 3");
    put_many("t", 0, 4, 7);
    CHECK_POLL("END t/0@4=v");
    CHECK_TEXT(lag(), "1 0 3");
    CHECK_POLL("END");
    CU_ASSERT_EQUAL(fake_kafka_waiting(), 0);
}

/* The last offsets of a partition may hold no record: its end, or a later record, tells. */
static void test_until_end_behind_a_gap(void)
{
    bound("t", 0, 0, 5);
    bound("t", 1, 0, 5);
    open_until_end("t");
    CHECK_POLL("PENDING");
    fake_kafka_rebalances(1, ASSIGN, "t/0,t/1");
    CHECK_POLL("PENDING");
    put("t", 0, 2);
    fake_kafka_says("t", 1, 4, RD_KAFKA_RESP_ERR__PARTITION_EOF, ""); /* not yet, by what was asked first */
    CHECK_POLL("OK t/0@2=v");
    (void)fake_kafka_calls();
    put("t", 0, 8);
    CHECK_POLL("PENDING");
    CHECK_CALLS("PASSED t/1=4; check");
    fake_kafka_says("t", 0, 9, RD_KAFKA_RESP_ERR__PARTITION_EOF, ""); /* beyond what was dropped */
    fake_kafka_says("t", 1, 5, RD_KAFKA_RESP_ERR__PARTITION_EOF, "");
    CHECK_POLL("PENDING"); /* first the host is told */
    CHECK_CALLS("PASSED t/0=5; check");
    CHECK_POLL("END");
    CHECK_CALLS("PASSED t/1=5; check");
    CHECK_TEXT(polled(16, 9000), "END"); /* not all of its time is waited */
    CU_ASSERT(fake_kafka.now_ms < 100000 + 9000);
    CHECK_CALLS("check");
    CHECK_TEXT(lag(), "1 0 1");
}

static void test_until_end_without_anything(void)
{
    open_until_end("none,neither");
    CHECK_TEXT(polled(16, 9000), "END");
    CHECK_CALLS("metadata none within 2000; metadata neither within 2000; check");
    CHECK_TEXT(fake.last_log, "no such topic: `none`, `neither`; there is nothing to read");
    CU_ASSERT_EQUAL(fake.last_level, CHURN_LOG_WARN);
    CHECK_TEXT(lag(), "1 0 0");
    CHECK_TEXT(polled(16, 9000), "END");
    CU_ASSERT_EQUAL(fake_kafka.now_ms, 100000);
}

/* Brokers that do not answer are asked on from where the answers ended. */
static void test_until_end_asks_again(void)
{
    bound("t", 0, 0, 5);
    bound("u", 0, 0, 5);
    open_until_end("t,u");
    fake_kafka_fail("metadata", RD_KAFKA_RESP_ERR__TIMED_OUT, 1);
    CHECK_TEXT(polled(16, 300), "PENDING");
    CHECK_CALLS("metadata t within 300; check");
    fake_kafka_fail("topic u", RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE, 1);
    CHECK_TEXT(polled(16, 300), "PENDING");
    CHECK_CALLS("metadata t within 300; metadata u within 300; check");
    fake_kafka_fail("no topics", RD_KAFKA_RESP_ERR__FAIL, 1);
    CHECK_TEXT(polled(16, 300), "PENDING");
    CHECK_CALLS("metadata u within 300; check");
    fake_kafka_fail("offsets", RD_KAFKA_RESP_ERR__TIMED_OUT, 1);
    CHECK_TEXT(polled(16, 300), "PENDING");
    CHECK_CALLS("metadata u within 300; offsets t/0=begin,u/0=begin within 300; check");
    fake_kafka_partition("u", 0)->err = RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE;
    CHECK_TEXT(polled(16, 300), "PENDING");
    CHECK_CALLS("offsets t/0=begin,u/0=begin within 300; check");
    fake_kafka_partition("u", 0)->err = RD_KAFKA_RESP_ERR_NO_ERROR;
    CHECK_TEXT(polled(16, 300), "PENDING");
    CHECK_CALLS("offsets t/0=begin,u/0=begin within 300; offsets t/0=end,u/0=end within 300; subscribe t u; check; "
                "look for the group, 1");
    CU_ASSERT_EQUAL(fake.log_lines, 0);
}

static void test_until_end_fails(void)
{
    static const struct {
        const char *call;
        rd_kafka_resp_err_t code;
        const char *answer, *calls; /* nothing else is asked then, nor said */
    } faults[] = {
        {"topic t", RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED,
         "FATAL topic `t`: Broker: Topic authorization failed: the user may not READ (or DESCRIBE) it; nothing is lost: allow it, and start again",
         "metadata t within 100; check"},
        {"topic t", RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION, "FATAL topic `t`: Broker: Invalid topic",
         "metadata t within 100; check"},
        {"subscribe", RD_KAFKA_RESP_ERR__STATE, "FATAL cannot subscribe: Local: Erroneous state",
         "metadata t within 100; metadata u within 100; offsets t/0=begin,u/0=begin within 100; offsets "
         "t/0=end,u/0=end within 100; subscribe t u; check"},
        {"topic_new", RD_KAFKA_RESP_ERR__STATE, "FATAL topic `t`: ", "check"},
    };
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
        begin();
        bound("t", 0, 0, 5);
        bound("u", 0, 0, 5);
        open_until_end("t,u");
        fake_kafka_fail(faults[i].call, faults[i].code, 1);
        CU_ASSERT_EQUAL(strncmp(polled(16, 0), faults[i].answer, strlen(faults[i].answer)), 0);
        CHECK_CALLS(faults[i].calls);
        CU_ASSERT_EQUAL(fake.log_lines, 0);
        CU_ASSERT_EQUAL(strncmp(polled(16, 0), faults[i].answer, strlen(faults[i].answer)), 0);
        end();
    }
    begin(); /* one that is unknown to the library is missing as well */
    open_until_end("t");
    fake_kafka_fail("topic t", RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC, 1);
    CHECK_POLL("END");
}

/* Members that were killed may have left something: what the group has committed tells, or their time is over. */
static void test_until_end_waits_for_others(void)
{
    struct fake_partition *theirs;
    bound("t", 0, 0, 1);
    bound("t", 1, 0, 7);
    bound("t", 2, 4, 4); /* empty */
    open_until_end("t");
    CHECK_POLL("PENDING");
    fake_kafka_rebalances(1, ASSIGN, "t/0");
    CHECK_POLL("PENDING");
    (void)fake_kafka_calls();
    theirs = fake_kafka_partition("t", 1);
    theirs->committed = 6;
    put("t", 0, 0);
    CHECK_POLL("OK t/0@0=v");
    CHECK_CALLS("check; committed t/1 within 2000");
    later(199);
    theirs->committed = 7;
    CHECK_POLL("PENDING");
    CHECK_CALLS("check");
    later(1);
    fake_kafka_fail("committed", RD_KAFKA_RESP_ERR__TIMED_OUT, 1);
    CHECK_POLL("PENDING");
    CHECK_CALLS("check; committed t/1 within 2000");
    later(200);
    CHECK_POLL("END");
    CHECK_CALLS("check; committed t/1 within 2000");
    CHECK_POLL("END");
    CHECK_CALLS("check");
    fake_kafka_rebalances(1, REVOKE, "t/0"); /* a new assignment, a new question */
    fake_kafka_rebalances(1, ASSIGN, "t/0");
    theirs->committed = 3;
    fake_kafka_partition("t", 0)->committed = 1;
    CHECK_POLL("PENDING");
    later(45000 + 5000);
    CHECK_POLL("PENDING");
    later(200);
    CHECK_POLL("END");
}

static void test_until_end_the_first_is_theirs(void)
{
    bound("t", 0, 0, 7);
    bound("t", 1, 0, 1);
    open_until_end("t");
    CHECK_POLL("PENDING");
    fake_kafka_partition("t", 0)->committed = 6;
    fake_kafka_rebalances(1, ASSIGN, "t/1");
    CHECK_POLL("PENDING");
    put("t", 1, 0);
    CHECK_POLL("OK t/1@0=v");
    later(200);
    fake_kafka_partition("t", 0)->committed = 7;
    CHECK_POLL("END");
}

/* A partition that was made after the start is not of this run. */
static void test_until_end_a_new_partition(void)
{
    bound("t", 0, 0, 1);
    open_until_end("t");
    CHECK_POLL("PENDING");
    bound("t", 1, 0, 7);
    fake_kafka_rebalances(1, ASSIGN, "t/0,t/1");
    CHECK_POLL("PENDING");
    put("t", 1, 0);
    CHECK_POLL("PENDING");
    put("t", 0, 0);
    CHECK_POLL("END t/0@0=v");
}

/* A seek may open what was read to its end, and close what was not. */
static void test_until_end_with_a_seek(void)
{
    churn_position to = {.topic = "t", .offset = 1};
    bound("t", 0, 0, 2);
    open_until_end("t");
    CHECK_POLL("PENDING");
    fake_kafka_rebalances(1, ASSIGN, "t/0");
    CHECK_POLL("PENDING");
    put_many("t", 0, 0, 2);
    CHECK_POLL("END t/0@0=v t/0@1=v");
    CU_ASSERT_EQUAL(ops()->seek(source, &to, &err), CHURN_OK);
    CHECK_POLL("PENDING");
    to.offset = 2;
    CU_ASSERT_EQUAL(ops()->seek(source, &to, &err), CHURN_OK);
    CHECK_POLL("END");
}

int main(void)
{
    CU_TestInfo tests[] = {TEST(test_configuration),
                           TEST(test_configuration_by_properties),
                           TEST(test_what_create_refuses),
                           TEST(test_cooperative_needs_a_new_library),
                           TEST(test_names_of_topics),
                           TEST(test_epoch),
                           TEST(test_starting_fails),
                           TEST(test_probe),
                           TEST(test_partitions_come_and_go),
                           TEST(test_cooperative_rebalances),
                           TEST(test_an_assignment_that_fails),
                           TEST(test_a_queue_that_is_not_there),
                           TEST(test_committed_offsets_are_asked_for_again),
                           TEST(test_an_assignment_upon_another),
                           TEST(test_committed_offsets_that_may_not_be_read),
                           TEST(test_start_end_chooses_for_all_partitions),
                           TEST(test_a_chosen_offset_is_not_resumed),
                           TEST(test_a_later_partition_is_read_from_its_beginning),
                           TEST(test_others_wait_for_the_choice),
                           TEST(test_a_choice_between_two_questions),
                           TEST(test_a_choice_that_fails),
                           TEST(test_a_topic_that_appears),
                           TEST(test_waiting_for_the_group_is_said_once),
                           TEST(test_missing_topics_are_not_the_groups_fault),
                           TEST(test_a_group_that_is_lost),
                           TEST(test_a_group_that_is_lost_within_a_rebalance),
                           TEST(test_commit),
                           TEST(test_the_answer_to_a_commit),
                           TEST(test_seek_as_it_is_assigned),
                           TEST(test_seek_while_it_is_read),
                           TEST(test_bounds_and_times),
                           TEST(test_lag),
                           TEST(test_until_end),
                           TEST(test_until_end_behind_a_gap),
                           TEST(test_until_end_without_anything),
                           TEST(test_until_end_asks_again),
                           TEST(test_until_end_fails),
                           TEST(test_until_end_waits_for_others),
                           TEST(test_until_end_the_first_is_theirs),
                           TEST(test_until_end_a_new_partition),
                           TEST(test_until_end_with_a_seek),
                           CU_TEST_INFO_NULL};
    return run_tests_without_leaks_with("source/kafka: the group", begin, end, tests);
}
