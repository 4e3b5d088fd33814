/* What the parts of `churnd explain` share: one customer's records, and what the profile has of them. */
#ifndef EXPLAIN_STATE_H
#define EXPLAIN_STATE_H

#include "base/json_text.h"
#include "engine/state.h"
#include "pipeline/pipeline.h"
#include "pipeline/store_overlay.h"
#include "pipeline/stored_profile.h"
#include "profile/profile.h"

struct arguments;

/* What became of a record of the customer, but for the mark. */
enum fate {
    FATE_EVENT,    /* a good event */
    FATE_LEFT_OUT, /* by a processor */
    FATE_DEAD_LETTER,
    FATE_IGNORED, /* of an unknown type, where the pipeline ignores these */
};

/* Where a record stands to what the profile has counted. */
enum standing {
    STANDS_COUNTED, /* below the mark */
    STANDS_LATE,    /* among the offsets that were counted beside it */
    STANDS_PASSED,  /* the pipeline has read it, and the mark is not beyond it */
    STANDS_UNREAD,
};

/* One record of the customer. */
struct explained {
    int64_t time_ms; /* of the event; where there is none of the record; or of the one before in the partition */
    int64_t offset;
    uint32_t part;
    enum fate fate;
    enum standing standing;
    enum reject_reason reason;       /* DEAD_LETTER */
    bool timed;                      /* `time_ms` is the event's or the record's */
    bool behind;                     /* events of a later time came before it in its partition */
    const struct section *processor; /* LEFT_OUT */
    const struct explained
        *repeats; /* with the same event_id, that one counts or came first; set by explain_keep_finish */
    const char *type, *event_id, *detail; /* in `texts`; "" where there is none */
    struct fields *delta;                 /* what it adds, or would; NULL: nothing */
    size_t bytes;                         /* that it takes */
    char texts[];
};

/* It is part of the profile's sum. */
static inline bool explained_is_counted(const struct explained *one)
{
    return one->fate == FATE_EVENT && (one->standing == STANDS_COUNTED || one->standing == STANDS_LATE);
}

/* What is known of a partition, by the worker's number of it. */
struct explain_part {
    bool assigned;     /* the source reads it */
    bool unplaced;     /* and nobody has said from where */
    bool wanted;       /* the customer's records are looked for in it */
    bool bounded;      /* `low` and `end` are known */
    int64_t low, end;  /* what it holds */
    int64_t begins;    /* where the source would begin to read it; -1: it does not say */
    int64_t mark;      /* of the profile; 0: none */
    int64_t read;      /* how far the pipeline has, by its checkpoint; 0: nobody knows */
    int64_t newest_ms; /* event time among the customer's events so far */
    uint64_t records, unreadable;
};

/* The customer's records: the newest by time, as many as memory is meant for; what older ones made is in `earlier`. */
struct kept {
    struct explained **items; /* a heap, the oldest first; after explain_keep_finish in order */
    size_t count, room, bytes;
    uint64_t earlier_count; /* let go of */
    struct profile *earlier;
};

#define EXPLAIN_DEATHS 16 /* events that may end the process before the explanation is given up */

/* The event that plugins are called for. */
struct explain_place {
    uint64_t partition; /* a hash of its name */
    int64_t offset;
    bool is;
};

/* Memory shared with the child that does the work. */
struct explain_shared {
    struct explain_place inside;
    bool done; /* it came to its end */
};

/* An event at which a plugin ended the process. */
struct explain_death {
    struct explain_place place;
    char plugin[JOURNAL_PLUGIN_SIZE + 32];
};

struct explain {
    const struct arguments *arguments;
    struct pipeline *pipeline;
    const struct registry *registry;
    struct worker *worker;
    churn_str customer;
    bool has_at;
    int64_t at_ms;

    /* what is asked for: all fields, one of the registry, or a derived one */
    int32_t field, derived; /* -1: it is none of these */

    /* the store */
    void *session;
    struct stored_profile stored; /* the profile, and what is wrong with it */

    struct explain_part *parts;
    uint32_t part_room;
    bool placing;    /* some partitions are unplaced */
    bool seeks_late; /* the source takes its time to seek: what is not wanted is read all the same */
    struct kept kept;
    struct profile *whole; /* of all counted events */
    struct fields *scratch;
    uint64_t records, later; /* read; the customer's, beyond --at */
    uint64_t forgotten;      /* of before the customer was forgotten: nothing of them is shown */
    struct explain_shared *guard;
    struct explain_death deaths[EXPLAIN_DEATHS];
    unsigned death_count;
    bool failed;
    char failure[2048];
};

/* What is known of a partition, made at the first call; NULL when memory ran out. */
struct explain_part *explain_state_part(struct explain *e, uint32_t part);
/* Notes why there is no explanation; the first one is told. Always false. */
CHURN_PRINTF(2, 3) bool explain_state_fail(struct explain *e, const char *format, ...);

#endif
