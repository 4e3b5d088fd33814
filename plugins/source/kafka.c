/*
 * Records of Kafka topics, as a member of a consumer group.
 *
 * Rebalances and errors come through librdkafka's consumer queue; the records of all partitions are forwarded to a
 * queue of their own. So a source that is paused, or asked for nothing, still answers the group at once and keeps what
 * was fetched.
 */
#include "kafka_client.h"

#include <churn/source.h>
#include <stdlib.h>
#include <time.h>

#define SLICE_MS 100          /* longest wait for records before the group is served again */
#define QUERY_TIMEOUT_MS 2000 /* for questions to the brokers that the worker waits for */
#define COMMIT_TIMEOUT_MS 10000
#define CLOSE_TIMEOUT_MS 5000
#define DESTROY_TIMEOUT_MS 2000
#define SEEK_TIMEOUT_MS 2000
#define OFFSET_UNKNOWN (-1)

enum { START_BEGINNING, START_END };

static const char *const start_choices[] = {"beginning", "end", NULL};

/* A configured topic. */
struct topic {
    const char *name;
    int missing;  /* it was found not to exist, and that was said */
    int appeared; /* it was missing once: all of its records are newer than this run */
};

/* An assigned partition. */
struct part {
    const char *topic;
    const rd_kafka_topic_t *rkt; /* of its newest record; tells records apart fast */
    int32_t partition;
    int finished;     /* until_end: read to its end */
    int64_t position; /* next offset to hand out, OFFSET_UNKNOWN before the first */
    int64_t low;      /* where an unknown position begins at the latest; OFFSET_UNKNOWN: not known */
    int64_t end;      /* until_end: read records below this offset */
};

/* until_end: the bounds of a partition as they stood at the start, of whoever it is assigned to. */
struct bounds {
    const char *topic;
    int32_t partition;
    int64_t low;
    int64_t end;
};

struct kafka_source {
    /* options */
    const char *brokers;
    churn_list topic_names;
    const char *group_id;
    int32_t start;
    int64_t buffer;
    churn_map properties;

    const churn_host *host;
    const churn_source_listener *listener;
    struct topic *topics; /* each name once */
    uint32_t topic_count;
    struct kafka_client *client;
    rd_kafka_t *rk;
    rd_kafka_queue_t *records; /* of all partitions */

    rd_kafka_message_t **held; /* behind the records of the newest poll */
    uint32_t held_count;
    uint32_t held_size;

    int fetchers_doze; /* this librdkafka needs wake_fetchers */
    size_t peak;       /* most records that waited in `records` since the fetchers were last woken */
    uint64_t bytes;    /* handed out, with `returned` the size of a record */

    struct part *parts;
    uint32_t part_count;
    uint32_t part_last;                         /* where the newest record was found */
    rd_kafka_topic_partition_list_t *pending;   /* assigned by the group; its committed offsets are not known yet */
    rd_kafka_topic_partition_list_t *assigning; /* being announced: a seek changes where it begins */
    int assigned;                               /* the group has said which partitions are ours, if any */
    int paused;
    int stopping;

    struct bounds *bounds;
    uint32_t bounds_count;
    uint32_t topics_asked; /* until_end: topics whose partitions are known */
    int subscribed;
    int nothing;      /* until_end: no topic exists */
    int64_t returned; /* records handed out */

    int failed; /* no return: `failure` says why */
    churn_error failure;
};

static const char *const owned[] = {
    "group.id",
    "use `group_id`",
    "auto.offset.reset",
    "use `start` for a new group; an existing one never jumps silently",
    "enable.auto.commit",
    "churnd commits after the store's acknowledgement",
    "auto.commit.enable",
    "churnd commits after the store's acknowledgement",
    "enable.auto.offset.store",
    "churnd commits after the store's acknowledgement",
    "enable.partition.eof",
    "churnd sets it where it needs it",
    "queued.max.messages.kbytes",
    "use `buffer`",
    NULL,
};

static const char *const defaults[][2] = {
    {"allow.auto.create.topics", "false"},
    {"fetch.wait.max.ms", "50"},
    {"queued.min.messages", "10000000"}, /* librdkafka waits up to a second beyond it; `buffer` is the bound */
    {"topic.metadata.refresh.interval.ms", "5000"}, /* so that a topic that appears later is found soon */
    {"reconnect.backoff.max.ms", "2000"},
};

static const churn_option options[] = {
    {.name = "brokers",
     .default_text = "localhost:9092",
     .help = "The Kafka brokers to ask for the others: host:port,host:port.",
     .type = CHURN_OPTION_STRING,
     .offset = offsetof(struct kafka_source, brokers)},
    {.name = "topics",
     .help = "The topics to read; one that does not exist yet is waited for without holding up the others.",
     .type = CHURN_OPTION_LIST,
     .flags = CHURN_OPTION_REQUIRED,
     .offset = offsetof(struct kafka_source, topic_names)},
    {.name = "group_id",
     .help = "The consumer group; workers and machines with the same one share the partitions.",
     .type = CHURN_OPTION_STRING,
     .flags = CHURN_OPTION_REQUIRED,
     .offset = offsetof(struct kafka_source, group_id)},
    {.name = "start",
     .default_text = "beginning",
     .choices = start_choices,
     .help = "Where a group begins to read a partition of which it has committed nothing.",
     .type = CHURN_OPTION_ENUM,
     .offset = offsetof(struct kafka_source, start)},
    {.name = "buffer",
     .default_text = "32MiB",
     .help = "How much each worker fetches ahead, over all of its partitions; one fetch may exceed it.",
     .min = 1024 * 1024,
     .max = 2097151LL * 1024,
     .type = CHURN_OPTION_SIZE,
     .offset = offsetof(struct kafka_source, buffer)},
    {.name = "properties",
     .help = "librdkafka's own properties, such as security.protocol or session.timeout.ms.",
     .type = CHURN_OPTION_MAP,
     .flags = CHURN_OPTION_SECRET,
     .offset = offsetof(struct kafka_source, properties)},
};

