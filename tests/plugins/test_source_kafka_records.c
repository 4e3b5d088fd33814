/* What the Kafka source hands out: records and errors, turns, batches that cannot be read, records read again. */
#include "kafka_source_fixture.h"
#include "unreadable.h"

/* A source of topic t that has been given these partitions; where they begin is committed before. */
static void open_assigned(const char *list)
{
    OPEN_SOURCE("topics", "t");
    assign(list);
}

/* --- Records --- */

static void test_a_record(void)
{
    rd_kafka_message_t *m;
    fake_kafka_partition("t", 3)->committed = 7;
    open_assigned("t/3");
    m = fake_kafka_record("t", 3, 7, "value");
    m->key = (void *)(uintptr_t)"key";
    m->key_len = 3;
    fake_kafka_time(m, 1234567);
    fake_kafka_header(m, "one", "1");
    fake_kafka_header(m, "two", "22");
    m = fake_kafka_record("t", 3, 9, "bare"); /* what is missing was compacted */
    fake_kafka_time(m, -1);
    m = fake_kafka_record("t", 3, 10, "last");
    fake_kafka_header(m, "three", "");
    CHECK_TEXT(polled(3, 0), "OK t/3@7=value t/3@9=bare t/3@10=last");
    CU_ASSERT_EQUAL(records[0].size, sizeof(churn_record));
    CU_ASSERT_EQUAL(records[0].kind, CHURN_RECORD_EVENT);
    CU_ASSERT(records[0].key.len == 3 && memcmp(records[0].key.ptr, "key", 3) == 0);
    CU_ASSERT_EQUAL(records[0].timestamp_ms, 1234567);
    CU_ASSERT_EQUAL(records[1].timestamp_ms, 0);
    CU_ASSERT_EQUAL_FATAL(records[0].header_count, 2);
    CHECK_TEXT(records[0].headers[0].name, "one");
    CU_ASSERT(records[0].headers[0].value.len == 1 && records[0].headers[0].value.ptr[0] == '1');
    CHECK_TEXT(records[0].headers[1].name, "two");
    CU_ASSERT(records[0].headers[1].value.len == 2);
    CU_ASSERT_EQUAL(records[1].header_count, 0);
    CU_ASSERT_PTR_NULL(records[1].headers);
    CU_ASSERT_EQUAL_FATAL(records[2].header_count, 1);
    CHECK_TEXT(records[2].headers[0].name, "three");
    CU_ASSERT_EQUAL(source->bytes, 3 + 5 + 4 + 4);
    CU_ASSERT_EQUAL(source->returned, 3);
    CHECK_POLL("PENDING"); /* they are given back */
    m = fake_kafka_record("t", 3, 11, "v");
    fake_kafka_header(m, "alone", "1");
    fake_kafka_time(m, 1);
    CHECK_POLL("OK t/3@11=v");
    CU_ASSERT_EQUAL_FATAL(records[0].header_count, 1);
    CU_ASSERT_PTR_NOT_NULL_FATAL(records[0].headers);
    CHECK_TEXT(records[0].headers[0].name, "alone");
    CU_ASSERT_EQUAL(records[0].timestamp_ms, 1);
    CHECK_POLL("PENDING");
    CU_ASSERT_EQUAL(source->held_count, 0);
    CU_ASSERT_EQUAL(source->header_count, 0);
}

/* More headers than there was room for, in one poll: those of earlier records stay theirs. */
static void test_many_headers(void)
{
    open_assigned("t/0");
    for (int i = 0; i < 900; i++) {
        rd_kafka_message_t *m = fake_kafka_record("t", 0, i, "v");
        for (int k = 0; k < 4; k++) {
            char name[16], value[16];
            (void)snprintf(name, sizeof name, "n%d", k);
            (void)snprintf(value, sizeof value, "%d", i);
            fake_kafka_header(m, name, value);
        }
    }
    (void)polled(900, 0);
    CU_ASSERT_EQUAL(source->held_count, 900);
    for (int i = 0; i < 900; i++) {
        char value[16];
        (void)snprintf(value, sizeof value, "%d", i);
        CU_ASSERT_EQUAL_FATAL(records[i].header_count, 4);
        CHECK_TEXT(records[i].headers[3].name, "n3");
        CU_ASSERT_EQUAL(records[i].headers[3].value.len, strlen(value));
        CU_ASSERT_EQUAL(memcmp(records[i].headers[3].value.ptr, value, strlen(value)), 0);
    }
    put("t", 0, 900);
    CHECK_POLL("OK t/0@900=v");
    CU_ASSERT_EQUAL(records[0].header_count, 0);
}

/* Room for headers that cannot be had is not written to: the record comes without them, and the source fails. */
static void test_headers_need_memory(void)
{
#ifndef HAS_SANITIZER
    bool failed = true;
    for (long k = 1; failed && k < 100; k++) {
        rd_kafka_message_t *m;
        OPEN_SOURCE("topics", "t");
        assign("t/0");
        m = fake_kafka_record("t", 0, 0, "v");
        for (unsigned i = 0; i < 3000; i++) {
            fake_kafka_header(m, "n", "v");
        }
        fails_in = k;
        bool comes = strcmp(polled(1, 0), "OK t/0@0=v") == 0;
        failed = fails_in == 0;
        fails_in = 0;
        CU_ASSERT_EQUAL(source->header_count, failed ? 0 : 3000);
        CU_ASSERT(!comes || records[0].header_count == source->header_count);
        CU_ASSERT(!failed || !comes || records[0].headers == NULL);
        CU_ASSERT(comes || failed);
        CHECK_TEXT(comes ? polled(1, 0) : "FATAL out of memory", failed ? "FATAL out of memory" : "PENDING");
        end();
        begin();
    }
    CU_ASSERT(!failed);
#endif
}

static void test_headers_may_be_left_out(void)
{
    OPEN_SOURCE("topics", "t", "headers", "false");
    assign("t/0");
    fake_kafka_header(fake_kafka_record("t", 0, 0, "v"), "one", "1");
    CHECK_POLL("OK t/0@0=v");
    CU_ASSERT_EQUAL(records[0].header_count, 0);
    CU_ASSERT_PTR_NULL(records[0].headers);
}

/* As many as are asked for, each once, and none of what is not ours. */
static void test_which_records_are_handed_out(void)
{
    fake_kafka_partition("t", 1)->committed = 4;
    open_assigned("t/0,t/1");
    put("t", 0, 0);
    put("t", 1, 3); /* before its position */
    put("t", 1, 4);
    put("t", 0, 1);
    put("t", 0, 1); /* twice */
    put("t", 1, 5);
    put("t", 0, 2);
    CHECK_TEXT(polled(1, 0), "OK t/0@0=v");
    CHECK_TEXT(polled(2, 0), "OK t/1@4=v t/0@1=v");
    CHECK_TEXT(polled(9, 0), "OK t/1@5=v t/0@2=v");
    fake_kafka_tells(1, "u", 0, 0, RD_KAFKA_RESP_ERR_NO_ERROR, "v");
    CHECK_POLL("PENDING");
}

