/* Triggers in a Kafka topic, keyed by customer. The back is a consumer of a group that all instances share; it commits
 * no offset beyond the lowest trigger that is not served yet.
 *
 * Each record says for which group it was written, and another one passes over it: a group that is new to a topic does
 * not serve again what others have served, or are serving.
 *
 * Records come through a queue of their own, apart from the group's: while enough was read ahead it is left alone, and
 * librdkafka fetches no more than its buffer, whichever partitions come and go meanwhile. */
#include "kafka_client.h"
#include "kafka_conf.h"
#include "kafka_probe.h"
#include "kafka_producer.h"
#include "queue.h"
#include "stall.h"
#include <stdlib.h>

#define READ_MAX 1000       /* messages a read */
#define COMMIT_MS 1000      /* pause between commits */
#define COMMIT_IDLE_MS 100  /* … while nothing waits */
#define LOOK_MS 1000        /* pause between looks whether the topic exists */
#define REQUEST_MS 1000     /* longest wait for an answer about metadata or offsets */
#define COMMIT_WAIT_MS 3000 /* longest wait for a commit that must be known to have happened */

#define DESTROY_MS 2000 /* longest wait for librdkafka's threads to end */
#define GROUP_HEADER "churn.group"
#define GROUP_SIZE 256

/* The newest trigger of a customer stands for its older ones, so compaction keeps the topic bounded and loses none,
 * however long the API is down. */
static const char *const topic_config[] = {"cleanup.policy", "compact", NULL};

static void group_name(const churn_host *host, const struct settings *s, char group[GROUP_SIZE])
{
    (void)snprintf(group, GROUP_SIZE, "%s%s", s->queue_group[0] != '\0' ? s->queue_group : host->pipeline,
                   s->queue_group[0] != '\0' ? "" : "-predictions");
}

/* --- Front --- */

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
    const churn_header header = {.name = GROUP_HEADER, .value = {.ptr = f->group, .len = (uint32_t)strlen(f->group)}};
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

static void *front_new(const churn_host *host, const struct settings *settings, churn_error *err)
{
    struct front *f = calloc(1, sizeof *f);
    if (f == NULL) {
        (void)churn_fail(err, CHURN_FATAL, "out of memory");
        return NULL;
    }
    f->settings = settings;
    group_name(host, settings, f->group);
    f->producer = kafka_producer_new(host, settings->brokers, &settings->properties, err);
    if (f->producer == NULL ||
        kafka_producer_ensure_topic(f->producer, settings->queue_topic, (int32_t)settings->queue_partitions,
                                    topic_config, err) != CHURN_OK) {
        front_free(f, 0);
        return NULL;
    }
    return f;
}

static const struct queue_front_ops front_ops = {.write = front_write, .poll = front_poll, .free = front_free};

/* --- Partitions: which triggers of them are served --- */

struct offset {
    int64_t offset;
    int served;
};

struct partition {
    uint32_t generation; /* of its assignment; a token of another one is void */
    int assigned;
    int64_t next_offset; /* of what was read: the one to come; -1: nothing is known yet */
    int64_t begin;       /* where reading begins, as far as is known; -1: it is not */
    int64_t committed;   /* asked to be committed last; -1: nothing */
    struct offset *ring; /* read, from the lowest that is not served */
    size_t room;         /* a power of two */
    size_t head;
    size_t count;
    uint64_t first; /* sequence number of the one at `head` */
};

static struct offset *at(const struct partition *p, size_t i)
{
    return &p->ring[(p->head + i) & (p->room - 1)];
}

static int push(struct partition *p, int64_t offset)
{
    if (p->count == p->room) {
        size_t room = p->room != 0 ? p->room * 2 : 256;
        struct offset *ring = malloc(room * sizeof *ring);
        if (ring == NULL) {
            return 0;
        }
        for (size_t i = 0; i < p->count; i++) {
            ring[i] = *at(p, i);
        }
        free(p->ring);
        p->ring = ring;
        p->room = room;
        p->head = 0;
    }
    *at(p, p->count++) = (struct offset){.offset = offset};
    return 1;
}

