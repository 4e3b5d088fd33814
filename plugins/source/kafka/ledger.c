/* The ledger is read by assignment, as a member of no group, and committed nothing of. It is read uncommitted: a
 * transaction that somebody leaves open would hide what comes after it, and a record that counts though its transaction
 * was aborted forgets somebody who was to be forgotten. */
#include "ledger.h"
#include "conf.h"
#include "kafka_access.h"
#include "kafka_conf.h"
#include "kafka_grants.h"
#include "ledger_add.h"
#include "pause.h"

#include <stdlib.h>

#define POLL_MS 100
#define ASK_MS 500 /* brokers that cannot be reached: by then the reason is known, as a rule */
#define CLOSE_TIMEOUT_MS 2000
#define QUIET_FETCH_MS "500" /* hardly anything is ever written */

struct extent {
    int64_t next, end; /* next OFFSET_UNKNOWN: not begun */
};

struct ledger {
    char *name;
    struct kafka_client *client;
    rd_kafka_t *rk;
    rd_kafka_topic_t *topic;
    struct extent *parts;
    int part_count;
    int assigned; /* they are */
    int good;     /* it exists and is compacted, as was seen before something was added */
};

/* One call. */
struct reading {
    struct kafka_source *s;
    struct ledger *l;
    int64_t deadline_ms;
    churn_ledger_fn fn;
    void *ctx;
};

static int left_ms(const struct reading *r)
{
    int64_t left = r->deadline_ms - source_now_ms(r->s);
    return left > 0 ? (int)left : 0;
}

/* ---- beginning and end ---- */

static void forget_parts(struct ledger *l)
{
    if (l->assigned) {
        (void)rd_kafka_assign(l->rk, NULL);
    }
    free(l->parts);
    l->parts = NULL;
    l->part_count = l->assigned = 0;
}

void ledger_close(struct kafka_source *s)
{
    struct ledger *l = s->ledger;
    if (l == NULL) {
        return;
    }
    if (l->rk != NULL) {
        forget_parts(l);
    }
    if (l->topic != NULL) {
        rd_kafka_topic_destroy(l->topic);
    }
    if (l->client != NULL) {
        kafka_client_destroy(l->client, l->rk, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE, CLOSE_TIMEOUT_MS);
        kafka_client_free(l->client);
    }
    free(l->name);
    free(l);
    s->ledger = NULL;
}

static rd_kafka_conf_t *reader_conf(const struct kafka_source *s, churn_error *err)
{
    static const char *const own[][2] = {{"isolation.level", "read_uncommitted"},
                                         {"allow.auto.create.topics", "false"}, /* to look must not make it */
                                         {"auto.offset.reset", "earliest"},
                                         {"fetch.wait.max.ms", QUIET_FETCH_MS}};
    rd_kafka_conf_t *conf = conf_new(s, err);
    for (size_t i = 0; conf != NULL && i < sizeof own / sizeof own[0]; i++) {
        if (kafka_conf_set(conf, own[i][0], own[i][1], err) != CHURN_OK) {
            rd_kafka_conf_destroy(conf);
            conf = NULL;
        }
    }
    return conf;
}

static int32_t open_ledger(struct kafka_source *s, const char *name, churn_error *err)
{
    struct ledger *l = s->ledger;
    rd_kafka_conf_t *conf;
    if (l != NULL) {
        return CHURN_OK;
    }
    l = s->ledger = calloc(1, sizeof *l);
    if (l == NULL || (l->name = strdup(name)) == NULL ||
        (l->client = kafka_client_new(s->host, s->brokers, s)) == NULL) {
        ledger_close(s);
        return churn_fail(err, CHURN_FATAL, "out of memory");
    }
    conf = reader_conf(s, err);
    l->rk = conf != NULL ? kafka_client_open(l->client, RD_KAFKA_CONSUMER, conf, err) : NULL;
    if (l->rk == NULL) {
        ledger_close(s);
        return CHURN_FATAL;
    }
    l->topic = rd_kafka_topic_new(l->rk, name, NULL);
    if (l->topic == NULL) {
        ledger_close(s);
        return churn_fail(err, CHURN_FATAL, "topic `%s`: %s", name, rd_kafka_err2str(rd_kafka_last_error()));
    }
    return CHURN_OK;
}

/* ---- whether it is there ---- */