/* It waits for the first record alone, and looks after the group in between. */
static void test_how_long_a_poll_waits(void)
{
    fake_kafka_partition("t", 0)->committed = 0;
    open_assigned("t/0");
    CHECK_TEXT(polled(9, 250), "PENDING");
    CU_ASSERT_EQUAL(fake_kafka.now_ms, 100250);
    CHECK_TEXT(polled(9, 0), "PENDING");
    CU_ASSERT_EQUAL(fake_kafka.now_ms, 100250);
    put("t", 0, 0);
    CHECK_TEXT(polled(9, 250), "OK t/0@0=v");
    CU_ASSERT_EQUAL(fake_kafka.now_ms, 100250);
    fake_kafka_says("t", 0, 1, RD_KAFKA_RESP_ERR__TRANSPORT, "gone"); /* no reason to wait on at once */
    CHECK_TEXT(polled(9, 99), "PENDING");
    CU_ASSERT_EQUAL(fake_kafka.now_ms, 100349);
    fake_kafka_says("t", 0, 5, RD_KAFKA_RESP_ERR__PARTITION_EOF, ""); /* what was passed is to be told soon */
    source->parts[0].bad.waits = 0;
    CHECK_TEXT(polled(9, 5000), "PENDING");
    CU_ASSERT_EQUAL(fake_kafka.now_ms, 100349);
    fake_kafka_rebalances(1, REVOKE, "t/0");
    CHECK_TEXT(polled(9, 150), "PENDING");
    CU_ASSERT_EQUAL(fake_kafka.now_ms, 100499);
    fake_kafka_rebalances(1, ASSIGN, "t/0");
    CHECK_TEXT(polled(9, 5000), "PENDING"); /* the host is to see it */
    CU_ASSERT_EQUAL(fake_kafka.now_ms, 100499);
}

/* Paused, or asked for nothing, it still answers the group, and keeps what was fetched. */
static void test_a_pause(void)
{
    fake_kafka_partition("t", 0)->committed = 0;
    open_assigned("t/0");
    put("t", 0, 0);
    ops()->pause(source, 1);
    CHECK_TEXT(polled(9, 300), "PENDING");
    CU_ASSERT_EQUAL(fake_kafka.now_ms, 100300);
    fake_kafka_rebalances(1, REVOKE, "t/0");
    fake_kafka_rebalances(1, ASSIGN, "t/0");
    (void)fake_kafka_calls();
    CHECK_TEXT(polled(9, 0), "PENDING");
    CHECK_CALLS("REVOKED t/0=0 resumed whole; protocol; assign none; committed t/0 within 2000; ASSIGNED t/0=0 resumed "
                "whole; protocol; forward t/0 to records; protocol; assign t/0=0; check");
    ops()->pause(source, 0);
    CHECK_TEXT(polled(0, 20), "PENDING");
    CU_ASSERT_EQUAL(fake_kafka.now_ms, 100320);
    fake_kafka_fail("committed", RD_KAFKA_RESP_ERR__TIMED_OUT, 1); /* it is asked for again there, too */
    fake_kafka_rebalances(1, REVOKE, "t/0");
    fake_kafka_rebalances(1, ASSIGN, "t/0");
    CHECK_TEXT(polled(0, 0), "PENDING");
    CU_ASSERT_EQUAL(source->part_count, 1);
    CHECK_TEXT(polled(9, 0), "OK t/0@0=v");
}

/* An end tells that nothing is left before it, once the host has all that came before. */
static void test_the_end_of_a_partition(void)
{
    fake_kafka_partition("t", 0)->committed = 5;
    fake_kafka_partition("t", 1)->committed = 5;
    open_assigned("t/0,t/1");
    fake_kafka_says("t", 0, 5, RD_KAFKA_RESP_ERR__PARTITION_EOF, "");
    CHECK_POLL("PENDING");
    CHECK_POLL("PENDING");
    CHECK_CALLS("check; check"); /* it stands there already */
    put("t", 0, 5);
    fake_kafka_says("t", 0, 8, RD_KAFKA_RESP_ERR__PARTITION_EOF, "");
    fake_kafka_says("t", 1, 6, RD_KAFKA_RESP_ERR__PARTITION_EOF, "");
    fake_kafka_tells(1, "t", 7, 6, RD_KAFKA_RESP_ERR__PARTITION_EOF, "");
    CHECK_POLL("OK t/0@5=v");
    CHECK_CALLS("check");
    CHECK_POLL("PENDING");
    CHECK_CALLS("PASSED t/0=8; PASSED t/1=6; check");
    put("t", 0, 7); /* was passed */
    put("t", 0, 8);
    CHECK_POLL("OK t/0@8=v");
    (void)fake_kafka_calls();
    fake_kafka_says("t", 0, 10, RD_KAFKA_RESP_ERR__PARTITION_EOF, "");
    CHECK_POLL("PENDING");
    CU_ASSERT_EQUAL(ops()->seek(source, &(churn_position){.topic = "t", .offset = 2}, &err), CHURN_OK);
    (void)fake_kafka_calls();
    CHECK_POLL("PENDING");
    CHECK_CALLS("check"); /* a seek takes it back */
    listener.passed = NULL;
    fake_kafka_says("t", 0, 20, RD_KAFKA_RESP_ERR__PARTITION_EOF, "");
    CHECK_POLL("PENDING");
    CHECK_POLL("PENDING");
    listener.passed = on_passed;
    listener.size = offsetof(churn_source_listener, passed);
    fake_kafka_says("t", 0, 30, RD_KAFKA_RESP_ERR__PARTITION_EOF, "");
    CHECK_POLL("PENDING");
    CHECK_POLL("PENDING");
    CHECK_CALLS("check; check; check; check");
}

static void test_the_end_behind_a_marker(void)
{
    fake_kafka_partition("t", 0)->committed = 0;
    open_assigned("t/0,t/1");
    fake_kafka_says("t", 0, 1, RD_KAFKA_RESP_ERR__PARTITION_EOF, "");
    fake_kafka_says("t", 1, 0, RD_KAFKA_RESP_ERR__PARTITION_EOF,
                    ""); /* where it begins is not known, and nothing is there */
    CHECK_POLL("PENDING");
    CHECK_POLL("PENDING");
    CHECK_CALLS("check; PASSED t/0=1; check");
}

/* --- Errors --- */