CHURN_PRINTF(2, 3)
static void fail(struct kafka_source *s, const char *format, ...)
{
    va_list args;
    if (s->failed) {
        return;
    }
    s->failed = 1;
    va_start(args, format);
    (void)vsnprintf(s->failure.message, sizeof s->failure.message, format, args);
    va_end(args);
}

static int64_t now_ms(const struct kafka_source *s)
{
    return s->host->monotonic_ms(s->host);
}

/* --- Configuration --- */

static void on_rebalance(rd_kafka_t *rk, rd_kafka_resp_err_t code, rd_kafka_topic_partition_list_t *list, void *opaque);
static void on_commit(rd_kafka_t *rk, rd_kafka_resp_err_t code, rd_kafka_topic_partition_list_t *list, void *opaque);

static int32_t set_own(const struct kafka_source *s, rd_kafka_conf_t *conf, churn_error *err)
{
    char kbytes[32];
    const char *const own[][2] = {
        {"group.id", s->group_id},
        {"enable.auto.commit", "false"},
        {"enable.auto.offset.store", "false"},
        {"auto.offset.reset", "error"},
        {"enable.partition.eof", s->host->until_end ? "true" : "false"},
        {"queued.max.messages.kbytes", kbytes},
    };
    (void)snprintf(kbytes, sizeof kbytes, "%lld", (long long)(s->buffer / 1024));
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++) {
        if (kafka_client_set(conf, own[i][0], own[i][1], err) != CHURN_OK) {
            return CHURN_FATAL;
        }
    }
    for (size_t i = 0; i < sizeof defaults / sizeof defaults[0]; i++) {
        if (kafka_client_default(conf, &s->properties, defaults[i][0], NULL, defaults[i][1], err) != CHURN_OK) {
            return CHURN_FATAL;
        }
    }
    return CHURN_OK;
}

static int32_t check_strategy(const struct kafka_source *s, churn_error *err)
{
    for (uint32_t i = 0; i < s->properties.count; i++) {
        if (strcmp(s->properties.keys[i], "partition.assignment.strategy") == 0 &&
            strstr(s->properties.values[i], "cooperative") != NULL && rd_kafka_version() < 0x020a0000) {
            return churn_fail_option(
                err, "properties",
                "cooperative-sticky can lose an assignment in librdkafka before 2.10 (this is %s); "
                "use range or roundrobin",
                rd_kafka_version_str());
        }
    }
    return CHURN_OK;
}

static rd_kafka_conf_t *make_conf(const struct kafka_source *s, churn_error *err)
{
    rd_kafka_conf_t *conf = kafka_client_conf(s->host, s->brokers, &s->properties, owned, err);
    if (conf != NULL && (check_strategy(s, err) != CHURN_OK || set_own(s, conf, err) != CHURN_OK)) {
        rd_kafka_conf_destroy(conf);
        conf = NULL;
    }
    return conf;
}

static int32_t check_topic(const char *name, churn_error *err)
{
    size_t len = strlen(name);
    if (len == 0) {
        return churn_fail_option(err, "topics", "a topic's name is empty");
    }
    if (len > 249 || strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") != len) {
        return churn_fail_option(err, "topics",
                                 "`%.80s` is not a topic's name: up to 249 of a-z, A-Z, 0-9, `.`, `_`, `-`", name);
    }
    return CHURN_OK;
}

/* Keeps each name once: two settings may well name the same topic. */
static int32_t take_topics(struct kafka_source *s, churn_error *err)
{
    s->topics = calloc(s->topic_names.count + 1u, sizeof *s->topics);
    if (s->topics == NULL) {
        return churn_fail(err, CHURN_FATAL, "out of memory");
    }
    for (uint32_t i = 0; i < s->topic_names.count; i++) {
        const char *name = s->topic_names.items[i];
        uint32_t k = 0;
        if (check_topic(name, err) != CHURN_OK) {
            return CHURN_FATAL;
        }
        while (k < s->topic_count && strcmp(s->topics[k].name, name) != 0) {
            k++;
        }
        s->topics[k].name = name;
        s->topic_count += k == s->topic_count;
    }
    return CHURN_OK;
}

static void source_destroy(void *self)
{
    struct kafka_source *s = self;
    free(s->topics);
    s->topics = NULL;
}

static int32_t source_create(void *self, const churn_host *host, churn_error *err)
{
    struct kafka_source *s = self;
    rd_kafka_conf_t *conf;
    s->host = host;
    if (take_topics(s, err) != CHURN_OK || (conf = make_conf(s, err)) == NULL ||
        kafka_client_try(RD_KAFKA_CONSUMER, conf, err) != CHURN_OK) {
        source_destroy(s);
        return CHURN_FATAL;
    }
    return CHURN_OK;
}

/* --- Topics --- */

static struct topic *topic_of(const struct kafka_source *s, const char *name)
{
    for (uint32_t i = 0; i < s->topic_count; i++) {
        if (strcmp(s->topics[i].name, name) == 0) {
            return &s->topics[i];
        }
    }
    return NULL;
}

static void topic_missing(const struct kafka_source *s, const char *name)
{
    struct topic *t = topic_of(s, name);
    if (t != NULL && !t->missing) {
        t->missing = t->appeared = 1;
        churn_log(s->host, CHURN_LOG_INFO, "topic `%s` does not exist; waiting for it", name);
    }
}

/* Subscribes to the topics that are not known to be missing. */
static int32_t subscribe(struct kafka_source *s, churn_error *err)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)s->topic_count);
    rd_kafka_resp_err_t code;
    for (uint32_t i = 0; i < s->topic_count; i++) {
        if (!s->host->until_end || !s->topics[i].missing) {
            (void)rd_kafka_topic_partition_list_add(list, s->topics[i].name, RD_KAFKA_PARTITION_UA);
        }
    }
    code = rd_kafka_subscribe(s->rk, list);
    rd_kafka_topic_partition_list_destroy(list);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
        return churn_fail(err, CHURN_FATAL, "cannot subscribe: %s", rd_kafka_err2str(code));
    }
    s->subscribed = 1;
    return CHURN_OK;
}

/* --- Offsets --- */

/* Replaces the offsets of `list` by where its partitions begin or end. Unlike rd_kafka_query_watermark_offsets, what
 * this rests on keeps to its timeout while a broker hangs. */
