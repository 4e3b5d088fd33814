/* Records read again by their positions, with a consumer of its own that is a member of no group and commits nothing.
 */
#include "reread.h"
#include "conf.h"
#include "kafka_conf.h"
#include "parts.h"

#include <stdlib.h>

#define POLL_MS 100
#define CLOSE_TIMEOUT_MS 2000
#define NEAR 1000 /* offsets: a record that is not further away is read on to, not sought */

struct place {
    const churn_position *position;
    uint32_t index; /* the caller's */
};

/* What is asked for. */
struct asked {
    struct kafka_source *s;
    struct place *places; /* by topic, partition and offset */
    churn_reread_fn fn;
    void *ctx;
    int64_t deadline_ms;
};

static int by_position(const void *a, const void *b)
{
    const churn_position *p = ((const struct place *)a)->position, *q = ((const struct place *)b)->position;
    int order = strcmp(p->topic, q->topic);
    if (order == 0) {
        order = (p->partition > q->partition) - (p->partition < q->partition);
    }
    return order != 0 ? order : (p->offset > q->offset) - (p->offset < q->offset);
}

static int64_t left_ms(const struct asked *a)
{
    int64_t left = a->deadline_ms - a->s->host->monotonic_ms(a->s->host);
    return left > 0 ? left : 0;
}

void reread_close(struct kafka_source *s)
{
    if (s->reader_client != NULL) {
        kafka_client_destroy(s->reader_client, s->reader, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE, CLOSE_TIMEOUT_MS);
        kafka_client_free(s->reader_client);
    }
    s->reader = NULL;
    s->reader_client = NULL;
}

static int32_t open_reader(struct kafka_source *s, churn_error *err)
{
    rd_kafka_conf_t *conf;
    if (s->reader != NULL) {
        return CHURN_OK;
    }
    s->reader_client = kafka_client_new(s->host, s->brokers, s);
    if (s->reader_client == NULL) {
        return churn_fail(err, CHURN_FATAL, "out of memory");
    }
    conf = conf_new(s, err);
    if (conf != NULL) {
        (void)kafka_conf_set(conf, "enable.partition.eof", "true", err);
        s->reader = kafka_client_open(s->reader_client, RD_KAFKA_CONSUMER, conf, err);
    }
    if (s->reader == NULL) {
        reread_close(s);
        return CHURN_FATAL;
    }
    (void)rd_kafka_poll_set_consumer(s->reader);
    return CHURN_OK;
}

static int64_t offset_at(const struct asked *a, uint32_t i)
{
    return a->places[i].position->offset;
}

static void give(const struct asked *a, uint32_t i, const churn_record *record)
{
    (void)a->fn(a->ctx, a->places[i].index, record);
}

static void give_message(const struct asked *a, uint32_t i, const rd_kafka_message_t *m)
{
    const churn_position *position = a->places[i].position;
    rd_kafka_headers_t *headers = NULL;
    size_t count = a->s->headers && rd_kafka_message_headers(m, &headers) == RD_KAFKA_RESP_ERR_NO_ERROR
                       ? rd_kafka_header_cnt(headers)
                       : 0;
    churn_header *pairs = count > 0 ? calloc(count, sizeof *pairs) : NULL;
    rd_kafka_timestamp_type_t type;
    int64_t timestamp = rd_kafka_message_timestamp(m, &type);
    churn_record record = {.size = sizeof record,
                           .kind = CHURN_RECORD_EVENT,
                           .key = {.ptr = m->key, .len = (uint32_t)m->key_len},
                           .value = {.ptr = m->payload, .len = (uint32_t)m->len},
                           .timestamp_ms = timestamp > 0 ? timestamp : 0,
                           .topic = position->topic,
                           .partition = position->partition,
                           .offset = position->offset,
                           .headers = pairs};
    for (size_t k = 0; pairs != NULL && k < count; k++) {
        const void *value;
        size_t len;
        if (rd_kafka_header_get_all(headers, k, &pairs[k].name, &value, &len) == RD_KAFKA_RESP_ERR_NO_ERROR) {
            pairs[k].value = (churn_str){.ptr = value, .len = (uint32_t)len};
            record.header_count++;
        }
    }
    give(a, i, &record);
    free(pairs);
}

static int32_t begin_at(const struct asked *a, const char *name, int32_t partition, int64_t offset, churn_error *err)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_resp_err_t code;
    rd_kafka_topic_partition_list_add(list, name, partition)->offset = offset;
    code = rd_kafka_assign(a->s->reader, list);
    rd_kafka_topic_partition_list_destroy(list);
    return code == RD_KAFKA_RESP_ERR_NO_ERROR
               ? CHURN_OK
               : churn_fail(err, CHURN_RETRY, "topic `%s` partition %d cannot be read: %s", name, partition,
                            rd_kafka_err2str(code));
}

