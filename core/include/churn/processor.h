/** @file
 * Processors: judge each decoded event between its validation and its profile, and may change it, raise alerts and keep
 * state (since ABI 1.2). Each worker has instances of its own.
 */
#ifndef CHURN_PROCESSOR_H
#define CHURN_PROCESSOR_H

#include <churn/event.h>
#include <churn/plugin.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct churn_edit churn_edit;

/**
 * What `transform` may do about its event: change members of `data`, and raise alerts. Made by the host, valid during
 * the call only; all texts are copied. Nothing is done until the call has answered CHURN_OK; with any other answer
 * nothing is. The event that was passed stays as it was during the call; everything behind it – later processors, the
 * profile, alerts, event sinks – has the changed one. Dead letters have the record as it was received, so that putting
 * them back runs the processors again.
 *
 * A field that the event type declares takes only a value that its row allows (type, range, choices), and a required
 * one cannot be removed. Any other name is an extra member, which sinks and alerts show and profiles do not know. Order
 * and text of the other members stay; a new one comes last; of the last change of a name the event has one member.
 *
 * All calls answer CHURN_OK; or CHURN_REJECT, the change being left out, or CHURN_FATAL when memory ran out, with a
 * message in `err` (may be NULL). A processor may simply pass either on as its own answer. [worker]
 */
struct churn_edit {
    uint32_t size;
    uint32_t reserved;
    void *ctx; /**< the host's own */
    /** A STRING, or a TIME written by RFC 3339; an extra member becomes a text. `field` is NUL-terminated. */
    int32_t (*set_text)(churn_edit *edit, const char *field, churn_str text, churn_error *err);
    /** An INT, MONEY in units of 1/10,000, BOOL as 0 or 1, TIME in ms since 1970; an extra member becomes a whole
     * number. */
    int32_t (*set_number)(churn_edit *edit, const char *field, int64_t number, churn_error *err);
    /** CHURN_OK also where the event has no such member. */
    int32_t (*remove)(churn_edit *edit, const char *field, churn_error *err);
    /**
     * Raises an alert: CHURN_SEVERITY_INFO … CRITICAL, and what to tell a person. `name`, of 1 to 64 letters, digits,
     * `_`, `-` and `.`, is the last part of its alert_id, TOPIC/PARTITION/OFFSET/NAME, and differs from those of all
     * other alerts that processors raise about this event. It is sent as other alerts are: once the profile is stored,
     * at least once, not in a replay, with the `data` that the event has in the end; and not at all where a processor
     * leaves the event out.
     */
    int32_t (*alert)(churn_edit *edit, uint32_t severity, const char *name, churn_str message, churn_error *err);
};

typedef struct churn_processor_ops {
    uint32_t size;
    uint32_t reserved;
    /** Checks options against each other; no I/O. After a failure nothing else is called. [main] */
    int32_t (*create)(void *self, const churn_host *host, churn_error *err);
    /** Optional. [worker] */
    int32_t (*start)(void *self, churn_error *err);
    /**
     * The verdict on one event: CHURN_OK lets it pass, CHURN_DROP leaves it out (counted as filtered), CHURN_REJECT
     * with a message sends it to the dead letters with the reason `rejected_by_processor`, CHURN_FATAL stops the
     * pipeline. CHURN_RETRY (since ABI 1.1): it cannot tell for now, since something that it needs is out of reach; the
     * source waits, and the same event comes again. Any other answer is taken as CHURN_REJECT. The same event may come
     * again after a restart and must get the same verdict. An event at which the process died in this call several
     * times, or which it did not return from in time, is not given again: see churnd-pipeline(5). [worker]
     */
    int32_t (*process)(void *self, const churn_event *event, churn_error *err);
    /** Optional. Not called when start failed. [worker] */
    void (*stop)(void *self);
    /** Frees all that create and start allocated, not `self`. Always called after a create that succeeded. [main] */
    void (*destroy)(void *self);

    /* since ABI 1.1 */
    /**
     * Optional, for the first processor of a pipeline: `process` will soon be called with this event, after it was with
     * those announced before, unless the source is told to go elsewhere. Lets a processor that asks somebody else ask
     * about a whole batch at once; must not wait. [worker]
     */
    void (*announce)(void *self, const churn_event *event);

    /* since ABI 1.2 */
    /**
     * Optional: called in the place of `process`. The same answers; changes and alerts, too, must be the same when the
     * event comes again. `process` is called by hosts of ABI 1.0 and 1.1 only and must be there for them: where events
     * must not pass unchanged it answers CHURN_FATAL with a message. [worker]
     */
    int32_t (*transform)(void *self, const churn_event *event, churn_edit *edit, churn_error *err);
    /**
     * Optional, for a processor that keeps state: called before the host lets go of events, with its source and in its
     * store. CHURN_OK: whatever this instance must remember of any event that it was ever given is stored as safely as
     * the profiles are. An event that comes again after that may find it so; all others come again, in their order, and
     * make the state again. CHURN_RETRY with a message: not now; nothing is let go of, and the question is asked again.
     * CHURN_FATAL stops the pipeline. Should not wait long. Not asked while nothing is to be let go of. [worker]
     */
    int32_t (*checkpoint)(void *self, churn_error *err);
    /**
     * Optional: partitions were given up, or the store may have lost writes that it had acknowledged. What this
     * instance has in memory about events may be older, or newer, than what is stored, which from now on is what
     * counts: it drops all of it, unwritten state too, and reads the store again. Events that no checkpoint covered
     * come again, here or elsewhere. [worker]
     */
    void (*forget)(void *self);
} churn_processor_ops;

#ifdef __cplusplus
}
#endif
#endif
