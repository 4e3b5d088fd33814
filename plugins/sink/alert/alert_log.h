/* Alerts as lines of the log, at most so many a second. The alert's `data` may hold personal data and is never shown.
 */
#ifndef ALERT_LOG_H
#define ALERT_LOG_H

#include "counter.h"
#include <churn/record.h>

struct alert_log {
    const churn_host *host;
    int64_t per_second; /* 0: all */
    int64_t second_ms;  /* begin of the second that is counted */
    int64_t shown;      /* in it */
    int64_t hidden;     /* not shown and not yet told of */
    struct counter suppressed;
};

void alert_log_init(struct alert_log *log, const churn_host *host, int64_t per_second);

/* Shows one alert, or counts it. */
void alert_log_show(struct alert_log *log, const churn_record *alert);

/* To be called now and then: tells how many alerts were not shown, once their second is over. */
void alert_log_tick(struct alert_log *log);

/* Tells it now. */
void alert_log_end(struct alert_log *log);

#endif
