/* What the parts of a worker share: its state, and how it fails. */
#ifndef STATE_H
#define STATE_H

#include "engine/letter.h"
#include "engine/naming.h"
#include "engine/order.h"
#include "engine/output.h"
#include "engine/partition.h"
#include "engine/window.h"
#include "event/edit.h"
#include "event/event.h"
#include "event/protect.h"
#include "pipeline/instance.h"
#include "pipeline/pipeline.h"
#include "profile/cache.h"
#include "profile/fold.h"
#include "profile/owed.h"
#include "profile/profile_render.h"
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
    churn_counter *forgotten; /* passed over, since their customer was forgotten */
    churn_counter *ignored;   /* of unknown types, where the pipeline ignores them */
    churn_counter *puts;      /* acknowledged writes of profiles */
    churn_counter *created;   /* profiles written for the first time */
    churn_counter *conflicts;
    churn_counter *damaged; /* customers that were found to have a damaged profile */
    churn_counter *rewinds; /* partitions read again because the store may have lost something */
    churn_counter *gaps;    /* … of which records are gone, so that profiles stay incomplete */
    churn_counter *triggers;
    churn_counter *dead_letters;
    churn_counter *letters;       /* dead letters that a redrive has read */
    churn_counter *left_alone;    /* dead letters that a redrive cannot put back */
    churn_counter *older, *newer; /* … that were written at another time than is asked for */
    churn_counter *written_again; /* letters left alone in Kafka, written once more for the next redrive */
    churn_counter *again;         /* outputs that a redrive offers to sinks again */
    churn_counter *sent;          /* events that a sink has taken for good */
    churn_counter *reasons[REJECT_REASON_COUNT];
};

/* The same, for /metrics. */
struct worker_shown {
    churn_counter *alerts[CHURN_SEVERITY_CRITICAL + 1];
    churn_counter *windows; /* gauge: in flight */
    churn_histogram *store_write, *event_to_profile;
};

/* What a worker knows of one of its sinks. */
struct sink_state {
    churn_counter *sent;     /* records that it has taken for good */
    churn_counter *dropped;  /* records that it refused, where the pipeline says that they are dropped */
    churn_counter *given_up; /* records that it has not taken or answered in time */
    churn_counter *waiting;  /* gauge: records that it has not taken for good */
    struct owed owed;        /* what it has taken and not answered, also of windows that were given up */
    int64_t warn_ms;         /* not before: the next warning of either */
    int64_t lost;            /* dropped or given up since the last warning */
    char loss[512];          /* why, of the newest */
    bool out;                /* it was given up on, and has answered nothing since */
    bool moved;              /* it took or answered something since the last look */
    int64_t owes_since_ms;   /* since when it owes answers, and has not moved; 0: it does not */
    int64_t undelivered;     /* what it had not taken for good at the worker's end */
};

struct session_user;
struct stray;
struct original;

/* What the log has been told of damaged profiles. */
struct damage_report {
    struct naming naming; /* of the customers that are found */
    int64_t events;       /* set aside since the last line */
};

/* What main reads of a worker while it runs, and orders it. */
struct worker_signs {
    _Atomic int order; /* enum worker_order */
    _Atomic int state; /* enum worker_state */
    _Atomic bool started;
    _Atomic int64_t lag_messages;
    _Atomic int64_t lag_total, counted;
    _Atomic bool lag_known, endless;
    _Atomic int64_t waiting;         /* lag_messages, or when that was last known; -1: never */
    _Atomic int64_t behind_since_ms; /* what waits is no older, by the wall clock, as in struct health_worker */
    _Atomic int64_t turned_ms;       /* when the loop last went round */
    _Atomic bool assigned, session_open;
    _Atomic uint32_t damaged;               /* customers whose profiles are known to be damaged now */
    _Atomic(const struct section *) inside; /* whose plugin is called; NULL: none */
};

/* Of watch.c: since when something does not move. */
struct worker_watch {
    int64_t looked_ms;
    int64_t silent_since_ms; /* the store; 0: it answers, or need not */
    uint32_t stored_seen;
    int64_t dry_since_ms; /* the source; 0: it hands out records, or there are none */
    bool dry;             /* it had none at the newest poll */
    bool handed_out;      /* it had some since the last look */
};

/* Of original.c, in a redrive: the pipeline's own source, to read again what letters were. */
struct worker_origin {
    struct instance *instance; /* NULL: none */
    churn_source_listener listener;
    bool started;
    struct original *originals; /* of the records of a poll */
};

/* Of reading.c: what the source hands out. */
struct worker_reading {
    churn_source_listener listener;
    churn_record *records; /* POLL_RECORDS */
    bool at_end;
    bool paused;
    int64_t blocked_since_ms;        /* 0: not blocked */
    int64_t ask_again_ms;            /* a processor could not tell: no record before; 0: none waits */
    const struct section *undecided; /* that processor; NULL: none */
};

/* Of event_in.c and processors.c: the event at hand. */
struct worker_intake {
    struct event_decoder *decoder;
    struct edit edit;
    const struct section *verdict_of; /* the processor that gave the newest verdict */
    struct text scratch;
    int64_t polled_ms;      /* when the source gave the newest records, by the wall clock */
    unsigned letters_shown; /* in the log */
};

