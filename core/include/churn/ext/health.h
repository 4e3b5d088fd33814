/** @file
 * Extension "churn.health/1" (since ABI 1.3): a plugin says that it keeps events from moving, and when that is over.
 */
#ifndef CHURN_EXT_HEALTH_H
#define CHURN_EXT_HEALTH_H

#include <churn/host.h>

#ifdef __cplusplus
extern "C" {
#endif

#define CHURN_HEALTH_ID "churn.health/1"

typedef struct churn_health {
    uint32_t size;
    uint32_t reserved;
    /**
     * Something keeps events from being read, counted or let go of, and this instance knows what. The host logs it at
     * once and about once a minute while it lasts, answers /readyz with 503 and the trouble, and logs its end; so the
     * plugin need not log it too. Not for what a retry a moment later is likely to mend.
     *
     * `what` is one of the plugin's states, a constant lower-case word of at most 31 bytes such as "group" or
     * "breaker"; an instance may be in several at once. `message` says for a person what is the matter and what to do,
     * without a secret or personal data; it is copied. Called again while the state lasts it takes the place of the one
     * before. NULL: it is over, or never was. Whatever the instance said is over when it is destroyed. [any]
     */
    void (*stalled)(const churn_host *host, const char *what, const char *message);
} churn_health;

#ifdef __cplusplus
}
#endif
#endif
