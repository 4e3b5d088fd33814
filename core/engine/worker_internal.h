/* What the parts of a worker share: worker.c (its loop), intake.c (records in), processors.c (their state), merge.c
 * (which events count), writer.c (profiles to the store), session.c (the connection to it), emitter.c (outputs to the
 * sinks), progress.c (checkpoints and commits), proof.c and reach.c (what was counted). */
#ifndef WORKER_INTERNAL_H
#define WORKER_INTERNAL_H

#include "engine/letter.h"
#include "engine/output.h"
#include "engine/progress.h"
#include "engine/worker.h"
#include "event/edit.h"
#include "event/event.h"
#include "pipeline/instance.h"
#include "profile/fold.h"
#include "profile/owed.h"
#include <pthread.h>
#include <stdatomic.h>

#define MAX_WINDOWS 8 /* from filling to committed */
#define POLL_RECORDS 1000
#define POLL_REPLIES 512

struct worker_counters {
    churn_counter *events;          /* records taken from the source */
    churn_counter *applied;         /* counted in a profile */
    churn_counter *already_counted; /* skipped by a mark */
    churn_counter *filtered;
    churn_counter *ignored; /* of unknown types, where the pipeline ignores them */
    churn_counter *puts;    /* acknowledged writes of profiles */
    churn_counter *created; /* profiles written for the first time */
    churn_counter *conflicts;
    churn_counter *damaged; /* customers that were found to have a damaged profile */
    churn_counter *rewinds; /* partitions read again because the store may have lost something */
    churn_counter *triggers;
    churn_counter *alerts;
    churn_counter *dead_letters;
    churn_counter *letters;       /* dead letters that a redrive has read */
    churn_counter *left_alone;    /* dead letters that a redrive cannot put back */
    churn_counter *written_again; /* … and that were written once more for the next one, in Kafka */
    churn_counter *again;         /* outputs that a redrive offers to sinks again */
    churn_counter *sent;          /* events that a sink has taken for good */
    churn_counter *reasons[REJECT_REASON_COUNT];
};

/* What a worker knows of one of its sinks. */
struct sink_state {
    churn_counter *sent;     /* records that it has taken for good */
    churn_counter *dropped;  /* … refused, where the pipeline says that they are dropped */
    churn_counter *given_up; /* … not taken or answered in time */
    struct owed owed;        /* what it has taken and not answered, also of windows that were given up */
    int64_t warn_ms;         /* not before: the next warning of either */
    int64_t lost;            /* dropped or given up since the last warning */
    char loss[512];          /* why, of the newest */
    bool out;                /* it was given up on, and has answered nothing since */
    bool moved;              /* it took or answered something since the last look */
    int64_t owes_since_ms;   /* … and owes answers; 0: it does not */
    int64_t undelivered;     /* what it had not taken for good at the worker's end */
};

/* What the log has been told of damaged profiles. */
struct damage_report {
    int64_t next_ms; /* not before: the next minute */
    unsigned shown;  /* customers named in this one */
    int64_t events;  /* set aside since the last line */
};

/* Customers that the log names, so many a minute. */
struct naming {
    int64_t next_ms; /* not before: the next minute */
    unsigned shown;  /* in this one */
};

struct worker {
    struct pipeline *pipeline;
    unsigned number;
    pthread_t thread;
    bool thread_started;
    _Atomic int order; /* enum worker_order */
    _Atomic int state; /* enum worker_state */
    _Atomic bool started;
    _Atomic int64_t lag_messages;
    _Atomic bool lag_known;
    _Atomic int64_t turned_ms; /* when the loop last went round */
    _Atomic bool assigned, session_open;
    _Atomic uint32_t damaged;               /* customers whose profiles are known to be damaged now */
    _Atomic(const struct section *) inside; /* whose plugin is called; NULL: none */

    /* watch */
    int64_t watched_ms;
    int64_t silent_since_ms; /* the store; 0: it answers, or need not */
    uint32_t stored_seen;
    int64_t dry_since_ms;            /* the source; 0: it hands out records, or there are none */
    bool dry, handed_out;            /* it had none at the newest poll; it had some since the last look */
    const struct section *undecided; /* the processor that the source waits for; NULL: none */

    struct journal_seat seat;

    struct instance *source;
    struct instance *origin; /* of a redrive: the pipeline's own source, to read again what letters were; NULL: none */
    churn_source_listener origin_listener;
    bool origin_started;
    struct original *originals; /* of a redrive: of the records of a poll */
    struct instance **processors;
    struct instance **sinks;
    struct sink_state *sink_states;
    bool source_started;
    unsigned processors_started, sinks_started;

    /* intake */
    churn_source_listener listener;
    churn_record *records; /* POLL_RECORDS */
    struct event_decoder *decoder;
    struct edit edit; /* of the event at hand */
    struct text scratch;
    unsigned letters_shown; /* in the log */
    bool at_end;
    bool paused;
    int64_t blocked_since_ms; /* 0: not blocked */
    int64_t ask_again_ms;     /* a processor could not tell: no record before; 0: none waits */

