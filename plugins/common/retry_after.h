/* What a server asks for by Retry-After: honoured up to a bound, and said, as nothing else tells why requests wait. */
#ifndef RETRY_AFTER_H
#define RETRY_AFTER_H

#include <churn/host.h>
#include <churn/time.h>

#define RETRY_AFTER_MAX_MS 60000 /* whoever asks for longer is asked again after this */

struct retry_after {
    const churn_host *host;
    const char *who;       /* "prediction API" */
    int64_t told_until_ms; /* monotonic: until then a pause was told */
};

/* How long to wait where `asked_ms` (> 0) was asked for. Of pauses that overlap one is told. */
static inline int64_t retry_after_pause(struct retry_after *r, const char *origin, int64_t asked_ms)
{
    int64_t pause = asked_ms < RETRY_AFTER_MAX_MS ? asked_ms : RETRY_AFTER_MAX_MS, now = r->host->monotonic_ms(r->host);
    char until[CHURN_TIME_SIZE];
    if (now < r->told_until_ms) {
        return pause;
    }
    r->told_until_ms = now + pause;
    churn_time_format(r->host->now_ms(r->host) + pause, until);
    churn_log(r->host, CHURN_LOG_WARN, "%s at %s asks by Retry-After to wait %lld s; what it refused waits until %s%s",
              r->who, origin, (long long)(asked_ms / 1000), until, pause < asked_ms ? ", the longest pause" : "");
    return pause;
}

#endif
