/* The serving thread: takes triggers from the queue, asks the API, hands the answers on. */
#ifndef PREDICTION_SERVICE_H
#define PREDICTION_SERVICE_H

#include "queue.h"

struct service;

/* Opens what the thread needs and starts it. `queue` is open; its back and `session` are the thread's from here on
 * until service_stop returned 1. NULL on error. All arguments outlive the service. */
struct service *service_start(const churn_host *host, const struct settings *settings, const struct counters *counters,
                              const struct queue *queue, struct store_session *session, churn_error *err);

/* CHURN_FATAL when the thread could not go on, else CHURN_OK. */
int32_t service_check(struct service *service, churn_error *err);

/* As the sink's drain; `written`: how many triggers the front has made durable in this run. */
int32_t service_drain(struct service *service, uint64_t written, churn_error *err);

/* Asks the thread to end within `deadline_ms`: outcomes at hand are handed on, requests under way dropped; then frees
 * the queue's back. 1: it has ended; 0: it has not yet. May be called again. */
int service_stop(struct service *service, int64_t deadline_ms);

/* Waits for the thread, if need be, and frees. May be NULL. */
void service_free(struct service *service);

#endif
