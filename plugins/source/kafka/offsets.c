/* Offsets: asked for, committed, moved, and how far they are from the end. */
#include "offsets.h"
#include "parts.h"
#include "pause.h"

#define COMMIT_TIMEOUT_MS 10000
#define SEEK_TIMEOUT_MS 2000
#define FETCHER_PAUSE_MS 5
#define RIGHT_MS 10000 /* without a commit: then whether one may be made is tried */
#define RIGHT_TIMEOUT_MS 1000
#define ENDS_MS 5000 /* between questions where partitions end that nothing is taken from */
#define ENDS_TIMEOUT_MS 500

rd_kafka_resp_err_t offsets_ask(struct kafka_source *s, rd_kafka_topic_partition_list_t *list, int64_t which,
                                int timeout_ms)
{
    rd_kafka_resp_err_t code;
    for (int i = 0; i < list->cnt; i++) {
        list->elems[i].offset = which;
    }
    code = rd_kafka_offsets_for_times(s->rk, list, timeout_ms);
    for (int i = 0; i < list->cnt && code == RD_KAFKA_RESP_ERR_NO_ERROR; i++) {
        code = list->elems[i].err;
    }
    return code;
}

rd_kafka_resp_err_t offsets_ask_one(struct kafka_source *s, const char *topic, int32_t partition, int64_t which,
                                    int64_t *ret_offset)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_resp_err_t code;
    (void)rd_kafka_topic_partition_list_add(list, topic, partition);
    code = offsets_ask(s, list, which, QUERY_TIMEOUT_MS);
    *ret_offset = list->elems[0].offset;
    rd_kafka_topic_partition_list_destroy(list);
    return code;
}

/* Errors of a commit that a rebalance or a deleted topic explains: whoever has the partition now reads on from the
 * older offset. */
static int is_explained(rd_kafka_resp_err_t code)
{
    return code == RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION || code == RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID ||
           code == RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS || code == RD_KAFKA_RESP_ERR__NO_OFFSET ||
           code == RD_KAFKA_RESP_ERR__ASSIGNMENT_LOST || code == RD_KAFKA_RESP_ERR__WAIT_COORD ||
           code == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
}

static void take_commit(struct kafka_source *s, rd_kafka_resp_err_t code)
{
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {
        s->right_ask_ms = source_now_ms(s) + RIGHT_MS;
        stall_end(&s->denied);
    } else if (kafka_client_denied(code)) {
        stall_begin(&s->denied,
                    "offsets of group `%s` cannot be committed: %s: this Kafka user lost READ on the group, or on a "
                    "topic; give it again. Until then what is counted is read again at the next start",
                    s->group, rd_kafka_err2str(code));
    } else {
        churn_log(s->host, is_explained(code) ? CHURN_LOG_DEBUG : CHURN_LOG_WARN,
                  "offsets of group `%s` were not committed: %s; a later commit includes them", s->group,
                  rd_kafka_err2str(code));
    }
}

void offsets_on_commit(rd_kafka_t *rk, rd_kafka_resp_err_t code, rd_kafka_topic_partition_list_t *list, void *opaque)
{
    (void)rk;
    for (int i = 0; list != NULL && i < list->cnt && code == RD_KAFKA_RESP_ERR_NO_ERROR; i++) {
        code = list->elems[i].err;
    }
    take_commit(kafka_client_owner(opaque), code);
}

static rd_kafka_resp_err_t commit_within(struct kafka_source *s, const rd_kafka_topic_partition_list_t *list,
                                         int timeout_ms)
{
    rd_kafka_queue_t *queue = rd_kafka_queue_new(s->rk);
    rd_kafka_resp_err_t code = rd_kafka_commit_queue(s->rk, list, queue, NULL, NULL);
    rd_kafka_event_t *event = code == RD_KAFKA_RESP_ERR_NO_ERROR ? rd_kafka_queue_poll(queue, timeout_ms) : NULL;
    if (event != NULL) {
        const rd_kafka_topic_partition_list_t *done = rd_kafka_event_topic_partition_list(event);
        code = rd_kafka_event_error(event);
        for (int i = 0; done != NULL && i < done->cnt && code == RD_KAFKA_RESP_ERR_NO_ERROR; i++) {
            code = done->elems[i].err;
        }
        rd_kafka_event_destroy(event);
    } else if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {
        code = RD_KAFKA_RESP_ERR__TIMED_OUT;
    }
    rd_kafka_queue_destroy(queue);
    return code;
}

rd_kafka_resp_err_t offsets_commit_and_wait(struct kafka_source *s, const rd_kafka_topic_partition_list_t *list)
{
    return commit_within(s, list, COMMIT_TIMEOUT_MS);
}

