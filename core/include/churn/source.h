/** @file
 * Sources: where records come from. Each worker has an instance of its own.
 */
#ifndef CHURN_SOURCE_H
#define CHURN_SOURCE_H

#include <churn/grant.h>
#include <churn/ledger.h>
#include <churn/plugin.h>
#include <churn/record.h>
#include <churn/section.h>
#include <churn/target.h>

#ifdef __cplusplus
extern "C" {
#endif

/** How a source tells its worker about partitions. Called only from within the source's own poll; valid until stop.
 *  [worker] */
typedef struct churn_source_listener {
    uint32_t size;
    uint32_t reserved;
    void *ctx;
    /** Partitions were added; `positions[i].offset` is where reading begins, -1 when unknown. The host may seek them
     *  once the poll returns; records that this very poll hands out are sought again too, where the source can. */
    void (*assigned)(void *ctx, const churn_position *positions, uint32_t count);
    /**
     * All partitions that the source holds go away (a source that could give up a part of them says all, and assigns
     * the rest again). The host finishes what it has read of them, calls `commit` for it, and forgets the rest;
     * records polled but not yet returned must be dropped by the source. `lost` 1: they already belong to somebody
     * else, so the host forgets without finishing and does not commit.
     */
    void (*revoked)(void *ctx, const churn_position *positions, uint32_t count, int32_t lost);

    /* since ABI 1.3: see `size` */
    /**
     * Below `positions[i].offset` there is no record that was not returned by an earlier poll: what is there, such as
     * Kafka's transaction markers, is none. So progress does not stop in front of it. Called before the records of a
     * poll are gathered, for partitions that are assigned and were not sought since.
     */
    void (*passed)(void *ctx, const churn_position *positions, uint32_t count);
    /** 1: a source that has `headers` and `reread` leaves the headers of records out of poll; the host asks for those
     *  that it needs, which are few as a rule, and taking headers apart costs. 0: poll hands them out. */
    uint32_t asks_headers;
    uint32_t reserved_2;
} churn_source_listener;

/** Bytes of a fingerprint, its NUL included. */
#define CHURN_FINGERPRINT_SIZE 128

/** How far behind a source is. */
typedef struct churn_lag {
    uint32_t size;
    uint32_t known;   /**< 0: the source cannot tell yet, or not now */
    int64_t messages; /**< records that exist and were not yet returned by poll; -1 for an endless generator */
    int64_t total;    /**< of a bounded input, the records that this run will read, as well as can be told; else -1 */
} churn_lag;

/** Takes the record at positions[index], borrowed during the call; NULL: it is not there. Returns CHURN_OK to go on. */
typedef int32_t (*churn_reread_fn)(void *ctx, uint32_t index, const churn_record *record);

/** Takes the name of a topic, as it stands in the positions of records; borrowed during the call. (since ABI 1.3) */
typedef void (*churn_topic_fn)(void *ctx, const char *topic);

/** Takes how many records of a partition exist and were not yet returned by poll, or when that was last known. (since
 *  ABI 1.3) */
typedef void (*churn_lag_fn)(void *ctx, const char *topic, int32_t partition, int64_t messages);

/** Takes a partition whose records, from `low` to before `end`, belong to a run until the end. (since ABI 1.3) */
typedef void (*churn_extent_fn)(void *ctx, const char *topic, int32_t partition, int64_t low, int64_t end);

typedef struct churn_source_ops {
    uint32_t size;
    /** 1: only one worker may run it (`workers: 1` is then required). */
    uint32_t single_worker;
    /** Checks options against each other; no I/O. After a failure nothing else is called. [main] */
    int32_t (*create)(void *self, const churn_host *host, churn_error *err);
    /** Opens the input. An input that is out of reach for now is no failure: poll waits for it. [worker] */
    int32_t (*start)(void *self, const churn_source_listener *listener, churn_error *err);
    /**
     * Hands out up to `max` records; waits up to `timeout_ms` for the first and does not wait for more. The records
     * are valid until the next poll or stop. CHURN_OK with *ret_count records; CHURN_PENDING with none; CHURN_END when
     * a bounded input has no more (records may come with it; it is not asked again unless `assigned` is called);
     * CHURN_FATAL with a message. Must be called often enough to keep the source alive (Kafka: the group membership);
     * `max` 0 only does that. [worker]
     */
    int32_t (*poll)(void *self, churn_record *records, uint32_t max, uint32_t timeout_ms, uint32_t *ret_count,
                    churn_error *err);
    /** Optional: everything before these positions is dealt with for good. `wait` 1: return when it is stored.
     *  CHURN_RETRY: not stored, which costs a repeat after a restart and nothing else. NULL: the source keeps no
     *  positions; the next run seeks to the one that the store has. [worker] */
    int32_t (*commit)(void *self, const churn_position *positions, uint32_t count, int32_t wait, churn_error *err);
    /** Optional: read on from this position. CHURN_RETRY: not now; as `resume`'s. [worker] */
    int32_t (*seek)(void *self, const churn_position *position, churn_error *err);
    /** Optional: stop (1) or go on (0) fetching, while poll is still called with `max` 0. [worker] */
    void (*pause)(void *self, int32_t on);
    /** Optional. [worker] */
    void (*lag)(void *self, churn_lag *lag);
    /** Leaves the input; the host has committed. Not called when start failed. [worker] */
    void (*stop)(void *self);
    /** Frees all that create and start allocated, not `self`. Always called after a create that succeeded. [main] */
    void (*destroy)(void *self);

    /* since ABI 1.1 */
    /** Optional: the first offset that a partition still holds and the one that its next record will get.
     *  CHURN_RETRY: cannot be told now. [worker] */
    int32_t (*bounds)(void *self, const char *topic, int32_t partition, int64_t *ret_low, int64_t *ret_end,
                      churn_error *err);
    /** Optional: the first offset whose record was written at or after `timestamp_ms`; the end where there is none.
     *  CHURN_RETRY: cannot be told now. [worker] */
    int32_t (*offset_at)(void *self, const char *topic, int32_t partition, int64_t timestamp_ms, int64_t *ret_offset,
                         churn_error *err);
    /* since ABI 1.2 */
    /**
     * Optional: calls `fn` for each thing that the instance reads. `timeout_ms` 0: names them, without any I/O.
     * Else it tries each for up to about so long and says what came of it; nothing outside is changed. [main]
     */
    void (*probe)(void *self, uint32_t timeout_ms, churn_target_fn fn, void *ctx);
    /* since ABI 1.3 */
    /**
     * Optional: names what the partition holds before `offset`, NUL-terminated, in words of the source's own. The host
     * keeps it in the store beside the position, and gives it to `resume`. Any other result than CHURN_OK: it keeps the
     * one it has. [worker]
     */
    int32_t (*fingerprint)(void *self, const char *topic, int32_t partition, int64_t offset,
                           char text[CHURN_FINGERPRINT_SIZE], churn_error *err);
    /**
     * Optional: asked before reading goes on from *offset, where the store says that everything before it was counted:
     * does the partition still hold what was counted? `fingerprint` is the text that was kept, "" when there is none.
     * CHURN_OK: it does, or that shows as it is read (poll then fails); *offset may be lowered, to read again what was
     * not whole then. CHURN_RETRY: cannot be told now; it is asked again at once, so wait a little before. The host
     * logs that message at DEBUG only, and after 30 s that there is nothing to read from: say why yourself, by
     * churn_log or <churn/ext/health.h>. CHURN_FATAL: it is another one; the message says what to do. CHURN_REJECT: it
     * is the one, and *offset cannot be true; the message says why, and the host which key of the store holds it.
     * [worker]
     */
    int32_t (*resume)(void *self, const char *topic, int32_t partition, const char *fingerprint, int64_t *offset,
                      churn_error *err);
    /**
     * Optional: reads records again by their positions, in any order and each as often as it is named, for a redrive
     * that compares them with dead letters: calls `fn` for each, in any order; one that is not there any more, or never
     * was, is NULL. Takes part in no group and moves no position. It is called on an instance of its own that was
     * created and is not started; where the listener has `asks_headers`, also on the one that runs, between two polls
     * and within `revoked`, for dead letters whose records are no longer those of the newest poll. CHURN_RETRY: not
     * within `timeout_ms`; some calls may have been made. NULL: the host asks a source without `commit` by start, seek
     * and poll, and does without another's. [worker]
     */
    int32_t (*reread)(void *self, const churn_position *positions, uint32_t count, uint32_t timeout_ms,
                      churn_reread_fn fn, void *ctx, churn_error *err);
    /** Optional: fills in `header_count` and `headers` of a record of the newest poll, which it knows by the record's
     *  `id`; they are valid until the next call of this or of poll. Called where the listener has `asks_headers`. Any
     *  other result than CHURN_OK ends the run. [worker] */
    int32_t (*headers)(void *self, churn_record *record, churn_error *err);
    /**
     * Optional: calls `fn` for each topic whose records a source with these options hands out, for a redrive, which
     * leaves the dead letters of other topics alone. What may follow the name in a position begins with one of `/@#:`.
     * NULL: its records may be of any topic. No instance is needed. [main]
     */
    void (*topics)(const churn_section *own, churn_topic_fn fn, void *ctx);
    /**
     * Optional: can what a source with these options hands out be read once more? CHURN_OK: whoever does gets the same
     * records. CHURN_REJECT: another run gets others (a generator that begins at the present), so a rebuild is refused.
     * CHURN_FATAL: what was read is gone (a pipe): neither is the pipeline's file read again while it runs, nor does a
     * redrive compare letters with their records. The message says why and what to do, as the end of a sentence: "a
     * rebuild reads the source from its beginning, and …". NULL: as CHURN_OK. No instance is needed. [main]
     */
    int32_t (*again)(const churn_section *own, churn_error *err);
    /**
     * Optional: changes the section so that a run with it reads beside the pipeline's own run: all that is there, from
     * the beginning, taking no record from that one and not moving where it goes on. `reader` names who reads, the same
     * whenever it goes on itself: a position of its own is kept under this name. A text of `get` is valid until its
     * option is put. CHURN_REJECT: it cannot; the message says why. NULL: a source without `commit` is read as it is,
     * and with another one a rebuild is refused, as is an explanation. No instance is needed. [main]
     */
    int32_t (*apart)(churn_section *section, const char *reader, churn_error *err);
    /** Optional: what `lag` sums up: calls `fn` for each partition that is assigned and of which it is known. NULL: as
     *  where all is in one partition. [worker] */
    void (*lags)(void *self, churn_lag_fn fn, void *ctx);
    /**
     * Optional: names each right that the instance has to be given by the systems that it uses, for `churnd check
     * --acl`; without any I/O. `use`: CHURN_USE_…. [main]
     */
    void (*grants)(void *self, uint32_t use, churn_grant_fn fn, void *ctx);
    /**
     * Optional: sets the options, `plugin` included, of an empty section of a sink that writes records where a source
     * with these options reads them: into `topic`, one that `topics` names; for a load test. CHURN_REJECT: nobody else
     * can; the message says why. NULL: neither can anybody. No instance is needed. [main]
     */
    int32_t (*writer)(const churn_section *own, const char *topic, churn_section *sink, churn_error *err);
    /** Optional, of a run until the end: calls `fn` for each partition that the run ends with, whoever holds it, this
     *  worker or another, of this run or of another one in its group; for none while they are not known. A replay has
     *  failed where others held some. NULL: nobody else can hold any. No I/O. [worker] */
    void (*extents)(void *self, churn_extent_fn fn, void *ctx);
    /**
     * Optional: changes the section so that a source with it reads, of its topics, `topic` alone, one that `topics`
     * names; before a load test looks what is in it. CHURN_REJECT: it cannot; the message says why. NULL: no load test
     * is made. No instance is needed. [main]
     */
    int32_t (*narrow)(churn_section *section, const char *topic, churn_error *err);
    /** Optional: how the host keeps a ledger beside the records. NULL: it keeps what it has to in the store alone. */
    const churn_ledger_ops *ledger;
} churn_source_ops;

#ifdef __cplusplus
}
#endif
#endif