/* By name, so that one that this user may not see is told from one that does not exist. */
static rd_kafka_resp_err_t ask(const struct reading *r, int *ret_parts)
{
    const struct rd_kafka_metadata *metadata;
    rd_kafka_resp_err_t code = RD_KAFKA_RESP_ERR__TIMED_OUT;
    int left;
    *ret_parts = 0;
    while (code != RD_KAFKA_RESP_ERR_NO_ERROR && (left = left_ms(r)) > 0) {
        code = rd_kafka_metadata(r->l->rk, 0, r->l->topic, &metadata, left < ASK_MS ? left : ASK_MS);
        (void)rd_kafka_poll(r->l->rk, 0); /* calls back with the reason */
        if (code != RD_KAFKA_RESP_ERR_NO_ERROR && code != RD_KAFKA_RESP_ERR__TIMED_OUT &&
            code != RD_KAFKA_RESP_ERR__TRANSPORT) {
            return code;
        }
    }
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {
        code = metadata->topic_cnt == 1 ? metadata->topics[0].err : RD_KAFKA_RESP_ERR_UNKNOWN;
        *ret_parts = metadata->topic_cnt == 1 ? metadata->topics[0].partition_cnt : 0;
        for (int i = 0; i < *ret_parts && code == RD_KAFKA_RESP_ERR_NO_ERROR; i++) {
            code = metadata->topics[0].partitions[i].err;
            code = code == RD_KAFKA_RESP_ERR_REPLICA_NOT_AVAILABLE ? RD_KAFKA_RESP_ERR_NO_ERROR : code;
        }
        rd_kafka_metadata_destroy(metadata);
    }
    return code;
}

static int is_missing(rd_kafka_resp_err_t code)
{
    return code == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART || code == RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC;
}

/* A partition that was just made, or whose broker went away, has no leader for a moment. */
static rd_kafka_resp_err_t ask_patiently(const struct reading *r, int *ret_parts)
{
    rd_kafka_resp_err_t code = ask(r, ret_parts);
    while (code != RD_KAFKA_RESP_ERR_NO_ERROR && !is_missing(code) && !kafka_client_denied(code) && left_ms(r) > 0) {
        pause_ms(POLL_MS);
        code = ask(r, ret_parts);
    }
    return code;
}

static int32_t fail_reading(const struct ledger *l, rd_kafka_resp_err_t code, churn_error *err)
{
    if (kafka_client_denied(code)) {
        return churn_fail(err, CHURN_RETRY, "topic `%s` may not be read by this Kafka user (%s); give it READ on it",
                          l->name, rd_kafka_err2str(code));
    }
    if (!kafka_client_up(l->client) && kafka_client_reason(l->client)[0] != '\0') {
        return churn_fail(err, CHURN_RETRY, "topic `%s`: Kafka cannot be reached: %s%s", l->name,
                          kafka_client_reason(l->client), kafka_client_advice(l->client));
    }
    return churn_fail(err, CHURN_RETRY, "topic `%s` cannot be read: %s", l->name, rd_kafka_err2str(code));
}

/* ---- reading ---- */

static int32_t grow(struct ledger *l, int count, churn_error *err)
{
    struct extent *grown = realloc(l->parts, (size_t)count * sizeof *grown);
    if (grown == NULL) {
        return churn_fail(err, CHURN_FATAL, "out of memory");
    }
    l->parts = grown;
    for (; l->part_count < count; l->part_count++) {
        l->parts[l->part_count] = (struct extent){.next = OFFSET_UNKNOWN};
    }
    return CHURN_OK;
}

static int32_t assign(struct ledger *l, churn_error *err)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(l->part_count);
    rd_kafka_resp_err_t code;
    for (int i = 0; i < l->part_count; i++) {
        rd_kafka_topic_partition_list_add(list, l->name, i)->offset = l->parts[i].next;
    }
    code = rd_kafka_assign(l->rk, list);
    rd_kafka_topic_partition_list_destroy(list);
    l->assigned = code == RD_KAFKA_RESP_ERR_NO_ERROR;
    return l->assigned ? CHURN_OK : fail_reading(l, code, err);
}

/* Where the partitions end now. One that ends before where it was read to is another one, and begins anew. */
static int32_t find_ends(const struct reading *r, churn_error *err)
{
    struct ledger *l = r->l;
    for (int i = 0; i < l->part_count; i++) {
        int64_t low, high;
        struct extent *part = &l->parts[i];
        rd_kafka_resp_err_t code;
        while ((code = rd_kafka_query_watermark_offsets(l->rk, l->name, i, &low, &high, left_ms(r))) !=
                   RD_KAFKA_RESP_ERR_NO_ERROR &&
               !is_missing(code) && !kafka_client_denied(code) && left_ms(r) > 0) {
            pause_ms(POLL_MS);
        }
        if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
            return fail_reading(l, code, err);
        }
        if (part->next < low || part->next > high) {
            part->next = low;
            l->assigned = 0;
        }
        part->end = high;
    }
    return l->assigned ? CHURN_OK : assign(l, err);
}

