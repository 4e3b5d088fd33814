#include "queue_kafka_back.h"
#include "kafka_conf.h"
#include "queue_kafka_commits.h"
#include "queue_kafka_left.h"
#include "queue_kafka_others.h"
#include "queue_kafka_state.h"
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define READ_MAX 1000       /* messages a read */
#define LOOK_SOON_MS 100    /* pause between the first looks whether the topic exists: it is being made … */
#define LOOKS_SOON 20       /* … so many of them */
#define LOOK_MS 1000        /* … and between later ones */
#define COMMIT_WAIT_MS 3000 /* longest wait for a commit that must be known to have happened */

#define DESTROY_MS 2000 /* longest wait for librdkafka's threads to end */

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
        b->rk);                 /* answered once what was ours before was stopped, which ends forwarding */
    if (others_serve(b) == 1) { /* one has come, or this rebalance would not be */
        (void)rd_kafka_assign(b->rk, NULL);
        return;
    }
    for (int i = 0; i < list->cnt; i++) {
        struct partition *p = partition_of(b, list->elems[i].partition);
        if (p != NULL) {
            partition_reset(p, 1);
            forward(b, list->elems[i].partition);
        }
    }
    (void)rd_kafka_assign(b->rk, list);
    learn_begins(b, list);
    b->assigned = 1;
    b->assigned_ms = b->host->monotonic_ms(b->host);
    stall_end(&b->denied);
}