static void mark_served(struct partition *p, uint64_t sequence)
{
    at(p, (size_t)(sequence - p->first))->served = 1;
    while (p->count > 0 && at(p, 0)->served) {
        p->head = (p->head + 1) & (p->room - 1);
        p->first++;
        p->count--;
    }
}

/* Everything before it is served; -1: nothing is known. */
static int64_t safe_offset(const struct partition *p)
{
    return p->count > 0 ? at(p, 0)->offset : p->next_offset;
}

static void reset(struct partition *p, int assigned)
{
    p->generation++;
    p->assigned = assigned;
    p->next_offset = -1;
    p->begin = -1;
    p->committed = -1;
    p->first += p->count;
    p->head = p->count = 0;
}

/* --- Back --- */

struct back {
    const churn_host *host;
    const struct settings *settings;
    const struct counters *counters;
    struct kafka_client *client;
    rd_kafka_t *rk;
    rd_kafka_queue_t *records; /* of all partitions of ours */
    char group[GROUP_SIZE];
    struct waiting *reading; /* the table to read into; known from the first read on */
    struct partition *partitions;
    int32_t partition_count;
    int subscribed;
    struct kafka_group watch; /* while it has given us nothing */
    struct stall group_stall; /* its coordinator cannot be found */
    int absent;               /* the topic was looked for and does not exist */
    int assigned;             /* the group has given us our part, which may be none */
    uint64_t passed_over;     /* records of other groups since that was last logged */
    int64_t look_at_ms;
    int64_t committed_ms; /* when offsets were committed last */
    int out_of_memory;
    struct stall denied; /* the topic or its group may not be read */
};

static struct partition *partition_of(struct back *b, int32_t number)
{
    struct partition *partitions;
    if (number < b->partition_count) {
        return &b->partitions[number];
    }
    partitions = realloc(b->partitions, ((size_t)number + 1) * sizeof *partitions);
    if (partitions == NULL) {
        b->out_of_memory = 1;
        return NULL;
    }
    b->partitions = partitions;
    for (; b->partition_count <= number; b->partition_count++) {
        partitions[b->partition_count] = (struct partition){.next_offset = -1, .begin = -1, .committed = -1};
    }
    return &partitions[number];
}

/* The partition that a token belongs to, NULL when it has gone away since. */
static struct partition *live(const struct back *b, const struct token *token)
{
    struct partition *p = &b->partitions[token->partition];
    return p->assigned && p->generation == token->generation ? p : NULL;
}

static int is_gone(const void *ctx, const struct token *token)
{
    return live(ctx, token) == NULL;
}

/* What can be committed and was not yet; NULL: nothing. */
static rd_kafka_topic_partition_list_t *to_commit(struct back *b)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(b->partition_count);
    for (int32_t i = 0; i < b->partition_count; i++) {
        struct partition *p = &b->partitions[i];
        int64_t safe = safe_offset(p);
        if (p->assigned && safe >= 0 && safe != p->committed) {
            rd_kafka_topic_partition_list_add(list, b->settings->queue_topic, i)->offset = safe;
            p->committed = safe;
        }
    }
    if (list->cnt == 0) {
        rd_kafka_topic_partition_list_destroy(list);
        return NULL;
    }
    return list;
}

static int has_unserved(const struct back *b)
{
    int unserved = 0;
    for (int32_t i = 0; i < b->partition_count; i++) {
        unserved |= b->partitions[i].count > 0;
    }
    return unserved;
}

