/* What librdkafka is told to read: the topics of the group, and our partitions. */
#include "assignment.h"
#include "parts.h"
#include "turns.h"

int32_t assignment_subscribe(struct kafka_source *s, churn_error *err)
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

int assignment_is_incremental(const struct kafka_source *s)
{
    return strcmp(rd_kafka_rebalance_protocol(s->rk), "COOPERATIVE") == 0;
}

rd_kafka_resp_err_t assignment_give(struct kafka_source *s, const rd_kafka_topic_partition_list_t *list)
{
    rd_kafka_error_t *error;
    rd_kafka_resp_err_t code;
    if (!assignment_is_incremental(s)) {
        return rd_kafka_assign(s->rk, list);
    }
    error = rd_kafka_incremental_assign(s->rk, list);
    code = error != NULL ? rd_kafka_error_code(error) : RD_KAFKA_RESP_ERR_NO_ERROR;
    if (error != NULL) {
        rd_kafka_error_destroy(error);
    }
    return code;
}

void assignment_give_up(struct kafka_source *s, const rd_kafka_topic_partition_list_t *list)
{
    rd_kafka_error_t *error;
    if (list == NULL || !assignment_is_incremental(s)) {
        (void)rd_kafka_assign(s->rk, NULL);
        return;
    }
    error = rd_kafka_incremental_unassign(s->rk, list);
    if (error != NULL) {
        rd_kafka_error_destroy(error);
    }
}

/* librdkafka takes this back where it still has to stop a partition, which its own thread does before it answers. */
void assignment_forward(struct kafka_source *s, const rd_kafka_topic_partition_list_t *list)
{
    (void)rd_kafka_rebalance_protocol(s->rk);
    for (int i = 0; i < list->cnt; i++) {
        rd_kafka_queue_t *queue = rd_kafka_queue_get_partition(s->rk, list->elems[i].topic, list->elems[i].partition);
        if (queue != NULL) {
            rd_kafka_queue_forward(queue, s->records);
            rd_kafka_queue_destroy(queue);
        }
    }
}

void assignment_restart(struct kafka_source *s)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)s->part_count);
    rd_kafka_resp_err_t code;
    for (uint32_t i = 0; i < s->part_count; i++) {
        const struct part *p = &s->parts[i];
        rd_kafka_topic_partition_list_add(list, p->topic, p->partition)->offset =
            p->position >= 0 ? p->position : RD_KAFKA_OFFSET_BEGINNING;
    }
    turns_end(s);
    assignment_give_up(s, list);
    assignment_forward(s, list);
    code = assignment_give(s, list);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
        source_fail(s, "the partitions of group `%s` cannot be assigned: %s", s->group, rd_kafka_err2str(code));
    }
    rd_kafka_topic_partition_list_destroy(list);
}

void assignment_rejoin(struct kafka_source *s)
{
    (void)rd_kafka_unsubscribe(s->rk);
    if (assignment_subscribe(s, &s->failure) != CHURN_OK) {
        s->failed = 1;
    }
}
