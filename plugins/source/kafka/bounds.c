/* A run until the end: the bounds of the partitions as they stood at its start. */
#include "bounds.h"
#include "assignment.h"
#include "conf.h"
#include "offsets.h"
#include "parts.h"

#include <stdlib.h>

#define SESSION_MARGIN_MS 5000
#define OTHERS_ASK_MS 200

static void name_missing(const struct kafka_source *s, int32_t level, const char *ending)
{
    char names[512] = "";
    size_t at = 0;
    for (uint32_t i = 0; i < s->topic_count && at < sizeof names; i++) {
        if (s->topics[i].missing) {
            int n = snprintf(names + at, sizeof names - at, "%s`%s`", at > 0 ? ", " : "", s->topics[i].name);
            at += n > 0 ? (size_t)n : 0;
        }
    }
    if (at > 0) {
        churn_log(s->host, level, "no such topic: %s; %s", names, ending);
    }
}

static int add_bounds(struct kafka_source *s, const char *topic, int partitions)
{
    struct bounds *grown = realloc(s->bounds, (s->bounds_count + (size_t)partitions + 1u) * sizeof *grown);
    if (grown == NULL) {
        source_fail(s, "out of memory");
        return 0;
    }
    s->bounds = grown;
    for (int i = 0; i < partitions; i++) {
        s->bounds[s->bounds_count++] = (struct bounds){.topic = topic, .partition = i};
    }
    return 1;
}

/* Takes what the brokers say of one topic; 0 when it has to be asked again. */
static int take_metadata(struct kafka_source *s, struct topic *t, const rd_kafka_metadata_topic_t *m)
{
    switch (m->err) {
    case RD_KAFKA_RESP_ERR_NO_ERROR:
        return add_bounds(s, t->name, m->partition_cnt);
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
        t->missing = 1;
        return 1;
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION:
        source_fail_topic(s, t->name, m->err);
        return 0;
    default:
        return 0;
    }
}

static int ask_topic(struct kafka_source *s, struct topic *t, int timeout_ms)
{
    const struct rd_kafka_metadata *metadata = NULL;
    rd_kafka_topic_t *rkt = rd_kafka_topic_new(s->rk, t->name, NULL);
    int done = 0;
    if (rkt == NULL) {
        source_fail(s, "topic `%s`: %s", t->name, rd_kafka_err2str(rd_kafka_last_error()));
        return 0;
    }
    if (rd_kafka_metadata(s->rk, 0, rkt, &metadata, timeout_ms) == RD_KAFKA_RESP_ERR_NO_ERROR) {
        done = metadata->topic_cnt == 1 && take_metadata(s, t, &metadata->topics[0]);
        rd_kafka_metadata_destroy(metadata);
    }
    rd_kafka_topic_destroy(rkt);
    return done;
}

/* Asks where the partitions begin and end; 0 while the brokers do not answer. */
static int ask_bounds(struct kafka_source *s, int timeout_ms)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)s->bounds_count);
    rd_kafka_resp_err_t code;
    for (uint32_t i = 0; i < s->bounds_count; i++) {
        (void)rd_kafka_topic_partition_list_add(list, s->bounds[i].topic, s->bounds[i].partition);
    }
    code = offsets_ask(s, list, RD_KAFKA_OFFSET_BEGINNING, timeout_ms);
    for (uint32_t i = 0; i < s->bounds_count; i++) {
        s->bounds[i].low = list->elems[i].offset;
    }
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {
        code = offsets_ask(s, list, RD_KAFKA_OFFSET_END, timeout_ms);
    }
    for (uint32_t i = 0; i < s->bounds_count; i++) {
        s->bounds[i].end = list->elems[i].offset;
    }
    rd_kafka_topic_partition_list_destroy(list);
    return code == RD_KAFKA_RESP_ERR_NO_ERROR;
}

int bounds_learn(struct kafka_source *s, uint32_t timeout_ms)
{
    int wait_ms = timeout_ms < SLICE_MS ? SLICE_MS : timeout_ms > QUERY_TIMEOUT_MS ? QUERY_TIMEOUT_MS : (int)timeout_ms;
    for (; s->topics_asked < s->topic_count; s->topics_asked++) {
        if (!ask_topic(s, &s->topics[s->topics_asked], wait_ms)) {
            return 0;
        }
    }
    if (s->bounds_count == 0) {
        s->nothing = 1;
        name_missing(s, CHURN_LOG_WARN, "there is nothing to read");
        return 1;
    }
    if (!ask_bounds(s, wait_ms)) {
        return 0;
    }
    name_missing(s, CHURN_LOG_INFO, "not waiting for it in a run until the end");
    s->failed = assignment_subscribe(s, &s->failure) != CHURN_OK;
    return !s->failed;
}

void source_extents(void *self, churn_extent_fn fn, void *ctx)
{
    const struct kafka_source *s = self;
    for (uint32_t i = 0; s->subscribed && i < s->bounds_count; i++) {
        const struct bounds *b = &s->bounds[i];
        const struct topic *t = topic_named(s, b->topic);
        if (t != NULL) {
            fn(ctx, t->identity, b->partition, b->low, b->end);
        }
    }
}

/* 1 when the group has committed every partition of other members up to its end. */
static int is_committed(struct kafka_source *s)
{
    rd_kafka_topic_partition_list_t *others = rd_kafka_topic_partition_list_new((int)s->bounds_count);
    int done = 1;
    for (uint32_t i = 0; i < s->bounds_count; i++) {
        const struct bounds *b = &s->bounds[i];
        if (b->low < b->end && part_named(s, b->topic, b->partition) == NULL) {
            (void)rd_kafka_topic_partition_list_add(others, b->topic, b->partition);
        }
    }
    if (others->cnt > 0) {
        done = rd_kafka_committed(s->rk, others, QUERY_TIMEOUT_MS) == RD_KAFKA_RESP_ERR_NO_ERROR;
    }
    for (int i = 0; i < others->cnt && done; i++) {
        const struct bounds *b = part_bounds(s, others->elems[i].topic, others->elems[i].partition);
        done = b != NULL && others->elems[i].offset >= b->end;
    }
    rd_kafka_topic_partition_list_destroy(others);
    return done;
}

/* Other members read their partitions, unless they were killed and the group does not know it yet: their partitions
 * come to us once their sessions end. What has been committed tells sooner that there is nothing to wait for. */
static int others_are_done(struct kafka_source *s)
{
    int64_t now = source_now_ms(s);
    if (!s->others_done && now >= s->others_ask_ms) {
        int64_t limit_ms = conf_session_ms(s) + SESSION_MARGIN_MS;
        s->others_done = is_committed(s) || now - s->assigned_ms > limit_ms;
        if (!s->others_done && s->others_ask_ms == 0) {
            churn_log(s->host, CHURN_LOG_INFO,
                      "at the end of what is ours; other members of group `%s` still read their partitions, which are "
                      "waited for (%lld s at most)",
                      s->group, (long long)(limit_ms / 1000));
        }
        s->others_ask_ms = now + OTHERS_ASK_MS;
    }
    return s->others_done;
}

int bounds_reached(struct kafka_source *s)
{
    uint32_t i = 0;
    if (!s->host->until_end || s->nothing) {
        return s->nothing;
    }
    while (i < s->part_count && s->parts[i].finished) {
        i++;
    }
    return !s->passing && s->assigned && i == s->part_count && others_are_done(s);
}