/* Now and then; sooner once all is served, for others may wait to see it. */
static void commit_soon(struct back *b)
{
    int64_t now = b->host->monotonic_ms(b->host);
    rd_kafka_topic_partition_list_t *list;
    if (now < b->committed_ms + (has_unserved(b) ? COMMIT_MS : COMMIT_IDLE_MS) || (list = to_commit(b)) == NULL) {
        return;
    }
    b->committed_ms = now;
    (void)rd_kafka_commit(b->rk, list, 1);
    rd_kafka_topic_partition_list_destroy(list);
}

/* rd_kafka_commit with a limit. A commit that does not happen costs repeated requests, nothing else. */
static void commit_now(struct back *b, int timeout_ms)
{
    rd_kafka_topic_partition_list_t *list;
    rd_kafka_queue_t *queue;
    for (int32_t i = 0; i < b->partition_count; i++) {
        b->partitions[i].committed = -1; /* earlier commits may have failed */
    }
    list = to_commit(b);
    queue = list != NULL ? rd_kafka_queue_new(b->rk) : NULL;
    if (queue == NULL) {
        return;
    }
    if (rd_kafka_commit_queue(b->rk, list, queue, NULL, NULL) == RD_KAFKA_RESP_ERR_NO_ERROR) {
        rd_kafka_event_t *event = rd_kafka_queue_poll(queue, timeout_ms);
        if (event != NULL) {
            rd_kafka_event_destroy(event);
        }
    }
    rd_kafka_queue_destroy(queue);
    rd_kafka_topic_partition_list_destroy(list);
}

/* Only to count what waits before it is read. */
static void learn_begins(struct back *b, const rd_kafka_topic_partition_list_t *list)
{
    rd_kafka_topic_partition_list_t *committed = rd_kafka_topic_partition_list_copy(list);
    if (rd_kafka_committed(b->rk, committed, REQUEST_MS) == RD_KAFKA_RESP_ERR_NO_ERROR) {
        for (int i = 0; i < committed->cnt; i++) {
            struct partition *p = partition_of(b, committed->elems[i].partition);
            if (p != NULL && committed->elems[i].offset >= 0) {
                p->begin = committed->elems[i].offset;
            }
        }
    }
    rd_kafka_topic_partition_list_destroy(committed);
}

/* Sends a partition's records to our own queue instead of the group's; before it is assigned, so that none strays. */
static void forward(struct back *b, int32_t partition)
{
    rd_kafka_queue_t *queue = rd_kafka_queue_get_partition(b->rk, b->settings->queue_topic, partition);
    if (queue == NULL) {
        b->out_of_memory = 1;
        return;
    }
    rd_kafka_queue_forward(queue, b->records);
    rd_kafka_queue_destroy(queue);
}

static void on_assign(struct back *b, rd_kafka_topic_partition_list_t *list)
{
    (void)rd_kafka_rebalance_protocol(
        b->rk); /* answered once what was ours before was stopped, which ends forwarding */
    for (int i = 0; i < list->cnt; i++) {
        struct partition *p = partition_of(b, list->elems[i].partition);
        if (p != NULL) {
            reset(p, 1);
            forward(b, list->elems[i].partition);
        }
    }
    (void)rd_kafka_assign(b->rk, list);
    learn_begins(b, list);
    b->assigned = 1;
    stall_end(&b->denied);
}

static void on_revoke(struct back *b)
{
    if (!rd_kafka_assignment_lost(b->rk)) {
        commit_now(b, COMMIT_WAIT_MS);
    }
    (void)rd_kafka_assign(b->rk, NULL);
    for (int32_t i = 0; i < b->partition_count; i++) {
        if (b->partitions[i].assigned) {
            reset(&b->partitions[i], 0);
        }
    }
    if (b->reading != NULL) {
        waiting_forget(b->reading, is_gone, b);
    }
    b->assigned = 0;
}

static void on_rebalance(rd_kafka_t *rk, rd_kafka_resp_err_t err, rd_kafka_topic_partition_list_t *list, void *opaque)
{
    struct back *b = kafka_client_owner(opaque);
    (void)rk;
    if (err == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) {
        on_assign(b, list);
    } else {
        on_revoke(b);
    }
}