static rd_kafka_resp_err_t ask_offsets(struct kafka_source *s, rd_kafka_topic_partition_list_t *list, int64_t which,
                                       int timeout_ms)
{
    rd_kafka_resp_err_t code;
    for (int i = 0; i < list->cnt; i++) {
        list->elems[i].offset = which;
    }
    code = rd_kafka_offsets_for_times(s->rk, list, timeout_ms);
    for (int i = 0; i < list->cnt && code == RD_KAFKA_RESP_ERR_NO_ERROR; i++) {
        code = list->elems[i].err;
    }
    return code;
}

static rd_kafka_resp_err_t ask_offset(struct kafka_source *s, const char *topic, int32_t partition, int64_t which,
                                      int64_t *ret_offset)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_resp_err_t code;
    (void)rd_kafka_topic_partition_list_add(list, topic, partition);
    code = ask_offsets(s, list, which, QUERY_TIMEOUT_MS);
    *ret_offset = list->elems[0].offset;
    rd_kafka_topic_partition_list_destroy(list);
    return code;
}

/* --- until_end: the bounds of what is there at the start --- */

static void name_missing(const struct kafka_source *s, int32_t level, const char *ending)
{
    char names[512] = "";
    size_t at = 0;
    for (uint32_t i = 0; i < s->topic_count && at < sizeof names; i++) {
        if (s->topics[i].missing) {
            int n = snprintf(names + at, sizeof names - at, "%s`%s`", at > 0 ? ", " : "", s->topics[i].name);
            at += n > 0 ? (size_t)n : 0;
        }
    }
    if (at > 0) {
        churn_log(s->host, level, "no such topic: %s; %s", names, ending);
    }
}

static int add_bounds(struct kafka_source *s, const char *topic, int partitions)
{
    struct bounds *grown = realloc(s->bounds, (s->bounds_count + (size_t)partitions + 1u) * sizeof *grown);
    if (grown == NULL) {
        fail(s, "out of memory");
        return 0;
    }
    s->bounds = grown;
    for (int i = 0; i < partitions; i++) {
        s->bounds[s->bounds_count++] = (struct bounds){.topic = topic, .partition = i};
    }
    return 1;
}

/* Takes what the brokers say of one topic; 0 when it has to be asked again. */
static int take_metadata(struct kafka_source *s, struct topic *t, const rd_kafka_metadata_topic_t *m)
{
    switch (m->err) {
    case RD_KAFKA_RESP_ERR_NO_ERROR:
        return add_bounds(s, t->name, m->partition_cnt);
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
        t->missing = 1;
        return 1;
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION:
        fail(s, "topic `%s`: %s", t->name, rd_kafka_err2str(m->err));
        return 0;
    default:
        return 0;
    }
}

static int ask_topic(struct kafka_source *s, struct topic *t, int timeout_ms)
{
    const struct rd_kafka_metadata *metadata = NULL;
    rd_kafka_topic_t *rkt = rd_kafka_topic_new(s->rk, t->name, NULL);
    int done = 0;
    if (rkt == NULL) {
        fail(s, "topic `%s`: %s", t->name, rd_kafka_err2str(rd_kafka_last_error()));
        return 0;
    }
    if (rd_kafka_metadata(s->rk, 0, rkt, &metadata, timeout_ms) == RD_KAFKA_RESP_ERR_NO_ERROR) {
        done = metadata->topic_cnt == 1 && take_metadata(s, t, &metadata->topics[0]);
        rd_kafka_metadata_destroy(metadata);
    }
    rd_kafka_topic_destroy(rkt);
    return done;
}

/* Asks where the partitions begin and end; 0 while the brokers do not answer. */
static int ask_bounds(struct kafka_source *s, int timeout_ms)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)s->bounds_count);
    rd_kafka_resp_err_t code;
    for (uint32_t i = 0; i < s->bounds_count; i++) {
        (void)rd_kafka_topic_partition_list_add(list, s->bounds[i].topic, s->bounds[i].partition);
    }
    code = ask_offsets(s, list, RD_KAFKA_OFFSET_BEGINNING, timeout_ms);
    for (uint32_t i = 0; i < s->bounds_count; i++) {
        s->bounds[i].low = list->elems[i].offset;
    }
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {
        code = ask_offsets(s, list, RD_KAFKA_OFFSET_END, timeout_ms);
    }
    for (uint32_t i = 0; i < s->bounds_count; i++) {
        s->bounds[i].end = list->elems[i].offset;
    }
    rd_kafka_topic_partition_list_destroy(list);
    return code == RD_KAFKA_RESP_ERR_NO_ERROR;
}

/* Learns the bounds step by step and subscribes then; 0 while the brokers do not answer. */
static int learn_bounds(struct kafka_source *s, uint32_t timeout_ms)
{
    int wait_ms = timeout_ms < SLICE_MS ? SLICE_MS : timeout_ms > QUERY_TIMEOUT_MS ? QUERY_TIMEOUT_MS : (int)timeout_ms;
    for (; s->topics_asked < s->topic_count; s->topics_asked++) {
        if (!ask_topic(s, &s->topics[s->topics_asked], wait_ms)) {
            return 0;
        }
    }
    if (s->bounds_count == 0) {
        s->nothing = 1;
        name_missing(s, CHURN_LOG_WARN, "there is nothing to read");
        return 1;
    }
    if (!ask_bounds(s, wait_ms)) {
        return 0;
    }
    name_missing(s, CHURN_LOG_INFO, "not waiting for it in a run until the end");
    return subscribe(s, &s->failure) == CHURN_OK || (s->failed = 1, 0);
}

static const struct bounds *bounds_of(const struct kafka_source *s, const char *topic, int32_t partition)
{
    for (uint32_t i = 0; i < s->bounds_count; i++) {
        if (s->bounds[i].partition == partition && strcmp(s->bounds[i].topic, topic) == 0) {
            return &s->bounds[i];
        }
    }
    return NULL;
}

static int at_end(const struct kafka_source *s)
{
    uint32_t i = 0;
    if (!s->host->until_end || s->nothing) {
        return s->nothing;
    }
    while (i < s->part_count && s->parts[i].finished) {
        i++;
    }
    return s->assigned && i == s->part_count;
}

