/** @file
 * What an instance has to be allowed by the systems that it uses: for `churnd check --acl`. Since ABI 1.3.
 */
#ifndef CHURN_GRANT_H
#define CHURN_GRANT_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/** What the host will do with the instance; one or several. */
enum {
    CHURN_USE_RUN = 1,   /**< all that a run does */
    CHURN_USE_READ = 2,  /**< only look: a source's records are read once more by their positions, a store is asked */
    CHURN_USE_LIST = 4,  /**< of a store: `keys` and `scan`, too */
    CHURN_USE_APART = 8, /**< of a source: read beside the pipeline (`apart`), committing nothing; the reader's name
                              then only begins as it was given */
    CHURN_USE_ADD = 16   /**< of a source: its ledger is added to (<churn/ledger.h>) */
};

/** Systems whose own commands the host writes; others are described in words. */
#define CHURN_GRANT_KAFKA "kafka" /**< resources: topic, group, cluster; operations as kafka-acls.sh names them */
#define CHURN_GRANT_REDIS "redis" /**< resources: key and channel, whose names are what theirs begin with; command */

enum {
    CHURN_GRANT_PREFIX = 1,   /**< `name` is only what the resource's name begins with */
    CHURN_GRANT_SOMETIMES = 2 /**< it works without; `why` says when it is needed */
};

/** One right; valid during the call that takes it. */
typedef struct churn_grant {
    uint32_t size;
    uint32_t flags;        /**< CHURN_GRANT_PREFIX | CHURN_GRANT_SOMETIMES */
    const char *system;    /**< one of those above, or any other word */
    const char *at;        /**< where that is, without secrets, or NULL */
    const char *user;      /**< who needs it, as the options name it; NULL: they do not */
    const char *resource;  /**< its kind */
    const char *name;      /**< which; NULL where there is one alone, as Kafka's cluster */
    const char *operation; /**< what is done with it; NULL where the kind says that itself, as a command of Redis */
    const char *why;       /**< for people, or NULL */
} churn_grant;

typedef void (*churn_grant_fn)(void *ctx, const churn_grant *grant);

#ifdef __cplusplus
}
#endif
#endif
