#include "queue_kafka_front.h"
#include "kafka_producer.h"
#include "queue_kafka_conf.h"
#include <stdlib.h>

/* The newest trigger of a customer stands for its older ones, so compaction keeps the topic bounded and loses none,
 * however long the API is down. */
static const char *const topic_config[] = {"cleanup.policy", "compact", NULL};

struct front {
    const struct settings *settings;
    char group[GROUP_SIZE];
    struct kafka_producer *producer;
};

static int32_t front_write(void *arg, const churn_record *records, uint32_t count, uint32_t *ret_taken,
                           churn_error *err)
{
    struct front *f = arg;
    int32_t rc = CHURN_OK;
    uint32_t taken = 0;
    const churn_header header = {.name = GROUP_HEADER, .value = churn_text(f->group)};
    for (; taken < count && rc == CHURN_OK; taken += rc == CHURN_OK) {
        churn_record record = {.size = sizeof record,
                               .kind = records[taken].kind,
                               .key = records[taken].key,
                               .value = records[taken].value,
                               .headers = &header,
                               .header_count = 1,
                               .id = records[taken].id};
        rc = kafka_producer_send(f->producer, f->settings->queue_topic, &record, err);
    }
    *ret_taken = taken;
    return rc == CHURN_PENDING ? CHURN_OK : rc;
}

static int32_t front_poll(void *arg, churn_done *done, uint32_t max, uint32_t timeout_ms, uint32_t *ret_count,
                          churn_error *err)
{
    struct front *f = arg;
    return kafka_producer_poll(f->producer, done, max, timeout_ms, ret_count, err);
}

static void front_free(void *arg, int64_t deadline_ms)
{
    struct front *f = arg;
    if (f != NULL) {
        kafka_producer_free(f->producer, deadline_ms);
        free(f);
    }
}

void *queue_kafka_front_new(const churn_host *host, const struct settings *settings, churn_error *err)
{
    struct front *f = calloc(1, sizeof *f);
    if (f == NULL) {
        (void)churn_fail(err, CHURN_FATAL, "out of memory");
        return NULL;
    }
    f->settings = settings;
    queue_kafka_group(host, settings, f->group);
    f->producer = kafka_producer_new(host, settings->brokers, &settings->properties, KAFKA_LINGER_SOON, err);
    if (f->producer == NULL ||
        kafka_producer_ensure_topic(f->producer, settings->queue_topic, (int32_t)settings->queue_partitions,
                                    topic_config, err) != CHURN_OK) {
        front_free(f, 0);
        return NULL;
    }
    return f;
}

const struct queue_front_ops queue_kafka_front_ops = {.write = front_write, .poll = front_poll, .free = front_free};
