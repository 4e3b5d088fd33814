#define _GNU_SOURCE /* RTLD_NEXT */
#include "fake_kafka.h"
#include "kafka_access.h"
#include "kafka_conf.h"
#include "kafka_grants.h"
#include "kafka_probe.h"
#include "kafka_risks.h"

#include <dlfcn.h>
#include <stdlib.h>

#define PARTITIONS_MAX 32
#define FAILURES_MAX 16
#define CLIENTS_MAX 64

struct fake_kafka fake_kafka;

/* Something that a queue holds: a record, an error, or a rebalance. */
struct item {
    rd_kafka_message_t m; /* first: it is what the parts hold */
    rd_kafka_headers_t *headers;
    int64_t timestamp_ms;
    rd_kafka_topic_partition_list_t *rebalance;
    rd_kafka_resp_err_t code; /* of the rebalance */
    struct item *next;
    char text[];
};

struct rd_kafka_queue_s {
    char name[48];
    int owned; /* by who asked for it */
    struct rd_kafka_queue_s *to;
    struct item *first;
};

struct rd_kafka_s {
    int number;
    rd_kafka_conf_t *conf;
    struct kafka_client *client;
    struct rd_kafka_queue_s group;
};

struct rd_kafka_topic_s {
    char name[32];
};

struct rd_kafka_op_s {
    rd_kafka_resp_err_t code;
    rd_kafka_topic_partition_list_t *list;
};

struct kafka_client {
    void *owner;
};

static struct fake_partition partitions[PARTITIONS_MAX];
static int partition_count;
static struct {
    char call[48];
    rd_kafka_resp_err_t code;
    int times;
} failures[FAILURES_MAX];
static struct rd_kafka_s *clients[CLIENTS_MAX + 1];
static int client_count;
static struct rd_kafka_topic_s topics[PARTITIONS_MAX]; /* those that records refer to */
static rd_kafka_topic_partition_list_t *committing;    /* what a queue is to be told of */
static void (*on_rebalance)(rd_kafka_t *, rd_kafka_resp_err_t, rd_kafka_topic_partition_list_t *, void *);

/* --- The script --- */

static int64_t clock_ms(const churn_host *host)
{
    (void)host;
    return fake_kafka.now_ms;
}

static void drop_items(struct rd_kafka_queue_s *queue)
{
    while (queue->first != NULL) {
        struct item *next = queue->first->next;
        rd_kafka_message_destroy(&queue->first->m);
        queue->first = next;
    }
}

void fake_kafka_init(struct fake_host *host)
{
    for (int i = 0; i < partition_count; i++) {
        drop_items(partitions[i].queue);
        free(partitions[i].queue);
    }
    for (int i = 1; i <= client_count; i++) {
        drop_items(&clients[i]->group);
        free(clients[i]);
    }
    partition_count = client_count = 0;
    memset(failures, 0, sizeof failures);
    fake_kafka = (struct fake_kafka){
        .now_ms = 100000, .protocol = "EAGER", .up = 1, .leaves = 1, .fetchers = 1, .version = 0x020a0000};
    host->host.monotonic_ms = clock_ms;
}

struct fake_partition *fake_kafka_partition(const char *topic, int32_t partition)
{
    struct fake_partition *p = partitions;
    while (p < partitions + partition_count && (strcmp(p->topic, topic) != 0 || p->partition != partition)) {
        p++;
    }
    if (p == partitions + PARTITIONS_MAX) {
        abort();
    }
    if (p == partitions + partition_count) {
        partition_count++;
        *p = (struct fake_partition){.partition = partition,
                                     .seen_low = RD_KAFKA_OFFSET_INVALID,
                                     .seen_high = RD_KAFKA_OFFSET_INVALID,
                                     .at_time = -1,
                                     .committed = RD_KAFKA_OFFSET_INVALID,
                                     .queue = calloc(1, sizeof *p->queue)};
        (void)snprintf(p->topic, sizeof p->topic, "%s", topic);
        (void)snprintf(p->queue->name, sizeof p->queue->name, "%s/%d", topic, (int)partition);
    }
    return p;
}

void fake_kafka_fail(const char *call, rd_kafka_resp_err_t code, int times)
{
    int i = 0;
    while (failures[i].times > 0 && strcmp(failures[i].call, call) != 0) {
        i++;
    }
    (void)snprintf(failures[i].call, sizeof failures[i].call, "%s", call);
    failures[i].code = code;
    failures[i].times = times;
}

static rd_kafka_resp_err_t failure_of(const char *call)
{
    for (int i = 0; i < FAILURES_MAX; i++) {
        if (failures[i].times > 0 && strcmp(failures[i].call, call) == 0) {
            failures[i].times--;
            return failures[i].code;
        }
    }
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}

