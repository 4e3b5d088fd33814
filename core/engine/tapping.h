/* A worker's records, shown to whoever looks at them while it runs (pipeline/taps.h). */
#ifndef TAPPING_H
#define TAPPING_H

#include "engine/state.h"
#include "pipeline/taps.h"

static inline bool tapping_wanted(const struct worker *worker, enum tap_point point)
{
    return taps_watched(worker->pipeline->taps, point);
}

/* A record as the source handed it out; `event` is what was decoded of it, NULL: it is none. */
void tapping_source(struct worker *worker, const churn_record *record, const churn_event *event);
/* An event, as processors left it. */
void tapping_event(struct worker *worker, const churn_record *record, const churn_event *event);
/* A record that passes through as it is. */
void tapping_passing(struct worker *worker, const churn_record *record);
/* The alerts of a window whose profiles are stored. */
void tapping_alerts(struct worker *worker, const struct window *window);
/* A window's newest output, a dead letter. */
/* One alert. */
void tapping_alert(struct worker *worker, const churn_record *output);
void tapping_letter(struct worker *worker, const struct window *window);

#endif