/* Of one partition of ours, the offset that is committed is committed once more. Nobody commits in between: that is
 * this thread's. */
void offsets_try_right(struct kafka_source *s)
{
    rd_kafka_topic_partition_list_t *list;
    rd_kafka_resp_err_t code;
    int64_t now = source_now_ms(s);
    if (s->right_ask_ms == 0 || s->part_count == 0 || !s->up) {
        s->right_ask_ms = now + RIGHT_MS;
    }
    if (now < s->right_ask_ms) {
        return;
    }
    list = rd_kafka_topic_partition_list_new(1);
    (void)rd_kafka_topic_partition_list_add(list, s->parts[0].topic, s->parts[0].partition);
    code = rd_kafka_committed(s->rk, list, RIGHT_TIMEOUT_MS);
    code = code == RD_KAFKA_RESP_ERR_NO_ERROR ? list->elems[0].err : code;
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR && list->elems[0].offset >= 0) {
        code = commit_within(s, list, RIGHT_TIMEOUT_MS);
    }
    rd_kafka_topic_partition_list_destroy(list);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR || kafka_client_denied(code)) {
        take_commit(s, code);
    }
    s->right_ask_ms = source_now_ms(s) + RIGHT_MS;
}

int32_t source_commit(void *self, const churn_position *positions, uint32_t count, int32_t wait, churn_error *err)
{
    struct kafka_source *s = self;
    rd_kafka_topic_partition_list_t *list;
    rd_kafka_resp_err_t code;
    if (count == 0) {
        return CHURN_OK;
    }
    list = rd_kafka_topic_partition_list_new((int)count);
    for (uint32_t i = 0; i < count; i++) {
        const struct topic *t = topic_of_identity(s, positions[i].topic);
        if (t != NULL) {
            rd_kafka_topic_partition_list_add(list, t->name, positions[i].partition)->offset = positions[i].offset;
        }
    }
    code = wait ? offsets_commit_and_wait(s, list) : rd_kafka_commit(s->rk, list, 1);
    rd_kafka_topic_partition_list_destroy(list);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR && !wait) {
        return CHURN_OK; /* offsets_on_commit hears of it */
    }
    take_commit(s, code);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {
        return CHURN_OK;
    }
    return churn_fail(err, CHURN_RETRY, "offsets were not committed: %s", rd_kafka_err2str(code));
}

/* Seeks a partition that librdkafka reads; one that was assigned a moment ago may take that moment. */
static rd_kafka_resp_err_t seek_fetcher(struct kafka_source *s, rd_kafka_topic_partition_list_t *list)
{
    int64_t end = source_now_ms(s) + SEEK_TIMEOUT_MS;
    rd_kafka_resp_err_t code;
    do {
        rd_kafka_error_t *error = rd_kafka_seek_partitions(s->rk, list, SEEK_TIMEOUT_MS);
        code = error != NULL ? rd_kafka_error_code(error) : list->elems[0].err;
        if (error != NULL) {
            rd_kafka_error_destroy(error);
        }
        if (code == RD_KAFKA_RESP_ERR__STATE) {
            pause_ms(FETCHER_PAUSE_MS);
        }
    } while (code == RD_KAFKA_RESP_ERR__STATE && source_now_ms(s) < end);
    return code;
}

int32_t source_seek(void *self, const churn_position *to, churn_error *err)
{
    struct kafka_source *s = self;
    struct part *p = part_of_identity(s, to->topic, to->partition);
    rd_kafka_topic_partition_list_t *list;
    rd_kafka_topic_partition_t *starting;
    rd_kafka_resp_err_t code = RD_KAFKA_RESP_ERR_NO_ERROR;
    if (p == NULL) {
        return churn_fail(err, CHURN_RETRY, "topic `%s` partition %d is not assigned to this worker", to->topic,
                          (int)to->partition);
    }
    starting = s->assigning != NULL ? rd_kafka_topic_partition_list_find(s->assigning, p->topic, to->partition) : NULL;
    if (starting != NULL) {
        starting->offset = to->offset;
    } else {
        list = rd_kafka_topic_partition_list_new(1);
        rd_kafka_topic_partition_list_add(list, p->topic, to->partition)->offset = to->offset;
        code = seek_fetcher(s, list);
        rd_kafka_topic_partition_list_destroy(list);
    }
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
        return churn_fail(err, CHURN_RETRY, "topic `%s` partition %d cannot be read from offset %lld now: %s",
                          to->topic, (int)to->partition, (long long)to->offset, rd_kafka_err2str(code));
    }
    p->position = to->offset;
    p->passed = OFFSET_UNKNOWN;
    p->finished = s->host->until_end && p->position >= p->end;
    return CHURN_OK;
}