static rd_kafka_topic_t *topic_of(const char *name)
{
    int i = 0;
    while (topics[i].name[0] != '\0' && strcmp(topics[i].name, name) != 0) {
        i++;
    }
    (void)snprintf(topics[i].name, sizeof topics[i].name, "%s", name);
    return &topics[i];
}

static struct item *add_item(struct rd_kafka_queue_s *queue, const char *topic, int32_t partition, int64_t offset,
                             rd_kafka_resp_err_t code, const char *text)
{
    struct item *item = calloc(1, sizeof *item + strlen(text) + 1), **end;
    (void)strcpy(item->text, text);
    item->m = (rd_kafka_message_t){.err = code,
                                   .rkt = topic != NULL ? topic_of(topic) : NULL,
                                   .partition = partition,
                                   .payload = item->text,
                                   .len = strlen(text),
                                   .offset = offset};
    fake_kafka.live++;
    while (queue->to != NULL) {
        queue = queue->to;
    }
    for (end = &queue->first; *end != NULL; end = &(*end)->next) {
    }
    *end = item;
    return item;
}

rd_kafka_message_t *fake_kafka_record(const char *topic, int32_t partition, int64_t offset, const char *value)
{
    return &add_item(fake_kafka_partition(topic, partition)->queue, topic, partition, offset,
                     RD_KAFKA_RESP_ERR_NO_ERROR, value)
                ->m;
}

void fake_kafka_header(rd_kafka_message_t *record, const char *name, const char *value)
{
    struct item *item = (struct item *)record;
    if (item->headers == NULL) {
        item->headers = rd_kafka_headers_new(4);
    }
    (void)rd_kafka_header_add(item->headers, name, -1, value, -1);
}

void fake_kafka_time(rd_kafka_message_t *record, int64_t timestamp_ms)
{
    ((struct item *)record)->timestamp_ms = timestamp_ms;
}

void fake_kafka_says(const char *topic, int32_t partition, int64_t offset, rd_kafka_resp_err_t code, const char *text)
{
    (void)add_item(fake_kafka_partition(topic, partition)->queue, topic, partition, offset, code, text);
}

void fake_kafka_tells(int number, const char *topic, int32_t partition, int64_t offset, rd_kafka_resp_err_t code,
                      const char *text)
{
    (void)add_item(&clients[number]->group, topic, partition, offset, code, text);
}

rd_kafka_message_t *fake_kafka_hears(int number, const char *topic, int32_t partition, int64_t offset,
                                     const char *value)
{
    return &add_item(&clients[number]->group, topic, partition, offset, RD_KAFKA_RESP_ERR_NO_ERROR, value)->m;
}

static rd_kafka_topic_partition_list_t *read_list(const char *text)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    char topic[32];
    int partition, used;
    while (sscanf(text, "%31[^/]/%d%n", topic, &partition, &used) == 2) {
        (void)rd_kafka_topic_partition_list_add(list, topic, partition);
        text += used + (text[used] == ',');
    }
    return list;
}

void fake_kafka_rebalances(int number, rd_kafka_resp_err_t code, const char *list)
{
    struct item *item = add_item(&clients[number]->group, NULL, 0, 0, code, "");
    item->rebalance = read_list(list);
    item->code = code;
}

void fake_kafka_note(const char *format, ...)
{
    size_t len = strlen(fake_kafka.calls);
    va_list args;
    va_start(args, format);
    (void)vsnprintf(fake_kafka.calls + len, sizeof fake_kafka.calls - len, format, args);
    va_end(args);
    len = strlen(fake_kafka.calls);
    (void)snprintf(fake_kafka.calls + len, sizeof fake_kafka.calls - len, "; ");
}

const char *fake_kafka_calls(void)
{
    static char calls[sizeof fake_kafka.calls];
    size_t len = strlen(fake_kafka.calls);
    (void)memcpy(calls, fake_kafka.calls, sizeof calls);
    calls[len > 2 ? len - 2 : 0] = '\0';
    fake_kafka.calls[0] = '\0';
    return calls;
}

int fake_kafka_waiting(void)
{
    int count = 0;
    for (int i = 0; i < partition_count; i++) {
        const struct rd_kafka_queue_s *queue = partitions[i].queue;
        while (queue->to != NULL) {
            queue = queue->to;
        }
        for (const struct item *item = queue->first; item != NULL; item = item->next) {
            count += item->m.partition == partitions[i].partition;
        }
    }
    return count;
}

/* The client that a call is made for; the first one, which most are for, is not named. */
static const char *by(const rd_kafka_t *rk)
{
    static char text[16];
    (void)snprintf(text, sizeof text, "%d: ", rk->number);
    return rk->number > 1 ? text : "";
}

