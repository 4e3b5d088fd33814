/*
 * Batches of records that a partition holds and that cannot be read: the checksum does not match, they do not unpack,
 * or to more than librdkafka takes, or the broker fails to read them.
 *
 * Nothing that lies behind may be handed out before, so the partition is paused where it is. A client of its own, which
 * librdkafka's trouble with the batch may lead astray without harm, asks for the batch again ever so often: another
 * replica may have it whole, or somebody mends it. With `unreadable: dead_letter` a batch that stays as it is is handed
 * out as records that cannot be read, one for each of its offsets. Where it ends nobody says; an offset belongs to it
 * if reading from there fails at the batch's own first offset, which is asked of places between it and the partition's
 * end.
 */
#include "unreadable.h"
#include "assignment.h"
#include "conf.h"
#include "kafka_conf.h"
#include "offsets.h"
#include "parts.h"
#include "turns.h"

#define RETRY_MS 500 /* after the first failure; the double after each further one */
#define RETRY_MAX_MS 10000
#define ANSWER_MS 10000     /* by then a read has failed or brought a record, if there is one */
#define TRIES_BEFORE_SAID 2 /* a moment's trouble is none */
#define TRIES_BEFORE_ASIDE 4
#define DESTROY_MS 2000

/* 1 when it is the batch that is at fault, wherever it is read, and the error tells where it begins. */
static int is_the_batchs(rd_kafka_resp_err_t code)
{
    return code == RD_KAFKA_RESP_ERR__BAD_MSG || code == RD_KAFKA_RESP_ERR__BAD_COMPRESSION ||
           code == RD_KAFKA_RESP_ERR__NOT_IMPLEMENTED;
}

/* For a person; constant text. */
static const char *fault_of(rd_kafka_resp_err_t code)
{
    switch (code) {
    case RD_KAFKA_RESP_ERR__BAD_MSG:
        return "its checksum is wrong, as if a disk or the network had changed it";
    case RD_KAFKA_RESP_ERR__BAD_COMPRESSION:
        return "it does not unpack, or to more than receive.message.max.bytes";
    default:
        return rd_kafka_err2str(code);
    }
}

static rd_kafka_topic_partition_list_t *list_of(const struct part *p, int64_t offset)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, p->topic, p->partition)->offset = offset;
    return list;
}

static void hold(struct kafka_source *s, const struct part *p, int on)
{
    rd_kafka_topic_partition_list_t *list = list_of(p, p->position);
    (void)(on ? rd_kafka_pause_partitions(s->rk, list) : rd_kafka_resume_partitions(s->rk, list));
    rd_kafka_topic_partition_list_destroy(list);
}

static struct part *first_that_waits(const struct kafka_source *s)
{
    for (uint32_t i = 0; i < s->part_count; i++) {
        if (s->parts[i].bad.waits) {
            return &s->parts[i];
        }
    }
    return NULL;
}

/* Tells the host of the partitions that wait. */
static void report(struct kafka_source *s)
{
    const struct part *first = NULL;
    uint32_t count = 0;
    for (uint32_t i = 0; i < s->part_count; i++) {
        if (s->parts[i].bad.tries >= TRIES_BEFORE_SAID) {
            first = first == NULL ? &s->parts[i] : first;
            count++;
        }
    }
    if (first == NULL) {
        stall_end(&s->unreadable_stall);
        return;
    }
    stall_begin(&s->unreadable_stall,
                "%u partition%s; topic `%s` partition %d waits at offset %lld for a batch that cannot be read: %s. %s",
                count, count > 1 ? "s wait" : " waits", first->topic, (int)first->partition, (long long)first->position,
                fault_of(first->bad.code),
                s->unreadable == UNREADABLE_DEAD_LETTER
                    ? "It is set aside if it stays so"
                    : "Mend it or its replica, raise receive.message.max.bytes (`properties`) where that is too small, "
                      "or have it set aside: `unreadable: dead_letter`");
}

void unreadable_revoked(struct kafka_source *s, const struct part *parts, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (parts[i].bad.waits) {
            hold(s, &parts[i], 0);
        }
    }
}

