/*
 * Which partitions are read. As a rule all together, in the order in which they arrive. Far behind, one takes its turn
 * after the other: a window then holds the customers of one partition, each with more events, and costs the store fewer
 * writes.
 *
 * That pays where the store is what we wait for; a reader that never comes late (LATE_MS) gets its records sooner when
 * one fetch has those of many partitions.
 *
 * All partitions' records are forwarded to one queue. The one whose turn it is keeps its own; the common queue fills up
 * meanwhile, so that librdkafka fetches nothing else. Each partition's order stays as it is: what the common queue held
 * as a turn began is read first, and what is left of it as the turn ends goes behind the others'.
 */
#include "turns.h"
#include "offsets.h"
#include "parts.h"

#ifdef CHURN_FAULTS /* the fault suite's loads are small, and are to meet turns all the same */
#define TURN_RECORDS 500
#define TURN_LEAST 100
#define LOOK_RECORDS 50
#define LATE_MS 0
#else
#define TURN_RECORDS 400000
#define TURN_LEAST 20000   /* records that make a turn worth it */
#define LOOK_RECORDS 10000 /* between looks at how far behind we are */
#define LATE_MS 20
#endif
#define TURN_MS 2000  /* the other partitions wait for so long at most */
#define STALLED_MS 50 /* without a record, though there are more */

static rd_kafka_queue_t *queue_of(const struct kafka_source *s, const struct part *p)
{
    return rd_kafka_queue_get_partition(s->rk, p->topic, p->partition);
}

void turns_end(struct kafka_source *s)
{
    if (s->turn.queue != NULL) {
        rd_kafka_queue_forward(s->turn.queue, s->records);
        rd_kafka_queue_destroy(s->turn.queue);
        s->turn.queue = NULL;
        s->turn.before = 0;
        s->peak = 0;
    }
}

static int is_over(const struct kafka_source *s)
{
    const struct part *p = part_named(s, s->turn.topic, s->turn.partition);
    int64_t now = source_now_ms(s);
    return p == NULL || s->turn.left == 0 || now - s->turn.began_ms > TURN_MS || offsets_part_lag(s, p) <= 0 ||
           (s->turn.dry_ms != 0 && now - s->turn.dry_ms > STALLED_MS);
}

/* The next partition in turn that is far behind; NULL unless there are two. */
static const struct part *choose(struct kafka_source *s)
{
    const struct part *chosen = NULL;
    uint32_t far = 0, first = s->turn.next;
    for (uint32_t i = 0; i < s->part_count; i++) {
        uint32_t at = (first + i) % s->part_count;
        if (offsets_part_lag(s, &s->parts[at]) >= TURN_LEAST) {
            far++;
            if (chosen == NULL) {
                chosen = &s->parts[at];
                s->turn.next = at + 1;
            }
        }
    }
    return far > 1 ? chosen : NULL;
}

static void begin(struct kafka_source *s, const struct part *p)
{
    rd_kafka_queue_t *queue = queue_of(s, p);
    if (queue == NULL) {
        return;
    }
    rd_kafka_queue_forward(queue, NULL);
    s->turn.queue = queue;
    s->turn.topic = p->topic;
    s->turn.partition = p->partition;
    s->turn.left = TURN_RECORDS;
    s->turn.before = rd_kafka_queue_length(s->records);
    s->turn.began_ms = source_now_ms(s);
    s->turn.dry_ms = 0;
    s->peak = 0;
    churn_log(s->host, CHURN_LOG_DEBUG, "far behind: partition %d of `%s` is read alone for a while", (int)p->partition,
              p->topic);
    if (s->fetchers_doze) {
        offsets_ask_brokers(s); /* the common queue may be full, and this partition's is empty */
    }
}

void turns_step(struct kafka_source *s)
{
    const struct part *p;
    if (s->turn.queue != NULL && is_over(s)) {
        turns_end(s);
        s->turn.look_at = s->returned; /* the next one, at once */
    }
    s->turn.late = s->turn.late || (s->turn.polled_ms != 0 && source_now_ms(s) - s->turn.polled_ms > LATE_MS);
    if (s->turn.queue == NULL && s->returned >= s->turn.look_at) {
        s->turn.look_at = s->returned + LOOK_RECORDS;
        p = s->part_count > 1 && s->turn.late ? choose(s) : NULL;
        s->turn.late = 0;
        if (p != NULL) {
            begin(s, p);
        }
    }
}

rd_kafka_queue_t *turns_queue(const struct kafka_source *s)
{
    return s->turn.queue != NULL && s->turn.before == 0 ? s->turn.queue : s->records;
}

void turns_took(struct kafka_source *s)
{
    if (s->turn.before > 0) {
        s->turn.before--;
    } else if (s->turn.left > 0) {
        s->turn.left--;
    }
}

void turns_polled(struct kafka_source *s)
{
    s->turn.polled_ms = source_now_ms(s);
    if (s->held_count > 0) {
        s->turn.dry_ms = 0;
    } else if (s->turn.dry_ms == 0) {
        s->turn.dry_ms = s->turn.polled_ms;
    }
}
