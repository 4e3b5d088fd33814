#include "queue_kafka_commits.h"

#define COMMIT_MS 1000     /* pause between commits */
#define COMMIT_IDLE_MS 100 /* … while nothing waits */

/* What can be committed and was not yet; NULL: nothing. */
static rd_kafka_topic_partition_list_t *to_commit(struct back *b)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(b->partition_count);
    for (int32_t i = 0; i < b->partition_count; i++) {
        struct partition *p = &b->partitions[i];
        int64_t safe = partition_safe_offset(p);
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

void commits_done(rd_kafka_t *rk, rd_kafka_resp_err_t code, rd_kafka_topic_partition_list_t *list, void *opaque)
{
    struct back *b = kafka_client_owner(opaque);
    (void)rk;
    for (int i = 0; list != NULL && i < list->cnt && code == RD_KAFKA_RESP_ERR_NO_ERROR; i++) {
        code = list->elems[i].err;
    }
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {
        stall_end(&b->uncommitted);
    } else if (kafka_client_denied(code)) {
        stall_begin(&b->uncommitted,
                    "offsets of group `%s` cannot be committed: %s: this Kafka user lost READ on the group, or on "
                    "topic `%s`; give it again. Until then triggers that are served are served again at the next start",
                    b->group, rd_kafka_err2str(code), b->settings->queue_topic);
    }
    for (int i = 0; list != NULL && i < list->cnt && code != RD_KAFKA_RESP_ERR_NO_ERROR; i++) {
        int32_t partition = list->elems[i].partition;
        if (partition < b->partition_count) {
            b->partitions[partition].committed = -1; /* once more */
        }
    }
}

static int has_unserved(const struct back *b)
{
    int unserved = 0;
    for (int32_t i = 0; i < b->partition_count; i++) {
        unserved |= b->partitions[i].count > 0;
    }
    return unserved;
}

void commits_soon(struct back *b)
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

/* rd_kafka_commit would wait for as long as it takes. */
void commits_now(struct back *b, int timeout_ms)
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