/* Joins the group only once the topic exists: a member that joins before is given nothing for a while. */
static void look_for_topic(struct back *b)
{
    int64_t now = b->host->monotonic_ms(b->host);
    rd_kafka_topic_partition_list_t *topics;
    const struct rd_kafka_metadata *metadata;
    rd_kafka_topic_t *topic;
    if (now < b->look_at_ms || (topic = rd_kafka_topic_new(b->rk, b->settings->queue_topic, NULL)) == NULL) {
        return;
    }
    b->absent = 0;
    if (rd_kafka_metadata(b->rk, 0, topic, &metadata, REQUEST_MS) == RD_KAFKA_RESP_ERR_NO_ERROR) {
        rd_kafka_resp_err_t code = metadata->topic_cnt == 1 ? metadata->topics[0].err : RD_KAFKA_RESP_ERR_UNKNOWN;
        b->absent = code == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
        if (code == RD_KAFKA_RESP_ERR_NO_ERROR && metadata->topics[0].partition_cnt > 0) {
            topics = rd_kafka_topic_partition_list_new(1);
            (void)rd_kafka_topic_partition_list_add(topics, b->settings->queue_topic, RD_KAFKA_PARTITION_UA);
            b->subscribed = rd_kafka_subscribe(b->rk, topics) == RD_KAFKA_RESP_ERR_NO_ERROR;
            rd_kafka_topic_partition_list_destroy(topics);
        } else if (kafka_client_denied(code)) {
            stall_begin(&b->denied, "topic `%s` may not be read by this client: %s; predictions wait",
                        b->settings->queue_topic, rd_kafka_err2str(code));
        }
        rd_kafka_metadata_destroy(metadata);
    }
    rd_kafka_topic_destroy(topic);
    b->look_at_ms = b->host->monotonic_ms(b->host) + LOOK_MS;
}

static int is_full(const struct back *b)
{
    uint64_t read = 0;
    for (int32_t i = 0; i < b->partition_count; i++) {
        read += b->partitions[i].count;
    }
    return read >= (uint64_t)b->settings->max_waiting;
}

/* Whether the record was written for another group. */
static int is_of_others(const struct back *b, const rd_kafka_message_t *message)
{
    rd_kafka_headers_t *headers;
    const void *value;
    size_t len;
    return rd_kafka_message_headers(message, &headers) == RD_KAFKA_RESP_ERR_NO_ERROR &&
           rd_kafka_header_get_last(headers, GROUP_HEADER, &value, &len) == RD_KAFKA_RESP_ERR_NO_ERROR &&
           (len != strlen(b->group) || memcmp(value, b->group, len) != 0);
}

static void tell_passed_over(struct back *b)
{
    if (b->passed_over > 0) {
        churn_log(b->host, CHURN_LOG_WARN,
                  "passed over %llu triggers of topic `%s` that were written for other groups than `%s`; those of them "
                  "that still wait are served under their group's name (`queue_group`)",
                  (unsigned long long)b->passed_over, b->settings->queue_topic, b->group);
        b->passed_over = 0;
    }
}

static void add_trigger(struct back *b, struct partition *p, const rd_kafka_message_t *message)
{
    churn_error why = {.size = sizeof why};
    churn_str value = {.ptr = message->payload, .len = (uint32_t)message->len};
    struct trigger *trigger = trigger_parse(value, &why);
    struct token token = {.partition = message->partition, .generation = p->generation};
    enum added added;
    if (trigger == NULL) {
        b->out_of_memory |= why.code == CHURN_FATAL;
        churn_log(b->host, CHURN_LOG_WARN, "skipped record %lld of partition %d of topic `%s`: %s",
                  (long long)message->offset, (int)message->partition, b->settings->queue_topic, why.message);
        return;
    }
    token.sequence = p->first + p->count;
    if (!push(p, message->offset)) {
        free(trigger);
        b->out_of_memory = 1;
        return;
    }
    added = waiting_add(b->reading, trigger, &token, b->host->monotonic_ms(b->host));
    b->out_of_memory |= added == ADDED_FAILED;
    counter_add(&b->counters->coalesced, added == ADDED_JOINED);
}