static int is_behind(const struct ledger *l)
{
    int i = 0;
    while (i < l->part_count && l->parts[i].next >= l->parts[i].end) {
        i++;
    }
    return i < l->part_count;
}

static void hand_out(const struct reading *r, const rd_kafka_message_t *m)
{
    rd_kafka_timestamp_type_t type;
    int64_t timestamp = rd_kafka_message_timestamp(m, &type);
    const churn_record record = {.size = sizeof record,
                                 .kind = CHURN_RECORD_EVENT,
                                 .key = {.ptr = m->key, .len = (uint32_t)m->key_len},
                                 .value = {.ptr = m->payload, .len = (uint32_t)m->len},
                                 .timestamp_ms = timestamp > 0 ? timestamp : 0,
                                 .topic = r->l->name,
                                 .partition = m->partition,
                                 .offset = m->offset};
    r->fn(r->ctx, &record);
}

/* What passes is waited for; it is told if it takes too long. */
static rd_kafka_resp_err_t take(const struct reading *r, const rd_kafka_message_t *m)
{
    struct extent *part = m->partition >= 0 && m->partition < r->l->part_count ? &r->l->parts[m->partition] : NULL;
    if (part == NULL || (m->err != RD_KAFKA_RESP_ERR_NO_ERROR && m->err != RD_KAFKA_RESP_ERR__PARTITION_EOF)) {
        return m->err;
    }
    if (m->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) { /* what else there is are markers of transactions */
        part->next = m->offset > part->next ? m->offset : part->next;
    } else if (m->offset >= part->next) {
        hand_out(r, m);
        part->next = m->offset + 1;
    }
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}

static int32_t read_on(const struct reading *r, churn_error *err)
{
    rd_kafka_resp_err_t newest = RD_KAFKA_RESP_ERR__TIMED_OUT;
    while (is_behind(r->l)) {
        rd_kafka_message_t *m;
        if (left_ms(r) == 0) {
            return fail_reading(r->l, newest, err);
        }
        m = rd_kafka_consumer_poll(r->l->rk, POLL_MS);
        if (m != NULL) {
            rd_kafka_resp_err_t code = take(r, m);
            newest = code != RD_KAFKA_RESP_ERR_NO_ERROR ? code : newest;
            rd_kafka_message_destroy(m);
            if (kafka_client_denied(code) || is_missing(code)) {
                forget_parts(r->l); /* it may be another one, once it can be read again */
                return fail_reading(r->l, code, err);
            }
        }
    }
    return CHURN_OK;
}

static int32_t ledger_read(void *self, const char *name, uint32_t timeout_ms, churn_ledger_fn fn, void *ctx,
                           int32_t *ret_exists, churn_error *err)
{
    struct kafka_source *s = self;
    struct reading r = {.s = s, .fn = fn, .ctx = ctx, .deadline_ms = source_now_ms(s) + timeout_ms};
    rd_kafka_resp_err_t code;
    int32_t result = open_ledger(s, name, err);
    int count;
    if (result != CHURN_OK) {
        return result;
    }
    r.l = s->ledger;
    code = ask_patiently(&r, &count);
    *ret_exists = !is_missing(code);
    if (is_missing(code)) {
        forget_parts(r.l);
        return CHURN_OK;
    }
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
        return fail_reading(r.l, code, err);
    }
    if (count < r.l->part_count) {
        forget_parts(r.l);
    }
    if (count > r.l->part_count) {
        r.l->assigned = 0;
        result = grow(r.l, count, err);
    }
    result = result == CHURN_OK ? find_ends(&r, err) : result;
    return result == CHURN_OK ? read_on(&r, err) : result;
}

/* ---- adding ---- */

static int32_t await_topic(const struct reading *r, churn_error *err)
{
    rd_kafka_resp_err_t code;
    int count;
    while (is_missing(code = ask_patiently(r, &count)) && left_ms(r) > 0) {
        pause_ms(POLL_MS);
    }
    return code == RD_KAFKA_RESP_ERR_NO_ERROR ? CHURN_OK : fail_reading(r->l, code, err);
}