static const char *offset_text(int64_t offset)
{
    static char text[32];
    (void)snprintf(text, sizeof text, "=%lld", (long long)offset);
    return offset == RD_KAFKA_OFFSET_INVALID     ? ""
           : offset == RD_KAFKA_OFFSET_BEGINNING ? "=begin"
           : offset == RD_KAFKA_OFFSET_END       ? "=end"
                                                 : text;
}

static const char *text_of(const rd_kafka_topic_partition_list_t *list)
{
    static char text[4096];
    text[0] = '\0';
    for (int i = 0; list != NULL && i < list->cnt; i++) {
        const rd_kafka_topic_partition_t *p = &list->elems[i];
        size_t at = strlen(text);
        (void)snprintf(text + at, sizeof text - at, "%s%s/%d%s%s%.*s%s", i > 0 ? "," : "", p->topic, (int)p->partition,
                       offset_text(p->offset), p->metadata_size > 0 ? " (" : "", (int)p->metadata_size,
                       p->metadata_size > 0 ? (const char *)p->metadata : "", p->metadata_size > 0 ? ")" : "");
    }
    return list != NULL ? text : "none";
}

/* --- Queues and messages --- */

static struct item *take_item(struct rd_kafka_queue_s *queue, int timeout_ms)
{
    struct item *item = queue->first;
    if (item == NULL) {
        fake_kafka.now_ms += timeout_ms;
        return NULL;
    }
    queue->first = item->next;
    item->next = NULL;
    return item;
}

rd_kafka_queue_t *rd_kafka_queue_new(rd_kafka_t *rk)
{
    struct rd_kafka_queue_s *queue = calloc(1, sizeof *queue);
    (void)rk;
    queue->owned = 1;
    (void)snprintf(queue->name, sizeof queue->name, "records");
    fake_kafka.live++;
    return queue;
}

rd_kafka_queue_t *rd_kafka_queue_get_consumer(rd_kafka_t *rk)
{
    (void)rk;
    return NULL;
}

void rd_kafka_queue_io_event_enable(rd_kafka_queue_t *queue, int fd, const void *payload, size_t size)
{
    (void)queue;
    (void)payload;
    (void)size;
    fake_kafka.woken_fd = fd;
}

rd_kafka_queue_t *rd_kafka_queue_get_partition(rd_kafka_t *rk, const char *topic, int32_t partition)
{
    (void)rk;
    if (failure_of("queue") != RD_KAFKA_RESP_ERR_NO_ERROR) {
        return NULL;
    }
    fake_kafka.live++;
    return fake_kafka_partition(topic, partition)->queue;
}

void rd_kafka_queue_destroy(rd_kafka_queue_t *queue)
{
    fake_kafka.live--;
    if (queue->owned) {
        for (int i = 0; i < partition_count; i++) {
            partitions[i].queue->to = partitions[i].queue->to == queue ? NULL : partitions[i].queue->to;
        }
        drop_items(queue);
        free(queue);
    }
}

void rd_kafka_queue_forward(rd_kafka_queue_t *from, rd_kafka_queue_t *to)
{
    struct item **end;
    fake_kafka_note("forward %s to %s", from->name, to != NULL ? to->name : "itself");
    from->to = to;
    if (to != NULL && from->first != NULL) {
        for (end = &to->first; *end != NULL; end = &(*end)->next) {
        }
        *end = from->first;
        from->first = NULL;
    }
}

size_t rd_kafka_queue_length(rd_kafka_queue_t *queue)
{
    size_t count = 0;
    for (const struct item *item = queue->first; item != NULL; item = item->next) {
        count++;
    }
    return count;
}

rd_kafka_message_t *rd_kafka_consume_queue(rd_kafka_queue_t *queue, int timeout_ms)
{
    struct item *item = take_item(queue, timeout_ms);
    return item != NULL ? &item->m : NULL;
}

rd_kafka_message_t *rd_kafka_consumer_poll(rd_kafka_t *rk, int timeout_ms)
{
    struct item *item = take_item(&rk->group, timeout_ms);
    while (item != NULL && item->rebalance != NULL) {
        on_rebalance(rk, item->code, item->rebalance, rk->client);
        rd_kafka_message_destroy(&item->m);
        item = take_item(&rk->group, 0);
    }
    return item != NULL ? &item->m : NULL;
}

void rd_kafka_message_destroy(rd_kafka_message_t *m)
{
    struct item *item = (struct item *)m;
    fake_kafka.live--;
    if (item->headers != NULL) {
        rd_kafka_headers_destroy(item->headers);
    }
    if (item->rebalance != NULL) {
        rd_kafka_topic_partition_list_destroy(item->rebalance);
    }
    free(item);
}

