/** @file
 * Extension "churn.forgetting/1" (since ABI 1.3): customers who are forgotten (`churnd forget`) while a plugin holds
 * something that followed from their events: triggers that wait, requests, alerts that are tried again. Before each
 * step that makes something of a customer it asks; and `forget` is answered by this process only once every instance
 * that takes part holds nothing of before.
 */
#ifndef CHURN_EXT_FORGETTING_H
#define CHURN_EXT_FORGETTING_H

#include <churn/host.h>

#ifdef __cplusplus
extern "C" {
#endif

#define CHURN_FORGETTING_ID "churn.forgetting/1"

/** What followed from a record. */
typedef struct churn_forgettable {
    uint32_t size;
    int32_t partition;
    churn_str customer_id;
    churn_str topic;      /**< with `partition` and `offset` where the record was read; len 0: nobody knows */
    int64_t offset;       /**< */
    int64_t timestamp_ms; /**< event time */
} churn_forgettable;

typedef struct churn_forgetting {
    uint32_t size;
    uint32_t reserved;
    /**
     * How many times customers were forgotten, as far as this process knows; it only grows, and is cheap to ask. -1:
     * not known yet. *ret_looked_ms: when the newest look that has ended began, by host->monotonic_ms. [any]
     */
    int64_t (*known)(const churn_host *host, int64_t *ret_looked_ms);
    /**
     * 1: it was forgotten with its customer: give it up, as if it were done. 0: it was not. CHURN_PENDING: who is
     * forgotten cannot be read at the moment: make nothing of it, and ask again. [any]
     */
    int32_t (*covers)(const churn_host *host, const churn_forgettable *what);
    /**
     * The instance holds nothing that the first `known` cover: nothing waits, is under way, or can be written yet. With
     * its first call, in `start` at the latest, with -1, an instance begins to take part. [any]
     */
    void (*adopted)(const churn_host *host, int64_t known);
} churn_forgetting;

#ifdef __cplusplus
}
#endif
#endif
