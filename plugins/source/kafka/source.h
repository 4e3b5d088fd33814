/*
 * The Kafka source from inside. Everything runs in the worker's thread, librdkafka's callbacks included: they are
 * called by consumer_poll, hence from within the source's own poll.
 *
 * Rebalances and errors come through librdkafka's consumer queue; the records of all partitions are forwarded to a
 * queue of their own. So a source that is paused, or asked for nothing, still answers the group at once and keeps what
 * was fetched.
 */
#ifndef SOURCE_H
#define SOURCE_H

#include "kafka_client.h"
#include "stall.h"
#include <churn/source.h>

#define SLICE_MS 100          /* longest wait for records before the group is served again */
#define QUERY_TIMEOUT_MS 2000 /* for questions to the brokers that the worker waits for */
#define OFFSET_UNKNOWN (-1)

enum { START_BEGINNING, START_END };
enum { UNREADABLE_WAIT, UNREADABLE_DEAD_LETTER };

/* A configured topic. */
struct topic {
    const char *name;
    char *identity; /* as the host knows it: the name, with the epoch behind it where there is one */
    int missing;    /* it was found not to exist, and that was said */
    int appeared;   /* it was missing once: all of its records are newer than this run */
};

/* What is known of a batch that a partition cannot be read past. */
struct unreadable {
    int waits;      /* there is one, and nothing behind it is handed out */
    uint32_t tries; /* reads that failed */
    rd_kafka_resp_err_t code;
    int64_t first;          /* the batch's own first offset, as librdkafka says */
    int64_t inside, beyond; /* while its end is searched: an offset that is its, and one that is not; `beyond` 0: not */
    int64_t aside_end;      /* up to here its records are handed out as unreadable; 0: not yet */
    int64_t asked, due_ms;  /* the next offset to read from, and when */
};

/* A client apart that reads where a partition cannot be read. */
struct examiner {
    rd_kafka_t *rk;    /* NULL: none is needed */
    const char *topic; /* of the partition it reads; NULL: none now */
    int32_t partition;
    int64_t until_ms; /* when it gives that up */
};

/* An assigned partition. */
struct part {
    const char *topic;
    const char *identity;        /* of its topic */
    const rd_kafka_topic_t *rkt; /* of its newest record; tells records apart fast */
    int32_t partition;
    uint32_t flags;   /* CHURN_POSITION_…, as it was assigned */
    int finished;     /* until_end: read to its end */
    int64_t position; /* next offset to hand out, OFFSET_UNKNOWN before the first */
    int64_t passed;   /* no record is left below it, which the host is to be told; OFFSET_UNKNOWN: nothing is */
    int untold;       /* where it begins was chosen, and nothing is known of it but that */
    int64_t low;      /* where an unknown position begins at the latest; OFFSET_UNKNOWN: not known */
    int64_t end;      /* until_end: read records below this offset */
    struct unreadable bad;
};

/* The bounds of a partition as they stood at the start, of whoever it is assigned to. */
struct bounds {
    const char *topic;
    int32_t partition;
    int64_t low;
    int64_t end;
};

/* A partition that is read alone for a while. */
struct turn {
    rd_kafka_queue_t *queue; /* the partition's own; NULL: all are read together */
    const char *topic;
    int32_t partition;
    uint32_t left; /* records until it is over */
    uint32_t next; /* where in `parts` the next one is looked for */
    size_t before; /* records in the common queue that come first */
    int64_t began_ms;
    int64_t polled_ms; /* when the newest poll for records ended */
    int late;          /* the reader came late since the last look */
    int64_t dry_ms;    /* since when its queue was found empty; 0: it was not */
    int64_t look_at;   /* count of records handed out at which to look for a turn again */
};

struct kafka_source {
    /* options */
    const char *brokers;
    churn_list topic_names;
    const char *group_id;
    int32_t start;
    int64_t epoch;
    int64_t buffer;
    int32_t headers;
    int32_t unreadable;
    churn_map properties;

    const churn_host *host;
    const churn_source_listener *listener;
    char *group; /* the consumer group: group_id, with the epoch behind it where there is one */
    struct kafka_client *client;
    rd_kafka_t *rk;
    struct stall unreadable_stall; /* partitions wait for a batch that cannot be read */
    struct examiner examiner;
    int paused;
    int failed; /* no return: `failure` says why */
    churn_error failure;

    /* the group */
    struct topic *topics; /* each configured name once */
    uint32_t topic_count;
    int subscribed;
    struct kafka_group watch;
    int64_t lone_ms;          /* since when the group has given us nothing; 0: it has; LONE_SAID: said */
    struct stall group_stall; /* its coordinator cannot be found */
    int assigned;             /* the group has said which partitions are ours, if any */
    int announced;            /* … within this poll */
    struct part *parts;
    uint32_t part_count;
    int passing;                                /* the host is to be told of one that it was passed */
    rd_kafka_topic_partition_list_t *pending;   /* assigned by the group; its committed offsets are not known yet */
    rd_kafka_topic_partition_list_t *assigning; /* being announced: a seek changes where it begins */

