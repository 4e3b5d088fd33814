/** @file
 * Extension "churn.answers/1" (since ABI 1.3): in `churnd test` what a test says that the model answers, for a sink
 * that scores profiles; it takes these answers in place of its own. A pipeline that runs has none.
 */
#ifndef CHURN_EXT_ANSWERS_H
#define CHURN_EXT_ANSWERS_H

#include <churn/ext/when.h>

#ifdef __cplusplus
extern "C" {
#endif

#define CHURN_ANSWERS_ID "churn.answers/1"

/** What the model says of one customer; texts live as long as the host. */
typedef struct churn_answer {
    uint32_t size;
    uint32_t reserved;
    churn_str churn_probability; /**< a JSON number from 0 to 1, NUL-terminated */
    churn_str risk_level;        /**< ptr NULL: the one that belongs to the probability; len 0: none */
    churn_str model_version;     /**< len 0: none */
} churn_answer;

typedef struct churn_answers {
    uint32_t size;
    uint32_t reserved;
    /** The answer to one trigger, with the profile that is scored; of the newest prediction the subject says nothing.
     *  CHURN_OK: *ret is set. CHURN_END: it is let go of, and nothing is predicted. CHURN_RETRY: the model fails this
     *  time; ask again. [worker] */
    int32_t (*answer)(const churn_host *host, const churn_when_subject *subject, churn_answer *ret);
} churn_answers;

#ifdef __cplusplus
}
#endif
#endif