static int32_t see_that_it_is_good(const struct reading *r, churn_error *err)
{
    struct kafka_source *s = r->s;
    char said[256];
    int count;
    int32_t result = CHURN_OK;
    rd_kafka_resp_err_t code = ask_patiently(r, &count);
    if (is_missing(code)) {
        result = ledger_make_topic(s, r->l->rk, r->l->name, s->topics[0].name, left_ms(r), err);
        result = result == CHURN_OK ? await_topic(r, err) : result;
    } else if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
        result = fail_reading(r->l, code, err);
    }
    if (result != CHURN_OK) {
        return result;
    }
    switch (ledger_is_compacted(r->l->rk, r->l->name, left_ms(r), said, sizeof said)) {
    case LEDGER_COMPACTED:
        r->l->good = 1;
        return CHURN_OK;
    case LEDGER_EXPIRES:
        return churn_fail(err, CHURN_FATAL, "topic `%s` has cleanup.policy=%s: " LEDGER_COMPACT_IT, r->l->name, said,
                          r->l->name);
    default:
        return churn_fail(err, CHURN_FATAL,
                          "whether topic `%s` is compacted cannot be told: %s; give this Kafka user DESCRIBE_CONFIGS "
                          "on it",
                          r->l->name, said);
    }
}

static int32_t ledger_add(void *self, const char *name, churn_str key, churn_str value, uint32_t timeout_ms,
                          churn_error *err)
{
    struct kafka_source *s = self;
    struct reading r = {.s = s, .deadline_ms = source_now_ms(s) + timeout_ms};
    int32_t result = open_ledger(s, name, err);
    if (result != CHURN_OK) {
        return result;
    }
    r.l = s->ledger;
    result = r.l->good ? CHURN_OK : see_that_it_is_good(&r, err);
    return result == CHURN_OK ? ledger_produce(s, name, key, value, timeout_ms, err) : result;
}

/* ---- what check asks ---- */

static void try_ledger(const struct reading *r, churn_target *target, char *said, size_t size)
{
    char policy[256];
    churn_error err = {.size = sizeof err};
    int count;
    rd_kafka_resp_err_t code = ask(r, &count);
    target->message = said;
    if (is_missing(code)) {
        (void)snprintf(said, size,
                       "does not exist yet; `churnd forget` makes it, or you do, with "
                       "cleanup.policy=compact");
    } else if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
        (void)fail_reading(r->l, code, &err);
        (void)snprintf(said, size, "%s", err.message);
        target->result = kafka_client_denied(code) ? CHURN_FATAL : CHURN_RETRY;
    } else if (kafka_access_read(r->l->rk, r->l->name, left_ms(r)) == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED) {
        (void)snprintf(said, size, "this Kafka user may not read it; give it READ on the topic");
        target->result = CHURN_FATAL;
    } else if (ledger_is_compacted(r->l->rk, r->l->name, left_ms(r), policy, sizeof policy) == LEDGER_EXPIRES) {
        (void)snprintf(said, size, "has cleanup.policy=%s: " LEDGER_COMPACT_IT, policy, r->l->name);
        target->result = CHURN_FATAL;
    } else {
        target->message = NULL;
    }
}

static void ledger_probe(void *self, const char *name, uint32_t timeout_ms, churn_target_fn fn, void *ctx)
{
    struct kafka_source *s = self;
    struct reading r = {.s = s, .deadline_ms = source_now_ms(s) + timeout_ms};
    churn_error err = {.size = sizeof err};
    char said[1024];
    churn_target target = {.size = sizeof target,
                           .flags = CHURN_TARGET_READS,
                           .kind = CHURN_TARGET_TOPIC,
                           .name = name,
                           .at = s->brokers,
                           .result = CHURN_OK};
    if (timeout_ms > 0 && open_ledger(s, name, &err) != CHURN_OK) {
        target.result = CHURN_FATAL;
        target.message = err.message;
    } else if (timeout_ms > 0) {
        r.l = s->ledger;
        try_ledger(&r, &target, said, sizeof said);
    }
    fn(ctx, &target);
}

static void ledger_grants(void *self, const char *name, uint32_t use, churn_grant_fn fn, void *ctx)
{
    const struct kafka_source *s = self;
    const struct kafka_grants grants = {.brokers = s->brokers, .properties = &s->properties, .fn = fn, .ctx = ctx};
    kafka_grants_read(&grants, name);
    if ((use & CHURN_USE_ADD) != 0) {
        kafka_grants_write(&grants, name, 1);
        kafka_grants_describe(&grants, name);
    }
}

const churn_ledger_ops ledger_ops = {
    .size = sizeof ledger_ops, .read = ledger_read, .add = ledger_add, .probe = ledger_probe, .grants = ledger_grants};
