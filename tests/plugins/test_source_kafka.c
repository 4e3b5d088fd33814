/*
 * The Kafka source while its cluster answers with errors, late, or not at all; a mock cluster, no server.
 *
 * Each trial is a cluster, a source and one fault. The source is used as the engine does: what it reads is committed a
 * little later, the rest when partitions are revoked. Trials run side by side, since they mostly wait.
 */
#include "cunit_main.h"
#include "fake_host.h"
#include "mock_kafka.h"

#include <churn/source.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define TOPIC "t"
#define GROUP "g"
#define PARTITIONS 2
#define RECORDS_MAX 100000 /* of a partition */
#define HOME 1             /* the broker that leads the partitions, coordinates the group and answers with faults */
#define ELSEWHERE 2
#define FAULTS_MAX 3
#define SIDE_BY_SIDE 32     /* trials; each has some twenty threads, which mostly wait */
#define BEFORE_FAULT 40     /* records read by then */
#define DISTURBED_MS 4500   /* longer than a session */
#define DEADLINE_MS 60000   /* of a trial */
#define CALL_LIMIT_MS 15000 /* of one call of the source */
#define STOP_LIMIT_MS 9000
#define WATCHDOG_S 500
#define PROPERTIES                                                                                                     \
    "session.timeout.ms=4000,heartbeat.interval.ms=200,reconnect.backoff.max.ms=500,"                                  \
    "topic.metadata.refresh.interval.ms=500"

/* Not for all: the mock cluster aborts when a member that it lets wait in a join breaks off and joins again. */
#define IMPATIENT "socket.timeout.ms=1000"

/* Kafka's numbers of the requests. */
enum {
    FETCH = 1,
    LIST_OFFSETS = 2,
    OFFSET_COMMIT = 8,
    OFFSET_FETCH = 9,
    FIND_COORDINATOR = 10,
    JOIN_GROUP = 11,
    HEARTBEAT = 12,
    LEAVE_GROUP = 13,
    SYNC_GROUP = 14
};

/* The next `times` requests of a kind are answered with an error, or late. */
struct fault {
    int16_t api;
    rd_kafka_resp_err_t err;
    int rtt_ms;
    int times; /* 0: none */
};

/* How the partitions must have gone by the time the fault is over. */
enum loss { MAY_STAY, REVOKED, LOST };

typedef void disturbance(rd_kafka_mock_cluster_t *mock);

struct row {
    const char *name;
    struct fault at_start[FAULTS_MAX], amid[FAULTS_MAX], at_stop[FAULTS_MAX];
    disturbance *begin, *end; /* amid, for DISTURBED_MS */
    enum loss loss;
    int refused;            /* a commit must have been */
    int unwaited;           /* commits are sent and not waited for */
    int only_revoked;       /* from the fault on, commits are left to the revocation */
    const char *properties; /* besides PROPERTIES */
    const char *fatal;      /* the source gives up and says this */
};

struct trial {
    const struct row *row;
    char failure[256]; /* "": none */
    struct fake_host fake;
    struct cluster cluster;
    rd_kafka_t *producer;
    rd_kafka_t *asker; /* of what the group has committed */
    const churn_plugin *plugin;
    const churn_source_ops *ops;
    churn_source_listener listener;
    void *source;
    int64_t deadline_ms;
    int64_t disturbed_ms; /* since when; 0: not */
    int announced;        /* partitions, in this poll */
    int stopped;
    int gave_up;
    int revoked, lost, refused; /* how often */
    int64_t delivered;
    struct {
        int held;
        int64_t filled;   /* records that exist */
        int64_t next;     /* expected from the source */
        int64_t before;   /* `next` one poll ago */
        int64_t asked;    /* the furthest offset ever given to commit */
        int64_t accepted; /* the newest commit that was answered with CHURN_OK */
        unsigned char seen[RECORDS_MAX];
    } part[PARTITIONS];
};