static void test_errors(void)
{
    static const struct {
        rd_kafka_resp_err_t code;
        const char *topic;
        const char *answer;
    } errors[] = {
        {RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, "t",
         "FATAL topic `t`: Broker: Topic authorization failed: the user may not READ (or DESCRIBE) it; nothing is lost: allow it, and start again"},
        {RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION, "t", "FATAL topic `t`: Broker: Invalid topic"},
        {RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED, NULL,
         "FATAL group `g`: Broker: Group authorization failed: the user may not READ it, which is to join it and to commit; nothing is lost: allow it, and start again"},
        {RD_KAFKA_RESP_ERR__MAX_POLL_EXCEEDED, NULL, "PENDING"},
        {RD_KAFKA_RESP_ERR__FATAL, NULL, "PENDING"},
        {RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN, NULL, "PENDING"},
        {RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET, NULL, "PENDING"},
    };
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
        begin();
        open_assigned("t/0");
        fake_kafka_tells(1, errors[i].topic, 0, 3, errors[i].code, "why");
        CHECK_TEXT(polled(16, strcmp(errors[i].answer, "PENDING") != 0 ? 9000 : 0), errors[i].answer); /* at once */
        CHECK_POLL(errors[i].answer);
        CHECK_CALLS(errors[i].code == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN ? "error _ALL_BROKERS_DOWN: why; check; check"
                    : strcmp(errors[i].answer, "PENDING") == 0            ? "check; check"
                                                                          : "check");
        CU_ASSERT_EQUAL(fake.log_lines, errors[i].code == RD_KAFKA_RESP_ERR__MAX_POLL_EXCEEDED);
        CU_ASSERT_EQUAL(fake_kafka.now_ms, 100000);
        end();
    }
    begin();
    open_assigned("t/0");
    fake_kafka_fail("fatal", RD_KAFKA_RESP_ERR__FENCED, 1);
    fake_kafka_tells(1, NULL, 0, 0, RD_KAFKA_RESP_ERR__FATAL, "why");
    fake_kafka_tells(1, NULL, 0, 0, RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION, "not what is said");
    put("t", 0, 0);
    CHECK_POLL("FATAL the Kafka consumer failed for good: Local: This instance has been fenced by a newer instance: "
               "beyond help");
}

/* What was read before a failure is still handed out. */
static void test_records_before_a_failure(void)
{
    open_assigned("t/0");
    put("t", 0, 0);
    fake_kafka_says("t", 0, 1, RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION, "why");
    put("t", 0, 1);
    CHECK_POLL("OK t/0@0=v");
    CHECK_POLL("FATAL topic `t`: Broker: Invalid topic");
}

static void lose_offset(int64_t low, int64_t high)
{
    fake_kafka_partition("t", 0)->low = low;
    fake_kafka_partition("t", 0)->high = high;
    fake_kafka_says("t", 0, 5, RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET, "fetch failed");
}

/* A position out of range is for a person to decide; one that is not was a moment's trouble. */
static void test_a_position_out_of_range(void)
{
    static const int64_t fine[][2] = {{0, 9}, {5, 9}, {0, 5}};
    for (size_t i = 0; i < sizeof fine / sizeof fine[0]; i++) {
        begin();
        fake_kafka_partition("t", 0)->committed = 5;
        open_assigned("t/0");
        lose_offset(fine[i][0], fine[i][1]);
        CHECK_POLL("PENDING");
        CHECK_CALLS("offsets t/0=begin within 2000; offsets t/0=end within 2000; unsubscribe; subscribe t; check");
        CHECK_TEXT(fake.last_log, "topic `t` partition 0: fetch failed; joining the group again");
        CU_ASSERT_EQUAL(fake.last_level, CHURN_LOG_WARN);
        end();
    }
    for (int i = 0; i < 3; i++) { /* who is not answered cannot tell */
        begin();
        fake_kafka_partition("t", 0)->committed = i == 2 ? RD_KAFKA_OFFSET_INVALID : 5;
        open_assigned("t/0");
        lose_offset(7, 9);
        if (i == 0) {
            fake_kafka_fail("offsets", RD_KAFKA_RESP_ERR__TIMED_OUT, 1);
        } else if (i == 1) {
            fake_kafka_partition("t", 0)->err = RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE;
        }
        CHECK_POLL("PENDING");
        CU_ASSERT_PTR_NOT_NULL(strstr(fake_kafka_calls(), "unsubscribe; subscribe t; check"));
        end();
    }
    begin();
    fake_kafka_partition("t", 0)->committed = 5;
    open_assigned("t/0");
    lose_offset(0, 9);
    fake_kafka_fail("subscribe", RD_KAFKA_RESP_ERR__STATE, 1);
    CHECK_POLL("FATAL cannot subscribe: Local: Erroneous state");
    end();
    begin();
    fake_kafka_partition("t", 0)->committed = 5;
    open_assigned("t/0");
    lose_offset(0, 4);
    CHECK_POLL("FATAL topic `t` partition 0: group `g` is at offset 5, but the partition ends at 4: the topic was made "
               "anew, an unclean election cut its log, or this is another cluster. Set `epoch` to a number not used "
               "before (epoch: 1) to begin anew, or point the pipeline at the topic it read before");
    end();
    begin();
    fake_kafka_partition("t", 0)->committed = 5;
    open_assigned("t/0");
    lose_offset(6, 9);
    CHECK_POLL(
        "FATAL topic `t` partition 0: group `g` is at offset 5, but the partition holds 6 to 9: records expired "
        "before they were read (retention). To go on with the oldest that is left, stop all members and run "
        "kafka-consumer-groups.sh --group g --topic t --reset-offsets --to-earliest --execute --bootstrap-server b");
    end();
    begin();
    open_assigned("t/1");
    fake_kafka_tells(1, "t", 0, 5, RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET, ""); /* not ours */
    CHECK_POLL("PENDING");
    CHECK_CALLS("check");
}

/* --- Fetchers that doze --- */

/* A library that looks only once a second for room is woken when a queue that was full has run down. */
static void test_fetchers_are_woken(void)
{
    fake_kafka.fetchers = 0;
    open_assigned("t/0,t/1");
    CU_ASSERT_TRUE(source->fetchers_doze);
    for (int i = 0; i < 100; i++) { /* 600 kB, more than a quarter of the buffer */
        static char value[6001];
        memset(value, 'v', sizeof value - 1);
        (void)fake_kafka_record("t", 0, i, value);
    }
    for (int i = 0; i < 75; i++) {
        (void)polled(1, 0);
    }
    CU_ASSERT_EQUAL(source->peak, 100);
    (void)fake_kafka_calls();
    (void)polled(1, 0);
    CHECK_CALLS("check"); /* 25 are left: not less than a quarter */
    (void)polled(1, 0);
    CHECK_CALLS("offsets t/0=end,t/1=end within 0; check");
    CU_ASSERT_EQUAL(source->peak, 24);
    for (int i = 0; i < 20; i++) {
        (void)polled(1, 0);
    }
    CU_ASSERT_PTR_NULL(strstr(fake_kafka_calls(), "offsets"));
}

static void test_fetchers_of_little_are_left_alone(void)
{
    fake_kafka.fetchers = 0;
    open_assigned("t/0");
    put_many("t", 0, 0, 100);
    for (int i = 0; i < 110; i++) {
        (void)polled(1, 0);
    }
    CU_ASSERT_PTR_NULL(strstr(fake_kafka_calls(), "offsets"));
}

/* --- Turns --- */

static void far(int32_t partition, int64_t behind)
{
    struct fake_partition *p = fake_kafka_partition("t", partition);
    p->seen_low = 0;
    p->seen_high = behind;
    p->committed = 0;
}

/* A reader that comes late by so much, at the time of a look. */
static void open_late(const char *list, int64_t late_ms)
{
    open_assigned(list);
    source->turn.look_at = source->returned;
    later(late_ms);
}

/* Three partitions, and a reader that comes late. */
static void open_far_behind(void)
{
    far(0, 30000);
    far(1, 19999); /* not far enough */
    far(2, 500000);
    open_late("t/0,t/1,t/2", 21);
}