const char *rd_kafka_message_errstr(const rd_kafka_message_t *m)
{
    return m->payload;
}

int64_t rd_kafka_message_timestamp(const rd_kafka_message_t *m, rd_kafka_timestamp_type_t *type)
{
    *type = RD_KAFKA_TIMESTAMP_CREATE_TIME;
    return ((const struct item *)m)->timestamp_ms;
}

rd_kafka_resp_err_t rd_kafka_message_headers(const rd_kafka_message_t *m, rd_kafka_headers_t **headers)
{
    *headers = ((const struct item *)m)->headers;
    return *headers != NULL ? RD_KAFKA_RESP_ERR_NO_ERROR : RD_KAFKA_RESP_ERR__NOENT;
}

/* --- Topics --- */

const char *rd_kafka_topic_name(const rd_kafka_topic_t *topic)
{
    return topic->name;
}

rd_kafka_topic_t *rd_kafka_topic_new(rd_kafka_t *rk, const char *name, rd_kafka_topic_conf_t *conf)
{
    (void)rk;
    (void)conf;
    if (failure_of("topic_new") != RD_KAFKA_RESP_ERR_NO_ERROR) {
        return NULL;
    }
    fake_kafka.live++;
    return topic_of(name);
}

void rd_kafka_topic_destroy(rd_kafka_topic_t *topic)
{
    (void)topic;
    fake_kafka.live--;
}

rd_kafka_resp_err_t rd_kafka_metadata(rd_kafka_t *rk, int all, rd_kafka_topic_t *topic,
                                      const struct rd_kafka_metadata **ret, int timeout_ms)
{
    struct rd_kafka_metadata *metadata;
    rd_kafka_resp_err_t code = failure_of("metadata");
    char call[64];
    fake_kafka_note("%smetadata %s%s within %d", by(rk), topic->name, all ? " of all" : "", timeout_ms);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
        return code;
    }
    metadata = calloc(1, sizeof *metadata);
    metadata->topic_cnt = failure_of("no topics") == RD_KAFKA_RESP_ERR_NO_ERROR;
    metadata->topics = calloc(1, sizeof *metadata->topics);
    metadata->topics->topic = topic->name;
    metadata->topics->partitions = calloc(PARTITIONS_MAX, sizeof *metadata->topics->partitions);
    for (int i = 0; i < partition_count; i++) {
        if (strcmp(partitions[i].topic, topic->name) == 0) {
            metadata->topics->partitions[metadata->topics->partition_cnt++].id = partitions[i].partition;
        }
    }
    (void)snprintf(call, sizeof call, "topic %s", topic->name);
    metadata->topics->err = failure_of(call);
    if (metadata->topics->err == RD_KAFKA_RESP_ERR_NO_ERROR && metadata->topics->partition_cnt == 0) {
        metadata->topics->err = RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
    }
    fake_kafka.live++;
    *ret = metadata;
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}

void rd_kafka_metadata_destroy(const struct rd_kafka_metadata *metadata)
{
    fake_kafka.live--;
    free(metadata->topics->partitions);
    free(metadata->topics);
    free((void *)(uintptr_t)metadata);
}

/* --- Offsets --- */

rd_kafka_resp_err_t rd_kafka_offsets_for_times(rd_kafka_t *rk, rd_kafka_topic_partition_list_t *list, int timeout_ms)
{
    rd_kafka_resp_err_t code = failure_of("offsets");
    fake_kafka_note("%soffsets %s within %d", by(rk), text_of(list), timeout_ms);
    for (int i = 0; i < list->cnt && code == RD_KAFKA_RESP_ERR_NO_ERROR; i++) {
        rd_kafka_topic_partition_t *e = &list->elems[i];
        const struct fake_partition *p = fake_kafka_partition(e->topic, e->partition);
        e->err = p->err;
        e->offset = e->offset == RD_KAFKA_OFFSET_BEGINNING ? p->low
                    : e->offset == RD_KAFKA_OFFSET_END     ? p->high
                                                           : p->at_time;
    }
    return code;
}

rd_kafka_resp_err_t rd_kafka_query_watermark_offsets(rd_kafka_t *rk, const char *topic, int32_t partition, int64_t *low,
                                                     int64_t *high, int timeout_ms)
{
    const struct fake_partition *p = fake_kafka_partition(topic, partition);
    fake_kafka_note("%swatermarks %s/%d within %d", by(rk), topic, (int)partition, timeout_ms);
    *low = p->low;
    *high = p->high;
    return p->err;
}

rd_kafka_resp_err_t rd_kafka_get_watermark_offsets(rd_kafka_t *rk, const char *topic, int32_t partition, int64_t *low,
                                                   int64_t *high)
{
    const struct fake_partition *p = fake_kafka_partition(topic, partition);
    (void)rk;
    *low = p->seen_low;
    *high = p->seen_high;
    return p->err;
}

