/* What a worker knows of its source partitions: where reading began, what is done, and what the store keeps of that. */
#ifndef PARTITION_H
#define PARTITION_H

#include "event/event.h"
#include "profile/witness.h"
#include <churn/ext/metrics.h>
#include <churn/source.h>
#include <churn/store.h>

#define NOTHING (-1) /* no offset, as TOLD_NOTHING */

enum place {
    PLACE_NONE,    /* not ours */
    PLACE_LOOK_UP, /* ours; where reading begins depends on the checkpoint, which is not read yet */
    PLACE_SEEK,    /* the source has yet to be moved to `target` */
    PLACE_READY
};

/* What the store keeps. */
struct checkpoint {
    int64_t offset;                           /* -1: none */
    uint64_t version;                         /* 0: none */
    char fingerprint[CHURN_FINGERPRINT_SIZE]; /* what the source said of the records before it; "": nothing */
    struct witness last;                      /* a record below it, the newest one that can be told again */
    int64_t doubted_below;                    /* found not to be the partition that was counted up to here; -1: not */
    char doubter[EVENT_MAX_ID + 1];           /* the customer by whose profile alone; "": it was found otherwise */
    int64_t answered;  /* outputs of records below were answered, where that is not `offset`; -1: it is */
    int64_t forgotten; /* how many tombstones were known to whoever counted what lies below */
};

#define CHECKPOINT_NONE ((struct checkpoint){.offset = -1, .last = WITNESS_NONE, .doubted_below = -1, .answered = -1})

#define LAG_TIMES 32

/* Of partition_lag.c and lag.c: how far behind it is. Lives on while the source or the store is away, and while it is
 * given up and nobody has said what is ours instead. */
struct partition_lag {
    bool shown;           /* it is ours, or was when that was last said */
    bool left;            /* it was given up, and nothing was assigned since */
    int64_t unread;       /* records that the source has and did not hand out; -1: not known */
    int64_t settled;      /* the first offset that is not settled, as far as known; -1: nothing is */
    int64_t waiting;      /* records that are not settled, when that was last known; -1: never */
    int64_t taken_ms;     /* since when it is ours */
    int64_t caught_up_ms; /* when it was last known that nothing waits; 0: never */
    struct {
        int64_t offset, ms;
    } times[LAG_TIMES];      /* of records that were read, in their order: from `offset` on they are no older */
    uint32_t time_count;     /* of them */
    uint32_t stride, passed; /* of so many polls one is noted; how many were not, since the newest */
    churn_counter *gauge;    /* `waiting`; NULL: not made yet */
};

struct partition {
    enum place place;
    uint32_t flags;              /* CHURN_POSITION_…, as announced */
    int64_t position;            /* where reading began; -1: at the source's own beginning */
    int64_t target;              /* PLACE_SEEK */
    int64_t owned;               /* a rebuild: outputs of records below were answered for the pipeline itself */
    int64_t committed;           /* by the source, as far as known; -1: nothing */
    int64_t done;                /* everything before it is; -1: nothing since the assignment */
    struct witness last;         /* the newest one that is done and can be told again */
    int64_t putting;             /* in the round under way; -1: not part of it */
    struct witness putting_last; /* the newest record below `putting` that can be told again */
    int64_t durable;             /* the newest checkpoint that is; -1: none */
    int64_t end;                 /* where it ended when last asked; -1: not known */
    int64_t replayed_below;      /* the checkpoint as reading began: what lies below was judged before */
    int64_t lettered_below;      /* as reading began: dead letters of what lies below may be there already */
    int64_t announced;           /* the store knows that dead letters of what lies below may be there */
    int64_t lettered;            /* what this process has told a store of that, though that one may have lost it */
    int64_t reach;               /* the store knows that profiles may have counted what lies below */
    int64_t reached;             /* `reach` as reading began; -1: not known */
    int64_t written;             /* up to here profiles of this run may have counted */
    int64_t began;               /* where this run began to read */
    int64_t read;                /* the offset after the newest record that was taken; -1: none was */
    struct partition_lag lag;
    int64_t muted_below;            /* outputs of records below are not sent again */
    uint32_t muted;                 /* the kinds of outputs that `muted_below` is about, CHURN_RECORD_… */
    int64_t handed;                 /* where the pipeline before a reload had come; -1: nowhere */
    bool placed;                    /* since the assignment: the source does not stand at `position` any more */
    bool replayed;                  /* --replay-from was followed */
    int64_t replay_to;              /* … and is through where `done` is here; 0: at once */
    bool kept;                      /* dead letters from here on are for a later redrive: nothing is committed */
    bool again;                     /* in the round under way: to be put once more */
    bool asked;                     /* in the round under way: put, and not answered */
    bool proving;                   /* the next record shows whether the partition is the one that was counted */
    bool proven;                    /* it is */
    int64_t begin;                  /* where reading begins once that is known */
    int64_t doubted_below;          /* found in this run, to be remembered; -1: nothing was */
    char doubter[EVENT_MAX_ID + 1]; /* as the checkpoint's */
    bool mended;                    /* the profile for which the checkpoint doubted says it no more */
    struct checkpoint stored;
};

enum round { ROUND_NONE, ROUND_PUTTING, ROUND_FLUSHING, ROUND_WAITING /* to ask again whether it is durable */ };

struct progress {
    struct partition *partitions; /* by the number of worker->parts */
    uint32_t room;
    enum round round;
    uint32_t unanswered;             /* checkpoints put in this round */
    int64_t ask_again_ms;            /* ROUND_WAITING */
    bool proving;                    /* a partition may be */
    uint64_t done, putting, durable; /* records: done, of them in the round under way, and known to be durable */
    bool held;                       /* a processor has not stored what it must remember: nothing is let go of */
    bool refused;                    /* the store did not take a checkpoint of this round */
    bool unsure;                     /* a commit was sent, and nobody has seen it stored */
};

#endif