static void test_turns(void)
{
    open_far_behind();
    put("t", 1, 0);
    put("t", 0, 0);
    put("t", 2, 0);
    CHECK_TEXT(polled(2, 0), "OK t/1@0=v t/0@0=v"); /* what the common queue held is read first */
    CHECK_CALLS("forward t/0 to itself; check");
    CHECK_TEXT(fake.last_log, "far behind: partition 0 of `t` is read alone for a while");
    CU_ASSERT_EQUAL(fake.last_level, CHURN_LOG_DEBUG);
    put("t", 0, 1);
    put("t", 1, 1);
    CHECK_TEXT(polled(9, 0), "OK t/2@0=v t/0@1=v");
    CHECK_TEXT(polled(9, 0), "PENDING"); /* the common queue waits */
    CU_ASSERT_EQUAL(source->turn.left, 399999);
    (void)fake_kafka_calls();
    later(50);
    CHECK_TEXT(polled(9, 0), "PENDING");
    CHECK_CALLS("check");
    later(1); /* dry for too long: the next one, at once, where the reader is late */
    CHECK_TEXT(polled(9, 0), "OK t/1@1=v");
    CHECK_CALLS("forward t/0 to records; forward t/2 to itself; check");
    put_many("t", 2, 1, 4);
    CHECK_TEXT(polled(2, 0), "OK t/2@1=v t/2@2=v");
    later(2000);
    CHECK_TEXT(polled(2, 0), "OK t/2@3=v");
    (void)fake_kafka_calls();
    later(1); /* the others have waited long enough */
    far(0, 20001);
    CHECK_TEXT(polled(2, 0), "PENDING");
    CHECK_CALLS("forward t/2 to records; check"); /* the reader was not late now */
    fake_kafka_rebalances(1, REVOKE, "t/0,t/1,t/2");
    CHECK_POLL("PENDING");
}

/* What was read to its end has had its turn, and so has one that had its share. */
static void test_a_turn_is_over(void)
{
    open_far_behind();
    put("t", 0, 0);
    CHECK_TEXT(polled(2, 0), "OK t/0@0=v");
    (void)fake_kafka_calls();
    fake_kafka_partition("t", 0)->seen_high = 2;
    CHECK_TEXT(polled(2, 0), "PENDING");
    CHECK_CALLS("check"); /* one is left */
    fake_kafka_partition("t", 0)->seen_high = 1;
    CHECK_TEXT(polled(2, 0), "PENDING");
    CHECK_CALLS("forward t/0 to records; check");
    far(0, 30000);
    later(21);
    source->turn.look_at = 0;
    CHECK_TEXT(polled(2, 0), "PENDING");
    CHECK_CALLS("forward t/2 to itself; check"); /* in turn */
    put_many("t", 2, 0, 3);
    source->turn.left = 2;
    CHECK_TEXT(polled(2, 0), "OK t/2@0=v t/2@1=v");
    CU_ASSERT_EQUAL(source->turn.left, 0);
    (void)fake_kafka_calls();
    CHECK_TEXT(polled(2, 0), "OK t/2@2=v"); /* behind the others' */
    CHECK_CALLS("forward t/2 to records; check");
    later(21);
    CHECK_TEXT(polled(2, 0), "PENDING");
    CHECK_CALLS("check"); /* looked at again after 10 000 records */
    source->returned = source->turn.look_at - 1;
    CHECK_TEXT(polled(2, 0), "PENDING");
    CHECK_CALLS("check");
    source->returned++;
    CHECK_TEXT(polled(2, 0), "PENDING"); /* it was late since the last look */
    CHECK_CALLS("forward t/0 to itself; check");
    (void)fake_kafka_calls();
    fake_kafka_rebalances(1, REVOKE, "t/0,t/1,t/2");
    CHECK_POLL("PENDING");
    CHECK_CALLS(
        "forward t/0 to records; REVOKED t/2=3 resumed whole t/1=0 resumed whole t/0=1 resumed whole; protocol; "
        "assign none; check; look for the group, 1");
    CU_ASSERT_PTR_NULL(source->turn.queue);
}

static void test_no_turn(void)
{
    open_far_behind();
    fake_kafka_fail("queue", RD_KAFKA_RESP_ERR__FAIL, 1); /* a queue that is not to be had */
    CHECK_POLL("PENDING");
    CHECK_CALLS("check");
    CU_ASSERT_PTR_NULL(source->turn.queue);
    end();
    begin();
    far(0, 20000); /* one alone */
    far(1, 19999);
    open_late("t/0,t/1", 21);
    CHECK_POLL("PENDING");
    CHECK_CALLS("check");
    end();
    begin();
    far(0, 20000); /* one at all */
    open_late("t/0", 21);
    CHECK_POLL("PENDING");
    CHECK_CALLS("check");
    end();
    begin();
    far(0, 20000); /* a reader in time */
    far(1, 20000);
    open_late("t/0,t/1", 20);
    CHECK_POLL("PENDING");
    CHECK_CALLS("check");
    end();
    begin();
    fake_kafka.fetchers = 0;
    far(0, 20000);
    far(1, 20000);
    open_late("t/0,t/1", 21);
    CHECK_POLL("PENDING");
    CHECK_CALLS("forward t/0 to itself; offsets t/0=end,t/1=end within 0; check");
}

/* --- The right to commit --- */

static void poll_after(int64_t ms)
{
    later(ms);
    CHECK_POLL("PENDING");
}

/* A broker refuses the heartbeats of a member that lost READ on the group, which librdkafka keeps to itself. */
static void test_a_right_that_is_lost(void)
{
    fake_kafka_partition("t", 0)->committed = 5;
    OPEN_SOURCE("topics", "t");
    assign("t/0");
    poll_after(0);
    (void)fake_kafka_calls();
    poll_after(9999);
    CHECK_CALLS("check");
    poll_after(1);
    CHECK_CALLS("check; committed t/0 within 1000; commit t/0=5; wait for it within 1000");
    fake_kafka_fail("committed", RD_KAFKA_RESP_ERR__TIMED_OUT, 1);
    poll_after(10000);
    CU_ASSERT_FALSE(fake_host_stalled(&fake, "commit", NULL)); /* a broker that is slow says nothing */
    fake_kafka_fail("committed", RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED, 1);
    poll_after(10000);
    CU_ASSERT_TRUE(fake_host_stalled(&fake, "commit", NULL));
    poll_after(10000);
    CU_ASSERT_FALSE(fake_host_stalled(&fake, "commit", NULL));                  /* given again */
    fake_kafka_fail("commit", RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED, 1); /* READ alone: DESCRIBE was left */
    poll_after(10000);
    CU_ASSERT_TRUE(fake_host_stalled(&fake, "commit", NULL));
    poll_after(10000);
    CU_ASSERT_FALSE(fake_host_stalled(&fake, "commit", NULL));
}

/* --- Batches that cannot be read --- */

#define BAD RD_KAFKA_RESP_ERR__BAD_MSG

static void open_unreadable(const char *policy, const char *list)
{
    OPEN_SOURCE("topics", "t", "unreadable", policy);
    assign(list);
}

#define TRIED                                                                                                          \
    "committed t/0 within 1000; commit t/0=5; wait for it within 1000" /* whether the group may be committed for */