rd_kafka_resp_err_t rd_kafka_committed(rd_kafka_t *rk, rd_kafka_topic_partition_list_t *list, int timeout_ms)
{
    rd_kafka_resp_err_t code = failure_of("committed");
    int stale = failure_of("stale") != RD_KAFKA_RESP_ERR_NO_ERROR;
    fake_kafka_note("%scommitted %s within %d", by(rk), text_of(list), timeout_ms);
    for (int i = 0; i < list->cnt && code == RD_KAFKA_RESP_ERR_NO_ERROR; i++) {
        rd_kafka_topic_partition_t *e = &list->elems[i];
        const struct fake_partition *p = fake_kafka_partition(e->topic, e->partition);
        e->err = p->err;
        e->offset = stale ? RD_KAFKA_OFFSET_INVALID : p->committed;
        free(e->metadata);
        e->metadata = p->metadata[0] != '\0' && !stale ? strdup(p->metadata) : NULL;
        e->metadata_size = e->metadata != NULL ? strlen(p->metadata) : 0;
    }
    return code;
}

static void take_commit(const rd_kafka_topic_partition_list_t *list)
{
    for (int i = 0; i < list->cnt; i++) {
        struct fake_partition *p = fake_kafka_partition(list->elems[i].topic, list->elems[i].partition);
        p->committed = list->elems[i].offset;
        (void)snprintf(p->metadata, sizeof p->metadata, "%.*s", (int)list->elems[i].metadata_size,
                       list->elems[i].metadata != NULL ? (const char *)list->elems[i].metadata : "");
    }
}

rd_kafka_resp_err_t rd_kafka_commit(rd_kafka_t *rk, const rd_kafka_topic_partition_list_t *list, int async)
{
    rd_kafka_resp_err_t code = failure_of("commit");
    fake_kafka_note("%scommit %s%s", by(rk), text_of(list), async ? "" : " and wait");
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {
        take_commit(list);
    }
    return code;
}

rd_kafka_resp_err_t
rd_kafka_commit_queue(rd_kafka_t *rk, const rd_kafka_topic_partition_list_t *list, rd_kafka_queue_t *queue,
                      void (*done)(rd_kafka_t *, rd_kafka_resp_err_t, rd_kafka_topic_partition_list_t *, void *),
                      void *opaque)
{
    rd_kafka_resp_err_t code = failure_of("commit");
    (void)queue;
    (void)done;
    (void)opaque;
    fake_kafka_note("%scommit %s", by(rk), text_of(list));
    committing =
        code == RD_KAFKA_RESP_ERR_NO_ERROR && !fake_kafka.no_answer ? rd_kafka_topic_partition_list_copy(list) : NULL;
    return code;
}

rd_kafka_event_t *rd_kafka_queue_poll(rd_kafka_queue_t *queue, int timeout_ms)
{
    rd_kafka_event_t *event;
    (void)queue;
    fake_kafka_note("wait for it within %d", timeout_ms);
    if (committing == NULL) {
        fake_kafka.now_ms += timeout_ms;
        return NULL;
    }
    event = calloc(1, sizeof *event);
    event->list = committing;
    event->code = failure_of("answer");
    for (int i = 0; i < event->list->cnt; i++) {
        event->list->elems[i].err =
            fake_kafka_partition(event->list->elems[i].topic, event->list->elems[i].partition)->err;
    }
    if (event->code == RD_KAFKA_RESP_ERR_NO_ERROR) {
        take_commit(event->list);
    }
    committing = NULL;
    fake_kafka.live++;
    return event;
}

void rd_kafka_event_destroy(rd_kafka_event_t *event)
{
    fake_kafka.live--;
    rd_kafka_topic_partition_list_destroy(event->list);
    free(event);
}

rd_kafka_resp_err_t rd_kafka_event_error(rd_kafka_event_t *event)
{
    return event->code;
}

rd_kafka_topic_partition_list_t *rd_kafka_event_topic_partition_list(rd_kafka_event_t *event)
{
    return event->list;
}

/* --- The group and its partitions --- */

rd_kafka_resp_err_t rd_kafka_subscribe(rd_kafka_t *rk, const rd_kafka_topic_partition_list_t *list)
{
    char text[512] = "";
    size_t at = 0;
    for (int i = 0; i < list->cnt && at < sizeof text; i++) {
        at += (size_t)snprintf(text + at, sizeof text - at, " %s%s", list->elems[i].topic,
                               list->elems[i].partition == RD_KAFKA_PARTITION_UA ? "" : "?");
    }
    fake_kafka_note("%ssubscribe%s", by(rk), text);
    return failure_of("subscribe");
}

