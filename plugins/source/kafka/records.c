/* Records and errors as they come from librdkafka. */
#include "records.h"
#include "assignment.h"
#include "bounds.h"
#include "group.h"
#include "held.h"
#include "offsets.h"
#include "parts.h"
#include "turns.h"
#include "unreadable.h"
#include "watch.h"

#include <stdlib.h>

/* The partition of a record; NULL when it is not ours any more. */
static struct part *part_of_message(struct kafka_source *s, const rd_kafka_message_t *m)
{
    struct part *p = s->part_last < s->part_count ? &s->parts[s->part_last] : NULL;
    if (p == NULL || p->rkt != m->rkt || p->partition != m->partition) {
        p = part_named(s, rd_kafka_topic_name(m->rkt), m->partition);
        if (p != NULL) {
            p->rkt = m->rkt;
            /* NOLINTNEXTLINE(clang-analyzer-core.NullPointerArithm): what was found lies in the array */
            s->part_last = (uint32_t)(p - s->parts);
        }
    }
    return p;
}

/*
 * librdkafka stopped reading a partition. Either its position really is out of range, which nobody but the operator may
 * decide about, or (librdkafka before 2.2) a connection ended at a bad moment.
 */
static void offset_lost(struct kafka_source *s, const rd_kafka_message_t *m)
{
    const char *topic = m->rkt != NULL ? rd_kafka_topic_name(m->rkt) : "";
    const struct part *p = part_named(s, topic, m->partition);
    int64_t low, high;
    if (p == NULL || p->bad.waits) { /* a batch that is read amiss misleads librdkafka to offsets that do not exist */
        return;
    }
    if (offsets_ask_one(s, topic, m->partition, RD_KAFKA_OFFSET_BEGINNING, &low) != RD_KAFKA_RESP_ERR_NO_ERROR ||
        offsets_ask_one(s, topic, m->partition, RD_KAFKA_OFFSET_END, &high) != RD_KAFKA_RESP_ERR_NO_ERROR ||
        p->position < 0 || (p->position >= low && p->position <= high)) {
        churn_log(s->host, CHURN_LOG_WARN, "topic `%s` partition %d: %s; joining the group again", topic,
                  (int)m->partition, rd_kafka_message_errstr(m));
        assignment_rejoin(s);
        return;
    }
    if (p->position > high) {
        source_fail(
            s,
            "topic `%s` partition %d: group `%s` is at offset %lld, but the partition ends at %lld: the topic "
            "was made anew, an unclean election cut its log, or this is another cluster. Set `epoch` to a "
            "number not used before (epoch: 1) to begin anew, or point the pipeline at the topic it read before",
            topic, (int)m->partition, s->group, (long long)p->position, (long long)high);
        return;
    }
    source_fail(s,
                "topic `%s` partition %d: group `%s` is at offset %lld, but the partition holds %lld to %lld: records "
                "expired before they were read (retention). To go on with the oldest that is left, stop all members "
                "and run kafka-consumer-groups.sh --group %s --topic %s --reset-offsets --to-earliest --execute "
                "--bootstrap-server %s",
                topic, (int)m->partition, s->group, (long long)p->position, (long long)low, (long long)high, s->group,
                topic, s->brokers);
}

static void check_fatal(struct kafka_source *s)
{
    char said[384];
    rd_kafka_resp_err_t code = rd_kafka_fatal_error(s->rk, said, sizeof said);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
        source_fail(s, "the Kafka consumer failed for good: %s: %s", rd_kafka_err2str(code), said);
    }
}

static void reached_end(struct kafka_source *s, const rd_kafka_message_t *m)
{
    struct part *p = part_named(s, rd_kafka_topic_name(m->rkt), m->partition);
    if (p == NULL || p->finished || p->bad.waits) {
        return; /* beyond what was dropped in a run until the end, or what cannot be read, nothing was passed */
    }
    part_passed(s, p, m->offset);
    p->finished = s->host->until_end && m->offset >= p->end;
}