/* The partition waits and is asked for again, ever less often; what lies behind the batch is not handed out. */
static void test_an_unreadable_batch_is_waited_for(void)
{
    static const int64_t pauses[] = {1000, 2000, 4000, 8000, 10000, 10000};
    int64_t began_ms;
    fake_kafka_partition("t", 0)->committed = 5;
    open_unreadable("wait", "t/0,t/1");
    fake_kafka_says("t", 0, 5, BAD, "CRC");
    put("t", 0, 8);
    put("t", 1, 0);
    fake_kafka_says("t", 0, 8, BAD, "more of the same");
    fake_kafka_says("t", 0, 9, RD_KAFKA_RESP_ERR__PARTITION_EOF, "");
    fake_kafka_says("t", 0, 9, RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET, "");
    CHECK_POLL("OK t/1@0=v");
    CHECK_CALLS("pause t/0=5; check");
    CHECK_TEXT(fake.last_log, "topic `t` partition 0: CRC");
    CU_ASSERT_EQUAL(fake.last_level, CHURN_LOG_DEBUG);
    later(999);
    CHECK_POLL("PENDING");
    CHECK_CALLS("check");
    later(1);
    CHECK_POLL("PENDING");
    CHECK_CALLS("open consumer 2; 2: one queue; 2: assign t/0=5; check");
    CHECK_TEXT(conf_value("enable.partition.eof"), "true");
    CU_ASSERT_FALSE(fake_host_stalled(&fake, "fetch", NULL)); /* a moment's trouble is none */
    for (size_t i = 1; i < sizeof pauses / sizeof pauses[0]; i++) {
        fake_kafka_tells(2, NULL, 0, 0, RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN, "not about it");
        fake_kafka_tells(2, "t", 0, 77, RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET, "led astray");
        fake_kafka_tells(2, "t", 0, 5, BAD, "CRC");
        began_ms = fake_kafka.now_ms;
        CHECK_POLL("PENDING");
        CHECK_CALLS("2: assign none; check");
        CU_ASSERT_EQUAL(fake_kafka.now_ms, began_ms);
        CU_ASSERT_TRUE(fake_host_stalled(&fake, "fetch", NULL));
        later(pauses[i] - 1);
        CHECK_POLL("PENDING");
        CHECK_CALLS(pauses[i] < 8000 ? "check" : "check; " TRIED);
        later(1);
        CHECK_POLL("PENDING");
        CHECK_CALLS("2: assign t/0=5; check");
    }
    CHECK_TEXT(
        fake.last_log,
        "1 partition waits; topic `t` partition 0 waits at offset 5 for a batch that cannot be read: its checksum "
        "is wrong, as if a disk or the network had changed it. Mend it or its replica, raise "
        "receive.message.max.bytes (`properties`) where that is too small, or have it set aside: `unreadable: "
        "dead_letter`");
    later(9999); /* no answer */
    CHECK_POLL("PENDING");
    CHECK_CALLS("check; " TRIED);
    later(1);
    CHECK_POLL("PENDING");
    CHECK_CALLS("2: assign none; check");
    later(10000);
    CHECK_POLL("PENDING");
    CHECK_CALLS("2: assign t/0=5; check; " TRIED);
    fake_kafka_tells(2, "t", 0, 5, RD_KAFKA_RESP_ERR_NO_ERROR, "v"); /* somebody mended it */
    CHECK_POLL("PENDING");
    CHECK_CALLS("2: assign none; resume t/0=5; protocol; assign none; protocol; forward t/0 to records; "
                "forward t/1 to records; protocol; assign t/0=5,t/1=1; 2: destroy open within 2000; check");
    CU_ASSERT_FALSE(fake_host_stalled(&fake, "fetch", NULL));
    put("t", 0, 5);
    CHECK_POLL("OK t/0@5=v");
    CU_ASSERT_EQUAL(source->parts[0].bad.tries, 0);
}

/* All are read anew then, the one whose turn it is included. */
static void test_a_batch_is_mended_in_the_middle_of_a_turn(void)
{
    fake_kafka_partition("t", 0)->committed = 5;
    far(1, 30000);
    far(2, 30000);
    open_unreadable("wait", "t/0,t/1,t/2");
    fake_kafka_says("t", 0, 5, BAD, "CRC");
    CHECK_POLL("PENDING");
    later(1000);
    source->turn.look_at = 0;
    (void)fake_kafka_calls();
    CHECK_POLL("PENDING");
    CHECK_CALLS("forward t/1 to itself; open consumer 2; 2: one queue; 2: assign t/0=5; check");
    fake_kafka_tells(2, "t", 0, 5, RD_KAFKA_RESP_ERR_NO_ERROR, "v");
    CHECK_POLL("PENDING");
    CHECK_CALLS("2: assign none; resume t/0=5; forward t/1 to records; protocol; assign none; protocol; "
                "forward t/0 to records; forward t/1 to records; forward t/2 to records; protocol; "
                "assign t/0=5,t/1=0,t/2=0; 2: destroy open within 2000; check");
}

/* Several wait: they are asked for one after the other. */
static void test_several_partitions_wait(void)
{
    fake_kafka_partition("t", 0)->committed = 5;
    fake_kafka_partition("t", 1)->low = 30;
    fake_kafka_partition("t", 2)->committed = 60;
    open_unreadable("wait", "t/0,t/1,t/2");
    fake_kafka_says("t", 0, 5, BAD, "CRC");
    fake_kafka_says("t", 1, 31, RD_KAFKA_RESP_ERR__BAD_COMPRESSION, "lz4");
    CHECK_POLL("PENDING");
    CHECK_CALLS("pause t/0=5; offsets t/1=begin within 2000; pause t/1=30; check"); /* where it begins was not known */
    later(1000);
    CHECK_POLL("PENDING");
    CHECK_CALLS("open consumer 2; 2: one queue; 2: assign t/0=5; check");
    fake_kafka_tells(2, "t", 0, 5, BAD, "CRC");
    CHECK_POLL("PENDING");
    CHECK_CALLS("2: assign none; 2: assign t/1=30; check");
    fake_kafka_tells(2, "t", 1, 31, RD_KAFKA_RESP_ERR__BAD_COMPRESSION, "lz4");
    CHECK_POLL("PENDING");
    CHECK_CALLS("2: assign none; check");
    CU_ASSERT_EQUAL(strncmp(fake.last_log, "1 partition waits; topic `t` partition 0 waits at offset 5 ", 59), 0);
    {
        char message[512];
        CU_ASSERT_TRUE(fake_host_stalled(&fake, "fetch", message));
        CU_ASSERT_EQUAL(strncmp(message, "2 partitions wait; topic `t` partition 0 waits at offset 5 ", 59), 0);
    }
    fake_kafka_rebalances(1, REVOKE, "t/0,t/1,t/2"); /* one that is taken away is no concern of ours */
    CHECK_POLL("PENDING");
    CHECK_CALLS("resume t/1=30; resume t/0=5; REVOKED t/2=60 resumed whole t/1=30 whole t/0=5 resumed whole; protocol; "
                "assign none; 2: destroy open within 2000; check; look for the group, 1");
    CU_ASSERT_FALSE(fake_host_stalled(&fake, "fetch", NULL));
    CHECK_POLL("PENDING");
    CHECK_CALLS("check; look for the group, 2");
}