static int32_t take_message(struct back *b, const rd_kafka_message_t *message, churn_error *err)
{
    struct partition *p;
    char said[256];
    switch (message->err) {
    case RD_KAFKA_RESP_ERR_NO_ERROR:
    case RD_KAFKA_RESP_ERR__PARTITION_EOF:
        p = partition_of(b, message->partition);
        if (p == NULL || !p->assigned) {
            break;
        }
        /* A lower offset than before is taken too: the topic may have been made anew. */
        p->next_offset = message->offset + (message->err == RD_KAFKA_RESP_ERR_NO_ERROR);
        stall_end(&b->denied);
        if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
            tell_passed_over(b);
        } else if (is_of_others(b, message)) {
            b->passed_over++;
        } else {
            add_trigger(b, p, message);
        }
        break;
    case RD_KAFKA_RESP_ERR__FATAL:
        (void)rd_kafka_fatal_error(b->rk, said, sizeof said);
        return churn_fail(err, CHURN_FATAL, "the consumer of topic `%s` failed for good: %s", b->settings->queue_topic,
                          said);
    default:
        if (kafka_client_denied(message->err)) {
            stall_begin(&b->denied, "topic `%s`: %s; predictions wait", b->settings->queue_topic,
                        rd_kafka_message_errstr(message));
        } else {
            churn_log(b->host, CHURN_LOG_DEBUG, "topic `%s`: %s", b->settings->queue_topic,
                      rd_kafka_message_errstr(message));
        }
    }
    return b->out_of_memory ? churn_fail(err, CHURN_FATAL, "out of memory") : CHURN_OK;
}

/* Rebalances and errors; records do not come this way. */
static int32_t serve_group(struct back *b, churn_error *err)
{
    rd_kafka_message_t *message;
    int32_t rc = CHURN_OK;
    while (rc == CHURN_OK && (message = rd_kafka_consumer_poll(b->rk, 0)) != NULL) {
        rc = take_message(b, message, err);
        rd_kafka_message_destroy(message);
    }
    return rc;
}

/* Without a word to the group, which knows nothing of it any more or was told. */
static void close_consumer(struct back *b, int left)
{
    if (b->records != NULL) {
        rd_kafka_queue_destroy(b->records);
    }
    kafka_client_destroy(b->client, b->rk, left ? 0 : RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE, DESTROY_MS);
    kafka_client_free(b->client);
    b->records = NULL;
    b->rk = NULL;
    b->client = NULL;
    b->subscribed = 0;
    b->look_at_ms = 0;
    b->watch = (struct kafka_group){0};
}

static int32_t open_consumer(struct back *b, churn_error *err);

/* A librdkafka that does not find the group's coordinator again, although brokers answer, is begun anew. */
static int32_t look_after_group(struct back *b, churn_error *err)
{
    enum kafka_group_state state = KAFKA_GROUP_FOUND;
    if (b->subscribed && !b->assigned) {
        state = kafka_client_group(b->client, &b->watch);
    } else {
        b->watch = (struct kafka_group){0};
    }
    if (state == KAFKA_GROUP_FOUND) {
        stall_end(&b->group_stall);
        return CHURN_OK;
    }
    stall_begin(&b->group_stall, KAFKA_GROUP_LOST_TEXT, b->group);
    if (state == KAFKA_GROUP_SILENT) {
        return CHURN_OK;
    }
    churn_log(b->host, CHURN_LOG_WARN, KAFKA_GROUP_ANEW_TEXT, b->group);
    close_consumer(b, 0);
    return open_consumer(b, err);
}

