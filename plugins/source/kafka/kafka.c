/* Records of Kafka topics, as a member of a consumer group: options, beginning and end. */
#include "assignment.h"
#include "bounds.h"
#include "client.h"
#include "conf.h"
#include "group.h"
#include "held.h"
#include "kafka_conf.h"
#include "kafka_grants.h"
#include "kafka_probe.h"
#include "kafka_risks.h"
#include "kafka_section.h"
#include "kafka_topic_name.h"
#include "ledger.h"
#include "offsets.h"
#include "records.h"
#include "reread.h"

#include <stdlib.h>

#define CLOSE_TIMEOUT_MS 5000

static const char *const start_choices[] = {"beginning", "end", NULL};
static const char *const unreadable_choices[] = {"wait", "dead_letter", NULL};

static const churn_option options[] = {
    {.name = "brokers",
     .default_text = "localhost:9092",
     .help = "The Kafka brokers to ask for the others, as host:port, separated by commas.",
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
     .help = "Where a group begins to read a topic of which it has committed nothing, unless the store's profiles are "
             "further; a partition that is added later is read from its beginning.",
     .type = CHURN_OPTION_ENUM,
     .offset = offsetof(struct kafka_source, start)},
    {.name = "epoch",
     .default_text = "0",
     .help = "Another number for topics that were made anew, or for another cluster with the same names: offsets, "
             "marks and "
             "the group's position begin anew, and positions carry it, as in customer-events@1.",
     .min = 0,
     .max = INT32_MAX,
     .type = CHURN_OPTION_INT,
     .offset = offsetof(struct kafka_source, epoch)},
    {.name = "buffer",
     .default_text = "1MiB",
     .help = "How much each worker fetches ahead, over all of its partitions; one fetch may exceed it.",
     .min = 1024 * 1024,
     .max = 2097151LL * 1024,
     .type = CHURN_OPTION_SIZE,
     .offset = offsetof(struct kafka_source, buffer)},
    {.name = "headers",
     .default_text = "true",
     .help = "Hand the headers of records on: dead letters keep them.",
     .type = CHURN_OPTION_BOOL,
     .offset = offsetof(struct kafka_source, headers)},
    {.name = "unreadable",
     .default_text = "wait",
     .choices = unreadable_choices,
     .help = "What becomes of a batch of records that cannot be read or unpacked: wait holds its partition, not ready, "
             "until it can be; dead_letter sets it aside after some attempts, each of its offsets as a dead letter "
             "unreadable_record without key and value.",
     .type = CHURN_OPTION_ENUM,
     .offset = offsetof(struct kafka_source, unreadable)},
    {.name = "properties",
     .help = "librdkafka's own properties, such as security.protocol or session.timeout.ms. To a group.instance.id the "
             "workers after the first append their number.",
     .type = CHURN_OPTION_MAP,
     .flags = CHURN_OPTION_SECRET,
     .offset = offsetof(struct kafka_source, properties)},
};

static int32_t check_topic(const char *name, uint32_t item, churn_error *err)
{
    char option[CHURN_ERROR_OPTION_SIZE];
    (void)snprintf(option, sizeof option, "topics.%u", item);
    return kafka_topic_name_check(option, name, err);
}

/* NULL when memory ran out. */
static char *with_epoch(const struct kafka_source *s, const char *name, const char *separator)
{
    size_t size = strlen(name) + strlen(separator) + 24;
    char *text = malloc(size);
    if (text != NULL && s->epoch > 0) {
        (void)snprintf(text, size, "%s%s%lld", name, separator, (long long)s->epoch);
    } else if (text != NULL) {
        (void)snprintf(text, size, "%s", name);
    }
    return text;
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
        if (check_topic(name, i, err) != CHURN_OK) {
            return CHURN_FATAL;
        }
        while (k < s->topic_count && strcmp(s->topics[k].name, name) != 0) {
            k++;
        }
        if (k == s->topic_count) {
            s->topics[k].name = name;
            s->topics[k].identity = with_epoch(s, name, "@");
            s->topic_count++;
            if (s->topics[k].identity == NULL) {
                return churn_fail(err, CHURN_FATAL, "out of memory");
            }
        }
    }
    return CHURN_OK;
}

static void source_destroy(void *self)
{
    struct kafka_source *s = self;
    reread_close(s);
    ledger_close(s);
    for (uint32_t i = 0; s->topics != NULL && i < s->topic_count; i++) {
        free(s->topics[i].identity);
    }
    free(s->topics);
    free(s->group);
    s->topics = NULL;
    s->group = NULL;
}

static int32_t source_create(void *self, const churn_host *host, churn_error *err)
{
    struct kafka_source *s = self;
    rd_kafka_conf_t *conf;
    s->host = host;
    s->group = with_epoch(s, s->group_id, ".epoch");
    if (s->group == NULL) {
        return churn_fail(err, CHURN_FATAL, "out of memory");
    }
    if (take_topics(s, err) != CHURN_OK || (conf = conf_new(s, err)) == NULL ||
        kafka_conf_try(RD_KAFKA_CONSUMER, conf, &s->properties, err) != CHURN_OK) {
        source_destroy(s);
        return CHURN_FATAL;
    }
    return CHURN_OK;
}

