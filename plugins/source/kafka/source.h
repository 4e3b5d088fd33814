/*
 * The Kafka source from inside: the state that its files share (README.md says which may call which). Everything runs
 * in the worker's thread, librdkafka's callbacks included: they are called by consumer_poll, hence from within the
 * source's own poll.
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
    uint32_t flags;    /* CHURN_POSITION_…, as it was assigned */
    int finished;      /* until_end: read to its end */
    int64_t position;  /* next offset to hand out, OFFSET_UNKNOWN before the first */
    int64_t passed;    /* no record is left below it, which the host is to be told; OFFSET_UNKNOWN: nothing is */
    int untold;        /* where it begins was chosen, and nothing is known of it but that */
    int64_t low;       /* where an unknown position begins at the latest; OFFSET_UNKNOWN: not known */
    int64_t end;       /* until_end: read records below this offset */
    int64_t asked_end; /* where it ended when that was last asked, as nothing is fetched; 0: not yet */
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
    int up;                        /* a broker is connected and answers, as of the newest poll */
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
    struct stall denied;      /* it may not be committed for any more */
    int64_t right_ask_ms;     /* when to try that, unless a commit tells sooner */
    int assigned;             /* the group has said which partitions are ours, if any */
    int announced;            /* … within this poll */
    struct part *parts;
    uint32_t part_count;
    int64_t ends_ask_ms;                        /* not before: where they end */
    int passing;                                /* the host is to be told of one that it was passed */
    rd_kafka_topic_partition_list_t *pending;   /* assigned by the group; its committed offsets are not known yet */
    rd_kafka_topic_partition_list_t *assigning; /* being announced: a seek changes where it begins */

    /* records */
    rd_kafka_queue_t *records; /* of all partitions, but for one whose turn it is */
    struct turn turn;
    rd_kafka_message_t **held; /* behind the records of the newest poll */
    uint32_t held_count;
    uint32_t held_size;
    int hands_headers;         /* with each record: the host does not ask for those that it needs */
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

    struct ledger *ledger; /* that the host keeps in the same Kafka; NULL: not opened */

    /* a run until the end */
    struct bounds *bounds;
    uint32_t bounds_count;
    uint32_t topics_asked; /* topics whose partitions are known */
    int nothing;           /* no topic exists */
    int others_done;       /* since the newest assignment: nobody else has anything left to read either */
    int64_t others_ask_ms; /* when to ask for that again */
    int64_t assigned_ms;   /* time of the newest assignment */
};

static inline int64_t source_now_ms(const struct kafka_source *s)
{
    return s->host->monotonic_ms(s->host);
}

#endif