    /* records */
    rd_kafka_queue_t *records; /* of all partitions, but for one whose turn it is */
    struct turn turn;
    rd_kafka_message_t **held; /* behind the records of the newest poll */
    uint32_t held_count;
    uint32_t held_size;
    int hands_headers; /* with each record: the host does not ask for those that it needs */
    churn_header *header_pool; /* of those records, one after the other */
    uint32_t header_count;
    uint32_t header_size;
    uint32_t part_last; /* where the newest record was found */
    int64_t returned;   /* records handed out */
    uint64_t bytes;     /* of their keys and values */
    int fetchers_doze;  /* this librdkafka needs wake_fetchers */
    size_t peak;        /* most records that waited since the fetchers were last woken */

    /* records read again */
    struct kafka_client *reader_client;
    rd_kafka_t *reader;

    /* a run until the end */
    struct bounds *bounds;
    uint32_t bounds_count;
    uint32_t topics_asked; /* topics whose partitions are known */
    int nothing;           /* no topic exists */
    int others_done;       /* since the newest assignment: nobody else has anything left to read either */
    int64_t others_ask_ms; /* when to ask for that again */
    int64_t assigned_ms;   /* time of the newest assignment */
};

/* --- kafka.c --- */

/* Remembers why the source cannot go on; the next poll says so. */
CHURN_PRINTF(2, 3)
void source_fail(struct kafka_source *s, const char *format, ...);

/* Makes the librdkafka client anew, with nothing left of the old one. */
void source_remake(struct kafka_source *s);

/* How long the group waits for a member that died. */
int64_t source_session_ms(const struct kafka_source *s);

/* A consumer's configuration; NULL on error. */
rd_kafka_conf_t *source_conf(const struct kafka_source *s, churn_error *err);

static inline int64_t source_now_ms(const struct kafka_source *s)
{
    return s->host->monotonic_ms(s->host);
}

/* --- client.c --- */

int32_t open_client(struct kafka_source *s, churn_error *err);
void close_client(struct kafka_source *s);

/* --- assignment.c --- */

rd_kafka_resp_err_t give_assignment(struct kafka_source *s, const rd_kafka_topic_partition_list_t *list);
void give_up_assignment(struct kafka_source *s, const rd_kafka_topic_partition_list_t *list);
void forward_records(struct kafka_source *s, const rd_kafka_topic_partition_list_t *list);

/* --- held.c --- */

int make_room(struct kafka_source *s, uint32_t max);
void take_headers(struct kafka_source *s, churn_record *r, const rd_kafka_message_t *m);
void link_headers(const struct kafka_source *s, churn_record *records);

/* --- group.c --- */

/* Subscribes to the topics; in a run until the end, to those that exist. */
int32_t group_subscribe(struct kafka_source *s, churn_error *err);

/* Looks after the group while it has given us no partitions; after each poll. `up`: a broker is connected. */
void group_watch(struct kafka_source *s, int up);

/* Leaves and joins the group, so that reading goes on from the committed offsets. */
void group_rejoin(struct kafka_source *s);

/* Reads on in our partitions where they are, with nothing left of what librdkafka knew of them. */
void group_restart(struct kafka_source *s);

/* Tells the host that what is ours still is lost; before the client goes. */
void group_lose(struct kafka_source *s);

/* librdkafka's rebalance callback. */
void group_on_rebalance(rd_kafka_t *rk, rd_kafka_resp_err_t code, rd_kafka_topic_partition_list_t *list, void *opaque);

/* Completes an assignment as soon as the committed offsets are known. The host may seek from within `assigned`. */
void group_complete(struct kafka_source *s);

void group_drop_pending(struct kafka_source *s);

/* An assigned partition, or NULL; by its topic's name, or as the host knows it. */
struct part *group_part(const struct kafka_source *s, const char *topic, int32_t partition);
struct part *group_part_of(const struct kafka_source *s, const char *identity, int32_t partition);

/* No record is left below `offset`, though the last one may be some way below: transaction markers, records of a
 * transaction that was aborted, and what compaction took are none. */
void group_part_passed(struct kafka_source *s, struct part *p, int64_t offset);
/* Tells the host so; once it has taken every record that came before. */
void group_tell_passed(struct kafka_source *s);

/* NULL for a topic that is not configured. */
struct topic *topic_named(const struct kafka_source *s, const char *name);
const struct topic *topic_of_identity(const struct kafka_source *s, const char *identity);

