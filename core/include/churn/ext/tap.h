/** @file
 * Extension "churn.tap/1" (since ABI 1.3): a plugin shows what it makes to whoever looks at the running pipeline
 * (`churnd tap`).
 */
#ifndef CHURN_EXT_TAP_H
#define CHURN_EXT_TAP_H

#include <churn/host.h>
#include <churn/record.h>

#ifdef __cplusplus
extern "C" {
#endif

#define CHURN_TAP_ID "churn.tap/1"

/** Where in the pipeline a record is. What the host itself moves it shows by itself. */
enum {
    CHURN_TAP_PREDICTIONS =
        1, /**< an answer that is safe; key: customer_id, value: the JSON object that is published */
    CHURN_TAP_DEAD_LETTERS = 2 /**< a dead letter that the plugin wrote; as CHURN_RECORD_DEAD_LETTER */
};

typedef struct churn_tap {
    uint32_t size;
    uint32_t reserved;
    /** 1: somebody looks there now, so that it is worth making a record for `offer`; 0: nobody does. [any] */
    int32_t (*watched)(const churn_host *host, uint32_t point);
    /** Shows a record: its key, value, headers and position, which are copied. Where copies have no room it is passed
     *  over; the caller never waits for anybody who looks. [any] */
    void (*offer)(const churn_host *host, uint32_t point, const churn_record *record);
} churn_tap;

#ifdef __cplusplus
}
#endif
#endif