/* --- Partitions --- */

static struct part *part_of(const struct kafka_source *s, const char *topic, int32_t partition)
{
    for (uint32_t i = 0; i < s->part_count; i++) {
        if (s->parts[i].partition == partition && strcmp(s->parts[i].topic, topic) == 0) {
            return &s->parts[i];
        }
    }
    return NULL;
}

/* The partition of a record; NULL when it is not ours any more. */
static struct part *part_of_message(struct kafka_source *s, const rd_kafka_message_t *m)
{
    struct part *p = s->part_last < s->part_count ? &s->parts[s->part_last] : NULL;
    if (p == NULL || p->rkt != m->rkt || p->partition != m->partition) {
        p = part_of(s, rd_kafka_topic_name(m->rkt), m->partition);
        if (p != NULL) {
            p->rkt = m->rkt;
            s->part_last = (uint32_t)(p - s->parts);
        }
    }
    return p;
}

static void release_held(struct kafka_source *s)
{
    for (uint32_t i = 0; i < s->held_count; i++) {
        rd_kafka_message_destroy(s->held[i]);
    }
    s->held_count = 0;
}

static rd_kafka_resp_err_t give_assignment(struct kafka_source *s, const rd_kafka_topic_partition_list_t *list)
{
    rd_kafka_error_t *error;
    rd_kafka_resp_err_t code;
    if (strcmp(rd_kafka_rebalance_protocol(s->rk), "COOPERATIVE") != 0) {
        return rd_kafka_assign(s->rk, list);
    }
    error = rd_kafka_incremental_assign(s->rk, list);
    code = error != NULL ? rd_kafka_error_code(error) : RD_KAFKA_RESP_ERR_NO_ERROR;
    if (error != NULL) {
        rd_kafka_error_destroy(error);
    }
    return code;
}

static void give_up_assignment(struct kafka_source *s, const rd_kafka_topic_partition_list_t *list)
{
    rd_kafka_error_t *error;
    if (list == NULL || strcmp(rd_kafka_rebalance_protocol(s->rk), "COOPERATIVE") != 0) {
        (void)rd_kafka_assign(s->rk, NULL);
        return;
    }
    error = rd_kafka_incremental_unassign(s->rk, list);
    if (error != NULL) {
        rd_kafka_error_destroy(error);
    }
}

/* Decides where a partition without a committed offset begins; 0 when the brokers did not answer. */
static int choose_start(struct kafka_source *s, rd_kafka_topic_partition_t *p)
{
    const struct topic *t = topic_of(s, p->topic);
    if (s->start == START_BEGINNING || (t != NULL && t->appeared)) {
        p->offset = RD_KAFKA_OFFSET_BEGINNING;
        return 1;
    }
    if (ask_offset(s, p->topic, p->partition, RD_KAFKA_OFFSET_END, &p->offset) != RD_KAFKA_RESP_ERR_NO_ERROR) {
        return 0;
    }
    p->opaque = s; /* chosen here: to be committed, so that a restart does not choose again */
    return 1;
}

/* Fills in where the partitions of `list` begin; 0 when the brokers did not answer. */
static int find_starts(struct kafka_source *s, rd_kafka_topic_partition_list_t *list)
{
    rd_kafka_resp_err_t code = RD_KAFKA_RESP_ERR_NO_ERROR;
    if (list->cnt > 0) {
        code = rd_kafka_committed(s->rk, list, QUERY_TIMEOUT_MS);
    }
    for (int i = 0; i < list->cnt && code == RD_KAFKA_RESP_ERR_NO_ERROR; i++) {
        code = list->elems[i].err;
        if (code == RD_KAFKA_RESP_ERR_NO_ERROR && list->elems[i].offset < 0 && !choose_start(s, &list->elems[i])) {
            code = RD_KAFKA_RESP_ERR__TIMED_OUT;
        }
    }
    if (code == RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED || code == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED) {
        fail(s, "the committed offsets of group `%s` cannot be read: %s", s->group_id, rd_kafka_err2str(code));
    } else if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
        churn_log(s->host, CHURN_LOG_DEBUG, "committed offsets: %s; asking again", rd_kafka_err2str(code));
    }
    return code == RD_KAFKA_RESP_ERR_NO_ERROR;
}

static struct part make_part(const struct kafka_source *s, struct topic *t, const rd_kafka_topic_partition_t *from)
{
    const struct bounds *b = bounds_of(s, t->name, from->partition);
    struct part p = {.topic = t->name,
                     .partition = from->partition,
                     .position = from->offset >= 0 ? from->offset : OFFSET_UNKNOWN,
                     .low = b != NULL ? b->low : OFFSET_UNKNOWN,
                     .end = b != NULL ? b->end : 0};
    /* A partition made after the start has no bounds: nothing of it is read. */
    p.finished = s->host->until_end && (p.position >= p.end || (p.position < 0 && p.low >= p.end));
    return p;
}

/* Adds the partitions of the list to ours; 0 when memory ran out. */
static int add_parts(struct kafka_source *s, const rd_kafka_topic_partition_list_t *list)
{
    struct part *grown = realloc(s->parts, (s->part_count + (size_t)list->cnt + 1u) * sizeof *grown);
    if (grown == NULL) {
        fail(s, "out of memory");
        return 0;
    }
    s->parts = grown;
    for (int i = 0; i < list->cnt; i++) {
        struct topic *t = topic_of(s, list->elems[i].topic);
        if (t != NULL) {
            t->missing = 0;
            s->parts[s->part_count++] = make_part(s, t, &list->elems[i]);
        }
    }
    return 1;
}

/* Sends a partition's records to our own queue instead of the group's. Before it is assigned, so that none goes astray.
 */
static void forward_records(struct kafka_source *s, const rd_kafka_topic_partition_list_t *list)
{
    for (int i = 0; i < list->cnt; i++) {
        rd_kafka_queue_t *queue = rd_kafka_queue_get_partition(s->rk, list->elems[i].topic, list->elems[i].partition);
        if (queue != NULL) {
            rd_kafka_queue_forward(queue, s->records);
            rd_kafka_queue_destroy(queue);
        }
    }
}