/* Where a partition begins is not known, nor to be learned: it is joined again. */
static void test_an_unreadable_beginning(void)
{
    open_unreadable("wait", "t/0");
    fake_kafka_says("t", 0, 5, BAD, "CRC");
    fake_kafka_fail("offsets", RD_KAFKA_RESP_ERR__TIMED_OUT, 1);
    CHECK_POLL("PENDING");
    CHECK_CALLS("offsets t/0=begin within 2000; unsubscribe; subscribe t; check");
    CU_ASSERT_FALSE(source->parts[0].bad.waits);
    CU_ASSERT_EQUAL(source->parts[0].position, OFFSET_UNKNOWN);
}

/* A question whose partition goes away meanwhile is dropped, and so is one that cannot be asked. */
static void test_questions_that_come_to_nothing(void)
{
    fake_kafka_partition("t", 0)->committed = 5;
    fake_kafka_partition("t", 1)->committed = 6;
    fake_kafka.protocol = "COOPERATIVE";
    open_unreadable("wait", "t/0,t/1");
    fake_kafka_says("t", 0, 5, BAD, "CRC");
    fake_kafka_says("t", 1, 6, BAD, "CRC");
    CHECK_POLL("PENDING");
    later(1000);
    fake_kafka_fail("assign", RD_KAFKA_RESP_ERR__STATE, 1);
    (void)fake_kafka_calls();
    CHECK_POLL("PENDING");
    CHECK_CALLS("open consumer 2; 2: one queue; 2: assign t/0=5; 2: assign t/1=6; check");
    fake_kafka_rebalances(1, REVOKE, "t/1");
    fake_kafka_tells(2, "t", 1, 6, BAD, "CRC");
    CHECK_POLL("PENDING");
    CHECK_CALLS("resume t/1=6; REVOKED t/1=6 resumed whole; protocol; take away t/1; 2: assign none; "
                "2: assign t/0=5; check; look for the group, 1");
    fake_kafka_fail("set enable.partition.eof", RD_KAFKA_RESP_ERR__FAIL, 1);
    unreadable_close(source);
    CHECK_POLL("FATAL no `enable.partition.eof`");
}

static void test_an_examiner_that_cannot_be_made(void)
{
    static const char *const calls[] = {"open", "conf"};
    static const char *const answers[] = {"FATAL not opened", "FATAL refused"};
    for (int i = 0; i < 2; i++) {
        begin();
        fake_kafka_partition("t", 0)->committed = 5;
        open_unreadable("wait", "t/0");
        fake_kafka_says("t", 0, 5, BAD, "CRC");
        CHECK_POLL("PENDING");
        later(1000);
        fake_kafka_fail(calls[i], RD_KAFKA_RESP_ERR__FAIL, 1);
        CHECK_POLL(answers[i]);
        end();
    }
}

/* The partition fails four times at offset 5, of a batch that begins at 3; then its end is searched for. */
static void fail_four_times(void)
{
    fake_kafka_says("t", 0, 3, RD_KAFKA_RESP_ERR__BAD_COMPRESSION, "lz4");
    CHECK_POLL("PENDING");
    for (int i = 0; i < 3; i++) {
        later(10000);
        CHECK_POLL("PENDING");
        (void)fake_kafka_calls();
        fake_kafka_tells(2, "t", 0, 3, RD_KAFKA_RESP_ERR__BAD_COMPRESSION, "lz4");
        CHECK_POLL("PENDING");
    }
}

/* The end is halved out: reading from an offset of the batch fails at the batch's beginning. */
static void test_an_unreadable_batch_is_set_aside(void)
{
    struct fake_partition *p = fake_kafka_partition("t", 0);
    const char *why = "it does not unpack, or to more than receive.message.max.bytes";
    char expected[512];
    p->committed = 5;
    p->high = 13;
    open_unreadable("dead_letter", "t/0");
    fail_four_times();
    CHECK_CALLS("2: assign none; offsets t/0=end within 2000; 2: assign t/0=9; check");
    {
        char message[512];
        CU_ASSERT_TRUE(fake_host_stalled(&fake, "fetch", message));
        CU_ASSERT_PTR_NOT_NULL(strstr(message, "than receive.message.max.bytes. It is set aside if it stays so"));
    }
    fake_kafka_tells(2, "t", 0, 11, BAD, "another batch"); /* 9 is beyond: it fails elsewhere */
    CHECK_POLL("PENDING");
    CHECK_CALLS("2: assign none; 2: assign t/0=7; check");
    fake_kafka_tells(2, "t", 0, 3, RD_KAFKA_RESP_ERR__BAD_COMPRESSION, "lz4"); /* 7 is inside */
    CHECK_POLL("PENDING");
    CHECK_CALLS("2: assign none; 2: assign t/0=8; check");
    fake_kafka_tells(2, "t", 0, 8, RD_KAFKA_RESP_ERR_NO_ERROR, "v"); /* 8 can be read */
    CHECK_POLL("PENDING");
    CHECK_CALLS("2: assign none; check");
    (void)snprintf(expected, sizeof expected,
                   "topic `t` partition 0: the batch of offsets 3 to 7 cannot be read and is set aside: %s", why);
    CHECK_TEXT(fake.last_log, expected);
    CU_ASSERT_EQUAL(fake.last_level, CHURN_LOG_ERROR);
    (void)snprintf(expected, sizeof expected, "OK t/0@5=%s t/0@6=%s", why, why);
    CHECK_TEXT(polled(2, 0), expected);
    CHECK_CALLS("check");
    CU_ASSERT_EQUAL(records[0].kind, CHURN_RECORD_UNREADABLE);
    CU_ASSERT_EQUAL(records[0].size, sizeof(churn_record));
    CU_ASSERT_EQUAL(records[0].key.len, 0);
    (void)snprintf(expected, sizeof expected, "OK t/0@7=%s", why);
    CHECK_TEXT(polled(2, 0), expected);
    CHECK_CALLS("resume t/0=8; protocol; assign none; protocol; forward t/0 to records; protocol; assign t/0=8; check");
    CU_ASSERT_FALSE(fake_host_stalled(&fake, "fetch", NULL));
    CU_ASSERT_EQUAL(source->returned, 3);
    put("t", 0, 8);
    CHECK_POLL("OK t/0@8=v");
    CHECK_CALLS("2: destroy open within 2000; check");
}