static int64_t now_ms(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* CUnit knows one thread, so a trial only notes its first failure. */
__attribute__((format(printf, 2, 3))) static void fail(struct trial *t, const char *format, ...)
{
    va_list args;
    if (t->failure[0] == '\0') {
        va_start(args, format);
        (void)vsnprintf(t->failure, sizeof t->failure, format, args);
        va_end(args);
    }
}

/* --- The cluster --- */

static void on_delivery(rd_kafka_t *rk, const rd_kafka_message_t *m, void *opaque)
{
    struct trial *t = opaque;
    (void)rk;
    if (m->err == RD_KAFKA_RESP_ERR_NO_ERROR && m->offset >= t->part[m->partition].filled) {
        t->part[m->partition].filled = m->offset + 1;
    }
}

static void cluster_open(struct trial *t)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    t->cluster = cluster_new(2, TOPIC, PARTITIONS);
    for (int i = 0; i < PARTITIONS; i++) {
        (void)rd_kafka_mock_partition_set_leader(t->cluster.mock, TOPIC, i, HOME);
    }
    (void)rd_kafka_mock_coordinator_set(t->cluster.mock, "group", GROUP, HOME);
    rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
    rd_kafka_conf_set_opaque(conf, t);
    t->producer = cluster_client(&t->cluster, RD_KAFKA_PRODUCER, GROUP, conf);
    t->asker = cluster_client(&t->cluster, RD_KAFKA_CONSUMER, GROUP, NULL);
}

static void cluster_close(struct trial *t)
{
    rd_kafka_destroy(t->producer);
    rd_kafka_destroy(t->asker);
    cluster_free(&t->cluster);
}

static void fill(struct trial *t, int count)
{
    char value[] = "v";
    for (int i = 0; i < count; i++) {
        for (int p = 0; p < PARTITIONS; p++) {
            (void)rd_kafka_producev(t->producer, RD_KAFKA_V_TOPIC(TOPIC), RD_KAFKA_V_PARTITION(p),
                                    RD_KAFKA_V_VALUE(value, 1), RD_KAFKA_V_END);
        }
    }
    if (rd_kafka_flush(t->producer, 10000) != RD_KAFKA_RESP_ERR_NO_ERROR) {
        fail(t, "the test's own records could not be written");
    }
}

static void push(struct trial *t, const struct fault *faults)
{
    for (int i = 0; i < FAULTS_MAX; i++) {
        for (int n = 0; n < faults[i].times; n++) {
            if (faults[i].api == FIND_COORDINATOR) { /* any broker may be asked */
                rd_kafka_mock_push_request_errors(t->cluster.mock, FIND_COORDINATOR, 1, faults[i].err);
                continue;
            }
            (void)rd_kafka_mock_broker_push_request_error_rtts(t->cluster.mock, HOME, faults[i].api, 1, faults[i].err,
                                                               faults[i].rtt_ms);
        }
    }
}

static int waits(struct trial *t, const struct fault *faults)
{
    size_t left = 0;
    for (int i = 0; i < FAULTS_MAX && left == 0; i++) {
        if (faults[i].times > 0) {
            (void)rd_kafka_mock_broker_error_stack_cnt(t->cluster.mock, HOME, faults[i].api, &left);
        }
    }
    return left > 0;
}

/* --- Commits --- */

/* What the group has committed was asked for, and nothing less than the newest accepted commit. */
static void check_committed(struct trial *t)
{
    int64_t offsets[PARTITIONS];
    rd_kafka_resp_err_t code;
    if (waits(t, t->row->at_start) || waits(t, t->row->amid) || t->disturbed_ms != 0) {
        return; /* the faults are not for the asker */
    }
    code = cluster_committed(t->asker, TOPIC, PARTITIONS, offsets);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
        fail(t, "the group cannot be asked: %s", rd_kafka_err2name(code));
    }
    for (int p = 0; p < PARTITIONS && code == RD_KAFKA_RESP_ERR_NO_ERROR; p++) {
        if (offsets[p] > t->part[p].asked || offsets[p] < t->part[p].accepted) {
            fail(t, "partition %d: the group is at %lld; asked for were up to %lld, accepted %lld", p,
                 (long long)offsets[p], (long long)t->part[p].asked, (long long)t->part[p].accepted);
        }
    }
}

