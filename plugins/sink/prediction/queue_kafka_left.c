#include "queue_kafka_left.h"

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

int32_t left_is_empty(void *arg, int wrote, int *ret_empty, churn_error *err)
{
    struct back *b = arg;
    int32_t count;
    (void)err;
    *ret_empty = b->others || (!b->subscribed && b->absent && !wrote);
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