    /* windows: a ring from the oldest to the one being filled */
    struct arena_pool pool; /* the windows' memory */
    struct window windows[MAX_WINDOWS];
    uint64_t oldest, newest; /* numbers; the newest one is filling */

    /* writer */
    void *session;
    bool session_fresh;                 /* opened, and nothing was put yet */
    char identity[CHURN_IDENTITY_SIZE]; /* of the store, in the newest session */
    bool store_went_back;               /* it may have lost acknowledged writes: everything in flight is void */
    int64_t next_open_ms;               /* not before, while the store is out of reach */
    int64_t open_pause_ms;
    int64_t retry_pause_ms;
    int64_t retry_ms; /* when refused puts are offered again; 0: none */
    struct sources sources;
    struct cache cache;
    struct folder folder;
    struct profile_text rendered;

    struct damage_report damage;
    struct naming gone; /* whose profiles the store has no more */
    int64_t headers_ms; /* not before: records are read again for their headers once more */
    struct progress progress;
    int64_t last_commit_ms;

    struct worker_counters counters;
    bool moved; /* something happened in this round of the loop */
    bool failed;
    char failure[2048]; /* why */
};

static inline struct window *window_at(struct worker *worker, uint64_t number)
{
    return &worker->windows[number % MAX_WINDOWS];
}

static inline struct window *window_filling(struct worker *worker)
{
    return window_at(worker, worker->newest);
}

/* The one before it, or NULL when everything before it is done. */
static inline struct window *window_filled(struct worker *worker)
{
    return worker->newest > worker->oldest ? window_at(worker, worker->newest - 1) : NULL;
}

static inline bool worker_has_store(const struct worker *worker)
{
    return worker->pipeline->store.loaded != NULL;
}

/* watch.c */
/* The engine's own states in which events do not move; a plugin has names of its own. */
#define STALL_STORE "store"               /* out of reach */
#define STALL_WRITE "write"               /* it refuses writes, or does not answer them */
#define STALL_CHECKPOINT "checkpoint"     /* not stored, so that no offset is committed */
#define STALL_PROCESSOR "processor"       /* it cannot tell, so that the source waits */
#define STALL_SINK "sink"                 /* it takes or answers nothing */
#define STALL_DEAD_LETTERS "dead_letters" /* likewise, and nothing is counted before */
#define STALL_PLACE "place"               /* it cannot tell yet where its partitions begin and end */
#define STALL_SOURCE "source"             /* it has nothing to read from, or hands out nothing of what is there */
/* `section` is in the state `what`, or still is; see stalls_begin. */
CHURN_PRINTF(5, 6)
void worker_stalled(struct worker *worker, const struct section *section, const char *what, int32_t level,
                    const char *format, ...);
/* It is not, or not any more; see stalls_end. */
void worker_goes_on(struct worker *worker, const struct section *section, const char *what, const char *over);
/* The plugin of a section is called, until the next call of this; NULL: it has come back. Tells main whom a worker that
 * does not go on waits for. */
static inline void worker_enter(struct worker *worker, const struct section *section)
{
    atomic_store_explicit(&worker->inside, section, memory_order_relaxed);
}
/* Notes that the worker goes round, and looks once a second at what only time shows. */
void watch_step(struct worker *worker);

/* Marks the worker as failed and logs why; always false. */
CHURN_PRINTF(2, 3) bool worker_fail(struct worker *worker, const char *format, ...);
/* The same where a plugin does what the header of its role forbids, so that nothing it says can be relied on. Names it
 * and its file. */
CHURN_PRINTF(3, 4)
bool worker_blame(struct worker *worker, const struct section *section, const char *format, ...);

/* intake.c: takes `count` polled records into the window being filled. False when the worker failed. */
bool intake_take(struct worker *worker, const churn_record *records, uint32_t count);
/* These records are read again, later. */
void intake_give_back(struct worker *worker, const churn_record *records, uint32_t count);
/* fold_event, with a callback's call in the journal. CHURN_REJECT: with *reject. */
int32_t intake_fold(struct worker *worker, const struct event_type *type, const churn_event *event, uint32_t source,
                    struct fields *into, struct arena *arena, struct reject *reject);
/* A dead letter for an output that the sink of this name refused or must not be given. */
bool intake_refused(struct worker *worker, struct window *window, const churn_record *output, const char *sink,
                    const struct reject *reject);
/* A dead letter for a good event that the store has no place for, and nothing else of it. False when the worker failed.
 */
bool intake_set_aside(struct worker *worker, struct window *window, const struct customer *customer,
                      const struct window_event *event, const struct reject *reject);
/* What is said about an event that `plugin` must not be given. */
void intake_poison(const struct worker *worker, unsigned plugin, const char *topic, int32_t partition, int64_t offset,
                   struct reject *reject);

/* processors.c */
/* True when the processors have stored whatever they must remember; false when one has not yet, or the worker failed.
 */
bool processors_checkpoint(struct worker *worker);
/* What they have in memory is no longer what counts. */
void processors_forget(struct worker *worker);

