#include "queue_kafka_left.h"
#include <stdlib.h>

#define SESSION_MARGIN_MS 5000

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

/* Sets each offset to where its partition begins (RD_KAFKA_OFFSET_BEGINNING) or ends, in one exchange with the brokers;
 * 0 when they do not answer for each. Unlike rd_kafka_query_watermark_offsets, what this rests on keeps to its time
 * while a broker hangs. */
static int ask_offsets(struct back *b, rd_kafka_topic_partition_list_t *list, int64_t which)
{
    int known;
    for (int i = 0; i < list->cnt; i++) {
        list->elems[i].offset = which;
    }
    known = list->cnt == 0 || rd_kafka_offsets_for_times(b->rk, list, REQUEST_MS) == RD_KAFKA_RESP_ERR_NO_ERROR;
    for (int i = 0; i < list->cnt && known; i++) {
        known = list->elems[i].err == RD_KAFKA_RESP_ERR_NO_ERROR && list->elems[i].offset >= 0;
    }
    return known;
}

/* How many of the partitions still store something of what they held as the drain began; -1: not known. */
static int count_stored(struct back *b, rd_kafka_topic_partition_list_t *list)
{
    int count = 0;
    if (!ask_offsets(b, list, RD_KAFKA_OFFSET_BEGINNING)) {
        return -1;
    }
    for (int i = 0; i < list->cnt; i++) {
        count += list->elems[i].offset < b->until[list->elems[i].partition];
    }
    return count;
}

void left_bound(void *arg)
{
    struct back *b = arg;
    b->until_count = 0;
    b->others_told = 0;
}

/* Learns where the partitions end, once in a drain; 0 while the brokers do not answer. */
static int learn_ends(struct back *b)
{
    int32_t count = b->until_count == 0 ? ask_partition_count(b) : 0;
    int64_t *until = count > 0 ? realloc(b->until, (size_t)count * sizeof *until) : NULL;
    rd_kafka_topic_partition_list_t *list;
    int known;
    if (count == 0 || until == NULL) {
        b->out_of_memory |= count > 0;
        return b->until_count > 0;
    }
    b->until = until;
    list = rd_kafka_topic_partition_list_new(count);
    for (int32_t i = 0; i < count; i++) {
        (void)rd_kafka_topic_partition_list_add(list, b->settings->queue_topic, i);
    }
    known = ask_offsets(b, list, RD_KAFKA_OFFSET_END);
    for (int32_t i = 0; i < count && known; i++) {
        until[i] = list->elems[i].offset;
    }
    b->until_count = known ? count : 0;
    rd_kafka_topic_partition_list_destroy(list);
    return known;
}

static int is_ours(const struct back *b, int32_t partition)
{
    return partition < b->partition_count && b->partitions[partition].assigned;
}

/* 1 when what our partitions held as the drain began is served, or stored no more. What comes later does not hold up
 * the end: others that run may write without end. */
static int ours_are_done(struct back *b)
{
    rd_kafka_topic_partition_list_t *unserved = rd_kafka_topic_partition_list_new(b->until_count);
    int done = 1;
    for (int32_t i = 0; i < b->until_count && done; i++) {
        const struct partition *p = is_ours(b, i) ? &b->partitions[i] : NULL;
        if (p != NULL && (p->next_offset < 0 || partition_safe_offset(p) < b->until[i])) {
            done = p->next_offset >= 0 && p->count == 0;
            (void)rd_kafka_topic_partition_list_add(unserved, b->settings->queue_topic, i);
        }
    }
    done = done && count_stored(b, unserved) == 0;
    rd_kafka_topic_partition_list_destroy(unserved);
    return done;
}

/* How many partitions of other members hold triggers, as far as these have committed; -1: not known. */
static int count_others(struct back *b)
{
    rd_kafka_topic_partition_list_t *others = rd_kafka_topic_partition_list_new(b->until_count);
    rd_kafka_topic_partition_list_t *unserved = rd_kafka_topic_partition_list_new(b->until_count);
    int left = 0;
    for (int32_t i = 0; i < b->until_count; i++) {
        if (!is_ours(b, i)) {
            (void)rd_kafka_topic_partition_list_add(others, b->settings->queue_topic, i);
        }
    }
    if (others->cnt > 0 && rd_kafka_committed(b->rk, others, REQUEST_MS) != RD_KAFKA_RESP_ERR_NO_ERROR) {
        left = -1;
    }
    for (int i = 0; i < others->cnt && left == 0; i++) {
        int32_t partition = others->elems[i].partition;
        if (others->elems[i].offset < b->until[partition]) {
            (void)rd_kafka_topic_partition_list_add(unserved, b->settings->queue_topic, partition);
        }
    }
    left = left == 0 ? count_stored(b, unserved) : left;
    rd_kafka_topic_partition_list_destroy(unserved);
    rd_kafka_topic_partition_list_destroy(others);
    return left;
}

static int64_t session_ms(const struct back *b)
{
    char text[32] = "45000";
    size_t size = sizeof text;
    (void)rd_kafka_conf_get(rd_kafka_conf(b->rk), "session.timeout.ms", text, &size);
    return strtoll(text, NULL, 10);
}

/* Other members of the group serve their partitions, unless they are dead and the group does not know it yet: then
 * their partitions come to us once their sessions end. */
static int others_are_done(struct back *b)
{
    int64_t limit_ms = session_ms(b) + SESSION_MARGIN_MS;
    int over = b->host->monotonic_ms(b->host) - b->assigned_ms > limit_ms;
    int left = count_others(b);
    if (left > 0 && over) {
        churn_log(b->host, CHURN_LOG_INFO,
                  "triggers in %d partitions of topic `%s` are left to the other members of group `%s`, which hold "
                  "them and serve them as they go on",
                  left, b->settings->queue_topic, b->group);
    } else if (left > 0 && !b->others_told) {
        b->others_told = 1;
        churn_log(b->host, CHURN_LOG_INFO,
                  "the end waits for other members of group `%s` to serve what %d partitions of topic `%s` hold (%lld "
                  "s at most)",
                  b->group, left, b->settings->queue_topic, (long long)(limit_ms / 1000));
    }
    return left == 0 || (left > 0 && over);
}

int32_t left_is_empty(void *arg, int wrote, int *ret_empty, churn_error *err)
{
    struct back *b = arg;
    *ret_empty = b->others || (!b->subscribed && b->absent && !wrote);
    if (b->subscribed && b->assigned && learn_ends(b) && ours_are_done(b)) {
        *ret_empty = others_are_done(b);
    }
    return b->out_of_memory ? churn_fail(err, CHURN_FATAL, "out of memory") : CHURN_OK;
}

int64_t left_count(void *arg, const struct waiting *waiting)
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
