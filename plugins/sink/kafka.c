/* Records into one Kafka topic, keyed as they are. */
#include "kafka_grants.h"
#include "kafka_probe.h"
#include "kafka_producer.h"
#include "kafka_section.h"
#include "kafka_topic_name.h"

#include <churn/sink.h>
#include <time.h>

/* An event may be 1 MiB, to which the key and a dead letter's headers add: more than a topic takes by default. */
static const char *const topic_config[] = {"max.message.bytes", "33554432", NULL};

struct kafka_sink {
    const char *brokers;
    const char *topic;
    int64_t partitions;
    int32_t create_topic;
    churn_map properties;
    const churn_host *host;
    struct kafka_producer *producer;
};

static const churn_option options[] = {
    {.name = "brokers",
     .default_text = "localhost:9092",
     .help = "The Kafka brokers to ask for the others, as host:port, separated by commas.",
     .type = CHURN_OPTION_STRING,
     .offset = offsetof(struct kafka_sink, brokers)},
    {.name = "topic",
     .help = "The topic that the records go to.",
     .type = CHURN_OPTION_STRING,
     .flags = CHURN_OPTION_REQUIRED,
     .offset = offsetof(struct kafka_sink, topic)},
    {.name = "create_topic",
     .default_text = "true",
     .help = "Creates the topic (with max.message.bytes 32 MiB) when it does not exist; otherwise the brokers decide.",
     .type = CHURN_OPTION_BOOL,
     .offset = offsetof(struct kafka_sink, create_topic)},
    {.name = "partitions",
     .default_text = "0",
     .help = "How many partitions a topic created here gets; 0: the brokers' default.",
     .min = 0,
     .max = 100000,
     .type = CHURN_OPTION_INT,
     .offset = offsetof(struct kafka_sink, partitions)},
    {.name = "properties",
     .help = "librdkafka's own properties, such as security.protocol or compression.codec.",
     .type = CHURN_OPTION_MAP,
     .flags = CHURN_OPTION_SECRET,
     .offset = offsetof(struct kafka_sink, properties)},
};

static int32_t sink_create(void *self, const churn_host *host, churn_error *err)
{
    struct kafka_sink *s = self;
    s->host = host;
    if (kafka_topic_name_check("topic", s->topic, err) != CHURN_OK) {
        return CHURN_FATAL;
    }
    return kafka_producer_check(host, s->brokers, &s->properties, err);
}

static void sink_probe(void *self, uint32_t timeout_ms, churn_target_fn fn, void *ctx)
{
    const struct kafka_sink *s = self;
    const struct kafka_topic topic = {
        .name = s->topic, .option = "topic", .flags = CHURN_TARGET_WRITES, .is_made = s->create_topic};
    kafka_producer_probe(s->host, s->brokers, &s->properties, &topic, 1, timeout_ms, fn, ctx);
}

static int32_t sink_start(void *self, churn_error *err)
{
    struct kafka_sink *s = self;
    s->producer = kafka_producer_new(s->host, s->brokers, &s->properties, KAFKA_LINGER_MANY, err);
    if (s->producer == NULL) {
        return CHURN_FATAL;
    }
    if (s->create_topic &&
        kafka_producer_ensure_topic(s->producer, s->topic, (int32_t)s->partitions, topic_config, err) != CHURN_OK) {
        kafka_producer_free(s->producer, 0);
        s->producer = NULL;
        return CHURN_FATAL;
    }
    return CHURN_OK;
}

static int32_t sink_write(void *self, const churn_record *records, uint32_t count, uint32_t *ret_taken,
                          churn_error *err)
{
    struct kafka_sink *s = self;
    int32_t result = CHURN_OK;
    *ret_taken = 0;
    while (*ret_taken < count && result == CHURN_OK) {
        result = kafka_producer_send(s->producer, s->topic, &records[*ret_taken], err);
        *ret_taken += result == CHURN_OK;
    }
    return result == CHURN_PENDING ? CHURN_OK : result;
}

