/* What a worker counts: made with its names, and how /metrics shows it. */
#ifndef COUNTERS_H
#define COUNTERS_H

#include "engine/state.h"

/* The worker's and its sinks'. [main] */
void counters_make(struct worker *worker);
/* The window's profiles are acknowledged, or it has none: what follows from its events is said now. */
void counters_note_window(struct worker *worker, const struct window *window);
/* A record's age, for window_event.age_ms. */
int32_t counters_age(const struct worker *worker, const struct window *window, const churn_record *record);

#endif