/* What is inside or beyond is told by where reading fails; an end of the partition is beyond. */
static void test_a_search_to_the_end(void)
{
    struct fake_partition *p = fake_kafka_partition("t", 0);
    p->committed = 5;
    p->high = 7;
    open_unreadable("dead_letter", "t/0");
    fail_four_times();
    CHECK_CALLS("2: assign none; offsets t/0=end within 2000; 2: assign t/0=6; check");
    fake_kafka_tells(2, "t", 0, 3, RD_KAFKA_RESP_ERR__PARTITION_EOF, "");
    CHECK_POLL("PENDING");
    CU_ASSERT_EQUAL(source->parts[0].bad.aside_end, 6);
    end();
    begin(); /* one offset alone is not searched */
    p = fake_kafka_partition("t", 0);
    p->committed = 5;
    p->high = 6;
    open_unreadable("dead_letter", "t/0");
    fail_four_times();
    CU_ASSERT_EQUAL(source->parts[0].bad.aside_end, 6);
    end();
    begin(); /* no answer, and the search begins anew */
    p = fake_kafka_partition("t", 0);
    p->committed = 5;
    p->high = 13;
    open_unreadable("dead_letter", "t/0");
    fail_four_times();
    (void)fake_kafka_calls();
    later(10000);
    CHECK_POLL("PENDING");
    CHECK_CALLS("2: assign none; check; " TRIED);
    later(10000);
    CHECK_POLL("PENDING");
    CHECK_CALLS("2: assign t/0=5; check; " TRIED);
    fake_kafka_tells(2, "t", 0, 5, RD_KAFKA_RESP_ERR__PARTITION_EOF, ""); /* there is nothing any more */
    CHECK_POLL("PENDING");
    CU_ASSERT_EQUAL(source->parts[0].bad.waits, 0);
}

/* No search where the end is not known, or is not behind it, nor for what is not the batch's fault. */
static void test_what_is_not_searched(void)
{
    struct fake_partition *p = fake_kafka_partition("t", 0);
    p->committed = 5;
    p->high = 5;
    open_unreadable("dead_letter", "t/0");
    fail_four_times();
    CHECK_CALLS("2: assign none; offsets t/0=end within 2000; check");
    p->high = 9;
    later(8000);
    CHECK_POLL("PENDING");
    CHECK_CALLS("2: assign t/0=5; check");
    fake_kafka_fail("offsets", RD_KAFKA_RESP_ERR__TIMED_OUT, 1);
    fake_kafka_tells(2, "t", 0, 3, RD_KAFKA_RESP_ERR__NOT_IMPLEMENTED, "");
    CHECK_POLL("PENDING");
    CHECK_CALLS("2: assign none; offsets t/0=end within 2000; check");
    later(10000);
    CHECK_POLL("PENDING");
    fake_kafka_tells(2, "t", 0, 3, RD_KAFKA_RESP_ERR_KAFKA_STORAGE_ERROR, "");
    (void)fake_kafka_calls();
    CHECK_POLL("PENDING");
    CHECK_CALLS("2: assign none; check");
    {
        char message[512];
        CU_ASSERT_TRUE(fake_host_stalled(&fake, "fetch", message));
        CU_ASSERT_PTR_NOT_NULL(strstr(message, "cannot be read: Broker: Disk error when trying to access log file"));
    }
}

static void test_set_aside_until_the_end(void)
{
    struct fake_partition *p = fake_kafka_partition("t", 0);
    fake.host.until_end = 1;
    p->committed = 5;
    p->high = 7;
    OPEN_SOURCE("topics", "t", "unreadable", "dead_letter");
    CHECK_POLL("PENDING");
    assign("t/0");
    p->high = 20;
    fail_four_times();
    for (int i = 0; i < 4; i++) { /* all up to 20 are its */
        fake_kafka_tells(2, "t", 0, 3, RD_KAFKA_RESP_ERR__BAD_COMPRESSION, "lz4");
        CHECK_POLL("PENDING");
    }
    CU_ASSERT_EQUAL(source->parts[0].bad.aside_end, 7);
    CU_ASSERT_EQUAL(strncmp(polled(9, 0), "END t/0@5=it ", 13), 0);
    CU_ASSERT_TRUE(source->parts[0].finished);
    CHECK_POLL("END");
}

/* --- Records read again --- */

static char given[4096];

static int32_t on_given(void *ctx, uint32_t index, const churn_record *record)
{
    size_t at = strlen(given);
    (void)ctx;
    if (record == NULL) {
        (void)snprintf(given + at, sizeof given - at, "%u none; ", index);
        return CHURN_OK;
    }
    CU_ASSERT(record->size == sizeof *record && record->kind == CHURN_RECORD_EVENT);
    (void)snprintf(given + at, sizeof given - at, "%u %s/%d@%lld %.*s=%.*s %lld", index, record->topic,
                   (int)record->partition, (long long)record->offset, (int)record->key.len, record->key.ptr,
                   (int)record->value.len, record->value.ptr, (long long)record->timestamp_ms);
    for (uint32_t i = 0; i < record->header_count; i++) {
        at = strlen(given);
        (void)snprintf(given + at, sizeof given - at, " %s:%.*s", record->headers[i].name,
                       (int)record->headers[i].value.len, record->headers[i].value.ptr);
    }
    at = strlen(given);
    (void)snprintf(given + at, sizeof given - at, "; ");
    return CHURN_OK;
}

static int32_t reread(const churn_position *positions, uint32_t count, uint32_t timeout_ms)
{
    given[0] = '\0';
    (void)fake_kafka_calls();
    return ops()->reread(source, positions, count, timeout_ms, on_given, NULL, &err);
}

/* What the reader, the client opened second, hears next. */
static void hears(int32_t partition, int64_t offset, rd_kafka_resp_err_t code)
{
    char value[16];
    (void)snprintf(value, sizeof value, "v%lld", (long long)offset);
    fake_kafka_tells(2, "t", partition, offset, code, value);
}

/* The reader, so that it can be told something before it is asked. */
static void open_reader(void)
{
    OPEN_SOURCE("topics", "t", "epoch", "2");
    CU_ASSERT_EQUAL(reread(NULL, 0, 100), CHURN_OK);
    CHECK_CALLS("open consumer 2; 2: one queue");
    CHECK_TEXT(conf_value("enable.partition.eof"), "true");
}

static void test_records_read_again(void)
{
    const churn_position positions[] = {
        {.topic = "t@2", .partition = 1, .offset = 7},    {.topic = "t@2", .partition = 0, .offset = 2000},
        {.topic = "t@2", .partition = 0, .offset = 5},    {.topic = "t@2", .partition = 1, .offset = 3},
        {.topic = "t@2", .partition = 0, .offset = 6},    {.topic = "t@2", .partition = 0, .offset = 1005},
        {.topic = "t@2", .partition = 0, .offset = 9000},
    };
    struct fake_partition *p = fake_kafka_partition("t", 0), *q = fake_kafka_partition("t", 1);
    p->low = 1;
    p->high = 9000;
    q->low = 4;
    q->high = 8;
    open_reader();
    hears(0, 5, RD_KAFKA_RESP_ERR_NO_ERROR);
    hears(0, 8, RD_KAFKA_RESP_ERR_NO_ERROR);    /* 6 and 7 were compacted away */
    hears(0, 1005, RD_KAFKA_RESP_ERR_NO_ERROR); /* near enough to be read on to */
    hears(0, 2000, RD_KAFKA_RESP_ERR_NO_ERROR);
    hears(1, 6, RD_KAFKA_RESP_ERR_NO_ERROR);
    hears(1, 8, RD_KAFKA_RESP_ERR__PARTITION_EOF);
    CU_ASSERT_EQUAL(reread(positions, 7, 500), CHURN_OK);
    CHECK_TEXT(given,
               "6 none; 2 t@2/0@5 =v5 0; 4 none; 5 t@2/0@1005 =v1005 0; 1 t@2/0@2000 =v2000 0; 3 none; 0 none; ");
    CHECK_CALLS("2: watermarks t/0 within 500; 2: assign t/0=5; 2: assign none; "
                "2: watermarks t/1 within 500; 2: assign t/1=7; 2: assign none");
}

