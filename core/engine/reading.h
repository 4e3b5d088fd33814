/* What a worker reads from its source, and what the source tells it. */
#ifndef READING_H
#define READING_H

#include "engine/state.h"

/* What the source is to tell the worker. */
churn_source_listener reading_listener(struct worker *worker);

/* Polls the source: up to POLL_RECORDS records into the filling window, or, with `max` 0, only to keep it alive. */
bool reading_poll(struct worker *worker, uint32_t max, uint32_t timeout_ms, uint32_t *ret_count);
bool reading_step(struct worker *worker, bool *ret_idle);

#endif