static int32_t back_read(void *arg, struct waiting *waiting, int *ret_more, churn_error *err)
{
    struct back *b = arg;
    rd_kafka_message_t *message;
    int32_t rc;
    int n = 0;
    b->reading = waiting;
    if (!b->subscribed) {
        look_for_topic(b);
    }
    rc = serve_group(b, err);
    while (rc == CHURN_OK && n < READ_MAX && !is_full(b) && (message = rd_kafka_consume_queue(b->records, 0)) != NULL) {
        rc = take_message(b, message, err);
        rd_kafka_message_destroy(message);
        n++;
    }
    (void)kafka_client_check(b->client, 1);
    commit_soon(b);
    *ret_more = n == READ_MAX;
    return rc == CHURN_OK && n == 0 ? look_after_group(b, err) : rc;
}

static int32_t back_remove(void *arg, const struct job *job, churn_error *err)
{
    struct back *b = arg;
    (void)err;
    for (uint32_t i = 0; i < job->token_count; i++) {
        struct partition *p = live(b, &job->tokens[i]);
        if (p != NULL) {
            mark_served(p, job->tokens[i].sequence);
        }
    }
    return CHURN_OK;
}

/* The topic's number of partitions; 0: unknown. */
static int32_t ask_partition_count(struct back *b)
{
    rd_kafka_topic_t *topic = rd_kafka_topic_new(b->rk, b->settings->queue_topic, NULL);
    const struct rd_kafka_metadata *metadata;
    int32_t count = 0;
    if (topic == NULL) {
        return 0;
    }
    if (rd_kafka_metadata(b->rk, 0, topic, &metadata, REQUEST_MS) == RD_KAFKA_RESP_ERR_NO_ERROR) {
        count = metadata->topic_cnt == 1 ? metadata->topics[0].partition_cnt : 0;
        rd_kafka_metadata_destroy(metadata);
    }
    rd_kafka_topic_destroy(topic);
    return count;
}

/* Where the partition begins (RD_KAFKA_OFFSET_BEGINNING) or ends; -1 when the brokers do not answer. Unlike
 * rd_kafka_query_watermark_offsets, what this rests on keeps to its time while a broker hangs. */
static int64_t ask_offset(struct back *b, int32_t partition, int64_t which)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_t *p = rd_kafka_topic_partition_list_add(list, b->settings->queue_topic, partition);
    int64_t offset = -1;
    p->offset = which;
    if (rd_kafka_offsets_for_times(b->rk, list, REQUEST_MS) == RD_KAFKA_RESP_ERR_NO_ERROR &&
        p->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
        offset = p->offset;
    }
    rd_kafka_topic_partition_list_destroy(list);
    return offset;
}

/* 1 when nothing is stored in the partition from `from` on (-1: from its begin). */
static int is_at_end(struct back *b, int32_t partition, int64_t from)
{
    int64_t low = ask_offset(b, partition, RD_KAFKA_OFFSET_BEGINNING);
    int64_t high = low >= 0 ? ask_offset(b, partition, RD_KAFKA_OFFSET_END) : -1;
    return high >= 0 && high <= (from > low ? from : low);
}

/* Other members of the group serve their partitions, unless they are dead and the group does not know it yet: so what
 * they have committed decides. */
static int others_are_done(struct back *b, int32_t count)
{
    rd_kafka_topic_partition_list_t *others = rd_kafka_topic_partition_list_new(count);
    int done = 1;
    for (int32_t i = 0; i < count; i++) {
        if (i >= b->partition_count || !b->partitions[i].assigned) {
            (void)rd_kafka_topic_partition_list_add(others, b->settings->queue_topic, i);
        }
    }
    if (others->cnt > 0) {
        done = rd_kafka_committed(b->rk, others, REQUEST_MS) == RD_KAFKA_RESP_ERR_NO_ERROR;
    }
    for (int i = 0; i < others->cnt && done; i++) {
        done = is_at_end(b, others->elems[i].partition, others->elems[i].offset);
    }
    rd_kafka_topic_partition_list_destroy(others);
    return done;
}

