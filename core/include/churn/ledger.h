/** @file
 * A ledger: records that are kept for good, each under a key, in the system whose records a source reads; of Kafka a
 * compacted topic. The host keeps there what must outlast its store: which customers are forgotten. Since ABI 1.3.
 */
#ifndef CHURN_LEDGER_H
#define CHURN_LEDGER_H

#include <churn/grant.h>
#include <churn/record.h>
#include <churn/target.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Takes a record of the ledger, borrowed during the call; a value whose ptr is NULL deletes what is under its key. */
typedef void (*churn_ledger_fn)(void *ctx, const churn_record *record);

/** Called on an instance of the source of its own, which was created and is not started; but for create and destroy,
 *  by one thread that may be another than that. One instance is asked for one ledger. */
typedef struct churn_ledger_ops {
    uint32_t size;
    uint32_t reserved;
    /**
     * Hands out all records that this instance has not handed out yet, up to the end as it stood when the call began;
     * those of a transaction too, whatever became of it. *ret_exists 0: there is no such ledger, which is only said
     * where that is certain; one that was made anew is handed out from its beginning. CHURN_RETRY: not all of it within
     * `timeout_ms`, or it may not be read; the next call goes on. [any]
     */
    int32_t (*read)(void *self, const char *name, uint32_t timeout_ms, churn_ledger_fn fn, void *ctx,
                    int32_t *ret_exists, churn_error *err);
    /**
     * Adds a record with this key and value; CHURN_OK: it is safe for good. The ledger is made where there is none.
     * CHURN_RETRY: it is not known whether it was added. CHURN_FATAL: it was not; the message says what to do. [any]
     */
    int32_t (*add)(void *self, const char *name, churn_str key, churn_str value, uint32_t timeout_ms, churn_error *err);
    /** As the source's `probe`, of the ledger alone, which is read. [main] */
    void (*probe)(void *self, const char *name, uint32_t timeout_ms, churn_target_fn fn, void *ctx);
    /** As the source's `grants`, of the ledger alone: it is read, and with CHURN_USE_ADD also made and added to. [main]
     */
    void (*grants)(void *self, const char *name, uint32_t use, churn_grant_fn fn, void *ctx);
} churn_ledger_ops;

#ifdef __cplusplus
}
#endif
#endif