/* Commits the offsets that `start: end` chose. */
static void commit_chosen(struct kafka_source *s, const rd_kafka_topic_partition_list_t *list)
{
    rd_kafka_topic_partition_list_t *chosen = rd_kafka_topic_partition_list_new(list->cnt);
    for (int i = 0; i < list->cnt; i++) {
        if (list->elems[i].opaque == s) {
            rd_kafka_topic_partition_list_add(chosen, list->elems[i].topic, list->elems[i].partition)->offset =
                list->elems[i].offset;
        }
    }
    if (chosen->cnt > 0) {
        (void)rd_kafka_commit(s->rk, chosen, 1);
    }
    rd_kafka_topic_partition_list_destroy(chosen);
}

static void announce(struct kafka_source *s, const struct part *parts, uint32_t count, int revoked, int lost)
{
    const churn_source_listener *l = s->listener;
    churn_position *positions = calloc(count + 1u, sizeof *positions);
    if (positions == NULL) {
        fail(s, "out of memory");
        return;
    }
    for (uint32_t i = 0; i < count; i++) {
        positions[i] =
            (churn_position){.topic = parts[i].topic, .partition = parts[i].partition, .offset = parts[i].position};
    }
    if (revoked) {
        l->revoked(l->ctx, positions, count, lost);
    } else {
        l->assigned(l->ctx, positions, count);
    }
    free(positions);
}

/* Completes an assignment as soon as the committed offsets are known. The host may seek from within `assigned`. */
static void complete_assignment(struct kafka_source *s)
{
    rd_kafka_topic_partition_list_t *list = s->pending;
    uint32_t first = s->part_count;
    rd_kafka_resp_err_t code;
    if (list == NULL || !find_starts(s, list)) {
        return;
    }
    s->pending = NULL;
    if (add_parts(s, list)) {
        s->assigned = 1;
        s->assigning = list;
        announce(s, s->parts + first, s->part_count - first, 0, 0);
        s->assigning = NULL;
        forward_records(s, list);
        code = give_assignment(s, list);
        if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
            fail(s, "the partitions of group `%s` cannot be assigned: %s", s->group_id, rd_kafka_err2str(code));
        }
        commit_chosen(s, list);
    }
    rd_kafka_topic_partition_list_destroy(list);
}

/* Moves the partitions of `list` to the end of ours and returns how many there are. */
static uint32_t set_apart(struct kafka_source *s, const rd_kafka_topic_partition_list_t *list)
{
    uint32_t going = 0;
    for (int i = 0; i < list->cnt; i++) {
        struct part *p = part_of(s, list->elems[i].topic, list->elems[i].partition);
        if (p != NULL && p < s->parts + s->part_count - going) {
            struct part *last = &s->parts[s->part_count - ++going];
            struct part moved = *p;
            *p = *last;
            *last = moved;
        }
    }
    return going;
}

static void drop_pending(struct kafka_source *s)
{
    if (s->pending != NULL) {
        rd_kafka_topic_partition_list_destroy(s->pending);
        s->pending = NULL;
    }
}

static void revoke(struct kafka_source *s, const rd_kafka_topic_partition_list_t *list)
{
    uint32_t going = set_apart(s, list);
    int lost = rd_kafka_assignment_lost(s->rk);
    drop_pending(s); /* never announced */
    if (going > 0) {
        announce(s, s->parts + s->part_count - going, going, 1, lost);
    }
    s->part_count -= going;
    s->part_last = 0;
    s->assigned = 0;
    give_up_assignment(s, list);
}

/* Called from within consumer_poll, hence from within our own poll, when no record is gathered. */
static void on_rebalance(rd_kafka_t *rk, rd_kafka_resp_err_t code, rd_kafka_topic_partition_list_t *list, void *opaque)
{
    struct kafka_source *s = kafka_client_owner(opaque);
    (void)rk;
    if (s->stopping) {
        give_up_assignment(s, code == RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS ? list : NULL);
    } else if (code == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) {
        drop_pending(s);
        s->pending = rd_kafka_topic_partition_list_copy(list);
        complete_assignment(s);
    } else {
        revoke(s, list);
    }
}

/* --- Errors --- */

/* Leaves and joins the group, so that reading goes on from the committed offsets. */
static void rejoin(struct kafka_source *s)
{
    (void)rd_kafka_unsubscribe(s->rk);
    if (subscribe(s, &s->failure) != CHURN_OK) {
        s->failed = 1;
    }
}

/*
 * librdkafka stopped reading a partition. Either its position really is out of range, which nobody but the operator may
 * decide about, or (librdkafka before 2.2) a connection ended at a bad moment.
 */
static void offset_lost(struct kafka_source *s, const rd_kafka_message_t *m)
{
    const char *topic = m->rkt != NULL ? rd_kafka_topic_name(m->rkt) : "";
    const struct part *p = part_of(s, topic, m->partition);
    int64_t low, high;
    if (p == NULL) {
        return;
    }
    if (ask_offset(s, topic, m->partition, RD_KAFKA_OFFSET_BEGINNING, &low) != RD_KAFKA_RESP_ERR_NO_ERROR ||
        ask_offset(s, topic, m->partition, RD_KAFKA_OFFSET_END, &high) != RD_KAFKA_RESP_ERR_NO_ERROR ||
        p->position < 0 || (p->position >= low && p->position <= high)) {
        churn_log(s->host, CHURN_LOG_WARN, "topic `%s` partition %d: %s; joining the group again", topic,
                  (int)m->partition, rd_kafka_message_errstr(m));
        rejoin(s);
        return;
    }
    fail(s,
         "topic `%s` partition %d: group `%s` is at offset %lld, but the partition holds %lld to %lld. Records expired "
         "before they were read, or the topic was made anew. Move the group's offsets on purpose "
         "(kafka-consumer-groups.sh --reset-offsets) or choose a new group_id",
         topic, (int)m->partition, s->group_id, (long long)p->position, (long long)low, (long long)high);
}

