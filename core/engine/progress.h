/* How far a worker is in each of its source partitions: where reading begins, what is done, what the store keeps of
 * that, and what the source was told.
 *
 * A partition's checkpoint is a small hash in the store, beside the profiles: the offset before which every event is in
 * them and every output was answered, and the source's fingerprint of the records before it. It is put once the
 * profiles are acknowledged, and only then, and after the store said that both are durable, the source's offset is
 * committed. A store that fails over to an older state loses profiles and checkpoint together, so going back to the
 * checkpoint heals what it lost. Processors that keep state are asked first, for the same reason. A source that keeps
 * no positions, such as a file, is read on from its checkpoint.
 *
 * A rebuild counts and sends nothing, so its checkpoints say besides how far outputs were answered: as far as the
 * checkpoint says of the pipeline that it rebuilds. */
#ifndef PROGRESS_H
#define PROGRESS_H

#include "engine/window.h"
#include "event/event.h"
#include <churn/source.h>
#include <churn/store.h>

struct worker;

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
    int64_t answered; /* outputs of records below were answered, where that is not `offset`; -1: it is */
};

#define CHECKPOINT_NONE ((struct checkpoint){.offset = -1, .last = WITNESS_NONE, .doubted_below = -1, .answered = -1})

struct partition {
    enum place place;
    uint32_t flags;                 /* CHURN_POSITION_…, as announced */
    int64_t position;               /* where reading began; -1: at the source's own beginning */
    int64_t target;                 /* PLACE_SEEK */
    int64_t owned;                  /* a rebuild: outputs of records below were answered for the pipeline itself */
    int64_t committed;              /* by the source, as far as known; -1: nothing */
    int64_t done;                   /* everything before it is; -1: nothing since the assignment */
    struct witness last;            /* the newest one that is done and can be told again */
    int64_t putting;                /* in the round under way; -1: not part of it */
    struct witness putting_last;    /* likewise */
    int64_t durable;                /* the newest checkpoint that is; -1: none */
    int64_t end;                    /* where it ended when last asked; -1: not known */
    int64_t replayed_below;         /* the checkpoint as reading began: what lies below was judged before */
    int64_t lettered_below;         /* as reading began: dead letters of what lies below may be there already */
    int64_t announced;              /* the store knows that dead letters of what lies below may be there */
    int64_t reach;                  /* … that profiles may have counted what lies below */
    int64_t reached;                /* … as reading began; -1: not known */
    int64_t written;                /* up to here profiles of this run may have counted */
    int64_t began;                  /* where this run began to read */
    int64_t muted_below;            /* outputs of records below are not sent again */
    uint32_t muted;                 /* … of these kinds, CHURN_RECORD_… */
    int64_t handed;                 /* where the pipeline before a reload had come; -1: nowhere */
    bool placed;                    /* since the assignment: the source does not stand at `position` any more */
    bool replayed;                  /* --replay-from was followed */
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
    struct partition *partitions; /* by the number of worker->sources */
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

void progress_free(struct progress *progress);

/* The source gave us these. False when memory ran out. */
bool progress_assign(struct worker *worker, const churn_position *positions, uint32_t count);
/* Notes in pipeline->handover what is done, where the source does not remember it. The worker does not run any more. */
void progress_hand_over(const struct worker *worker);
/* True when the source gave us this partition. */
bool progress_is_ours(struct worker *worker, const char *topic, int32_t partition);
/* The source took everything back. */
void progress_revoke(struct worker *worker);
/* What was read is forgotten, and so is what is known of the store: reading goes on from the checkpoints. */
void progress_rewind(struct worker *worker);
/* The record at this offset is wanted again, and what follows it. */
void progress_seek_back(struct worker *worker, uint32_t source, int64_t offset);
/* Finds out where reading begins and moves the source there, as far as store and source answer. False when the worker
 * failed. */
bool progress_place(struct worker *worker);
/* True when every assigned partition is where it should be. */
bool progress_ready(const struct worker *worker);

/* The source has no record below `offset` that it has not handed out. False when memory ran out. */
bool progress_note_passed(struct worker *worker, uint32_t source, int64_t offset);
/* Reads what the store keeps: CHURN_OK, CHURN_RETRY when the session was lost, CHURN_FATAL when the worker failed. */
int32_t progress_load_checkpoint(struct worker *worker, uint32_t source);
/* Asks where a partition begins and ends; sources that cannot tell have no end to be beyond. CHURN_OK or CHURN_RETRY.
 */
int32_t progress_ask_bounds(struct worker *worker, uint32_t source, int64_t *ret_low, int64_t *ret_end);
/* Puts the checkpoint of a partition that was read before, and waits for it. False: it is not stored. */
bool progress_put_now(struct worker *worker, uint32_t source, int64_t limit_ms);
/* A window is done: its profiles are acknowledged, its outputs answered. False when memory ran out. */
bool progress_note_done(struct worker *worker, const struct window *window);
/* Moves commits on; begins a new one when something is done and `due`. */
void progress_step(struct worker *worker, bool due);
/* How many records are done, but not yet known to be durable in the store. */
int64_t progress_unsettled(const struct worker *worker);
/* True when everything done is durable in the store, or there is no store, and no processor holds it back. */
bool progress_settled(const struct worker *worker);
/* Commits what is done, and waits for it for at most `limit_ms`. False when the worker failed. */
bool progress_commit(struct worker *worker, int64_t limit_ms);
/* True while the store owes an answer to progress_step. */
bool progress_waits(const struct worker *worker);
/* Takes the answer to a put or flush whose id has PROGRESS_ID. False when the worker failed. */
#define PROGRESS_ID (1ull << 63)
/* True when the store has not answered that put or flush yet. */
bool progress_owes(const struct worker *worker, uint64_t id);
bool progress_take_reply(struct worker *worker, const churn_put_reply *reply);
/* The session is gone: what it had not answered is asked again. */
void progress_session_lost(struct worker *worker);

/* Kinds of outputs, CHURN_RECORD_…, that are not sent again for this record. */
uint32_t progress_muted(const struct worker *worker, uint32_t source, int64_t offset);
/* True for a record that had been judged before this run began to read. */
bool progress_is_replayed(const struct worker *worker, uint32_t source, int64_t offset);
/* True for a record whose dead letter may have been written before this run began to read. */
bool progress_is_lettered(const struct worker *worker, uint32_t source, int64_t offset);
/* Tells the store how far profiles may have counted from now on, and that dead letters of the window's records may
 * exist, so that whoever reads them once more, after a crash and perhaps with other rules, knows. False while it does
 * not know, or when the worker failed. */
bool progress_announce(struct worker *worker, const struct window *window);
/* The source handed out the record at this offset. */
void progress_note_read(struct worker *worker, uint32_t source, int64_t offset);
/* The profile of a customer says in its field `kind` ("_m:" or "_r:") of the partition that it has counted events below
 * `mark`. CHURN_REJECT when the partition was never that long, and nothing was ever counted so far: then the profile is
 * wrong. CHURN_RETRY: it cannot be told now. CHURN_FATAL, and the worker failed, when the partition has lost what was
 * counted, or may have. */
int32_t progress_check_mark(struct worker *worker, uint32_t source, const struct customer *customer, const char *kind,
                            int64_t mark);

#endif
