/* What the consumer group gives us and takes away, and what the host is told of it. */
#include "group.h"
#include "assignment.h"
#include "parts.h"
#include "starts.h"
#include "turns.h"
#include "unreadable.h"

#include <stdlib.h>

/* Whether the group passed over nothing, so that the partition from its beginning is what it counted. */
static uint32_t whole(const struct kafka_source *s)
{
    return s->start == START_BEGINNING ? CHURN_POSITION_WHOLE : 0;
}

static struct part make_part(const struct kafka_source *s, struct topic *t, const rd_kafka_topic_partition_t *from)
{
    const struct bounds *b = part_bounds(s, t->name, from->partition);
    int chosen = starts_is_chosen(from);
    struct part p = {.topic = t->name,
                     .identity = t->identity,
                     .partition = from->partition,
                     .flags = whole(s) | (from->offset >= 0 && !chosen ? CHURN_POSITION_RESUMED : 0),
                     .position = from->offset >= 0 ? from->offset : OFFSET_UNKNOWN,
                     .passed = OFFSET_UNKNOWN,
                     .untold = chosen,
                     .low = b != NULL ? b->low : OFFSET_UNKNOWN,
                     .end = b != NULL ? b->end : 0};
    /* A partition made after the start has no bounds: nothing of it is read. */
    p.finished = s->host->until_end && (p.position >= p.end || (p.position < 0 && p.low >= p.end));
    return p;
}

/* Adds the partitions of the list to ours; 0 when memory ran out. */
static int add_parts(struct kafka_source *s, const rd_kafka_topic_partition_list_t *list)
{
    struct part *grown = realloc(s->parts, (s->part_count + (size_t)list->cnt + 1u) * sizeof *grown);
    if (grown == NULL) {
        source_fail(s, "out of memory");
        return 0;
    }
    s->parts = grown;
    for (int i = 0; i < list->cnt; i++) {
        struct topic *t = topic_named(s, list->elems[i].topic);
        if (t != NULL) {
            t->missing = 0;
            s->parts[s->part_count++] = make_part(s, t, &list->elems[i]);
        }
    }
    return 1;
}

static void announce(struct kafka_source *s, const struct part *parts, uint32_t count, int revoked, int lost)
{
    const churn_source_listener *l = s->listener;
    churn_position *positions = calloc(count + 1u, sizeof *positions);
    if (positions == NULL) {
        source_fail(s, "out of memory");
        return;
    }
    for (uint32_t i = 0; i < count; i++) {
        positions[i] = (churn_position){.topic = parts[i].identity,
                                        .partition = parts[i].partition,
                                        .offset = parts[i].position,
                                        .flags = parts[i].flags};
    }
    if (revoked) {
        l->revoked(l->ctx, positions, count, lost);
    } else {
        l->assigned(l->ctx, positions, count);
    }
    free(positions);
}

void group_complete(struct kafka_source *s)
{
    rd_kafka_topic_partition_list_t *list = s->pending;
    uint32_t first = s->part_count;
    rd_kafka_resp_err_t code;
    if (list == NULL || !starts_find(s, list)) {
        return;
    }
    s->pending = NULL;
    if (add_parts(s, list)) {
        s->assigned = s->announced = 1;
        s->assigned_ms = source_now_ms(s);
        s->others_done = 0;
        s->others_ask_ms = 0;
        s->assigning = list;
        announce(s, s->parts + first, s->part_count - first, 0, 0);
        s->assigning = NULL;
        assignment_forward(s, list);
        code = assignment_give(s, list);
        if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
            source_fail(s, "the partitions of group `%s` cannot be assigned: %s", s->group, rd_kafka_err2str(code));
        }
    }
    rd_kafka_topic_partition_list_destroy(list);
}

/* Moves the partitions of `list` to the end of ours and returns how many there are. */
static uint32_t set_apart(struct kafka_source *s, const rd_kafka_topic_partition_list_t *list)
{
    uint32_t going = 0;
    for (int i = 0; i < list->cnt; i++) {
        struct part *p = part_named(s, list->elems[i].topic, list->elems[i].partition);
        if (p != NULL && p < s->parts + s->part_count - going) {
            struct part *last = &s->parts[s->part_count - ++going];
            struct part moved = *p;
            *p = *last;
            *last = moved;
        }
    }
    return going;
}

void group_drop_pending(struct kafka_source *s)
{
    if (s->pending != NULL) {
        rd_kafka_topic_partition_list_destroy(s->pending);
        s->pending = NULL;
    }
}

static void revoke(struct kafka_source *s, const rd_kafka_topic_partition_list_t *list)
{
    uint32_t going = set_apart(s, list);
    int lost = rd_kafka_assignment_lost(s->rk);
    group_drop_pending(s); /* never announced */
    turns_end(s);
    unreadable_revoked(s, s->parts + s->part_count - going, going);
    if (going > 0) {
        announce(s, s->parts + s->part_count - going, going, 1, lost);
    }
    s->part_count -= going;
    s->part_last = 0;
    s->assigned = 0;
    assignment_give_up(s, list);
}

/* Of the eager protocol an assignment is all that is ours: one that comes upon another, as when a topic grows while the
 * first has not been taken yet, takes its place. librdkafka then asks for nothing back. */
static void give_way(struct kafka_source *s)
{
    if (s->part_count == 0 || assignment_is_incremental(s)) {
        return;
    }
    turns_end(s);
    unreadable_revoked(s, s->parts, s->part_count);
    announce(s, s->parts, s->part_count, 1, 0);
    s->part_count = 0;
    s->part_last = 0;
    assignment_give_up(s, NULL); /* else it would take our queue from partitions that are in both */
}

void group_lose(struct kafka_source *s)
{
    if (s->part_count > 0) {
        announce(s, s->parts, s->part_count, 1, 1);
    }
    s->part_count = 0;
    s->part_last = 0;
}

void group_on_rebalance(rd_kafka_t *rk, rd_kafka_resp_err_t code, rd_kafka_topic_partition_list_t *list, void *opaque)
{
    struct kafka_source *s = kafka_client_owner(opaque);
    (void)rk;
    if (code == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) {
        group_drop_pending(s);
        give_way(s);
        s->pending = rd_kafka_topic_partition_list_copy(list);
        group_complete(s);
    } else {
        revoke(s, list);
    }
}