/* Reads on to the positions from `i` to `end`, all of one partition; returns how far it came. */
static uint32_t read_on(const struct asked *a, uint32_t i, uint32_t end)
{
    rd_kafka_message_t *m = rd_kafka_consumer_poll(a->s->reader, POLL_MS);
    if (m == NULL) {
        return i;
    }
    if (m->err == RD_KAFKA_RESP_ERR__PARTITION_EOF || m->err == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET) {
        for (; i < end; i++) {
            give(a, i, NULL);
        }
    } else if (m->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
        for (; i < end && offset_at(a, i) <= m->offset; i++) {
            if (offset_at(a, i) == m->offset) {
                give_message(a, i, m);
            } else {
                give(a, i, NULL); /* compacted away, aborted, or a marker of a transaction */
            }
        }
    }
    rd_kafka_message_destroy(m);
    return i;
}

/* The positions from `i` to `end`, which are in the log of this partition. */
static int32_t read_partition(const struct asked *a, const char *name, uint32_t i, uint32_t end, churn_error *err)
{
    int32_t partition = a->places[i].position->partition;
    int32_t result = begin_at(a, name, partition, offset_at(a, i), err);
    while (result == CHURN_OK && i < end) {
        uint32_t next = read_on(a, i, end);
        if (next > i && next < end && offset_at(a, next) - offset_at(a, next - 1) > NEAR) {
            result = begin_at(a, name, partition, offset_at(a, next), err);
        }
        i = next;
        if (i < end && left_ms(a) == 0) {
            result = churn_fail(err, CHURN_RETRY, "topic `%s` partition %d: its records have not come in time", name,
                                partition);
        }
    }
    (void)rd_kafka_assign(a->s->reader, NULL);
    return result;
}

static int is_gone(rd_kafka_resp_err_t code)
{
    return code == RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION || code == RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC ||
           code == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
}

/* The positions from `i` to `end`, all of one partition: what is not in its log is not there. */
static int32_t look_into(const struct asked *a, uint32_t i, uint32_t end, churn_error *err)
{
    const churn_position *first = a->places[i].position;
    const struct topic *t = topic_of_identity(a->s, first->topic);
    int64_t low = 0, high = 0;
    rd_kafka_resp_err_t code = RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC;
    if (t != NULL) {
        code = rd_kafka_query_watermark_offsets(a->s->reader, t->name, first->partition, &low, &high, (int)left_ms(a));
    }
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR && !is_gone(code)) {
        return churn_fail(err, CHURN_RETRY, "topic `%s` partition %d cannot be asked for: %s", first->topic,
                          first->partition, rd_kafka_err2str(code));
    }
    for (; i < end && (code != RD_KAFKA_RESP_ERR_NO_ERROR || offset_at(a, i) < low); i++) {
        give(a, i, NULL);
    }
    for (; i < end && offset_at(a, end - 1) >= high; end--) {
        give(a, end - 1, NULL);
    }
    return i < end ? read_partition(a, t->name, i, end, err) : CHURN_OK;
}

static int same_partition(const churn_position *p, const churn_position *q)
{
    return strcmp(p->topic, q->topic) == 0 && p->partition == q->partition;
}

int32_t source_reread(void *self, const churn_position *positions, uint32_t count, uint32_t timeout_ms,
                      churn_reread_fn fn, void *ctx, churn_error *err)
{
    struct kafka_source *s = self;
    struct asked a = {.s = s, .fn = fn, .ctx = ctx, .places = malloc((count + 1) * sizeof *a.places)};
    int32_t result = a.places != NULL ? open_reader(s, err) : churn_fail(err, CHURN_FATAL, "out of memory");
    a.deadline_ms = s->host->monotonic_ms(s->host) + timeout_ms;
    for (uint32_t i = 0; i < count && result == CHURN_OK; i++) {
        a.places[i] = (struct place){.position = &positions[i], .index = i};
    }
    if (result == CHURN_OK && count > 0) {
        qsort(a.places, count, sizeof *a.places, by_position);
    }
    for (uint32_t i = 0, end; i < count && result == CHURN_OK; i = end) {
        for (end = i + 1; end < count && same_partition(a.places[i].position, a.places[end].position); end++) {
        }
        result = look_into(&a, i, end, err);
    }
    free(a.places);
    return result;
}
