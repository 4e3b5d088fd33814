/* Alerts to a webhook, served by a thread of its own. One caller. A passing outage is waited out without limit. */
#ifndef WEBHOOK_H
#define WEBHOOK_H

#include "http_client.h"
#include <churn/sink.h>

struct webhook;

/* `settings` and its strings outlive the webhook. NULL on error. */
struct webhook *webhook_start(const churn_host *host, const struct http_settings *settings, int64_t retry_min_ms,
                              int64_t retry_max_ms, churn_error *err);

/* Queues a copy of an alert. CHURN_OK: will be answered, also when it was given up, since its customer was forgotten.
 * CHURN_FATAL: memory ran out. */
int32_t webhook_put(struct webhook *webhook, uint64_t id, const churn_record *alert, churn_error *err);

/* Up to `max` answers, waiting up to `timeout_ms` for the first: CHURN_OK for 2xx, CHURN_REJECT when the webhook says
 * that the alert is at fault (messages are constant). CHURN_OK, or CHURN_FATAL: the thread ended with this error. */
int32_t webhook_take(struct webhook *webhook, churn_done *done, uint32_t max, uint32_t timeout_ms, uint32_t *ret_count,
                     churn_error *err);

/* Ends the thread, dropping what is not answered, and frees. May be NULL. */
void webhook_free(struct webhook *webhook);

#endif