static void check_fatal(struct kafka_source *s)
{
    char said[384];
    rd_kafka_resp_err_t code = rd_kafka_fatal_error(s->rk, said, sizeof said);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
        fail(s, "the Kafka consumer failed for good: %s: %s", rd_kafka_err2str(code), said);
    }
}

static void reached_end(struct kafka_source *s, const rd_kafka_message_t *m)
{
    struct part *p = part_of(s, rd_kafka_topic_name(m->rkt), m->partition);
    if (p != NULL && m->offset >= p->end) {
        p->finished = 1;
    }
}

static void take_error(struct kafka_source *s, const rd_kafka_message_t *m)
{
    const char *topic = m->rkt != NULL ? rd_kafka_topic_name(m->rkt) : "";
    switch (m->err) {
    case RD_KAFKA_RESP_ERR__PARTITION_EOF:
        reached_end(s, m);
        break;
    case RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET:
        offset_lost(s, m);
        break;
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
    case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
        topic_missing(s, topic);
        break;
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION:
        fail(s, "topic `%s`: %s", topic, rd_kafka_err2str(m->err));
        break;
    case RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED:
        fail(s, "group `%s`: %s", s->group_id, rd_kafka_err2str(m->err));
        break;
    case RD_KAFKA_RESP_ERR__FATAL:
        check_fatal(s);
        break;
    case RD_KAFKA_RESP_ERR__MAX_POLL_EXCEEDED:
        churn_log(s->host, CHURN_LOG_WARN,
                  "the worker was busy for longer than max.poll.interval.ms, so the group gave "
                  "its partitions away; joining again");
        break;
    default:
        kafka_client_error(s->client, m->err, rd_kafka_message_errstr(m));
    }
}

/* --- Records --- */

/* 1 when the record is to be handed out. */
static int wanted(struct kafka_source *s, struct part *p, const rd_kafka_message_t *m)
{
    if (p == NULL || m->offset < p->position) {
        return 0; /* not ours any more, or handed out before */
    }
    if (s->host->until_end && m->offset >= p->end) {
        p->finished = 1;
        return 0;
    }
    return 1;
}

static void fill_record(churn_record *r, const struct part *p, const rd_kafka_message_t *m)
{
    rd_kafka_timestamp_type_t type;
    int64_t timestamp = rd_kafka_message_timestamp(m, &type);
    *r = (churn_record){.size = sizeof *r,
                        .kind = CHURN_RECORD_EVENT,
                        .key = {.ptr = m->key, .len = (uint32_t)m->key_len},
                        .value = {.ptr = m->payload, .len = (uint32_t)m->len},
                        .timestamp_ms = timestamp > 0 ? timestamp : 0,
                        .topic = p->topic,
                        .partition = p->partition,
                        .offset = m->offset};
}

/* Takes a message from librdkafka: a record to hold, or an error, or neither. */
static void take_message(struct kafka_source *s, rd_kafka_message_t *m, churn_record *records)
{
    struct part *p;
    if (m->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
        take_error(s, m);
        rd_kafka_message_destroy(m);
        return;
    }
    p = part_of_message(s, m);
    if (!wanted(s, p, m)) {
        rd_kafka_message_destroy(m);
        return;
    }
    fill_record(&records[s->held_count], p, m);
    s->held[s->held_count++] = m;
    s->bytes += m->len + m->key_len;
    p->position = m->offset + 1;
    p->finished = s->host->until_end && p->position >= p->end;
}

/* Serves the group: rebalances, errors, the membership itself. Records do not come this way. */
static void serve_group(struct kafka_source *s, int timeout_ms)
{
    rd_kafka_message_t *m;
    while (!s->failed && (m = rd_kafka_consumer_poll(s->rk, timeout_ms)) != NULL) {
        if (m->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
            take_error(s, m);
        }
        rd_kafka_message_destroy(m);
        timeout_ms = 0;
    }
}

/* Gathers up to `max` records; waits up to `wait_ms` for the first. */
static void gather(struct kafka_source *s, churn_record *records, uint32_t max, int wait_ms)
{
    while (s->held_count < max && !s->failed) {
        rd_kafka_message_t *m = rd_kafka_consume_queue(s->records, s->held_count > 0 ? 0 : wait_ms);
        if (m == NULL) {
            return;
        }
        take_message(s, m, records);
        if (s->held_count == 0) {
            wait_ms = 0; /* an error or an end: the caller looks at the clock */
        }
    }
}

static int make_room(struct kafka_source *s, uint32_t max)
{
    if (max > s->held_size) {
        rd_kafka_message_t **grown = realloc(s->held, max * sizeof *grown);
        if (grown == NULL) {
            fail(s, "out of memory");
            return 0;
        }
        s->held = grown;
        s->held_size = max;
    }
    return 1;
}

/* Sends each broker that we read from a small question, whose answer nobody waits for. */
static void ask_brokers(struct kafka_source *s)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)s->part_count);
    for (uint32_t i = 0; i < s->part_count; i++) {
        (void)rd_kafka_topic_partition_list_add(list, s->parts[i].topic, s->parts[i].partition);
    }
    (void)ask_offsets(s, list, RD_KAFKA_OFFSET_END, 0);
    rd_kafka_topic_partition_list_destroy(list);
}

/*
 * A librdkafka without fetch.queue.backoff.ms looks only once a second whether a full queue has room again, which a
 * fast reader spends mostly waiting. A request to the broker wakes the thread that fetches from it, so one is made when
 * a queue that was full has run down to a quarter.
 */
static void wake_fetchers(struct kafka_source *s)
{
    size_t waiting = s->fetchers_doze ? rd_kafka_queue_length(s->records) : 0;
    if (waiting > s->peak) {
        s->peak = waiting;
    } else if (waiting < s->peak / 4 && s->returned > 0) {
        uint64_t record_size = s->bytes / (uint64_t)s->returned;
        if (s->peak * record_size > (uint64_t)s->buffer / 2) {
            ask_brokers(s);
        }
        s->peak = waiting;
    }
}