static void take_error(struct kafka_source *s, const rd_kafka_message_t *m)
{
    const char *topic = m->rkt != NULL ? rd_kafka_topic_name(m->rkt) : "";
    struct part *p;
    switch (m->err) {
    case RD_KAFKA_RESP_ERR__PARTITION_EOF:
        reached_end(s, m);
        break;
    case RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET:
        offset_lost(s, m);
        break;
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
    case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
        topic_missing(s, topic);
        break;
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION:
        source_fail_topic(s, topic, m->err);
        break;
    case RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED:
        source_fail_group(s, m->err);
        break;
    case RD_KAFKA_RESP_ERR__FATAL:
        check_fatal(s);
        break;
    case RD_KAFKA_RESP_ERR__MAX_POLL_EXCEEDED:
        churn_log(s->host, CHURN_LOG_WARN,
                  "busy for longer than max.poll.interval.ms, so the group gave the partitions away; joining again");
        break;
    default:
        if ((p = part_named(s, topic, m->partition)) != NULL) {
            unreadable_failed(s, p, m);
            break;
        }
        kafka_client_error(s->client, m->err, rd_kafka_message_errstr(m));
    }
}

/* 1 when the record is to be handed out. */
static int wanted(struct kafka_source *s, struct part *p, const rd_kafka_message_t *m)
{
    if (p == NULL || m->offset < p->position || p->bad.waits) {
        return 0; /* not ours any more, handed out before, or behind what cannot be read */
    }
    if (s->host->until_end && m->offset >= p->end) {
        part_passed(s, p, p->finished ? p->position : p->end);
        p->finished = 1;
        return 0;
    }
    return 1;
}

/* `place`: among those that are held. */
static void fill_record(churn_record *r, const struct part *p, const rd_kafka_message_t *m, uint32_t place)
{
    rd_kafka_timestamp_type_t type;
    int64_t timestamp = rd_kafka_message_timestamp(m, &type);
    *r = (churn_record){.size = sizeof *r,
                        .kind = CHURN_RECORD_EVENT,
                        .key = {.ptr = m->key, .len = (uint32_t)m->key_len},
                        .value = {.ptr = m->payload, .len = (uint32_t)m->len},
                        .timestamp_ms = timestamp > 0 ? timestamp : 0,
                        .topic = p->identity,
                        .partition = p->partition,
                        .offset = m->offset,
                        .id = place};
}

/* Takes a message from librdkafka: a record to hold, or an error, or neither. */
static void take_message(struct kafka_source *s, rd_kafka_message_t *m, churn_record *records)
{
    struct part *p;
    if (m->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
        take_error(s, m);
        rd_kafka_message_destroy(m);
        return;
    }
    p = part_of_message(s, m);
    if (!wanted(s, p, m)) {
        rd_kafka_message_destroy(m);
        return;
    }
    fill_record(&records[s->held_count], p, m, s->held_count);
    if (s->hands_headers) {
        held_take_headers(s, &records[s->held_count], m);
    }
    s->held[s->held_count++] = m;
    s->bytes += m->len + m->key_len;
    p->position = m->offset + 1;
    p->untold = 0;
    p->finished = s->host->until_end && p->position >= p->end;
}

/* Serves the group: rebalances, errors, the membership itself. Records do not come this way. */
static void serve_group(struct kafka_source *s, int timeout_ms)
{
    rd_kafka_message_t *m;
    while (!s->failed && (m = rd_kafka_consumer_poll(s->rk, timeout_ms)) != NULL) {
        if (m->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
            take_error(s, m);
        }
        rd_kafka_message_destroy(m);
        timeout_ms = 0;
    }
}

