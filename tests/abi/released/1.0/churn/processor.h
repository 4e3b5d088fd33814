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
     * pipeline. The same event may come again after a restart and must get the same verdict. [worker]
     */
    int32_t (*process)(void *self, const churn_event *event, churn_error *err);
    /** Optional. Not called when start failed. [worker] */
    void (*stop)(void *self);
    /** Frees all that create and start allocated, not `self`. Always called after a create that succeeded. [main] */
    void (*destroy)(void *self);
} churn_processor_ops;

#ifdef __cplusplus
}
#endif
#endif