/* Waits for records, serving the group between. */
static void wait_for_records(struct kafka_source *s, churn_record *records, uint32_t max, uint32_t timeout_ms)
{
    int64_t end = timeout_ms > 0 ? now_ms(s) + timeout_ms : 0;
    int64_t left = timeout_ms;
    for (;;) {
        serve_group(s, 0);
        complete_assignment(s);
        gather(s, records, max, (int)(left < SLICE_MS ? left : SLICE_MS));
        if (s->held_count > 0 || left <= 0 || s->failed || at_end(s)) {
            return;
        }
        left = end - now_ms(s);
        left = left > 0 ? left : 0;
    }
}

static int32_t source_poll(void *self, churn_record *records, uint32_t max, uint32_t timeout_ms, uint32_t *ret_count,
                           churn_error *err)
{
    struct kafka_source *s = self;
    *ret_count = 0;
    release_held(s);
    if (!s->failed && !s->subscribed && !s->nothing) {
        serve_group(s, 0);
        if (!learn_bounds(s, timeout_ms) && !s->failed) {
            (void)kafka_client_check(s->client, 1);
            return CHURN_PENDING;
        }
    }
    if (!s->failed && (max == 0 || s->paused || s->nothing)) {
        serve_group(s, s->nothing ? 0 : (int)timeout_ms);
        complete_assignment(s);
    } else if (!s->failed && make_room(s, max)) {
        wake_fetchers(s);
        wait_for_records(s, records, max, timeout_ms);
    }
    (void)kafka_client_check(s->client, 1);
    *ret_count = s->held_count;
    s->returned += s->held_count;
    if (s->failed && s->held_count == 0) {
        return churn_fail(err, CHURN_FATAL, "%s", s->failure.message);
    }
    return at_end(s) ? CHURN_END : s->held_count > 0 ? CHURN_OK : CHURN_PENDING;
}

/* --- Positions --- */

/* Errors of a commit that a rebalance or a deleted topic explains: whoever has the partition now reads on from the
 * older offset. */
static int is_explained(rd_kafka_resp_err_t code)
{
    return code == RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION || code == RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID ||
           code == RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS || code == RD_KAFKA_RESP_ERR__NO_OFFSET ||
           code == RD_KAFKA_RESP_ERR__ASSIGNMENT_LOST || code == RD_KAFKA_RESP_ERR__WAIT_COORD ||
           code == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
}

static void log_commit(const struct kafka_source *s, rd_kafka_resp_err_t code)
{
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
        churn_log(s->host, is_explained(code) ? CHURN_LOG_DEBUG : CHURN_LOG_WARN,
                  "offsets of group `%s` were not committed: %s; a later commit includes them", s->group_id,
                  rd_kafka_err2str(code));
    }
}

static void on_commit(rd_kafka_t *rk, rd_kafka_resp_err_t code, rd_kafka_topic_partition_list_t *list, void *opaque)
{
    (void)rk;
    for (int i = 0; list != NULL && i < list->cnt && code == RD_KAFKA_RESP_ERR_NO_ERROR; i++) {
        code = list->elems[i].err;
    }
    log_commit(kafka_client_owner(opaque), code);
}

/* Commits and waits for the answer, though not for as long as librdkafka would. */
static rd_kafka_resp_err_t commit_and_wait(struct kafka_source *s, const rd_kafka_topic_partition_list_t *list)
{
    rd_kafka_queue_t *queue = rd_kafka_queue_new(s->rk);
    rd_kafka_resp_err_t code = rd_kafka_commit_queue(s->rk, list, queue, NULL, NULL);
    rd_kafka_event_t *event = code == RD_KAFKA_RESP_ERR_NO_ERROR ? rd_kafka_queue_poll(queue, COMMIT_TIMEOUT_MS) : NULL;
    if (event != NULL) {
        const rd_kafka_topic_partition_list_t *done = rd_kafka_event_topic_partition_list(event);
        code = rd_kafka_event_error(event);
        for (int i = 0; done != NULL && i < done->cnt && code == RD_KAFKA_RESP_ERR_NO_ERROR; i++) {
            code = done->elems[i].err;
        }
        rd_kafka_event_destroy(event);
    } else if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {
        code = RD_KAFKA_RESP_ERR__TIMED_OUT;
    }
    rd_kafka_queue_destroy(queue);
    return code;
}

static int32_t source_commit(void *self, const churn_position *positions, uint32_t count, int32_t wait,
                             churn_error *err)
{
    struct kafka_source *s = self;
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)count);
    rd_kafka_resp_err_t code;
    for (uint32_t i = 0; i < count; i++) {
        rd_kafka_topic_partition_list_add(list, positions[i].topic, positions[i].partition)->offset =
            positions[i].offset;
    }
    code = wait ? commit_and_wait(s, list) : rd_kafka_commit(s->rk, list, 1);
    rd_kafka_topic_partition_list_destroy(list);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {
        return CHURN_OK;
    }
    log_commit(s, code);
    return churn_fail(err, CHURN_RETRY, "offsets were not committed: %s", rd_kafka_err2str(code));
}

/* Seeks a partition that librdkafka reads; one that was assigned a moment ago may take that moment. */
static rd_kafka_resp_err_t seek_fetcher(struct kafka_source *s, rd_kafka_topic_partition_list_t *list)
{
    int64_t end = now_ms(s) + SEEK_TIMEOUT_MS;
    rd_kafka_resp_err_t code;
    do {
        rd_kafka_error_t *error = rd_kafka_seek_partitions(s->rk, list, SEEK_TIMEOUT_MS);
        code = error != NULL ? rd_kafka_error_code(error) : list->elems[0].err;
        if (error != NULL) {
            rd_kafka_error_destroy(error);
        }
        if (code == RD_KAFKA_RESP_ERR__STATE) {
            (void)nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
        }
    } while (code == RD_KAFKA_RESP_ERR__STATE && now_ms(s) < end);
    return code;
}