/* proof.c: whether a partition is the one that was counted. Offsets cannot tell: a topic that was deleted and made
 * anew, another cluster, and a log that an unclean election cut short count from wherever they stand. So a checkpoint
 * keeps a witness, the newest record below it, and reading begins with that one: it is there in the log that was
 * counted, and in no other. What was found out stays in the checkpoint, for a topic that is too short grows. (A source
 * that can look by itself what it holds, such as a file, has `resume`.) */
/* Makes *start the place of that record where there is one. CHURN_OK; CHURN_RETRY when the session was lost;
 * CHURN_FATAL when the worker failed because nothing shows that the partition is the right one though there is doubt.
 */
int32_t proof_begin(struct worker *worker, uint32_t source, int64_t low, int64_t *start);
/* Takes the records that are read for that alone out of what was polled. False when the worker failed. */
bool proof_screen(struct worker *worker, churn_record *records, uint32_t *count);
/* Below `offset` there is no record any more; true when that was awaited, and is not to be noted. */
bool proof_passed(struct worker *worker, uint32_t source, int64_t offset);
/* The partition ends at `end`, though `who` counted everything before `counted`: always false. */
bool proof_refuse_short(struct worker *worker, uint32_t source, const char *who, int64_t counted, int64_t end);
/* True when a partition is shorter now than it was. */
bool proof_has_shrunk(struct worker *worker);
/* Fails the worker when a partition is shorter than what was counted of it. */
void proof_check_ends(struct worker *worker);
/* Stores what was found out. The worker has failed, and has a session with the store of its own if it needs one. */
void proof_remember(struct worker *worker);

/* merge.c */
/* Joins a delta to its customer's profile, leaving out what the profile has counted. CHURN_OK; CHURN_DROP when that was
 * all of it; CHURN_REJECT with *reject when it cannot be: the cached profile is of no use then; CHURN_FATAL when the
 * worker failed. */
int32_t merge_delta(struct worker *worker, struct window *window, struct delta *delta, struct reject *reject);
/* Only notes which events of a delta the profile has counted. */
void merge_note_counted(struct window *window, struct delta *delta, const struct profile *profile);

/* damage.c: customers whose profile cannot be read or written, whose events go to the dead letters. */
/* Sets a delta's events aside, but for those that are known to be counted. False when the worker failed. */
bool damage_set_aside(struct worker *worker, struct window *window, struct delta *delta, const struct reject *reject);
/* A put of the customer's was acknowledged. */
void damage_mended(struct worker *worker, struct customer *customer);

/* own_headers.c */
/* Gives the dead letters that a window's writing made the headers of their records. False when it cannot be done yet,
 * or the worker failed. */
bool own_headers_complete(struct worker *worker, struct window *window);

/* writer.c */
/* Begins to write the profiles of a window that was filled, its dead letters first. */
bool writer_begin(struct worker *worker, struct window *window);
/* Moves the window on: sends, reads replies for up to `timeout_ms`. False when the worker failed. */
bool writer_step(struct worker *worker, struct window *window, uint32_t timeout_ms);
/* For session.c: takes one answer to a put of the window; false when the worker failed. */
bool writer_take_reply(struct worker *worker, struct window *window, const churn_put_reply *reply);
/* … puts again what met a conflict, once all replies are taken. */
bool writer_put_again(struct worker *worker, struct window *window, const churn_put_reply *replies, uint32_t count);
/* … what the store has not answered is to be put again. */
void writer_session_lost(struct window *window);
/* Forgets an unfinished window. */
void writer_discard(struct worker *worker, struct window *window);

/* session.c */
/* Opens the session where there is none. False when the worker failed; an outage is waited for. */
bool session_step(struct worker *worker);
/* Takes the store's answers to the window's puts (NULL: none is being written) and to progress.c; waits up to
 * `timeout_ms` for the first. False when the worker failed. */
bool session_poll(struct worker *worker, struct window *window, uint32_t timeout_ms);
/* Looks whether an idle session still is what it was: nothing else would tell, until the next event comes. False when
 * the worker failed. */
bool session_check(struct worker *worker);
/* The session is broken: logs why, closes it and opens another soon. */
void session_lose(struct worker *worker, const char *message);
void session_close(struct worker *worker);
/* True while a window is being written. */
bool session_is_writing(struct worker *worker);

/* emitter.c */
/* Offers outputs to the sinks and takes their answers. */
bool emitter_step(struct worker *worker, uint32_t timeout_ms);
/* True when every dead letter of the window was answered, before anything else of it is offered. */
bool emitter_set_aside(const struct worker *worker, const struct window *window);
/* True when every output of the window was answered. */
bool emitter_done(const struct worker *worker, const struct window *window);
/* At the worker's end: notes what was not delivered, and logs what was dropped since the last warning. */
void emitter_end(struct worker *worker);
/* Whether a sink is to take or answer something. */
bool emitter_owes(const struct worker *worker, unsigned sink);
/* How many outputs it has not taken for good, of all windows. */
int64_t emitter_undelivered(const struct worker *worker, unsigned sink);

#endif
