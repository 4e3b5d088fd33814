/** @file
 * What the host offers a plugin. A plugin links nothing of ours: everything arrives in these tables, so a unit
 * test can pass a fake host. The host owns signals and process-wide set-up (curl_global_init is done by it).
 */
#ifndef CHURN_HOST_H
#define CHURN_HOST_H

#include <churn/result.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { CHURN_LOG_ERROR = 1, CHURN_LOG_WARN = 2, CHURN_LOG_INFO = 3, CHURN_LOG_DEBUG = 4 };

typedef struct churn_host churn_host;

/** Services for one plugin instance. Valid from `create` until after `destroy`. */
struct churn_host {
    uint32_t size;
    uint32_t worker;       /**< number of the worker that owns the instance, from 0 */
    uint32_t worker_count; /**< how many workers the pipeline has */
    uint32_t until_end;    /**< 1 when the run ends at the end of a bounded input or of the partitions as they stand */
    void *ctx;             /**< the host's own */
    const char *pipeline;  /**< the pipeline's name, NUL-terminated */
    /** Writes one line to the log; repeats of one text are limited. No secret may be in `message`. [any] */
    void (*log)(const churn_host *host, int32_t level, const char *message);
    /** 1 when a line of `level` would be written. [any] */
    int32_t (*log_enabled)(const churn_host *host, int32_t level);
    /** Wall clock, ms since 1970-01-01T00:00:00Z. [any] */
    int64_t (*now_ms)(const churn_host *host);
    /** A clock that never jumps, ms; for timeouts and intervals. [any] */
    int64_t (*monotonic_ms)(const churn_host *host);
    /** The table named `id`, such as "churn.metrics/1", or NULL where the host has none. Valid as long as the host.
     *  Extensions of this version: <churn/ext/metrics.h>, <churn/ext/storage.h>, <churn/ext/event_types.h>,
     *  <churn/ext/health.h>, <churn/ext/tap.h>, <churn/ext/when.h>, <churn/ext/forgetting.h>,
     *  <churn/ext/alerts.h>, <churn/ext/answers.h>. [any] */
    const void *(*get_extension)(const churn_host *host, const char *id);
    /* since ABI 1.3 */
    const char *name; /**< the instance's name in the pipeline (`name:`, or the plugin's), as logs and dead letters say
                           it; NUL-terminated; NULL, or beyond `size`: the host does not say */
    uint32_t read_only; /**< 1 when the store is only looked at, and what is not there must not be made; 0, or beyond
                             `size`: it may be */
    /** 1 when the run may go on beside the pipeline's own, as a redrive or a rebuild does: what both would share, such
     * as a consumer group, is left to that one, and a position of its own that is no longer there is no error. 0, or
     * beyond `size`: it is the pipeline's own. See churn_is_beside. */
    uint32_t beside;
};

/** Whether the run may go on beside the pipeline's own (`beside`). (since ABI 1.3) [any] */
static inline int churn_is_beside(const churn_host *host)
{
    return host->size >= offsetof(churn_host, beside) + sizeof host->beside && host->beside != 0;
}

/** printf-like logging; costs nothing but a call when the level is off. [any] */
CHURN_PRINTF(3, 4)
static inline void churn_log(const churn_host *host, int32_t level, const char *format, ...)
{
    char line[1024];
    va_list args;
    if (!host->log_enabled(host, level)) {
        return;
    }
    va_start(args, format);
    (void)vsnprintf(line, sizeof line, format, args);
    va_end(args);
    host->log(host, level, line);
}

#ifdef __cplusplus
}
#endif
#endif
