/*
 * Where partitions begin: at the offset that the group committed, and without one as `start` says.
 *
 * `start: end` is for the partitions that a topic has when the group meets it. One that is added later is read from its
 * beginning: its first records are as new as any. To tell the two apart, also after a restart, the member that is given
 * partition 0 commits an offset for every partition that there is, its own or not, before any of them is read; the
 * others wait for it. So a partition without a committed offset is a later one.
 */
#include "starts.h"
#include "offsets.h"
#include "parts.h"

#include <stdlib.h>

#define CHOSEN "chosen, nothing is read yet" /* metadata of such a commit; the next one has none */

int starts_is_chosen(const rd_kafka_topic_partition_t *p)
{
    return p->metadata != NULL &&
           churn_equal((churn_str){.ptr = p->metadata, .len = (uint32_t)p->metadata_size}, churn_text(CHOSEN));
}

static void mark_chosen(rd_kafka_topic_partition_t *p)
{
    free(p->metadata);
    p->metadata = strdup(CHOSEN);
    p->metadata_size = p->metadata != NULL ? strlen(CHOSEN) : 0;
}

/* Where a partition begins, as found out for all of its topic: a later one at its beginning. */
static void take_start(rd_kafka_topic_partition_t *p, const rd_kafka_topic_partition_t *found)
{
    p->offset = found != NULL && found->offset >= 0 ? found->offset : RD_KAFKA_OFFSET_BEGINNING;
    if (found != NULL && starts_is_chosen(found)) {
        mark_chosen(p);
    }
}

/* Every partition of a topic, as the brokers know them; NULL while they do not answer. */
static rd_kafka_topic_partition_list_t *list_partitions(struct kafka_source *s, const char *topic)
{
    const struct rd_kafka_metadata *metadata = NULL;
    rd_kafka_topic_t *rkt = rd_kafka_topic_new(s->rk, topic, NULL);
    rd_kafka_topic_partition_list_t *list = NULL;
    if (rkt != NULL && rd_kafka_metadata(s->rk, 0, rkt, &metadata, QUERY_TIMEOUT_MS) == RD_KAFKA_RESP_ERR_NO_ERROR) {
        if (metadata->topic_cnt == 1 && metadata->topics[0].err == RD_KAFKA_RESP_ERR_NO_ERROR) {
            list = rd_kafka_topic_partition_list_new(metadata->topics[0].partition_cnt);
            for (int i = 0; i < metadata->topics[0].partition_cnt; i++) {
                (void)rd_kafka_topic_partition_list_add(list, topic, metadata->topics[0].partitions[i].id);
            }
        }
        rd_kafka_metadata_destroy(metadata);
    }
    if (rkt != NULL) {
        rd_kafka_topic_destroy(rkt);
    }
    return list;
}

static rd_kafka_resp_err_t ask_committed(struct kafka_source *s, rd_kafka_topic_partition_list_t *list)
{
    rd_kafka_resp_err_t code =
        list->cnt > 0 ? rd_kafka_committed(s->rk, list, QUERY_TIMEOUT_MS) : RD_KAFKA_RESP_ERR_NO_ERROR;
    for (int i = 0; i < list->cnt && code == RD_KAFKA_RESP_ERR_NO_ERROR; i++) {
        code = list->elems[i].err;
    }
    return code;
}

/* A topic that the group meets for the first time: all its partitions (`all`) begin here. */
static rd_kafka_resp_err_t meet_topic(struct kafka_source *s, const struct topic *t,
                                      rd_kafka_topic_partition_list_t *all)
{
    /* A topic that did not exist when this run began has nothing older than it. */
    rd_kafka_resp_err_t code = offsets_ask(
        s, all, t != NULL && t->appeared ? RD_KAFKA_OFFSET_BEGINNING : RD_KAFKA_OFFSET_END, QUERY_TIMEOUT_MS);
    for (int i = 0; i < all->cnt; i++) {
        mark_chosen(&all->elems[i]);
    }
    return code == RD_KAFKA_RESP_ERR_NO_ERROR ? offsets_commit_and_wait(s, all) : code;
}

static int is_committed(const rd_kafka_topic_partition_list_t *list)
{
    int i = 0;
    while (i < list->cnt && list->elems[i].offset < 0) {
        i++;
    }
    return i < list->cnt;
}

/* `start: end`: fills in the partitions of `topic` in `list` that have no committed offset. */
static rd_kafka_resp_err_t choose(struct kafka_source *s, const char *topic, rd_kafka_topic_partition_list_t *list)
{
    rd_kafka_topic_partition_list_t *all = list_partitions(s, topic);
    rd_kafka_resp_err_t code = all != NULL ? ask_committed(s, all) : RD_KAFKA_RESP_ERR__TIMED_OUT;
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR && !is_committed(all)) {
        code = rd_kafka_topic_partition_list_find(list, topic, 0) != NULL ? meet_topic(s, topic_named(s, topic), all)
                                                                          : RD_KAFKA_RESP_ERR__IN_PROGRESS;
    }
    for (int i = 0; i < list->cnt && code == RD_KAFKA_RESP_ERR_NO_ERROR; i++) {
        rd_kafka_topic_partition_t *p = &list->elems[i];
        if (p->offset < 0 && strcmp(p->topic, topic) == 0) {
            /* From `all`, which was asked last: the member with partition 0 may have chosen in between. */
            take_start(p, rd_kafka_topic_partition_list_find(all, topic, p->partition));
        }
    }
    if (all != NULL) {
        rd_kafka_topic_partition_list_destroy(all);
    }
    return code;
}

int starts_find(struct kafka_source *s, rd_kafka_topic_partition_list_t *list)
{
    rd_kafka_resp_err_t code = ask_committed(s, list);
    for (int i = 0; i < list->cnt && code == RD_KAFKA_RESP_ERR_NO_ERROR; i++) {
        if (list->elems[i].offset < 0 && s->start == START_BEGINNING) {
            list->elems[i].offset = RD_KAFKA_OFFSET_BEGINNING;
        } else if (list->elems[i].offset == RD_KAFKA_OFFSET_INVALID) {
            code = choose(s, list->elems[i].topic, list);
        }
    }
    if (code == RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED || code == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED) {
        source_fail(s, "the committed offsets of group `%s` cannot be read: %s", s->group, rd_kafka_err2str(code));
    } else if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
        churn_log(s->host, CHURN_LOG_DEBUG, "committed offsets: %s; asking again", rd_kafka_err2str(code));
    }
    return code == RD_KAFKA_RESP_ERR_NO_ERROR;
}