/* The partition is read on from its position. */
static void over(struct kafka_source *s, struct part *p)
{
    p->bad = (struct unreadable){0};
    hold(s, p, 0);
    assignment_restart(s);
    report(s);
}

static void ask_again(const struct kafka_source *s, struct part *p)
{
    int64_t wait = (int64_t)RETRY_MS << (p->bad.tries < 5 ? p->bad.tries : 5);
    p->bad.beyond = 0;
    p->bad.asked = p->position;
    p->bad.due_ms = source_now_ms(s) + (wait < RETRY_MAX_MS ? wait : RETRY_MAX_MS);
}

/* The search for the batch's end goes on, or is over. */
static void search(const struct kafka_source *s, struct part *p)
{
    struct unreadable *bad = &p->bad;
    if (bad->beyond - bad->inside > 1) {
        bad->asked = bad->inside + (bad->beyond - bad->inside) / 2;
        bad->due_ms = 0;
        return;
    }
    bad->aside_end = s->host->until_end && p->end < bad->beyond ? p->end : bad->beyond;
    churn_log(s->host, CHURN_LOG_ERROR,
              "topic `%s` partition %d: the batch of offsets %lld to %lld cannot be read and is set aside: %s",
              p->topic, (int)p->partition, (long long)bad->first, (long long)bad->beyond - 1, fault_of(bad->code));
}

static void begin_search(struct kafka_source *s, struct part *p)
{
    int64_t end;
    if (offsets_ask_one(s, p->topic, p->partition, RD_KAFKA_OFFSET_END, &end) != RD_KAFKA_RESP_ERR_NO_ERROR ||
        end <= p->position) {
        ask_again(s, p);
        return;
    }
    p->bad.inside = p->position;
    p->bad.beyond = end;
    search(s, p);
}

/* Reading from the partition's position failed, at `offset`. */
static void failed(struct kafka_source *s, struct part *p, rd_kafka_resp_err_t code, int64_t offset)
{
    p->bad.first = offset;
    p->bad.code = code;
    p->bad.tries++;
    report(s);
    if (s->unreadable == UNREADABLE_DEAD_LETTER && p->bad.tries >= TRIES_BEFORE_ASIDE && is_the_batchs(code)) {
        begin_search(s, p);
    } else {
        ask_again(s, p);
    }
}

void unreadable_failed(struct kafka_source *s, struct part *p, const rd_kafka_message_t *m)
{
    if (p->bad.waits) {
        return; /* it came with what failed before */
    }
    churn_log(s->host, CHURN_LOG_DEBUG, "topic `%s` partition %d: %s", p->topic, (int)p->partition,
              rd_kafka_message_errstr(m));
    if (p->position < 0 && offsets_ask_one(s, p->topic, p->partition, RD_KAFKA_OFFSET_BEGINNING, &p->position) !=
                               RD_KAFKA_RESP_ERR_NO_ERROR) {
        p->position = OFFSET_UNKNOWN;
        assignment_rejoin(s);
        return;
    }
    p->bad.waits = 1;
    turns_end(s); /* it may be its turn, and nothing comes of it now */
    hold(s, p, 1);
    failed(s, p, m->err, m->offset);
}

/* --- Asking --- */

static int open_examiner(struct kafka_source *s)
{
    churn_error err = {.size = sizeof err};
    rd_kafka_conf_t *conf = s->examiner.rk == NULL ? conf_new(s, &err) : NULL;
    if (conf != NULL && kafka_conf_set(conf, "enable.partition.eof", "true", &err) == CHURN_OK) {
        s->examiner.rk = kafka_client_open(s->client, RD_KAFKA_CONSUMER, conf, &err);
        if (s->examiner.rk != NULL) {
            (void)rd_kafka_poll_set_consumer(s->examiner.rk);
        }
    }
    if (s->examiner.rk == NULL) {
        source_fail(s, "%s", err.message);
    }
    return s->examiner.rk != NULL;
}

void unreadable_close(struct kafka_source *s)
{
    kafka_client_destroy(s->client, s->examiner.rk, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE, DESTROY_MS);
    s->examiner = (struct examiner){0};
    report(s); /* what waited may have been revoked */
}