static int32_t back_is_empty(void *arg, int wrote, int *ret_empty, churn_error *err)
{
    struct back *b = arg;
    int32_t count;
    (void)err;
    *ret_empty = !b->subscribed && b->absent && !wrote;
    if (!b->subscribed || !b->assigned || (count = ask_partition_count(b)) == 0) {
        return CHURN_OK;
    }
    for (int32_t i = 0; i < b->partition_count; i++) {
        const struct partition *p = &b->partitions[i];
        if (p->assigned && (p->count > 0 || p->next_offset < 0 || !is_at_end(b, i, p->next_offset))) {
            return CHURN_OK;
        }
    }
    *ret_empty = others_are_done(b, count);
    return CHURN_OK;
}

static int64_t back_count(void *arg, const struct waiting *waiting)
{
    struct back *b = arg;
    int64_t count = (int64_t)waiting->tokens;
    for (int32_t i = 0; i < b->partition_count; i++) {
        const struct partition *p = &b->partitions[i];
        int64_t low, high;
        if (p->assigned && rd_kafka_get_watermark_offsets(b->rk, b->settings->queue_topic, i, &low, &high) ==
                               RD_KAFKA_RESP_ERR_NO_ERROR) {
            int64_t from = p->next_offset >= 0 ? p->next_offset : p->begin >= low ? p->begin : low;
            count += from >= 0 && high > from ? high - from : 0;
        }
    }
    return count;
}

static void back_free(void *arg, int64_t deadline_ms)
{
    struct back *b = arg;
    int left = 0;
    if (b == NULL) {
        return;
    }
    b->reading = NULL;
    tell_passed_over(b);
    if (b->rk != NULL) {
        commit_now(b, deadline_ms / 2 < COMMIT_WAIT_MS ? (int)(deadline_ms / 2) : COMMIT_WAIT_MS);
        left = b->subscribed && kafka_client_leave(b->client, b->rk, deadline_ms / 2);
    }
    close_consumer(b, left);
    for (int32_t i = 0; i < b->partition_count; i++) {
        free(b->partitions[i].ring);
    }
    free(b->partitions);
    free(b);
}

static const struct queue_back_ops back_ops = {
    .read = back_read, .remove = back_remove, .is_empty = back_is_empty, .count = back_count, .free = back_free};

/* --- Opening --- */

/* `properties` serve the producers too, so theirs are checked there. */
static const char *const owned[] = {"group.id",
                                    "use `queue_group`",
                                    "enable.auto.commit",
                                    "offsets are committed once triggers are served",
                                    "auto.commit.enable",
                                    "offsets are committed once triggers are served",
                                    "enable.auto.offset.store",
                                    "offsets are committed once triggers are served",
                                    "auto.offset.reset",
                                    "no trigger may be skipped",
                                    "partition.assignment.strategy",
                                    "partitions are assigned eagerly",
                                    "group.instance.id",
                                    "instances share the properties, and each needs another one",
                                    "enable.partition.eof",
                                    "the end of a partition must be seen",
                                    NULL};

