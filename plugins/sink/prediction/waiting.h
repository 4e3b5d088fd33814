/* Triggers that wait, joined by customer into jobs. One thread.
 *
 * A customer has at most one job that is being served and one that waits behind it; what arrives before a job is asked
 * about joins it. A job's profile is read ahead of its request; one that another trigger has joined since may lack that
 * one's event, and is read again. A job stays where it is in memory until waiting_finish or waiting_free, and while it
 * is being read. */
#ifndef PREDICTION_WAITING_H
#define PREDICTION_WAITING_H

#include "answer.h"
#include "crossing.h"
#include "trigger.h"
#include <stddef.h>

#define REVISION_SIZE 17

/* Where a trigger came from, for the queue to know it again. */
struct token {
    int32_t partition;            /* Kafka */
    uint32_t generation;          /* Kafka: of the partition's assignment */
    uint64_t sequence;            /* Kafka: of the trigger within the assignment */
    char revision[REVISION_SIZE]; /* store: of the entry; "" otherwise */
};

enum job_step {
    JOB_WAITING,  /* for its turn */
    JOB_READING,  /* its profile is being read */
    JOB_READY,    /* … was read, and waits for its request */
    JOB_ASKING,   /* a request is under way */
    JOB_SENDING,  /* the outcome is to be produced */
    JOB_SENT,     /* … on its way to Kafka */
    JOB_CROSSING, /* … may be a crossing of the score */
    JOB_ALERTING, /* … whose alert is on its way */
    JOB_STORING,  /* … to be written to the store */
    JOB_CACHING,  /* … on its way there */
    JOB_REMOVING, /* the triggers are to be removed from the queue */
};

/* Whether it is to be asked about. */
enum verdict {
    WANTED,
    UNWANTED, /* the condition does not hold */
    RECENT,   /* there is an answer that is young enough */
    FORGOTTEN /* its events were forgotten with their customer */
};

struct job {
    struct customer *customer;
    struct trigger *trigger; /* the newest by event time, of equal ones the last; owned, with those behind it */
    struct token *tokens;    /* of all its triggers */
    uint32_t token_count;
    uint32_t token_room;
    enum job_step step;
    int64_t ready_ms; /* WAITING: not before; later: what it was */
    uint64_t order;   /* WAITING: of equal ready_ms the lower goes first */
    int told;         /* ready_ms is what the API asked for */
    int64_t read_ms;  /* READY: when the profile came */
    int outdated;     /* READING: another trigger has joined since */
    char *row;        /* READY, ASKING: what a request carries of it; with an answer: what was sent of it, as a JSON
                         object; owned */
    size_t row_len;
    struct job *next_ready, *previous_ready;
    uint32_t batch_max;   /* jobs in its next request; 0: as many as may be */
    unsigned failures;    /* of the API, in a row */
    unsigned refusals;    /* … with it in hand, since its batch was last halved */
    uint64_t answers;     /* of the API as of the first of them */
    unsigned faults;      /* answers that put the blame on this request */
    long fault_status;    /* given up: HTTP status of the last fault; 0: answered, or not asked */
    enum verdict verdict; /* not WANTED: it is let go of */
    struct crossing crossing;
    struct answer *answer; /* once there is one; owned */
    struct job *next_settling;
};

/* What is left of a job when its triggers that were forgotten are gone. */
enum left {
    LEFT_ALL,     /* it goes on */
    LEFT_OTHER,   /* another trigger is its newest: it is read and asked about anew */
    LEFT_NOTHING, /* it is let go of */
    LEFT_UNKNOWN  /* who is forgotten is not known at the moment: it waits */
};
typedef enum left (*waiting_judge_fn)(void *ctx, struct job *job);
typedef void (*waiting_gone_fn)(void *ctx, struct job *job);

