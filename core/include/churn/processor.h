/** @file
 * Processors: look at each decoded event between its validation and its profile. Each worker has instances of its own.
 */
#ifndef CHURN_PROCESSOR_H
#define CHURN_PROCESSOR_H

#include <churn/event.h>
#include <churn/plugin.h>

#ifdef __cplusplus
extern "C" {
#endif

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
     * those announced before, unless the source is told to go elsewhere. Lets a processor that asks somebody else ask about
     * a whole batch at once; must not wait. [worker]
     */
    void (*announce)(void *self, const churn_event *event);
} churn_processor_ops;

#ifdef __cplusplus
}
#endif
#endif