static rd_kafka_conf_t *make_conf(const churn_host *host, const struct settings *s, churn_error *err)
{
    const char *const fixed[][2] = {{"enable.auto.commit", "false"},
                                    {"enable.auto.offset.store", "false"},
                                    {"auto.offset.reset", "earliest"},
                                    {"partition.assignment.strategy", "range,roundrobin"},
                                    {"enable.partition.eof", "true"}};
    const char *const defaults[][2] = {{"topic.metadata.refresh.interval.ms", "5000"},
                                       {"session.timeout.ms", "10000"},
                                       {"queued.max.messages.kbytes", "16384"}};
    rd_kafka_conf_t *conf = kafka_conf_new(host, s->brokers, &s->properties, owned, err);
    char group[GROUP_SIZE];
    int32_t rc = conf != NULL ? CHURN_OK : CHURN_FATAL;
    group_name(host, s, group);
    for (size_t i = 0; rc == CHURN_OK && i < sizeof fixed / sizeof fixed[0]; i++) {
        rc = kafka_conf_set(conf, fixed[i][0], fixed[i][1], err);
    }
    for (size_t i = 0; rc == CHURN_OK && i < sizeof defaults / sizeof defaults[0]; i++) {
        rc = kafka_conf_default(conf, &s->properties, defaults[i][0], NULL, defaults[i][1], err);
    }
    rc = rc == CHURN_OK ? kafka_conf_set(conf, "group.id", group, err) : rc;
    if (rc != CHURN_OK && conf != NULL) {
        rd_kafka_conf_destroy(conf);
        return NULL;
    }
    return conf;
}

int32_t queue_kafka_check(const churn_host *host, const struct settings *settings, churn_error *err)
{
    rd_kafka_conf_t *conf = make_conf(host, settings, err);
    return conf != NULL ? kafka_conf_try(RD_KAFKA_CONSUMER, conf, &settings->properties, err) : CHURN_FATAL;
}

void queue_kafka_probe(const churn_host *host, const struct settings *settings, uint32_t timeout_ms, churn_target_fn fn,
                       void *ctx)
{
    const struct kafka_topic topic = {.name = settings->queue_topic,
                                      .option = "queue_topic",
                                      .flags = CHURN_TARGET_WRITES | CHURN_TARGET_READS,
                                      .is_made = 1};
    rd_kafka_conf_t *conf = timeout_ms > 0 ? make_conf(host, settings, NULL) : NULL;
    kafka_probe(host, RD_KAFKA_CONSUMER, conf, settings->brokers, &topic, 1, timeout_ms, fn, ctx);
}

static int32_t open_consumer(struct back *b, churn_error *err)
{
    rd_kafka_conf_t *conf = make_conf(b->host, b->settings, err);
    if (conf == NULL) {
        return CHURN_FATAL;
    }
    b->client = kafka_client_new(b->host, b->settings->brokers, b);
    if (b->client == NULL) {
        rd_kafka_conf_destroy(conf);
        return churn_fail(err, CHURN_FATAL, "out of memory");
    }
    rd_kafka_conf_set_rebalance_cb(conf, on_rebalance);
    b->rk = kafka_client_open(b->client, RD_KAFKA_CONSUMER, conf, err);
    if (b->rk == NULL) {
        return CHURN_FATAL;
    }
    (void)rd_kafka_poll_set_consumer(b->rk);
    b->records = rd_kafka_queue_new(b->rk);
    return CHURN_OK;
}

int32_t queue_kafka_open(struct queue *queue, const churn_host *host, const struct settings *settings,
                         const struct counters *counters, churn_error *err)
{
    void *front = front_new(host, settings, err);
    struct back *b = front != NULL ? calloc(1, sizeof *b) : NULL;
    if (b == NULL) {
        front_free(front, 0);
        return front != NULL ? churn_fail(err, CHURN_FATAL, "out of memory") : CHURN_FATAL;
    }
    b->host = host;
    b->settings = settings;
    b->counters = counters;
    b->group_stall = stall_new(host, "group");
    group_name(host, settings, b->group);
    b->denied = stall_new(host, "queue");
    if (open_consumer(b, err) != CHURN_OK) {
        back_free(b, 0);
        front_free(front, 0);
        return CHURN_FATAL;
    }
    *queue = (struct queue){.front_ops = &front_ops, .front = front, .back_ops = &back_ops, .back = b};
    return CHURN_OK;
}