/* Commits up to `next`, or as far as it was one poll ago. */
static void commit(struct trial *t, int all, int wait)
{
    churn_position at[PARTITIONS];
    churn_error err = {.size = sizeof err};
    uint32_t count = 0;
    int32_t result;
    for (int p = 0; p < PARTITIONS; p++) {
        int64_t to = all ? t->part[p].next : t->part[p].before;
        if (t->part[p].held && to > t->part[p].accepted) {
            at[count++] = (churn_position){.topic = TOPIC, .partition = p, .offset = to};
            t->part[p].asked = to > t->part[p].asked ? to : t->part[p].asked;
        }
    }
    if (count == 0) {
        return;
    }
    result = t->ops->commit(t->source, at, count, wait, &err);
    if (result != CHURN_OK) {
        t->refused++;
        if (result != CHURN_RETRY) {
            fail(t, "a commit was answered with %d", (int)result);
        }
    } else if (wait) {
        for (uint32_t i = 0; i < count; i++) {
            t->part[at[i].partition].accepted = at[i].offset;
        }
        check_committed(t);
    }
}

/* --- The host's part --- */

static void on_assigned(void *ctx, const churn_position *positions, uint32_t count)
{
    struct trial *t = ctx;
    t->announced = 1;
    for (uint32_t i = 0; i < count; i++) {
        int p = positions[i].partition;
        int64_t from = positions[i].offset >= 0 ? positions[i].offset : 0;
        if (t->part[p].held || t->stopped) {
            fail(t, "partition %d was assigned %s", p, t->stopped ? "after the end" : "twice");
        }
        if (from > t->part[p].asked || from < t->part[p].accepted) {
            fail(t, "partition %d begins at %lld; asked for were up to %lld, accepted %lld", p, (long long)from,
                 (long long)t->part[p].asked, (long long)t->part[p].accepted);
        }
        t->part[p].held = 1;
        t->part[p].next = t->part[p].before = from;
    }
}

static void on_revoked(void *ctx, const churn_position *positions, uint32_t count, int32_t lost)
{
    struct trial *t = ctx;
    t->revoked++;
    t->lost += lost;
    if (count != PARTITIONS || t->stopped) {
        fail(t, "%u partitions were revoked%s", count, t->stopped ? " after the end" : "");
    }
    if (!lost) {
        commit(t, 1, 1);
    }
    for (uint32_t i = 0; i < count; i++) {
        t->part[positions[i].partition].held = 0;
    }
}

static void take(struct trial *t, const churn_record *r)
{
    int p = r->partition;
    if (!t->part[p].held) {
        fail(t, "a record of partition %d, which is not assigned", p);
    } else if (r->offset != t->part[p].next || r->offset >= RECORDS_MAX) {
        fail(t, "partition %d: offset %lld where %lld follows", p, (long long)r->offset, (long long)t->part[p].next);
    } else {
        t->part[p].next = r->offset + 1;
        t->part[p].seen[r->offset] = 1;
        t->delivered++;
    }
}

static void read_some(struct trial *t)
{
    churn_record records[8];
    churn_error err = {.size = sizeof err};
    uint32_t count = 0;
    int64_t began = now_ms();
    int32_t result;
    for (int p = 0; p < PARTITIONS; p++) {
        t->part[p].before = t->part[p].next;
    }
    t->announced = 0;
    result = t->ops->poll(t->source, records, 8, 20, &count, &err);
    if (t->announced && count > 0) {
        fail(t, "%u records before the host could say where to begin", count);
    }
    for (uint32_t i = 0; i < count; i++) {
        take(t, &records[i]);
    }
    if (result == CHURN_FATAL) {
        t->gave_up = 1;
        if (t->row->fatal == NULL || strstr(err.message, t->row->fatal) == NULL) {
            fail(t, "the source gave up: %s", err.message);
        }
    }
    if (!t->row->only_revoked || t->revoked > 0 || !waits(t, t->row->amid)) {
        commit(t, 0, !t->row->unwaited);
    }
    if (now_ms() - began > CALL_LIMIT_MS) {
        fail(t, "a poll and a commit took %lld ms", (long long)(now_ms() - began));
    }
}

/* --- A trial --- */

typedef int condition(struct trial *t);

static int has_read_some(struct trial *t)
{
    return t->delivered >= BEFORE_FAULT && t->part[0].accepted + t->part[1].accepted > 0;
}

static int has_sent_some(struct trial *t)
{
    return t->delivered >= BEFORE_FAULT && t->part[0].asked + t->part[1].asked > 0;
}