static void ask(struct kafka_source *s, const struct part *p)
{
    rd_kafka_topic_partition_list_t *list = list_of(p, p->bad.asked);
    if (open_examiner(s) && rd_kafka_assign(s->examiner.rk, list) == RD_KAFKA_RESP_ERR_NO_ERROR) {
        s->examiner.topic = p->topic;
        s->examiner.partition = p->partition;
        s->examiner.until_ms = source_now_ms(s) + ANSWER_MS;
    }
    rd_kafka_topic_partition_list_destroy(list);
}

/* Reading from `asked` brought a record, or failed. */
static void answered(struct kafka_source *s, struct part *p, const rd_kafka_message_t *m)
{
    int bad = m->err != RD_KAFKA_RESP_ERR_NO_ERROR && m->err != RD_KAFKA_RESP_ERR__PARTITION_EOF;
    if (p->bad.beyond == 0 && bad) {
        failed(s, p, m->err, m->offset);
    } else if (p->bad.beyond == 0) {
        over(s, p);
    } else {
        if (bad && m->offset == p->bad.first) {
            p->bad.inside = p->bad.asked;
        } else {
            p->bad.beyond = p->bad.asked;
        }
        search(s, p);
    }
}

/* What came of the partition that is read; NULL: nothing. A batch that is read amiss leads librdkafka to offsets that
 * do not exist, of which it may tell when the next question is under way. */
static rd_kafka_message_t *poll_examiner(const struct examiner *examiner)
{
    rd_kafka_message_t *m = rd_kafka_consumer_poll(examiner->rk, 0);
    while (m != NULL && (m->rkt == NULL || m->err == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET)) {
        rd_kafka_message_destroy(m);
        m = rd_kafka_consumer_poll(examiner->rk, 0);
    }
    return m;
}

/* 1 when a question is under way still. */
static int take_answer(struct kafka_source *s)
{
    struct part *p = part_named(s, s->examiner.topic, s->examiner.partition);
    rd_kafka_message_t *m = poll_examiner(&s->examiner);
    if (m == NULL && p != NULL && p->bad.waits && source_now_ms(s) < s->examiner.until_ms) {
        return 1;
    }
    (void)rd_kafka_assign(s->examiner.rk, NULL);
    s->examiner.topic = NULL;
    if (p != NULL && p->bad.waits && m == NULL) {
        ask_again(s, p);
    } else if (p != NULL && p->bad.waits) {
        answered(s, p, m);
    }
    if (m != NULL) {
        rd_kafka_message_destroy(m);
    }
    return 0;
}

void unreadable_step(struct kafka_source *s)
{
    if ((s->examiner.topic != NULL && take_answer(s)) || s->failed) {
        return;
    }
    if (first_that_waits(s) == NULL) {
        if (s->examiner.rk != NULL) {
            unreadable_close(s);
        }
        return;
    }
    for (uint32_t i = 0; i < s->part_count && s->examiner.topic == NULL; i++) {
        struct part *p = &s->parts[i];
        if (p->bad.waits && p->bad.aside_end == 0 && source_now_ms(s) >= p->bad.due_ms) {
            ask(s, p);
        }
    }
}

uint32_t unreadable_take(struct kafka_source *s, churn_record *records, uint32_t max)
{
    struct part *p = s->parts;
    const struct part *end = s->parts + s->part_count;
    uint32_t count = 0;
    while (p < end && p->bad.aside_end == 0) {
        p++;
    }
    if (p == end) {
        return 0;
    }
    for (; count < max && p->position < p->bad.aside_end; count++) {
        const char *why = fault_of(p->bad.code);
        records[count] = (churn_record){.size = sizeof *records,
                                        .kind = CHURN_RECORD_UNREADABLE,
                                        .value = churn_text(why),
                                        .topic = p->identity,
                                        .partition = p->partition,
                                        .offset = p->position++};
    }
    if (p->position >= p->bad.aside_end) {
        p->finished = s->host->until_end && p->position >= p->end;
        over(s, p);
    }
    return count;
}
