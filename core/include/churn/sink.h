/** @file
 * Sinks: where records go. Each worker has an instance of its own.
 */
#ifndef CHURN_SINK_H
#define CHURN_SINK_H

#include <churn/grant.h>
#include <churn/plugin.h>
#include <churn/record.h>
#include <churn/section.h>
#include <churn/target.h>

#ifdef __cplusplus
extern "C" {
#endif

/** The answer for one record that write took. */
typedef struct churn_done {
    uint64_t id;    /**< the record's */
    int32_t result; /**< CHURN_OK: safe for good. CHURN_REJECT: this record can never be taken */
    uint32_t reserved;
    const char *message; /**< REJECT: why, one line; valid until the next call on the instance */
} churn_done;

enum {
    /** The value of each record is a letter, as a line of JSON that the file sink would write; otherwise a record is a
     *  letter itself, with the headers that the sink was given. */
    CHURN_READ_BACK_LINES = 1,
    /** Each redrive reads all letters: no position is kept, and what is still bad is not written once more. */
    CHURN_READ_BACK_STAYS = 2
};

/** How dead letters are read again. Since ABI 1.3. */
typedef struct churn_read_back {
    uint32_t size;
    uint32_t all;                /**< 1: all letters are asked for, also those that an earlier redrive has read */
    const char *pipeline;        /**< the pipeline's name */
    const churn_section *source; /**< the pipeline's own source, of whatever plugin; empty where it has none */
    churn_section *reader;       /**< the section of the source that reads the letters: empty, with `put` */

    /* for the sink to fill in */
    uint32_t flags; /**< CHURN_READ_BACK_… */
    uint32_t reserved;
    int64_t end;           /**< no letter at this offset or behind it is read; as it is given, INT64_MAX: all */
    char description[512]; /**< what is read, for the log: "reads the dead letters of …" */
} churn_read_back;

/** How a line begins that a sink has written over one that it erased. Since ABI 1.3. */
#define CHURN_ERASED_LINE "{\"forgotten\":true"

enum { CHURN_KEPT_HALF = 1 /**< its erasing was cut short: there is no telling what it was, and it is to be erased */ };

/** One record that a sink keeps. Since ABI 1.3. */
typedef struct churn_kept {
    uint32_t size;
    uint32_t flags;    /**< CHURN_KEPT_… */
    const char *place; /**< where, such as a file */
    int64_t at;        /**< where in it */
    /** The record's value, or a line as of CHURN_READ_BACK_LINES; ptr NULL: what this place holds cannot be read. */
    churn_str value;
    const char *why; /**< why not, and what to do; NULL: it can */
} churn_kept;

/** CHURN_OK: it stays; CHURN_REJECT: it is to be erased; CHURN_FATAL: no further one is wanted. */
typedef int32_t (*churn_kept_fn)(void *ctx, const churn_kept *kept);

typedef struct churn_sink_ops {
    uint32_t size;
    uint32_t accepts; /**< CHURN_RECORD_EVENT | …: what it can be given */
    /** Checks options against each other; no I/O. After a failure nothing else is called. [main] */
    int32_t (*create)(void *self, const churn_host *host, churn_error *err);
    /** Connects. A target that is out of reach for now is no failure: write takes nothing until it can. [worker] */
    int32_t (*start)(void *self, churn_error *err);
    /**
     * Takes the first *ret_taken of `count` records, copying what it needs; fewer than `count` means full: the host
     * polls and offers the rest again, and meanwhile the source waits. Never blocks. Each record taken is answered
     * exactly once by poll, in any order; an answer to anything else stops the pipeline. CHURN_OK or CHURN_FATAL; any
     * other error is about the first record that was not taken, which goes to the dead letters. [worker]
     */
    int32_t (*write)(void *self, const churn_record *records, uint32_t count, uint32_t *ret_taken, churn_error *err);
    /**
     * Moves things on and collects up to `max` answers; waits up to `timeout_ms` for the first. A sink must not answer
     * CHURN_OK before a crash of the process or of the machine's peer could no longer lose the record.
     * CHURN_OK, also with none; CHURN_FATAL. [worker]
     */
    int32_t (*poll)(void *self, churn_done *done, uint32_t max, uint32_t timeout_ms, uint32_t *ret_count,
                    churn_error *err);
    /**
     * Optional: called repeatedly when a bounded input has ended and every record was answered, while a sink has work
     * of its own left (a prediction sink that still serves triggers). CHURN_PENDING: go on calling; CHURN_OK: nothing
     * left, or nothing that can be done while a target is out of reach. [worker]
     */
    int32_t (*drain)(void *self, churn_error *err);
    /** Stops within `deadline_ms` (a duration); what was not answered is offered again after a restart. Not called
     *  when start failed. [worker] */
    void (*stop)(void *self, int64_t deadline_ms);
    /** Frees all that create and start allocated, not `self`. Always called after a create that succeeded. [main] */
    void (*destroy)(void *self);
    /* since ABI 1.2 */
    /**
     * Optional: calls `fn` for each thing that the instance writes, or reads. `timeout_ms` 0: names them, without any
     * I/O. Else it tries each for up to about so long and says what came of it; nothing outside is changed. [main]
     */
    void (*probe)(void *self, uint32_t timeout_ms, churn_target_fn fn, void *ctx);
    /* since ABI 1.3 */
    /**
     * Optional: says how the dead letters that a sink with these options has written are read again, for `churnd
     * redrive`: sets the options of back->reader, its `plugin` included, and the members below. No instance is needed.
     * CHURN_REJECT: they cannot be; the message says why, with "they" for the letters. NULL: never. [main]
     */
    int32_t (*read_back)(const churn_section *own, churn_read_back *back, churn_error *err);
    /**
     * Optional: names each right that the instance has to be given by the systems that it uses, for `churnd check
     * --acl`; without any I/O. `use`: CHURN_USE_…. [main]
     */
    void (*grants)(void *self, uint32_t use, churn_grant_fn fn, void *ctx);
    uint32_t judges; /**< CHURN_JUDGES_…: what of its `when` it judges itself, by <churn/ext/when.h>; 0: nothing */
    uint32_t reserved;
    /**
     * Optional: gives each record that sinks with these options have written and still keep to `fn`, in any order, and
     * erases those that it rejects: they are gone for good when this returns, and nothing else is, also while a
     * pipeline writes there and after a crash in the middle of it. One that is erased begins with CHURN_ERASED_LINE, or
     * is not there. For `churnd where` and `churnd forget`; no instance is needed. CHURN_OK; CHURN_RETRY, or what `fn`
     * answered: not all of them were looked at. NULL: a customer cannot be looked for there. [main]
     */
    int32_t (*search)(const churn_section *own, churn_kept_fn fn, void *ctx, churn_error *err);
} churn_sink_ops;

enum { CHURN_JUDGES_PROFILES = 1 /**< conditions on profiles and predictions, of a sink for triggers (ABI 1.3) */ };

#ifdef __cplusplus
}
#endif
#endif