static int32_t ask_for_host(struct kafka_source *s, const char *identity, int32_t partition, int64_t which,
                            int64_t *ret_offset, churn_error *err)
{
    const struct topic *t = topic_of_identity(s, identity);
    rd_kafka_resp_err_t code =
        t != NULL ? offsets_ask_one(s, t->name, partition, which, ret_offset) : RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC;
    return code == RD_KAFKA_RESP_ERR_NO_ERROR
               ? CHURN_OK
               : churn_fail(err, CHURN_RETRY, "topic `%s` partition %d: its offsets cannot be asked for: %s", identity,
                            (int)partition, rd_kafka_err2str(code));
}

int32_t source_bounds(void *self, const char *topic, int32_t partition, int64_t *ret_low, int64_t *ret_end,
                      churn_error *err)
{
    int32_t result = ask_for_host(self, topic, partition, RD_KAFKA_OFFSET_BEGINNING, ret_low, err);
    return result == CHURN_OK ? ask_for_host(self, topic, partition, RD_KAFKA_OFFSET_END, ret_end, err) : result;
}

int32_t source_offset_at(void *self, const char *topic, int32_t partition, int64_t timestamp_ms, int64_t *ret_offset,
                         churn_error *err)
{
    int64_t from_ms = timestamp_ms > 0 ? timestamp_ms : 0; /* below are librdkafka's words for other things */
    int32_t result = ask_for_host(self, topic, partition, from_ms, ret_offset, err);
    return result == CHURN_OK && *ret_offset < 0 /* nothing is that new */
               ? ask_for_host(self, topic, partition, RD_KAFKA_OFFSET_END, ret_offset, err)
               : result;
}

int64_t offsets_part_lag(const struct kafka_source *s, const struct part *p)
{
    int64_t low = RD_KAFKA_OFFSET_INVALID, high = RD_KAFKA_OFFSET_INVALID, from;
    if (p->finished) {
        return 0;
    }
    (void)rd_kafka_get_watermark_offsets(s->rk, p->topic, p->partition, &low, &high);
    high = high < p->asked_end ? p->asked_end : high;
    if (s->host->until_end) {
        high = p->end;
        low = p->low;
    }
    from = p->position >= 0 ? p->position : low;
    if (from < 0 || high < 0) {
        return -1;
    }
    return high > from ? high - from : 0;
}

void source_lag(void *self, churn_lag *lag)
{
    struct kafka_source *s = self;
    lag->known = (s->assigned && s->up) || s->nothing;
    lag->messages = 0;
    for (uint32_t i = 0; i < s->part_count; i++) {
        int64_t n = offsets_part_lag(s, &s->parts[i]);
        if (n < 0) {
            lag->known = 0;
        } else {
            lag->messages += n;
        }
    }
    lag->total = s->host->until_end && lag->known ? s->returned + lag->messages : -1;
}

void source_lags(void *self, churn_lag_fn fn, void *ctx)
{
    const struct kafka_source *s = self;
    for (uint32_t i = 0; i < s->part_count; i++) {
        int64_t n = offsets_part_lag(s, &s->parts[i]);
        if (n >= 0) {
            fn(ctx, s->parts[i].identity, s->parts[i].partition, n);
        }
    }
}

static rd_kafka_topic_partition_list_t *list_own(const struct kafka_source *s)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)s->part_count);
    for (uint32_t i = 0; i < s->part_count; i++) {
        (void)rd_kafka_topic_partition_list_add(list, s->parts[i].topic, s->parts[i].partition);
    }
    return list;
}

void offsets_follow_ends(struct kafka_source *s)
{
    int64_t now = source_now_ms(s);
    rd_kafka_topic_partition_list_t *list;
    if (s->part_count == 0 || !s->up || s->host->until_end || now < s->ends_ask_ms || now - s->assigned_ms < ENDS_MS) {
        return;
    }
    list = list_own(s);
    (void)offsets_ask(s, list, RD_KAFKA_OFFSET_END, ENDS_TIMEOUT_MS);
    for (uint32_t i = 0; i < s->part_count; i++) {
        const rd_kafka_topic_partition_t *at = &list->elems[i];
        if (at->err == RD_KAFKA_RESP_ERR_NO_ERROR && at->offset > s->parts[i].asked_end) {
            s->parts[i].asked_end = at->offset;
        }
    }
    rd_kafka_topic_partition_list_destroy(list);
    s->ends_ask_ms = source_now_ms(s) + ENDS_MS;
}

void offsets_ask_brokers(struct kafka_source *s)
{
    rd_kafka_topic_partition_list_t *list = list_own(s);
    (void)offsets_ask(s, list, RD_KAFKA_OFFSET_END, 0);
    rd_kafka_topic_partition_list_destroy(list);
}