/* Ends the disturbance in time, and writes more records while there is none. */
static int fault_is_over(struct trial *t)
{
    const struct row *row = t->row;
    if (t->disturbed_ms != 0 && now_ms() - t->disturbed_ms >= DISTURBED_MS) {
        t->disturbed_ms = 0;
        if (row->end != NULL) {
            row->end(t->cluster.mock);
        }
    }
    if (t->disturbed_ms == 0 && row->begin == NULL && t->part[0].next >= t->part[0].filled) {
        fill(t, 10);
    }
    return t->disturbed_ms == 0 && !waits(t, row->amid) && t->lost >= (row->loss == LOST) &&
           t->revoked - t->lost >= (row->loss == REVOKED) && t->refused >= row->refused;
}

static int gave_up(struct trial *t)
{
    return t->gave_up;
}

static int all_is_committed(struct trial *t)
{
    int all = 1;
    for (int p = 0; p < PARTITIONS; p++) {
        all &= t->part[p].held && t->part[p].next == t->part[p].filled;
    }
    if (all) {
        commit(t, 1, 1);
    }
    for (int p = 0; p < PARTITIONS; p++) {
        all &= t->part[p].accepted == t->part[p].filled;
    }
    return all;
}

static void read_until(struct trial *t, condition *done, const char *what)
{
    while (t->failure[0] == '\0' && !done(t)) {
        if (now_ms() > t->deadline_ms) {
            fail(t, "in time it was not so that %s (lost %d of %d revoked, %d refused, log: %.80s)", what, t->lost,
                 t->revoked, t->refused, t->fake.last_log);
        }
        if (!t->gave_up) {
            read_some(t);
        }
    }
}

static void begin(struct trial *t)
{
    char properties[512];
    churn_error err = {.size = sizeof err};
    (void)snprintf(properties, sizeof properties, "%s%s%s", PROPERTIES, t->row->properties != NULL ? "," : "",
                   t->row->properties != NULL ? t->row->properties : "");
    t->source = fake_instance_new(t->plugin, "brokers", t->cluster.brokers, "topics", TOPIC, "group_id", GROUP,
                                  "properties", properties, NULL);
    t->listener =
        (churn_source_listener){.size = sizeof t->listener, .ctx = t, .assigned = on_assigned, .revoked = on_revoked};
    if (t->ops->create(t->source, &t->fake.host, &err) != CHURN_OK ||
        t->ops->start(t->source, &t->listener, &err) != CHURN_OK) {
        (void)fprintf(stderr, "%s: %s\n", t->row->name, err.message);
        exit(1);
    }
}

static void inject(struct trial *t)
{
    push(t, t->row->amid);
    if (t->row->begin != NULL) {
        t->disturbed_ms = now_ms();
        t->row->begin(t->cluster.mock);
    }
}

static void stop(struct trial *t)
{
    int64_t began = now_ms();
    t->stopped = 1;
    push(t, t->row->at_stop);
    t->ops->stop(t->source);
    if (now_ms() - began > STOP_LIMIT_MS) {
        fail(t, "stop took %lld ms", (long long)(now_ms() - began));
    }
    t->ops->destroy(t->source);
    fake_instance_free(t->plugin, t->source);
}

static void check_nothing_missing(struct trial *t)
{
    for (int p = 0; p < PARTITIONS; p++) {
        for (int64_t i = 0; i < t->part[p].filled; i++) {
            if (!t->part[p].seen[i]) {
                fail(t, "partition %d: record %lld was never delivered", p, (long long)i);
            }
        }
    }
}

static struct trial *trial_new(const struct row *row)
{
    struct trial *t = calloc(1, sizeof *t);
    CU_ASSERT_PTR_NOT_NULL_FATAL(t);
    t->row = row;
    t->plugin = fake_plugin_load("source", "kafka");
    t->ops = t->plugin->ops;
    fake_host_init(&t->fake);
    return t;
}

