/** @file
 * Extension "churn.alerts/1" (since ABI 1.3): a sink raises alerts of its own, which go to the pipeline's sinks for
 * alerts as those of events do.
 */
#ifndef CHURN_EXT_ALERTS_H
#define CHURN_EXT_ALERTS_H

#include <churn/host.h>

#ifdef __cplusplus
extern "C" {
#endif

#define CHURN_ALERTS_ID "churn.alerts/1"

/** An alert; its texts are UTF-8 and copied. */
typedef struct churn_alert {
    uint32_t size;
    uint32_t severity;     /**< CHURN_SEVERITY_… */
    churn_str event_id;    /**< the alert's id too: the same for a repeat, and for no other alert */
    churn_str event_type;  /**< what kind of thing happened; no event type of the pipeline is called so */
    churn_str customer_id; /**< */
    int64_t timestamp_ms;  /**< */
    churn_str message;     /**< for people */
    churn_str data;        /**< a JSON object */
} churn_alert;

typedef struct churn_alerts {
    uint32_t size;
    uint32_t reserved;
    /** 1: the pipeline has a sink that takes alerts; 0: nobody would hear them. [any] */
    int32_t (*heard)(const churn_host *host);
    /** Takes an alert, which is answered once by `answers` with this id. CHURN_OK; CHURN_FATAL: memory ran out. [any]
     */
    int32_t (*raise)(const churn_host *host, const churn_alert *alert, uint64_t id);
    /** Ids of up to `max` alerts of this instance that are safe with each sink that they are for, or in the dead
     *  letters; how many. What is raised and not answered when the instance ends may be heard or not: raise it again.
     *  [any] */
    uint32_t (*answers)(const churn_host *host, uint64_t *ids, uint32_t max);
} churn_alerts;

#ifdef __cplusplus
}
#endif
#endif