struct waiting {
    int keeps_all;              /* jobs keep all of their triggers: the newest one may be given up */
    struct customer *customers; /* by id */
    struct job **heap;          /* WAITING jobs, the soonest first */
    size_t heap_len;
    size_t heap_room;
    struct job *ready; /* the first that was read, in a ring; NULL: none */
    uint32_t ready_count;
    uint64_t next_order;
    uint64_t jobs;   /* of all steps */
    uint64_t tokens; /* of all jobs */
};

/* 1 when its tokens were forgotten while it was not WAITING: nobody waits for it here any more. */
static inline int job_is_forgotten(const struct job *job)
{
    return job->token_count == 0;
}

enum added { ADDED_NEW, ADDED_JOINED, ADDED_KNOWN, ADDED_FAILED /* memory ran out */ };

/* Takes `trigger` over, whatever the result. KNOWN: a token with this revision is already here. */
enum added waiting_add(struct waiting *waiting, struct trigger *trigger, const struct token *token, int64_t now_ms);

/* The next job that is due, now READING. NULL: none. With `any` the one that failed least, due or not, unless the API
 * asked it to wait: a probe is to tell how the API is, not that a row is bad. */
struct job *waiting_read(struct waiting *waiting, int64_t now_ms, int any);

/* A READING job's profile has come: `row`, which is taken over. The job is READY, unless it must be read again. */
void waiting_hold(struct waiting *waiting, struct job *job, char *row, size_t row_len, int64_t now_ms);

/* … cannot be read now: it waits again where it was. */
void waiting_unread(struct waiting *waiting, struct job *job, int64_t now_ms);

/* … can never be read: it is ASKING, as if it had been asked about. 0: nobody waits for it any more, and it is freed.
 */
int waiting_skip(struct waiting *waiting, struct job *job, int64_t now_ms);

/* READY jobs whose profiles came before `read_ms` wait again, to be read anew. */
void waiting_outdate(struct waiting *waiting, int64_t read_ms);

/* How many READY jobs, the first ones, go into the next request, at most `max`; *ret_full: none that comes could go
 * with them. Those that were in a request that was refused go with each other alone. */
uint32_t waiting_batch(const struct waiting *waiting, uint32_t max, int *ret_full);

/* The first READY job, now ASKING. NULL: none. */
struct job *waiting_take(struct waiting *waiting);

/* Lets an ASKING job wait again; the one behind it joins it, where it takes more. Nobody waits for one whose tokens are
 * forgotten: it is freed. */
void waiting_put_back(struct waiting *waiting, struct job *job, int64_t ready_ms, int told);

/* Frees a job that is not WAITING; the one behind it gets its turn. */
void waiting_finish(struct waiting *waiting, struct job *job, int64_t now_ms);

/* When the first job is due; INT64_MAX: none waits. */
int64_t waiting_next_ms(const struct waiting *waiting);

/* Makes all due now that the API did not ask to wait. */
void waiting_hurry(struct waiting *waiting, int64_t now_ms);

/* Forgets tokens for which `gone` says 1, and waiting jobs that have none left. */
void waiting_forget(struct waiting *waiting, int (*gone)(const void *ctx, const struct token *token), const void *ctx);

/* Frees those of its triggers that are `forgotten`, which are not all of them. */
void waiting_drop_forgotten(struct job *job);

/* Judges the first `count` READY jobs, and takes out those that cannot be asked about now; one of which nothing is left
 * is ASKING then, and `gone` is told. 1: none was taken out. */
int waiting_sort_ready(struct waiting *waiting, uint32_t count, waiting_judge_fn judge, waiting_gone_fn gone,
                       void *ctx);
/* The same of all that are READY or WAITING. */
void waiting_sort_out(struct waiting *waiting, waiting_judge_fn judge, waiting_gone_fn gone, void *ctx);
/* Whether `is` says 1 of a job that is neither, or waits behind another. */
int waiting_is_under_way(const struct waiting *waiting, int (*is)(void *ctx, const struct job *job), void *ctx);

void waiting_free(struct waiting *waiting);

#endif