void group_topic_missing(const struct kafka_source *s, const char *name);

/* --- starts.c --- */

/* Fills in where the partitions of `list`, which the group gave us, begin; 0 when that cannot be told yet. */
int starts_find(struct kafka_source *s, rd_kafka_topic_partition_list_t *list);
/* 1 when its offset is where `start` lets it begin, and nobody has read it yet. */
int starts_is_chosen(const rd_kafka_topic_partition_t *p);

/* --- bounds.c --- */

/* Learns the bounds step by step and subscribes then; 0 while the brokers do not answer. */
int bounds_learn(struct kafka_source *s, uint32_t timeout_ms);

/* NULL for a partition that is newer than the start. */
const struct bounds *bounds_find(const struct kafka_source *s, const char *topic, int32_t partition);

/* 1 when a run until the end has nothing more to read: neither in the partitions that are ours, nor in those of members
 * that were killed and whose sessions have not ended yet. May ask the brokers for what the group has committed. */
int bounds_reached(struct kafka_source *s);

/* --- offsets.c --- */

/* Replaces the offsets of `list` by where its partitions begin (RD_KAFKA_OFFSET_BEGINNING) or end. Unlike
 * rd_kafka_query_watermark_offsets, what this rests on keeps to its timeout while a broker hangs. */
rd_kafka_resp_err_t offsets_ask(struct kafka_source *s, rd_kafka_topic_partition_list_t *list, int64_t which,
                                int timeout_ms);
rd_kafka_resp_err_t offsets_ask_one(struct kafka_source *s, const char *topic, int32_t partition, int64_t which,
                                    int64_t *ret_offset);

/* Commits and waits for the answer, though not for as long as librdkafka would. */
rd_kafka_resp_err_t offsets_commit_and_wait(struct kafka_source *s, const rd_kafka_topic_partition_list_t *list);

/* librdkafka's commit callback. */
void offsets_on_commit(rd_kafka_t *rk, rd_kafka_resp_err_t code, rd_kafka_topic_partition_list_t *list, void *opaque);

int32_t source_commit(void *self, const churn_position *positions, uint32_t count, int32_t wait, churn_error *err);
int32_t source_seek(void *self, const churn_position *to, churn_error *err);
int32_t source_bounds(void *self, const char *topic, int32_t partition, int64_t *ret_low, int64_t *ret_end,
                      churn_error *err);
int32_t source_offset_at(void *self, const char *topic, int32_t partition, int64_t timestamp_ms, int64_t *ret_offset,
                         churn_error *err);
void source_lag(void *self, churn_lag *lag);

/* Records of a partition that are still to come; -1 when not known yet. */
int64_t part_lag(const struct kafka_source *s, const struct part *p);

/* --- turns.c --- */

/* Begins and ends turns; before records are gathered. */
void turns_step(struct kafka_source *s);
/* Reads all partitions together again; before one of them is given up. */
void turns_end(struct kafka_source *s);
/* Where the next record comes from. */
rd_kafka_queue_t *turns_queue(const struct kafka_source *s);
/* … and it was taken. */
void turns_took(struct kafka_source *s);
/* The records of one poll are gathered. */
void turns_polled(struct kafka_source *s);

/* --- unreadable.c --- */

/* Reading on in a partition failed: it waits from now on, and what librdkafka still hands out of it is void. */
void unreadable_failed(struct kafka_source *s, struct part *p, const rd_kafka_message_t *m);
/* Asks again what is due, and takes answers. */
void unreadable_step(struct kafka_source *s);
/* Hands out what was given up; how many records that is. */
uint32_t unreadable_take(struct kafka_source *s, churn_record *records, uint32_t max);
/* These are given up: librdkafka would keep one paused that waits, and whoever is given it again would never read it. */
void unreadable_revoked(struct kafka_source *s, const struct part *parts, uint32_t count);
void unreadable_close(struct kafka_source *s);

/* --- records.c --- */

int32_t source_poll(void *self, churn_record *records, uint32_t max, uint32_t timeout_ms, uint32_t *ret_count,
                    churn_error *err);

/* The headers of a record of the newest poll. */
int32_t source_headers(void *self, churn_record *record, churn_error *err);

/* Gives the records of the newest poll back to librdkafka. */
void records_release(struct kafka_source *s);

/* Sends each broker that we read from a small question, whose answer nobody waits for. */
void records_ask_brokers(struct kafka_source *s);

/* --- reread.c --- */

int32_t source_reread(void *self, const churn_position *positions, uint32_t count, uint32_t timeout_ms,
                      churn_reread_fn fn, void *ctx, churn_error *err);
void reread_close(struct kafka_source *s);

#endif