static void run(struct trial *t)
{
    t->deadline_ms = now_ms() + DEADLINE_MS;
    cluster_open(t);
    fill(t, BEFORE_FAULT);
    push(t, t->row->at_start);
    begin(t);
    read_until(t, t->row->unwaited ? has_sent_some : has_read_some, "records are read and committed");
    inject(t);
    if (t->row->fatal != NULL) {
        read_until(t, gave_up, "the source gives up");
        stop(t);
    } else {
        read_until(t, fault_is_over, "the fault is over");
        fill(t, BEFORE_FAULT);
        read_until(t, all_is_committed, "all is delivered and committed");
        stop(t);
        check_nothing_missing(t);
    }
    check_committed(t);
    cluster_close(t);
}

/* --- The rows --- */

/* What the member of a sound group is told so that it sends a request that shall go wrong. */
#define REJOIN {HEARTBEAT, RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS, .times = 1}
#define LOOK_FOR_COORDINATOR {HEARTBEAT, RD_KAFKA_RESP_ERR_NOT_COORDINATOR, .times = 1}

/* A row in which a request of one kind is answered with an error; the rest of it follows as `.member = value`. */
#define ANSWERS(api_, error, ...)                                                                                      \
    {.name = #api_ " " #error, .amid = {{api_, RD_KAFKA_RESP_ERR_##error, .times = 1}}, __VA_ARGS__}

/* The same twice, `first` being what makes the member send that kind. */
#define ANSWERS_AFTER(first, api_, error, ...)                                                                         \
    {.name = #api_ " " #error, .amid = {{api_, RD_KAFKA_RESP_ERR_##error, .times = 2}, first}, __VA_ARGS__}

static void slow_down(rd_kafka_mock_cluster_t *mock)
{
    (void)rd_kafka_mock_broker_set_rtt(mock, HOME, 400);
}

static void speed_up(rd_kafka_mock_cluster_t *mock)
{
    (void)rd_kafka_mock_broker_set_rtt(mock, HOME, 0);
}

static void go_down(rd_kafka_mock_cluster_t *mock)
{
    (void)rd_kafka_mock_broker_set_down(mock, HOME);
}

static void come_up(rd_kafka_mock_cluster_t *mock)
{
    (void)rd_kafka_mock_broker_set_up(mock, HOME);
}

static void move_coordinator(rd_kafka_mock_cluster_t *mock)
{
    (void)rd_kafka_mock_coordinator_set(mock, "group", GROUP, ELSEWHERE);
}

static void move_leader(rd_kafka_mock_cluster_t *mock)
{
    (void)rd_kafka_mock_partition_set_leader(mock, TOPIC, 0, ELSEWHERE);
}

static void hide_topic(rd_kafka_mock_cluster_t *mock)
{
    rd_kafka_mock_topic_set_error(mock, TOPIC, RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);
}

static void show_topic(rd_kafka_mock_cluster_t *mock)
{
    rd_kafka_mock_topic_set_error(mock, TOPIC, RD_KAFKA_RESP_ERR_NO_ERROR);
}

static const struct row rows[] = {
    /* joining */
    ANSWERS_AFTER(REJOIN, JOIN_GROUP, ILLEGAL_GENERATION, .loss = REVOKED),
    ANSWERS_AFTER(REJOIN, JOIN_GROUP, UNKNOWN_MEMBER_ID, .loss = REVOKED),
    ANSWERS_AFTER(REJOIN, JOIN_GROUP, REBALANCE_IN_PROGRESS, .loss = REVOKED),
    ANSWERS_AFTER(REJOIN, JOIN_GROUP, NOT_COORDINATOR, .loss = REVOKED),
    ANSWERS_AFTER(REJOIN, JOIN_GROUP, COORDINATOR_LOAD_IN_PROGRESS, .loss = REVOKED),
    ANSWERS_AFTER(REJOIN, JOIN_GROUP, _TRANSPORT, .loss = REVOKED),
    ANSWERS_AFTER(REJOIN, SYNC_GROUP, ILLEGAL_GENERATION, .loss = REVOKED),
    ANSWERS_AFTER(REJOIN, SYNC_GROUP, UNKNOWN_MEMBER_ID, .loss = REVOKED),
    ANSWERS_AFTER(REJOIN, SYNC_GROUP, REBALANCE_IN_PROGRESS, .loss = REVOKED),
    ANSWERS_AFTER(REJOIN, SYNC_GROUP, NOT_COORDINATOR, .loss = REVOKED),
    ANSWERS_AFTER(REJOIN, SYNC_GROUP, COORDINATOR_LOAD_IN_PROGRESS, .loss = REVOKED),
    {.name = "SYNC_GROUP late",
     .amid = {{SYNC_GROUP, .rtt_ms = 5000, .times = 1}, REJOIN},
     .properties = IMPATIENT,
     .loss = REVOKED},
    {.name = "JOIN_GROUP at the start",
     .at_start = {{JOIN_GROUP, RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS, .times = 1},
                  {JOIN_GROUP, RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID, .times = 1},
                  {JOIN_GROUP, RD_KAFKA_RESP_ERR_NOT_COORDINATOR, .times = 1}}},
    {.name = "SYNC_GROUP at the start",
     .at_start = {{SYNC_GROUP, RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS, .times = 1},
                  {SYNC_GROUP, RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION, .times = 1}}},
    {.name = "JOIN_GROUP denied",
     .amid = {{JOIN_GROUP, RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED, .times = 1}, REJOIN},
     .fatal = "group `g`"},

    /* brokers, and the end */
    {.name = "slow", .begin = slow_down, .end = speed_up},
    {.name = "down", .begin = go_down, .end = come_up},
    {.name = "the coordinator moves", .begin = move_coordinator},
    {.name = "the leader moves", .begin = move_leader},
    {.name = "the topic is hidden", .begin = hide_topic, .end = show_topic},
    {.name = "LEAVE_GROUP late", .at_stop = {{LEAVE_GROUP, .rtt_ms = 20000, .times = 1}}},
    {.name = "LEAVE_GROUP NOT_COORDINATOR", .at_stop = {{LEAVE_GROUP, RD_KAFKA_RESP_ERR_NOT_COORDINATOR, .times = 2}}},
    {.name = "LEAVE_GROUP _TRANSPORT", .at_stop = {{LEAVE_GROUP, RD_KAFKA_RESP_ERR__TRANSPORT, .times = 5}}},

    /* heartbeats */
    ANSWERS(HEARTBEAT, ILLEGAL_GENERATION, .loss = LOST),
    ANSWERS(HEARTBEAT, UNKNOWN_MEMBER_ID, .loss = LOST),
    ANSWERS(HEARTBEAT, REBALANCE_IN_PROGRESS, .loss = REVOKED),
    ANSWERS(HEARTBEAT, NOT_COORDINATOR, .loss = MAY_STAY),
    ANSWERS(HEARTBEAT, COORDINATOR_NOT_AVAILABLE, .loss = MAY_STAY),
    ANSWERS(HEARTBEAT, COORDINATOR_LOAD_IN_PROGRESS, .loss = MAY_STAY),
    ANSWERS(HEARTBEAT, _TRANSPORT, .loss = MAY_STAY),
    ANSWERS(HEARTBEAT, FENCED_INSTANCE_ID, .properties = "group.instance.id=m", .fatal = "failed for good"),
    {.name = "HEARTBEAT late", .amid = {{HEARTBEAT, .rtt_ms = 3000, .times = 2}}, .properties = IMPATIENT},

    /* commits */
    ANSWERS(OFFSET_COMMIT, ILLEGAL_GENERATION, .loss = LOST, .refused = 1),
    ANSWERS(OFFSET_COMMIT, UNKNOWN_MEMBER_ID, .loss = LOST, .refused = 1),
    ANSWERS(OFFSET_COMMIT, REBALANCE_IN_PROGRESS, .refused = 1),
    ANSWERS(OFFSET_COMMIT, NOT_COORDINATOR),
    ANSWERS(OFFSET_COMMIT, COORDINATOR_LOAD_IN_PROGRESS),
    ANSWERS(OFFSET_COMMIT, OFFSET_METADATA_TOO_LARGE, .refused = 1),
    ANSWERS(OFFSET_COMMIT, _TRANSPORT),
    {.name = "OFFSET_COMMIT late", .amid = {{OFFSET_COMMIT, .rtt_ms = 3000, .times = 2}}, .properties = IMPATIENT},
    {.name = "OFFSET_COMMIT ILLEGAL_GENERATION unseen",
     .amid = {{OFFSET_COMMIT, RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION, .times = 1}},
     .loss = LOST,
     .unwaited = 1},
    {.name = "OFFSET_COMMIT while revoked",
     .amid = {{OFFSET_COMMIT, RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID, .times = 1}, REJOIN},
     .loss = REVOKED,
     .refused = 1,
     .only_revoked = 1},

    /* where an assignment begins: an error taken for "nothing committed" would read all again, or nothing */
    ANSWERS_AFTER(REJOIN, OFFSET_FETCH, ILLEGAL_GENERATION, .loss = REVOKED),
    ANSWERS_AFTER(REJOIN, OFFSET_FETCH, UNKNOWN_MEMBER_ID, .loss = REVOKED),
    ANSWERS_AFTER(REJOIN, OFFSET_FETCH, REBALANCE_IN_PROGRESS, .loss = REVOKED),
    ANSWERS_AFTER(REJOIN, OFFSET_FETCH, NOT_COORDINATOR, .loss = REVOKED),
    ANSWERS_AFTER(REJOIN, OFFSET_FETCH, COORDINATOR_LOAD_IN_PROGRESS, .loss = REVOKED),
    ANSWERS_AFTER(REJOIN, OFFSET_FETCH, _TRANSPORT, .loss = REVOKED),
    ANSWERS_AFTER(LOOK_FOR_COORDINATOR, FIND_COORDINATOR, COORDINATOR_NOT_AVAILABLE, .loss = MAY_STAY),
    ANSWERS_AFTER(LOOK_FOR_COORDINATOR, FIND_COORDINATOR, COORDINATOR_LOAD_IN_PROGRESS, .loss = MAY_STAY),
    {.name = "OFFSET_FETCH late",
     .amid = {{OFFSET_FETCH, .rtt_ms = 3000, .times = 2}, REJOIN},
     .properties = IMPATIENT,
     .loss = REVOKED},
    {.name = "OFFSET_FETCH denied",
     .amid = {{OFFSET_FETCH, RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED, .times = 1}, REJOIN},
     .fatal = "cannot be read"},

    /* records */
    ANSWERS(FETCH, NOT_LEADER_FOR_PARTITION),
    ANSWERS(FETCH, KAFKA_STORAGE_ERROR),
    ANSWERS(FETCH, UNKNOWN_TOPIC_OR_PART),
    ANSWERS(FETCH, OFFSET_OUT_OF_RANGE), /* untrue, so the source joins again */
    ANSWERS(FETCH, UNKNOWN),
    ANSWERS(FETCH, _TRANSPORT),
    {.name = "FETCH late", .amid = {{FETCH, .rtt_ms = 3000, .times = 2}}, .properties = IMPATIENT},
    {.name = "OFFSET_OUT_OF_RANGE, and no bounds",
     .amid = {{FETCH, RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE, .times = 1},
              {LIST_OFFSETS, RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE, .times = 1}}},
};

/* --- The test --- */

#define ROWS (sizeof rows / sizeof rows[0])

static struct trial *trials[ROWS];
static atomic_uint next_row;

static void *run_rows(void *arg)
{
    for (unsigned i = atomic_fetch_add(&next_row, 1); i < ROWS; i = atomic_fetch_add(&next_row, 1)) {
        run(trials[i]);
    }
    return arg;
}

static void test_every_row(void)
{
    pthread_t threads[SIDE_BY_SIDE];
    for (size_t i = 0; i < ROWS; i++) {
        trials[i] = trial_new(&rows[i]);
    }
    for (size_t i = 0; i < SIDE_BY_SIDE; i++) {
        CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[i], NULL, run_rows, NULL), 0);
    }
    for (size_t i = 0; i < SIDE_BY_SIDE; i++) {
        CU_ASSERT_EQUAL(pthread_join(threads[i], NULL), 0);
    }
    for (size_t i = 0; i < ROWS; i++) {
        if (trials[i]->failure[0] != '\0') {
            (void)fprintf(stderr, "%s: %s\n", rows[i].name, trials[i]->failure);
        }
        CU_ASSERT_STRING_EQUAL(trials[i]->failure, "");
        free(trials[i]);
    }
}

int main(void)
{
    CU_TestInfo tests[] = {TEST(test_every_row), CU_TEST_INFO_NULL};
    (void)alarm(WATCHDOG_S); /* a call that never returns */
    return run_tests("source/kafka", tests);
}