rd_kafka_resp_err_t rd_kafka_unsubscribe(rd_kafka_t *rk)
{
    fake_kafka_note("%sunsubscribe", by(rk));
    return failure_of("unsubscribe");
}

rd_kafka_resp_err_t rd_kafka_assign(rd_kafka_t *rk, const rd_kafka_topic_partition_list_t *list)
{
    fake_kafka_note("%sassign %s", by(rk), text_of(list));
    return failure_of("assign");
}

static rd_kafka_error_t *error_of(const char *call)
{
    rd_kafka_resp_err_t code = failure_of(call);
    fake_kafka.live += code != RD_KAFKA_RESP_ERR_NO_ERROR;
    return code != RD_KAFKA_RESP_ERR_NO_ERROR ? rd_kafka_error_new(code, "scripted") : NULL;
}

rd_kafka_error_t *rd_kafka_incremental_assign(rd_kafka_t *rk, const rd_kafka_topic_partition_list_t *list)
{
    fake_kafka_note("%sadd %s", by(rk), text_of(list));
    return error_of("add");
}

rd_kafka_error_t *rd_kafka_incremental_unassign(rd_kafka_t *rk, const rd_kafka_topic_partition_list_t *list)
{
    fake_kafka_note("%stake away %s", by(rk), text_of(list));
    return error_of("take away");
}

const char *rd_kafka_rebalance_protocol(rd_kafka_t *rk)
{
    fake_kafka_note("%sprotocol", by(rk));
    return fake_kafka.protocol;
}

int rd_kafka_assignment_lost(rd_kafka_t *rk)
{
    (void)rk;
    return fake_kafka.lost;
}

rd_kafka_error_t *rd_kafka_seek_partitions(rd_kafka_t *rk, rd_kafka_topic_partition_list_t *list, int timeout_ms)
{
    fake_kafka_note("%sseek %s within %d", by(rk), text_of(list), timeout_ms);
    fake_kafka.now_ms += fake_kafka.seek_ms;
    list->elems[0].err = fake_kafka_partition(list->elems[0].topic, list->elems[0].partition)->err;
    return error_of("seek");
}

rd_kafka_resp_err_t rd_kafka_pause_partitions(rd_kafka_t *rk, rd_kafka_topic_partition_list_t *list)
{
    fake_kafka_note("%spause %s", by(rk), text_of(list));
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}

rd_kafka_resp_err_t rd_kafka_resume_partitions(rd_kafka_t *rk, rd_kafka_topic_partition_list_t *list)
{
    fake_kafka_note("%sresume %s", by(rk), text_of(list));
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}

/* --- Clients --- */

rd_kafka_resp_err_t rd_kafka_poll_set_consumer(rd_kafka_t *rk)
{
    fake_kafka_note("%sone queue", by(rk));
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}

rd_kafka_resp_err_t rd_kafka_fatal_error(rd_kafka_t *rk, char *said, size_t size)
{
    rd_kafka_resp_err_t code = failure_of("fatal");
    (void)rk;
    (void)snprintf(said, size, "beyond help");
    return code;
}

const rd_kafka_conf_t *rd_kafka_conf(rd_kafka_t *rk)
{
    return rk->conf;
}

void rd_kafka_conf_set_rebalance_cb(rd_kafka_conf_t *conf, void (*cb)(rd_kafka_t *, rd_kafka_resp_err_t,
                                                                      rd_kafka_topic_partition_list_t *, void *))
{
    (void)conf;
    on_rebalance = cb;
}

void rd_kafka_conf_set_offset_commit_cb(rd_kafka_conf_t *conf, void (*cb)(rd_kafka_t *, rd_kafka_resp_err_t,
                                                                          rd_kafka_topic_partition_list_t *, void *))
{
    (void)conf;
    fake_kafka.on_commit = cb;
}

int rd_kafka_version(void)
{
    return fake_kafka.version;
}

/* Counted, for one that is not given back is seen no other way. */

static void *next_function(const char *name)
{
    void *function = dlsym(RTLD_NEXT, name);
    if (function == NULL) {
        abort();
    }
    return function;
}

void rd_kafka_error_destroy(rd_kafka_error_t *error)
{
    void (*next)(rd_kafka_error_t *);
    *(void **)&next = next_function("rd_kafka_error_destroy");
    fake_kafka.live--;
    next(error);
}

rd_kafka_topic_partition_list_t *rd_kafka_topic_partition_list_new(int size)
{
    rd_kafka_topic_partition_list_t *(*next)(int);
    *(void **)&next = next_function("rd_kafka_topic_partition_list_new");
    fake_kafka.live++;
    return next(size);
}

