/** @file
 * What an instance reads and writes outside of the process: for `churnd check`, `check --connect` and `graph`.
 * Since ABI 1.2.
 */
#ifndef CHURN_TARGET_H
#define CHURN_TARGET_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
    CHURN_TARGET_READS = 1,
    CHURN_TARGET_WRITES = 2,
    CHURN_TARGET_AWAITED = 4, /**< a file that is read: it need not exist yet (ABI 1.3) */
    CHURN_TARGET_INNER = 8 /**< a part of the section's other target, and only named so that nobody else writes to it:
                                neither drawn nor looked at (ABI 1.3) */
};

/** Kinds that the host knows: two sections that name the same topic or file are compared, and files are looked at. */
#define CHURN_TARGET_TOPIC "topic"   /**< of Kafka; `at` its brokers */
#define CHURN_TARGET_FILE "file"     /**< a path, or `-` */
#define CHURN_TARGET_FOLDER "folder" /**< a path */
#define CHURN_TARGET_KEYS "keys"     /**< what keys in the pipeline's store begin with */
/** No target: how `message` could be read or forged on the way to one, as it is configured. Without an attempt only;
 * shown as a warning at the `option`, by `check` and at the start. `name` is the setting. Since ABI 1.3. */
#define CHURN_TARGET_RISK "risk"

/** One of them; valid during the call that takes it. */
typedef struct churn_target {
    uint32_t size;
    uint32_t flags;      /**< CHURN_TARGET_READS | CHURN_TARGET_WRITES */
    const char *kind;    /**< one of those above, or any other word, such as `http` */
    const char *name;    /**< for people, without secrets: a topic, a path, a URL's scheme, host and port */
    const char *at;      /**< where that is, or NULL */
    const char *option;  /**< the option that names it, as in churn_error, or NULL */
    const char *message; /**< of an attempt: what is wrong, and what to do; with CHURN_OK: a warning, or NULL */
    int32_t result;      /**< of an attempt: CHURN_OK, CHURN_RETRY: out of reach now, CHURN_FATAL: not as configured */
    uint32_t reserved;
} churn_target;

typedef void (*churn_target_fn)(void *ctx, const churn_target *target);

#ifdef __cplusplus
}
#endif
#endif