static void test_records_far_apart_are_sought(void)
{
    const churn_position positions[] = {{.topic = "t@2", .offset = 5}, {.topic = "t@2", .offset = 1006}};
    fake_kafka_partition("t", 0)->high = 2000;
    open_reader();
    hears(0, 5, RD_KAFKA_RESP_ERR_NO_ERROR);
    hears(0, 1006, RD_KAFKA_RESP_ERR_NO_ERROR);
    CU_ASSERT_EQUAL(reread(positions, 2, 500), CHURN_OK);
    CHECK_TEXT(given, "0 t@2/0@5 =v5 0; 1 t@2/0@1006 =v1006 0; ");
    CHECK_CALLS("2: watermarks t/0 within 500; 2: assign t/0=5; 2: assign t/0=1006; 2: assign none");
    fake_kafka_fail("assign", RD_KAFKA_RESP_ERR__STATE, 1);
    CU_ASSERT_EQUAL(reread(positions, 2, 500), CHURN_RETRY);
    CHECK_TEXT(err.message, "topic `t` partition 0 cannot be read: Local: Erroneous state");
    CHECK_TEXT(given, "");
}

static void test_a_record_read_again_is_whole(void)
{
    const churn_position position = {.topic = "t", .offset = 5};
    rd_kafka_message_t *m;
    fake_kafka_partition("t", 0)->low = 5;
    fake_kafka_partition("t", 0)->high = 6;
    OPEN_SOURCE("topics", "t");
    (void)reread(NULL, 0, 100);
    m = fake_kafka_hears(2, "t", 0, 5, "value");
    m->key = (void *)(uintptr_t)"key";
    m->key_len = 3;
    fake_kafka_header(m, "one", "1");
    fake_kafka_header(m, "two", "22");
    fake_kafka_time(m, 1);
    CU_ASSERT_EQUAL(reread(&position, 1, 500), CHURN_OK);
    CHECK_TEXT(given, "0 t/0@5 key=value 1 one:1 two:22; ");
    m = fake_kafka_hears(2, "t", 0, 5, "value");
    fake_kafka_time(m, -1);
    CU_ASSERT_EQUAL(reread(&position, 1, 500), CHURN_OK);
    CHECK_TEXT(given, "0 t/0@5 =value 0; ");
}

/* What its topic does not hold, or does not exist, is not there; who does not answer is asked again. */
static void test_what_cannot_be_read_again(void)
{
    const churn_position strange = {.topic = "u", .offset = 5}, position = {.topic = "t", .offset = 5};
    static const rd_kafka_resp_err_t gone[] = {RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION, RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC,
                                               RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART};
    struct fake_partition *p = fake_kafka_partition("t", 0);
    p->high = 9;
    OPEN_SOURCE("topics", "t");
    CU_ASSERT_EQUAL(reread(&strange, 1, 500), CHURN_OK);
    CHECK_TEXT(given, "0 none; ");
    for (size_t i = 0; i < sizeof gone / sizeof gone[0]; i++) {
        p->err = gone[i];
        CU_ASSERT_EQUAL(reread(&position, 1, 500), CHURN_OK);
        CHECK_TEXT(given, "0 none; ");
    }
    p->err = RD_KAFKA_RESP_ERR__TIMED_OUT;
    CU_ASSERT_EQUAL(reread(&position, 1, 500), CHURN_RETRY);
    CHECK_TEXT(err.message, "topic `t` partition 0 cannot be asked for: Local: Timed out");
    CHECK_TEXT(given, "");
    p->err = RD_KAFKA_RESP_ERR_NO_ERROR;
    p->low = 6;
    CU_ASSERT_EQUAL(reread(&position, 1, 500), CHURN_OK);
    CHECK_TEXT(given, "0 none; ");
    CHECK_CALLS("2: watermarks t/0 within 500");
    p->low = 0;
    p->high = 5;
    CU_ASSERT_EQUAL(reread(&position, 1, 500), CHURN_OK);
    CHECK_TEXT(given, "0 none; ");
    CHECK_CALLS("2: watermarks t/0 within 500");
    p->high = 6;
    hears(0, 0, RD_KAFKA_RESP_ERR__TRANSPORT); /* passes */
    hears(0, 77, RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET);
    CU_ASSERT_EQUAL(reread(&position, 1, 500), CHURN_OK);
    CHECK_TEXT(given, "0 none; ");
    CU_ASSERT_EQUAL(reread(&position, 1, 500), CHURN_RETRY); /* nothing comes */
    CHECK_TEXT(err.message, "topic `t` partition 0: its records have not come in time");
    CHECK_CALLS("2: watermarks t/0 within 500; 2: assign t/0=5; 2: assign none");
    CU_ASSERT_EQUAL(fake_kafka.now_ms, 100500);
    end();
    begin();
    OPEN_SOURCE("topics", "t");
    fake_kafka_fail("open", RD_KAFKA_RESP_ERR__FAIL, 1);
    CU_ASSERT_EQUAL(reread(&position, 1, 500), CHURN_FATAL);
    fake_kafka_fail("conf", RD_KAFKA_RESP_ERR__FAIL, 1);
    CU_ASSERT_EQUAL(reread(&position, 1, 500), CHURN_FATAL);
    CU_ASSERT_PTR_NULL(source->reader_client);
    CHECK_TEXT(given, "");
}

int main(void)
{
    CU_TestInfo tests[] = {TEST(test_a_record),
                           TEST(test_many_headers),
                           TEST(test_headers_need_memory),
                           TEST(test_headers_may_be_left_out),
                           TEST(test_which_records_are_handed_out),
                           TEST(test_how_long_a_poll_waits),
                           TEST(test_a_pause),
                           TEST(test_the_end_of_a_partition),
                           TEST(test_the_end_behind_a_marker),
                           TEST(test_errors),
                           TEST(test_records_before_a_failure),
                           TEST(test_a_position_out_of_range),
                           TEST(test_fetchers_are_woken),
                           TEST(test_fetchers_of_little_are_left_alone),
                           TEST(test_turns),
                           TEST(test_a_turn_is_over),
                           TEST(test_no_turn),
                           TEST(test_a_right_that_is_lost),
                           TEST(test_an_unreadable_batch_is_waited_for),
                           TEST(test_a_batch_is_mended_in_the_middle_of_a_turn),
                           TEST(test_several_partitions_wait),
                           TEST(test_an_unreadable_beginning),
                           TEST(test_questions_that_come_to_nothing),
                           TEST(test_an_examiner_that_cannot_be_made),
                           TEST(test_an_unreadable_batch_is_set_aside),
                           TEST(test_a_search_to_the_end),
                           TEST(test_what_is_not_searched),
                           TEST(test_set_aside_until_the_end),
                           TEST(test_records_read_again),
                           TEST(test_records_far_apart_are_sought),
                           TEST(test_a_record_read_again_is_whole),
                           TEST(test_what_cannot_be_read_again),
                           CU_TEST_INFO_NULL};
    return run_tests_without_leaks_with("source/kafka: records", begin, end, tests);
}
