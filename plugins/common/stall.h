/* A state in which a plugin keeps events from moving (<churn/ext/health.h>); a host without that extension logs when it
 * begins. */
#ifndef STALL_H
#define STALL_H

#include <churn/ext/health.h>

/* One thread at a time. */
struct stall {
    const churn_host *host;
    const churn_health *health; /* NULL: the host has none */
    const char *what;
    int32_t lasts;
};

static inline struct stall stall_new(const churn_host *host, const char *what)
{
    return (struct stall){.host = host, .health = host->get_extension(host, CHURN_HEALTH_ID), .what = what};
}

/* It has begun, or lasts. printf-like. */
CHURN_PRINTF(2, 3)
static inline void stall_begin(struct stall *stall, const char *format, ...)
{
    char message[512];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(message, sizeof message, format, args);
    va_end(args);
    if (stall->health != NULL) {
        stall->health->stalled(stall->host, stall->what, message);
    } else if (!stall->lasts) {
        stall->host->log(stall->host, CHURN_LOG_WARN, message);
    }
    stall->lasts = 1;
}

/* It is over, or never was; costs nothing then. */
static inline void stall_end(struct stall *stall)
{
    if (stall->lasts && stall->health != NULL) {
        stall->health->stalled(stall->host, stall->what, NULL);
    }
    stall->lasts = 0;
}

#endif