static void source_probe(void *self, uint32_t timeout_ms, churn_target_fn fn, void *ctx)
{
    const struct kafka_source *s = self;
    uint32_t count = s->topic_names.count;
    rd_kafka_conf_t *conf = timeout_ms > 0 ? conf_new(s, NULL) : NULL;
    struct kafka_topic *topics = calloc(count + 1u, sizeof *topics);
    char (*places)[32] = calloc(count + 1u, sizeof *places);
    if (timeout_ms == 0) {
        kafka_risks(&s->properties, fn, ctx);
    }
    for (uint32_t i = 0; topics != NULL && places != NULL && i < count; i++) {
        (void)snprintf(places[i], sizeof places[i], "topics.%u", i);
        topics[i] =
            (struct kafka_topic){.name = s->topic_names.items[i], .option = places[i], .flags = CHURN_TARGET_READS};
    }
    kafka_probe(s->host, RD_KAFKA_CONSUMER, conf, s->brokers, topics, topics != NULL && places != NULL ? count : 0,
                timeout_ms, fn, ctx);
    free(places);
    free(topics);
}

static void source_grants(void *self, uint32_t use, churn_grant_fn fn, void *ctx)
{
    const struct kafka_source *s = self;
    const struct kafka_grants grants = {.brokers = s->brokers, .properties = &s->properties, .fn = fn, .ctx = ctx};
    for (uint32_t i = 0; i < s->topic_names.count; i++) {
        kafka_grants_read(&grants, s->topic_names.items[i]);
    }
    if ((use & CHURN_USE_RUN) != 0) {
        kafka_grants_group(&grants, s->group);
    } else if ((use & CHURN_USE_APART) != 0) {
        kafka_grants_groups(&grants, s->group);
    }
}

static void close_source(struct kafka_source *s)
{
    client_close(s);
    free(s->held);
    free(s->header_pool);
    free(s->parts);
    free(s->bounds);
    s->held = NULL;
    s->header_pool = NULL;
    s->header_size = 0;
    s->parts = NULL;
    s->bounds = NULL;
}

/* It takes librdkafka a buffer and a dozen calls to say that a record has none, a tenth of all that is done for an
 * event. */
static int asks_headers(const churn_source_listener *l)
{
    return l->size >= offsetof(churn_source_listener, asks_headers) + sizeof l->asks_headers && l->asks_headers != 0;
}

static int32_t source_start(void *self, const churn_source_listener *listener, churn_error *err)
{
    struct kafka_source *s = self;
    s->listener = listener;
    s->hands_headers = s->headers && !asks_headers(listener);
    s->unreadable_stall = stall_new(s->host, "fetch");
    s->group_stall = stall_new(s->host, "group");
    s->denied = stall_new(s->host, "commit");
    if (client_open(s, err) != CHURN_OK || (!s->host->until_end && assignment_subscribe(s, err) != CHURN_OK)) {
        close_source(s);
        return CHURN_FATAL;
    }
    return CHURN_OK;
}

static void source_stop(void *self)
{
    struct kafka_source *s = self;
    held_release(s);
    group_drop_pending(s);
    if (s->rk != NULL) { /* it may have failed to be made anew */
        (void)kafka_client_leave(s->client, s->rk, CLOSE_TIMEOUT_MS);
    }
    close_source(s);
}

static void source_pause(void *self, int32_t on)
{
    struct kafka_source *s = self;
    s->paused = on; /* what librdkafka fetches ahead is bounded by `buffer` */
}

/* A churn_topic_fn and what it is called with. */
struct topic_taker {
    churn_topic_fn fn;
    void *ctx;
};

static void hand_topic(void *ctx, const char *name, const char *topic)
{
    const struct topic_taker *taker = ctx;
    (void)name;
    taker->fn(taker->ctx, topic);
}

static void source_topics(const churn_section *own, churn_topic_fn fn, void *ctx)
{
    struct topic_taker taker = {.fn = fn, .ctx = ctx};
    own->each(own, "topics", hand_topic, &taker);
}

/* In a consumer group of its own. */
static int32_t source_apart(churn_section *section, const char *reader, churn_error *err)
{
    const char *group = section->get(section, "group_id");
    size_t size;
    char *own;
    if (group == NULL) { /* which is told when the section is read */
        return CHURN_OK;
    }
    size = strlen(group) + strlen(reader) + 2;
    own = malloc(size);
    if (own == NULL) {
        return churn_fail(err, CHURN_FATAL, "memory ran out");
    }
    (void)snprintf(own, size, "%s-%s", group, reader);
    section->put(section, "group_id", own);
    section->put(section, "start", "beginning");
    free(own);
    return CHURN_OK;
}

static int32_t source_writer(const churn_section *own, const char *topic, churn_section *sink, churn_error *err)
{
    (void)err;
    sink->put(sink, "plugin", "kafka");
    sink->put(sink, "topic", topic);
    kafka_section_connect(sink, own);
    return CHURN_OK;
}

static int32_t source_narrow(churn_section *section, const char *topic, churn_error *err)
{
    (void)err;
    section->put(section, "topics", topic);
    return CHURN_OK;
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
    .lags = source_lags,
    .stop = source_stop,
    .destroy = source_destroy,
    .bounds = source_bounds,
    .offset_at = source_offset_at,
    .probe = source_probe,
    .reread = source_reread,
    .headers = source_headers,
    .topics = source_topics,
    .apart = source_apart,
    .grants = source_grants,
    .writer = source_writer,
    .extents = source_extents,
    .narrow = source_narrow,
    .ledger = &ledger_ops,
};

static const char *const paths[] = {"properties", NULL};
static const churn_needs needs = {.size = sizeof needs, .flags = CHURN_NEEDS_DISCOVER, .read_options = paths};

CHURN_PLUGIN(.kind = CHURN_KIND_SOURCE, .name = "kafka", .version = "1.0.0",
             .summary = "Reads Kafka topics as a member of a consumer group.",
             CHURN_OPTIONS(options, struct kafka_source), .ops = &ops, .needs = &needs);