void rd_kafka_topic_partition_list_destroy(rd_kafka_topic_partition_list_t *list)
{
    void (*next)(rd_kafka_topic_partition_list_t *);
    *(void **)&next = next_function("rd_kafka_topic_partition_list_destroy");
    fake_kafka.live--;
    next(list);
}

rd_kafka_topic_partition_list_t *rd_kafka_topic_partition_list_copy(const rd_kafka_topic_partition_list_t *list)
{
    rd_kafka_topic_partition_list_t *copy = rd_kafka_topic_partition_list_new(list->cnt);
    for (int i = 0; i < list->cnt; i++) {
        rd_kafka_topic_partition_t *e =
            rd_kafka_topic_partition_list_add(copy, list->elems[i].topic, list->elems[i].partition);
        e->offset = list->elems[i].offset;
        e->err = list->elems[i].err;
        if (list->elems[i].metadata_size > 0) {
            e->metadata = malloc(list->elems[i].metadata_size);
            e->metadata_size = list->elems[i].metadata_size;
            memcpy(e->metadata, list->elems[i].metadata, e->metadata_size);
        }
    }
    return copy;
}

rd_kafka_conf_t *kafka_conf_new(const churn_host *host, const char *brokers, const churn_map *properties,
                                const char *const *owned, churn_error *err)
{
    rd_kafka_conf_t *conf;
    if (failure_of("conf") != RD_KAFKA_RESP_ERR_NO_ERROR) {
        (void)churn_fail_option(err, "properties.x", "refused");
        return NULL;
    }
    for (uint32_t i = 0; i < properties->count; i++) {
        for (size_t k = 0; owned != NULL && owned[k] != NULL; k += 2) {
            if (strcmp(owned[k], properties->keys[i]) == 0) {
                (void)churn_fail_option(err, properties->keys[i], "%s", owned[k + 1]);
                return NULL;
            }
        }
    }
    (void)host;
    (void)brokers;
    conf = rd_kafka_conf_new();
    fake_kafka.live++;
    for (uint32_t i = 0; i < properties->count; i++) {
        (void)kafka_conf_set(conf, properties->keys[i], properties->values[i], err);
    }
    return conf;
}

void rd_kafka_conf_destroy(rd_kafka_conf_t *conf)
{
    void (*next)(rd_kafka_conf_t *);
    *(void **)&next = next_function("rd_kafka_conf_destroy");
    fake_kafka.live--;
    next(conf);
}

int32_t kafka_conf_set(rd_kafka_conf_t *conf, const char *name, const char *value, churn_error *err)
{
    char said[256], call[64];
    (void)snprintf(call, sizeof call, "set %.50s", name);
    if (failure_of(call) != RD_KAFKA_RESP_ERR_NO_ERROR ||
        rd_kafka_conf_set(conf, name, value, said, sizeof said) != RD_KAFKA_CONF_OK) {
        return churn_fail(err, CHURN_FATAL, "no `%s`", name);
    }
    return CHURN_OK;
}

int32_t kafka_conf_default(rd_kafka_conf_t *conf, const churn_map *properties, const char *name, const char *alias,
                           const char *value, churn_error *err)
{
    if (strcmp(name, "fetch.queue.backoff.ms") == 0) {
        return fake_kafka.fetchers ? CHURN_OK : CHURN_FATAL;
    }
    for (uint32_t i = 0; i < properties->count; i++) {
        if (strcmp(properties->keys[i], name) == 0 || (alias != NULL && strcmp(properties->keys[i], alias) == 0)) {
            return CHURN_OK;
        }
    }
    return kafka_conf_set(conf, name, value, err);
}

int32_t kafka_conf_try(rd_kafka_type_t type, rd_kafka_conf_t *conf, const churn_map *properties, churn_error *err)
{
    rd_kafka_resp_err_t code = failure_of("try");
    (void)properties;
    fake_kafka_note("try a %s", type == RD_KAFKA_CONSUMER ? "consumer" : "producer");
    rd_kafka_conf_destroy(conf);
    return code == RD_KAFKA_RESP_ERR_NO_ERROR ? CHURN_OK : churn_fail_option(err, "properties", "refused");
}

int kafka_client_denied(rd_kafka_resp_err_t err)
{
    return err == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED || err == RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED;
}

struct kafka_client *kafka_client_new(const churn_host *host, const char *brokers, void *owner)
{
    struct kafka_client *client = calloc(1, sizeof *client);
    (void)host;
    (void)brokers;
    client->owner = owner;
    fake_kafka.live++;
    return client;
}

