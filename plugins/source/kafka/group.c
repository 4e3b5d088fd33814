/* Membership of the consumer group: which topics exist, which partitions are ours, where they begin. */
#include "source.h"

#include <stdlib.h>

#define LONE_MS 5000 /* without partitions: by then a group without dead members has given them out */
#define LONE_SAID (-1)

struct topic *topic_named(const struct kafka_source *s, const char *name)
{
    for (uint32_t i = 0; i < s->topic_count; i++) {
        if (strcmp(s->topics[i].name, name) == 0) {
            return &s->topics[i];
        }
    }
    return NULL;
}

const struct topic *topic_of_identity(const struct kafka_source *s, const char *identity)
{
    for (uint32_t i = 0; i < s->topic_count; i++) {
        if (strcmp(s->topics[i].identity, identity) == 0) {
            return &s->topics[i];
        }
    }
    return NULL;
}

void group_topic_missing(const struct kafka_source *s, const char *name)
{
    struct topic *t = topic_named(s, name);
    if (t != NULL && !t->missing) {
        t->missing = t->appeared = 1;
        churn_log(s->host, CHURN_LOG_INFO, "topic `%s` does not exist; waiting for it", name);
    }
}

int32_t group_subscribe(struct kafka_source *s, churn_error *err)
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

struct part *group_part(const struct kafka_source *s, const char *topic, int32_t partition)
{
    for (uint32_t i = 0; i < s->part_count; i++) {
        if (s->parts[i].partition == partition && strcmp(s->parts[i].topic, topic) == 0) {
            return &s->parts[i];
        }
    }
    return NULL;
}

struct part *group_part_of(const struct kafka_source *s, const char *identity, int32_t partition)
{
    const struct topic *t = topic_of_identity(s, identity);
    return t != NULL ? group_part(s, t->name, partition) : NULL;
}

static rd_kafka_resp_err_t give_assignment(struct kafka_source *s, const rd_kafka_topic_partition_list_t *list)
{
    rd_kafka_error_t *error;
    rd_kafka_resp_err_t code;
    if (strcmp(rd_kafka_rebalance_protocol(s->rk), "COOPERATIVE") != 0) {
        return rd_kafka_assign(s->rk, list);
    }
    error = rd_kafka_incremental_assign(s->rk, list);
    code = error != NULL ? rd_kafka_error_code(error) : RD_KAFKA_RESP_ERR_NO_ERROR;
    if (error != NULL) {
        rd_kafka_error_destroy(error);
    }
    return code;
}

static void give_up_assignment(struct kafka_source *s, const rd_kafka_topic_partition_list_t *list)
{
    rd_kafka_error_t *error;
    if (list == NULL || strcmp(rd_kafka_rebalance_protocol(s->rk), "COOPERATIVE") != 0) {
        (void)rd_kafka_assign(s->rk, NULL);
        return;
    }
    error = rd_kafka_incremental_unassign(s->rk, list);
    if (error != NULL) {
        rd_kafka_error_destroy(error);
    }
}

/* Whether the group passed over nothing, so that the partition from its beginning is what it counted. */
static uint32_t whole(const struct kafka_source *s)
{
    return s->start == START_BEGINNING ? CHURN_POSITION_WHOLE : 0;
}

static struct part make_part(const struct kafka_source *s, struct topic *t, const rd_kafka_topic_partition_t *from)
{
    const struct bounds *b = bounds_find(s, t->name, from->partition);
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

/* Sends a partition's records to our own queue instead of the group's; before it is assigned, so that none strays.
 * librdkafka takes that back where it still has to stop the partition, which its own thread does before it answers. */
static void forward_records(struct kafka_source *s, const rd_kafka_topic_partition_list_t *list)
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

void group_part_passed(struct kafka_source *s, struct part *p, int64_t offset)
{
    if (offset > 0 && (offset > p->position || (offset == p->position && p->untold))) {
        p->position = p->passed = offset;
        p->untold = 0;
        s->passing = 1;
    }
}

void group_tell_passed(struct kafka_source *s)
{
    const churn_source_listener *l = s->listener;
    for (uint32_t i = 0; s->passing && i < s->part_count; i++) {
        struct part *p = &s->parts[i];
        churn_position position = {.topic = p->identity, .partition = p->partition, .offset = p->passed};
        if (p->passed != OFFSET_UNKNOWN && l->size >= offsetof(churn_source_listener, passed) + sizeof l->passed &&
            l->passed != NULL) {
            l->passed(l->ctx, &position, 1);
        }
        p->passed = OFFSET_UNKNOWN;
    }
    s->passing = 0;
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
        forward_records(s, list);
        code = give_assignment(s, list);
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
        struct part *p = group_part(s, list->elems[i].topic, list->elems[i].partition);
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
    give_up_assignment(s, list);
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
        s->pending = rd_kafka_topic_partition_list_copy(list);
        group_complete(s);
    } else {
        revoke(s, list);
    }
}

void group_restart(struct kafka_source *s)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)s->part_count);
    rd_kafka_resp_err_t code;
    for (uint32_t i = 0; i < s->part_count; i++) {
        const struct part *p = &s->parts[i];
        rd_kafka_topic_partition_list_add(list, p->topic, p->partition)->offset =
            p->position >= 0 ? p->position : RD_KAFKA_OFFSET_BEGINNING;
    }
    turns_end(s);
    give_up_assignment(s, list);
    forward_records(s, list);
    code = give_assignment(s, list);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
        source_fail(s, "the partitions of group `%s` cannot be assigned: %s", s->group, rd_kafka_err2str(code));
    }
    rd_kafka_topic_partition_list_destroy(list);
}

void group_rejoin(struct kafka_source *s)
{
    (void)rd_kafka_unsubscribe(s->rk);
    if (group_subscribe(s, &s->failure) != CHURN_OK) {
        s->failed = 1;
    }
}

static int all_missing(const struct kafka_source *s)
{
    uint32_t i = 0;
    while (i < s->topic_count && s->topics[i].missing) {
        i++;
    }
    return i == s->topic_count;
}

/* Says once what a start after a crash waits for. */
static void say_waiting(struct kafka_source *s)
{
    int64_t now = source_now_ms(s);
    if (s->lone_ms == 0) {
        s->lone_ms = now;
    } else if (s->lone_ms != LONE_SAID && now - s->lone_ms >= LONE_MS) {
        s->lone_ms = LONE_SAID;
        churn_log(s->host, CHURN_LOG_INFO,
                  "waiting for group `%s` to give out its partitions: it hears from every member first, and waits for "
                  "one that was killed until its session ends (session.timeout.ms, here %lld s)",
                  s->group, (long long)(source_session_ms(s) / 1000));
    }
}

void group_watch(struct kafka_source *s, int up)
{
    int waits = s->subscribed && !s->assigned && !s->failed && !all_missing(s);
    enum kafka_group_state state = KAFKA_GROUP_FOUND;
    if (waits) {
        state = kafka_client_group(s->client, &s->watch);
    } else {
        s->watch = (struct kafka_group){0};
    }
    if (!waits || !up) {
        s->lone_ms = 0;
    } else if (state == KAFKA_GROUP_FOUND) {
        say_waiting(s);
    }
    if (state == KAFKA_GROUP_FOUND) {
        stall_end(&s->group_stall);
        return;
    }
    stall_begin(&s->group_stall, KAFKA_GROUP_LOST_TEXT, s->group);
    if (state == KAFKA_GROUP_LOST) {
        churn_log(s->host, CHURN_LOG_WARN, KAFKA_GROUP_ANEW_TEXT, s->group);
        source_remake(s);
    }
}