static int32_t sink_poll(void *self, churn_done *done, uint32_t max, uint32_t timeout_ms, uint32_t *ret_count,
                         churn_error *err)
{
    struct kafka_sink *s = self;
    return kafka_producer_poll(s->producer, done, max, timeout_ms, ret_count, err);
}

static void sink_stop(void *self, int64_t deadline_ms)
{
    struct kafka_sink *s = self;
    kafka_producer_free(s->producer, deadline_ms);
    s->producer = NULL;
}

static void sink_destroy(void *self)
{
    (void)self; /* stop freed what start made */
}

/* ---- how dead letters are read again ---- */

static void sink_grants(void *self, uint32_t use, churn_grant_fn fn, void *ctx)
{
    const struct kafka_sink *s = self;
    const struct kafka_grants grants = {.brokers = s->brokers, .properties = &s->properties, .fn = fn, .ctx = ctx};
    (void)use;
    kafka_grants_write(&grants, s->topic, 1);
}

static int is_of_group(const char *property)
{
    return strcmp(property, "session.timeout.ms") == 0 || strcmp(property, "heartbeat.interval.ms") == 0 ||
           strcmp(property, "max.poll.interval.ms") == 0;
}

/* A repeated redrive goes on where its group committed. One over all letters has a group that is never seen again. */
static void name_group(const churn_read_back *back, const char *own, char *name, size_t size)
{
    struct timespec now = {0};
    (void)clock_gettime(CLOCK_REALTIME, &now);
    (void)snprintf(name, size, "%.4096s-redrive", own != NULL && own[0] != '\0' ? own : back->pipeline);
    if (back->all) {
        size_t len = strlen(name);
        (void)snprintf(name + len, size - len, "-all-%lld%03ld", (long long)now.tv_sec, now.tv_nsec / 1000000);
    }
}

static int32_t sink_read_back(const churn_section *own, churn_read_back *back, churn_error *err)
{
    const churn_section *source = back->source;
    churn_section *reader = back->reader;
    const char *topic = own->get(own, "topic"), *plugin = source->get(source, "plugin");
    int of_kafka = plugin != NULL && strcmp(plugin, "kafka") == 0;
    char group[4300];
    (void)err;
    topic = topic != NULL ? topic : "";
    name_group(back, of_kafka ? source->get(source, "group_id") : NULL, group, sizeof group);
    reader->put(reader, "plugin", "kafka");
    reader->put(reader, "topics", topic);
    reader->put(reader, "group_id", group);
    reader->put(reader, "headers", "true");
    kafka_section_connect(reader, own);
    if (of_kafka) {
        kafka_section_copy(reader, source, is_of_group);
    }
    (void)snprintf(back->description, sizeof back->description, "the topic %.249s, as group %.200s", topic, group);
    return CHURN_OK;
}

static const churn_sink_ops ops = {
    .size = sizeof ops,
    .accepts = CHURN_RECORD_EVENT | CHURN_RECORD_ALERT | CHURN_RECORD_DEAD_LETTER,
    .create = sink_create,
    .start = sink_start,
    .write = sink_write,
    .poll = sink_poll,
    .stop = sink_stop,
    .destroy = sink_destroy,
    .probe = sink_probe,
    .read_back = sink_read_back,
    .grants = sink_grants,
};

static const char *const paths[] = {"properties", NULL};
static const churn_needs needs = {.size = sizeof needs, .flags = CHURN_NEEDS_DISCOVER, .read_options = paths};

CHURN_PLUGIN(.kind = CHURN_KIND_SINK, .name = "kafka", .version = "1.0.0",
             .summary = "Writes records to a Kafka topic, each acknowledged by all in-sync replicas.",
             CHURN_OPTIONS(options, struct kafka_sink), .ops = &ops, .needs = &needs);