rd_kafka_t *kafka_client_open(struct kafka_client *client, rd_kafka_type_t type, rd_kafka_conf_t *conf,
                              churn_error *err)
{
    struct rd_kafka_s *rk;
    if (failure_of("open") != RD_KAFKA_RESP_ERR_NO_ERROR) {
        rd_kafka_conf_destroy(conf);
        (void)churn_fail_option(err, "properties", "not opened");
        return NULL;
    }
    rk = calloc(1, sizeof *rk);
    rk->number = ++client_count;
    rk->conf = conf;
    rk->client = client;
    clients[rk->number] = rk;
    fake_kafka.live++;
    fake_kafka.conf = conf;
    fake_kafka_note("open %s %d", type == RD_KAFKA_CONSUMER ? "consumer" : "producer", rk->number);
    return rk;
}

void *kafka_client_owner(void *opaque)
{
    return ((struct kafka_client *)opaque)->owner;
}

void kafka_client_error(struct kafka_client *client, rd_kafka_resp_err_t code, const char *reason)
{
    (void)client;
    fake_kafka_note("error %s: %s", rd_kafka_err2name(code), reason);
}

int kafka_client_check(struct kafka_client *client, int needed)
{
    fake_kafka_note("check%s%s", client != NULL ? "" : " nothing", needed ? "" : " without need");
    return fake_kafka.up;
}

int kafka_client_up(const struct kafka_client *client)
{
    (void)client;
    return fake_kafka.up;
}

const char *kafka_client_reason(const struct kafka_client *client)
{
    (void)client;
    return "";
}

const char *kafka_client_advice(const struct kafka_client *client)
{
    (void)client;
    return "";
}

rd_kafka_resp_err_t kafka_access_read(rd_kafka_t *consumer, const char *topic, int timeout_ms)
{
    fake_kafka_note("%sask whether %s may be read, %d", by(consumer), topic, timeout_ms);
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}

int kafka_client_hears(const struct kafka_client *client)
{
    (void)client;
    return !fake_kafka.deaf;
}

enum kafka_group_state kafka_client_group(struct kafka_client *client, struct kafka_group *group)
{
    (void)client;
    fake_kafka_note("look for the group, %lld", (long long)++group->found_ms);
    return fake_kafka.group;
}

int kafka_client_leave(struct kafka_client *client, rd_kafka_t *rk, int64_t timeout_ms)
{
    (void)client;
    fake_kafka_note("%sleave within %lld", by(rk), (long long)timeout_ms);
    return fake_kafka.leaves;
}

void kafka_client_destroy(struct kafka_client *client, rd_kafka_t *rk, int flags, int64_t timeout_ms)
{
    (void)client;
    if (rk == NULL) {
        return;
    }
    fake_kafka_note("%sdestroy%s within %lld", by(rk), flags == RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE ? " open" : "",
                    (long long)timeout_ms);
    fake_kafka.live--;
    rd_kafka_conf_destroy(rk->conf);
    drop_items(&rk->group);
}

void kafka_client_free(struct kafka_client *client)
{
    if (client != NULL) {
        fake_kafka.live--;
        free(client);
    }
}

void kafka_probe(const churn_host *host, rd_kafka_type_t type, rd_kafka_conf_t *conf, const char *brokers,
                 const struct kafka_topic *names, uint32_t count, uint32_t timeout_ms, churn_target_fn fn, void *ctx)
{
    (void)host;
    (void)fn;
    (void)ctx;
    fake_kafka_note("probe %s as %s within %u%s", brokers, type == RD_KAFKA_CONSUMER ? "consumer" : "producer",
                    timeout_ms, conf != NULL ? "" : " by name");
    for (uint32_t i = 0; i < count; i++) {
        fake_kafka_note("%s %s %u %d", names[i].option, names[i].name, names[i].flags, names[i].is_made);
    }
    if (conf != NULL) {
        rd_kafka_conf_destroy(conf);
    }
}

void kafka_risks(const churn_map *properties, churn_target_fn fn, void *ctx)
{
    (void)fn;
    (void)ctx;
    fake_kafka_note("risks of %u", properties->count);
}

void kafka_grants_read(const struct kafka_grants *grants, const char *topic)
{
    fake_kafka_note("grant to read %s at %s", topic, grants->brokers);
}

void kafka_grants_write(const struct kafka_grants *grants, const char *topic, int is_made)
{
    fake_kafka_note("grant writing %s%s at %s", topic, is_made ? ", and making it" : "", grants->brokers);
}

void kafka_grants_describe(const struct kafka_grants *grants, const char *topic)
{
    fake_kafka_note("grant describing %s at %s", topic, grants->brokers);
}

void kafka_grants_group(const struct kafka_grants *grants, const char *group)
{
    fake_kafka_note("grant of group %s at %s", group, grants->brokers);
}

void kafka_grants_groups(const struct kafka_grants *grants, const char *prefix)
{
    fake_kafka_note("grant of groups %s at %s", prefix, grants->brokers);
}