/* Gathers up to `max` records; waits up to `wait_ms` for the first. */
static void gather(struct kafka_source *s, churn_record *records, uint32_t max, int wait_ms)
{
    while (s->held_count < max && !s->failed) {
        int first = s->turn.before > 0;
        rd_kafka_message_t *m = rd_kafka_consume_queue(turns_queue(s), s->held_count > 0 || first ? 0 : wait_ms);
        if (m == NULL && first) {
            s->turn.before = 0; /* some were void */
            continue;
        }
        if (m == NULL) {
            return;
        }
        turns_took(s);
        take_message(s, m, records);
        if (s->held_count == 0) {
            wait_ms = 0; /* an error or an end: the caller looks at the clock */
        }
    }
}

/*
 * A librdkafka without fetch.queue.backoff.ms looks only once a second whether a full queue has room again, which a
 * fast reader spends mostly waiting. A request to the broker wakes the thread that fetches from it, so one is made when
 * a queue that was full has run down to a quarter.
 */
static void wake_fetchers(struct kafka_source *s)
{
    size_t waiting = s->fetchers_doze ? rd_kafka_queue_length(turns_queue(s)) : 0;
    if (waiting > s->peak) {
        s->peak = waiting;
    } else if (waiting < s->peak / 4 && s->returned > 0) {
        uint64_t record_size = s->bytes / (uint64_t)s->returned;
        if (s->peak * record_size > (uint64_t)s->buffer / 4) {
            offsets_ask_brokers(s);
        }
        s->peak = waiting;
    }
}

/* Waits for records, serving the group between. What is new of ours gives none before the host has seen it and may have
 * moved it. */
static void wait_for_records(struct kafka_source *s, churn_record *records, uint32_t max, uint32_t timeout_ms)
{
    int64_t end = source_now_ms(s) + timeout_ms;
    int64_t left = timeout_ms;
    for (;;) {
        serve_group(s, 0);
        group_complete(s);
        unreadable_step(s);
        if (s->announced) {
            return;
        }
        gather(s, records, max, (int)(left < SLICE_MS ? left : SLICE_MS));
        if (s->held_count > 0 || s->passing || left <= 0 || s->failed || bounds_reached(s)) {
            return;
        }
        left = end - source_now_ms(s);
        left = left > 0 ? left : 0;
    }
}

int32_t source_poll(void *self, churn_record *records, uint32_t max, uint32_t timeout_ms, uint32_t *ret_count,
                    churn_error *err)
{
    struct kafka_source *s = self;
    uint32_t aside = 0;
    *ret_count = 0;
    s->announced = 0;
    held_release(s);
    parts_tell_passed(s);
    if (s->failed) {
        return churn_fail(err, CHURN_FATAL, "%s", s->failure.message); /* there may be no client any more */
    }
    if (!s->subscribed && !s->nothing) {
        serve_group(s, 0);
        if (!bounds_learn(s, timeout_ms) && !s->failed) {
            s->up = kafka_client_check(s->client, 1);
            return CHURN_PENDING;
        }
    }
    if (!s->failed && (max == 0 || s->paused || s->nothing)) {
        serve_group(s, s->nothing ? 0 : (int)timeout_ms);
        group_complete(s);
        offsets_follow_ends(s);
    } else if (!s->failed && (aside = unreadable_take(s, records, max)) == 0 && held_reserve(s, max)) {
        turns_step(s);
        wake_fetchers(s);
        wait_for_records(s, records, max, timeout_ms);
        held_link_headers(s, records);
        turns_polled(s);
    }
    s->up = kafka_client_check(s->client, 1);
    *ret_count = s->held_count + aside;
    s->returned += *ret_count;
    if (*ret_count == 0) {
        watch_group(s, s->up);
        offsets_try_right(s);
    }
    if (s->failed && *ret_count == 0) {
        return churn_fail(err, CHURN_FATAL, "%s", s->failure.message);
    }
    return bounds_reached(s) ? CHURN_END : *ret_count > 0 ? CHURN_OK : CHURN_PENDING;
}