static int32_t source_seek(void *self, const churn_position *to, churn_error *err)
{
    struct kafka_source *s = self;
    struct part *p = part_of(s, to->topic, to->partition);
    rd_kafka_topic_partition_list_t *list;
    rd_kafka_topic_partition_t *starting;
    rd_kafka_resp_err_t code = RD_KAFKA_RESP_ERR_NO_ERROR;
    if (p == NULL) {
        return churn_fail(err, CHURN_RETRY, "topic `%s` partition %d is not assigned to this worker", to->topic,
                          (int)to->partition);
    }
    starting = s->assigning != NULL ? rd_kafka_topic_partition_list_find(s->assigning, to->topic, to->partition) : NULL;
    if (starting != NULL) {
        starting->offset = to->offset;
        starting->opaque = NULL; /* no longer our choice */
    } else {
        list = rd_kafka_topic_partition_list_new(1);
        rd_kafka_topic_partition_list_add(list, to->topic, to->partition)->offset = to->offset;
        code = seek_fetcher(s, list);
        rd_kafka_topic_partition_list_destroy(list);
    }
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
        return churn_fail(err, CHURN_RETRY, "topic `%s` partition %d cannot be read from offset %lld now: %s",
                          to->topic, (int)to->partition, (long long)to->offset, rd_kafka_err2str(code));
    }
    p->position = to->offset;
    p->finished = s->host->until_end && p->position >= p->end;
    return CHURN_OK;
}

static void source_pause(void *self, int32_t on)
{
    struct kafka_source *s = self;
    s->paused = on; /* what librdkafka fetches ahead is bounded by `buffer` */
}

/* Records of a partition that are still to come; -1 when not known yet. */
static int64_t part_lag(const struct kafka_source *s, const struct part *p)
{
    int64_t low = RD_KAFKA_OFFSET_INVALID, high = RD_KAFKA_OFFSET_INVALID, from;
    if (p->finished) {
        return 0;
    }
    (void)rd_kafka_get_watermark_offsets(s->rk, p->topic, p->partition, &low, &high);
    if (s->host->until_end) {
        high = p->end;
        low = p->low;
    }
    from = p->position >= 0 ? p->position : low;
    if (from < 0 || high < 0) {
        return -1;
    }
    return high > from ? high - from : 0;
}

static void source_lag(void *self, churn_lag *lag)
{
    struct kafka_source *s = self;
    lag->known = s->assigned || s->nothing;
    lag->messages = 0;
    for (uint32_t i = 0; i < s->part_count; i++) {
        int64_t n = part_lag(s, &s->parts[i]);
        if (n < 0) {
            lag->known = 0;
        } else {
            lag->messages += n;
        }
    }
    lag->total = s->host->until_end && lag->known ? s->returned + lag->messages : -1;
}

/* --- Start and stop --- */

static void close_source(struct kafka_source *s)
{
    release_held(s);
    drop_pending(s);
    if (s->records != NULL) {
        rd_kafka_queue_destroy(s->records);
    }
    kafka_client_destroy(s->client, s->rk, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE, DESTROY_TIMEOUT_MS);
    kafka_client_free(s->client);
    free(s->held);
    free(s->parts);
    free(s->bounds);
    s->records = NULL;
    s->rk = NULL;
    s->client = NULL;
    s->held = NULL;
    s->parts = NULL;
    s->bounds = NULL;
}

static int32_t open_consumer(struct kafka_source *s, churn_error *err)
{
    rd_kafka_conf_t *conf = make_conf(s, err);
    if (conf == NULL) {
        return CHURN_FATAL;
    }
    rd_kafka_conf_set_rebalance_cb(conf, on_rebalance);
    rd_kafka_conf_set_offset_commit_cb(conf, on_commit);
    s->fetchers_doze =
        kafka_client_default(conf, &s->properties, "fetch.queue.backoff.ms", NULL, "10", NULL) != CHURN_OK;
    s->rk = kafka_client_open(s->client, RD_KAFKA_CONSUMER, conf, err);
    if (s->rk == NULL) {
        return CHURN_FATAL;
    }
    (void)rd_kafka_poll_set_consumer(s->rk); /* errors come with the group's events */
    s->records = rd_kafka_queue_new(s->rk);
    return s->host->until_end ? CHURN_OK : subscribe(s, err);
}

static int32_t source_start(void *self, const churn_source_listener *listener, churn_error *err)
{
    struct kafka_source *s = self;
    s->listener = listener;
    s->client = kafka_client_new(s->host, s->brokers, s);
    if (s->client == NULL) {
        return churn_fail(err, CHURN_FATAL, "out of memory");
    }
    if (open_consumer(s, err) != CHURN_OK) {
        close_source(s);
        return CHURN_FATAL;
    }
    return CHURN_OK;
}

/* Leaves the group, so that the others need not wait for this member's session to end. */
static void leave_group(struct kafka_source *s)
{
    int64_t end = now_ms(s) + CLOSE_TIMEOUT_MS;
    rd_kafka_queue_t *queue = rd_kafka_queue_new(s->rk);
    rd_kafka_error_t *error = rd_kafka_consumer_close_queue(s->rk, queue);
    while (error == NULL && !rd_kafka_consumer_closed(s->rk) && now_ms(s) < end) {
        rd_kafka_event_t *event = rd_kafka_queue_poll(queue, SLICE_MS);
        if (event != NULL && rd_kafka_event_type(event) == RD_KAFKA_EVENT_REBALANCE) {
            on_rebalance(s->rk, rd_kafka_event_error(event), rd_kafka_event_topic_partition_list(event), s->client);
        }
        if (event != NULL) {
            rd_kafka_event_destroy(event);
        }
    }
    if (error != NULL) {
        rd_kafka_error_destroy(error);
    }
    rd_kafka_queue_destroy(queue);
}

static void source_stop(void *self)
{
    struct kafka_source *s = self;
    s->stopping = 1;
    release_held(s);
    drop_pending(s);
    leave_group(s);
    close_source(s);
}

static const churn_source_ops ops = {
    .size = sizeof ops,
    .create = source_create,
    .start = source_start,
    .poll = source_poll,
    .commit = source_commit,
    .seek = source_seek,
    .pause = source_pause,
    .lag = source_lag,
    .stop = source_stop,
    .destroy = source_destroy,
};

CHURN_PLUGIN(.kind = CHURN_KIND_SOURCE, .name = "kafka", .version = "1.0.0",
             .summary = "Reads Kafka topics as a member of a consumer group.",
             CHURN_OPTIONS(options, struct kafka_source), .ops = &ops);
