/** @file
 * Extension "churn.when/1": what the section's `when` says of a prediction, for a sink that judges that itself
 * (CHURN_JUDGES_PROFILES). A `when` that speaks of the event alone is judged by the host before.
 */
#ifndef CHURN_EXT_WHEN_H
#define CHURN_EXT_WHEN_H

#include <churn/host.h>
#include <churn/store.h>

#ifdef __cplusplus
extern "C" {
#endif

#define CHURN_WHEN_ID "churn.when/1"

enum {
    CHURN_WHEN_PROFILE = 1, /**< there is a condition to be judged */
    CHURN_WHEN_SCORE = 2    /**< … which asks for the newest prediction, too */
};

/** A prediction that is about to be asked for. */
typedef struct churn_when_subject {
    uint32_t size;
    uint32_t count;           /**< of `fields` */
    churn_str customer_id;    /**< of the trigger, as the next three */
    churn_str event_id;       /**< */
    churn_str event_type;     /**< */
    int64_t timestamp_ms;     /**< */
    const churn_pair *fields; /**< the profile as it is stored */
    churn_str score;          /**< of the newest prediction, a decimal number; len 0: there is none */
    int64_t score_age_ms;     /**< since then */
} churn_when_subject;

typedef struct churn_when {
    uint32_t size;
    uint32_t reserved;
    /** CHURN_WHEN_…, the same from `create` on; 0: everything is wanted. [any] */
    uint32_t (*asks)(const churn_host *host);
    /** 1: the condition holds, or there is none. 0: it does not, or cannot be told. CHURN_FATAL: memory ran out. [any]
     */
    int32_t (*holds)(const churn_host *host, const churn_when_subject *subject);
} churn_when;

#ifdef __cplusplus
}
#endif
#endif