/* Of windows.c: a ring from the oldest window to the one that is being filled. */
struct worker_ring {
    struct arena_pool pool; /* the windows' memory */
    struct window windows[MAX_WINDOWS];
    uint64_t oldest, newest; /* numbers; the newest one is filling */
};

/* Of session.c. */
struct worker_session {
    void *handle;                                      /* the store's own; NULL: none is open */
    const struct session_user *checkpoints, *profiles; /* whom it answers */
    bool fresh;                                        /* opened, and nothing was put yet */
    char identity[CHURN_IDENTITY_SIZE];                /* of the store, in the newest session */
    bool went_back;       /* the store may have lost acknowledged writes: everything in flight is void */
    int64_t next_open_ms; /* not before, while the store is out of reach */
    int64_t open_pause_ms;
};

/* Of writer.c. */
struct worker_writer {
    int64_t retry_pause_ms;
    int64_t retry_ms; /* when refused puts are offered again; 0: none */
    struct profile_text rendered;
    struct naming gone; /* whose profiles the store has no more */
};

/* Of windows.c: the tombstones that it has adopted. */
struct worker_forgetting {
    int64_t known;        /* -1: none, not even that there are none */
    bool told;            /* … and nothing of before is left anywhere */
    bool none;            /* without `forget:`: nobody of these profiles was forgotten when it began */
    struct stray *strays; /* of strays.c */
};

struct worker {
    struct pipeline *pipeline;
    unsigned number;
    pthread_t thread;
    bool thread_started;
    struct worker_signs signs;
    struct worker_counters counters;
    struct worker_shown shown;
    struct journal_seat seat;

    struct instance *source;
    struct instance **processors;
    struct instance **sinks;
    struct sink_state *sink_states;
    bool source_started;
    unsigned processors_started, sinks_started;

    struct worker_reading reading;
    struct worker_origin origin;
    struct worker_intake intake;
    struct protector *protector; /* NULL: personal data is not protected */
    struct worker_ring ring;
    struct worker_session session;
    struct worker_writer writer;
    struct worker_watch watch;
    struct worker_forgetting forgetting;
    struct damage_report damage;
    int64_t headers_ms; /* not before: records are read again for their headers once more */

    struct parts parts;
    struct cache cache;
    struct fold_buffer folder;
    struct progress progress;
    int64_t last_commit_ms;
    int64_t lag_looked_ms;
    int64_t replay_told_ms;

    bool moved; /* something happened in this round of the loop */
    bool failed;
    char failure[2048]; /* why */
};

static inline struct window *window_at(struct worker *worker, uint64_t number)
{
    return &worker->ring.windows[number % MAX_WINDOWS];
}

static inline struct window *window_filling(struct worker *worker)
{
    return window_at(worker, worker->ring.newest);
}

/* The one before it, or NULL when everything before it is done. */
static inline struct window *window_filled(struct worker *worker)
{
    return worker->ring.newest > worker->ring.oldest ? window_at(worker, worker->ring.newest - 1) : NULL;
}

static inline bool worker_has_store(const struct worker *worker)
{
    return worker->pipeline->store.loaded != NULL;
}

/* True while a window's profiles are being written. */
static inline bool session_is_writing(struct worker *worker)
{
    const struct window *window = window_filled(worker);
    return window != NULL && window->state == WINDOW_WRITING;
}

static inline const churn_source_ops *source_of(const struct worker *worker)
{
    return source_ops(&worker->pipeline->source);
}

static inline const churn_store_ops *store_of(const struct worker *worker)
{
    return store_ops(&worker->pipeline->store);
}

static inline const char *source_label(const struct worker *worker)
{
    return worker->pipeline->source.label;
}

/* What is known of a partition, which is known of. */
static inline struct partition *partition_at(const struct worker *worker, uint32_t part)
{
    return &worker->progress.partitions[part];
}

/* The same; NULL where nothing is known of it yet. */
static inline struct partition *partition_find(const struct worker *worker, uint32_t part)
{
    return part < worker->progress.room ? partition_at(worker, part) : NULL;
}

/* How many partitions may be ours. */
static inline uint32_t partition_count(const struct worker *worker)
{
    return worker->parts.count < worker->progress.room ? worker->parts.count : worker->progress.room;
}

/* What main wants of it. */
static inline enum worker_order worker_ordered(const struct worker *worker)
{
    return (enum worker_order)atomic_load_explicit(&worker->signs.order, memory_order_acquire);
}

/* What main is shown. */
static inline void worker_show(struct worker *worker, enum worker_state state)
{
    atomic_store_explicit(&worker->signs.state, (int)state, memory_order_release);
}

/* Marks the worker as failed and logs why; always false. */
CHURN_PRINTF(2, 3) bool worker_fail(struct worker *worker, const char *format, ...);

/* Marks the worker as failed for want of memory; always false. */
static inline bool out_of_memory(struct worker *worker)
{
    return worker_fail(worker, "out of memory");
}

#endif