static void on_revoke(struct back *b)
{
    if (!rd_kafka_assignment_lost(b->rk)) {
        commits_now(b, COMMIT_WAIT_MS);
    }
    (void)rd_kafka_assign(b->rk, NULL);
    for (int32_t i = 0; i < b->partition_count; i++) {
        if (b->partitions[i].assigned) {
            partition_reset(&b->partitions[i], 0);
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
    if (others_serve(b) == 0 &&
        rd_kafka_metadata(b->rk, 0, topic, &metadata, REQUEST_MS) == RD_KAFKA_RESP_ERR_NO_ERROR) {
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
    b->look_at_ms = b->host->monotonic_ms(b->host) + (b->looks < LOOKS_SOON ? LOOK_SOON_MS : LOOK_MS);
    b->looks += b->looks < LOOKS_SOON;
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
           !churn_equal((churn_str){.ptr = value, .len = (uint32_t)len}, churn_text(b->group));
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
    if (!partition_push(p, message->offset)) {
        free(trigger);
        b->out_of_memory = 1;
        return;
    }
    added = waiting_add(b->reading, trigger, &token, b->host->monotonic_ms(b->host));
    b->out_of_memory |= added == ADDED_FAILED;
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
        if (message->err == RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED) {
            stall_begin(&b->denied, "this Kafka user lacks READ on the group `%s`: %s; predictions wait", b->group,
                        rd_kafka_message_errstr(message));
        } else if (kafka_client_denied(message->err)) {
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
        rd_kafka_queue_io_event_enable(b->records, -1, NULL, 0);
        rd_kafka_queue_destroy(b->records);
    }
    if (b->news != NULL) {
        rd_kafka_queue_io_event_enable(b->news, -1, NULL, 0);
        rd_kafka_queue_destroy(b->news);
    }
    kafka_client_destroy(b->client, b->rk, left ? 0 : RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE, DESTROY_MS);
    kafka_client_free(b->client);
    b->records = b->news = NULL;
    b->rk = NULL;
    b->client = NULL;
    b->subscribed = 0;
    b->look_at_ms = 0;
    b->watch = (struct kafka_group){0};
}

static int32_t open_consumer(struct back *b, churn_error *err)
{
    static const uint64_t one = 1; /* what an eventfd takes */
    rd_kafka_conf_t *conf = queue_kafka_conf(b->host, b->settings, err);
    if (conf == NULL) {
        return CHURN_FATAL;
    }
    b->client = kafka_client_new(b->host, b->settings->brokers, b);
    if (b->client == NULL) {
        rd_kafka_conf_destroy(conf);
        return churn_fail(err, CHURN_FATAL, "out of memory");
    }
    rd_kafka_conf_set_rebalance_cb(conf, on_rebalance);
    rd_kafka_conf_set_offset_commit_cb(conf, commits_done);
    b->rk = kafka_client_open(b->client, RD_KAFKA_CONSUMER, conf, err);
    if (b->rk == NULL) {
        return CHURN_FATAL;
    }
    (void)rd_kafka_poll_set_consumer(b->rk);
    b->records = rd_kafka_queue_new(b->rk);
    b->news = rd_kafka_queue_get_consumer(b->rk);
    rd_kafka_queue_io_event_enable(b->records, b->woken, &one, sizeof one);
    if (b->news != NULL) {
        rd_kafka_queue_io_event_enable(b->news, b->woken, &one, sizeof one);
    }
    return CHURN_OK;
}

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
    eventfd_t wakes;
    (void)eventfd_read(b->woken, &wakes); /* before anything is looked at: what comes later tells anew */
    b->reading = waiting;
    if (!b->subscribed && !b->others) {
        look_for_topic(b);
    }
    rc = serve_group(b, err);
    while (rc == CHURN_OK && n < READ_MAX && !is_full(b) && (message = rd_kafka_consume_queue(b->records, 0)) != NULL) {
        rc = take_message(b, message, err);
        rd_kafka_message_destroy(message);
        n++;
    }
    (void)kafka_client_check(b->client, 1);
    commits_soon(b);
    *ret_more = n == READ_MAX;
    if (b->others && b->subscribed && rc == CHURN_OK) {
        close_consumer(b, kafka_client_leave(b->client, b->rk, COMMIT_WAIT_MS));
        return open_consumer(b, err);
    }
    return rc == CHURN_OK && n == 0 ? look_after_group(b, err) : rc;
}

static int back_descriptor(void *arg)
{
    return ((const struct back *)arg)->woken;
}

static int32_t back_remove(void *arg, const struct job *job, churn_error *err)
{
    struct back *b = arg;
    uint32_t served = 0;
    (void)err;
    for (uint32_t i = 0; i < job->token_count; i++) {
        struct partition *p = live(b, &job->tokens[i]);
        if (p != NULL) {
            partition_mark_served(p, job->tokens[i].sequence);
            served++;
        }
    }
    counter_add(&b->counters->coalesced, served > 1 ? served - 1 : 0); /* not as they are read: that may be often */
    return CHURN_OK;
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
        commits_now(b, deadline_ms / 2 < COMMIT_WAIT_MS ? (int)(deadline_ms / 2) : COMMIT_WAIT_MS);
        left = b->subscribed && kafka_client_leave(b->client, b->rk, deadline_ms / 2);
    }
    close_consumer(b, left);
    for (int32_t i = 0; i < b->partition_count; i++) {
        partition_free(&b->partitions[i]);
    }
    if (b->woken >= 0) {
        (void)close(b->woken);
    }
    free(b->partitions);
    free(b->until);
    free(b);
}

const struct queue_back_ops queue_kafka_back_ops = {.read = back_read,
                                                    .descriptor = back_descriptor,
                                                    .remove = back_remove,
                                                    .bound = left_bound,
                                                    .is_empty = left_is_empty,
                                                    .count = left_count,
                                                    .free = back_free};

void *queue_kafka_back_new(const churn_host *host, const struct settings *settings, const struct counters *counters,
                           churn_error *err)
{
    struct back *b = calloc(1, sizeof *b);
    if (b == NULL) {
        (void)churn_fail(err, CHURN_FATAL, "out of memory");
        return NULL;
    }
    b->host = host;
    b->settings = settings;
    b->counters = counters;
    b->group_stall = stall_new(host, "group");
    queue_kafka_group(host, settings, b->group);
    b->denied = stall_new(host, "queue");
    b->woken = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    b->uncommitted = stall_new(host, "commit");
    if (open_consumer(b, err) != CHURN_OK) {
        back_free(b, 0);
        return NULL;
    }
    return b;
}
