/* What is put into the dead letters: events that are refused, or not counted, and outputs that no sink takes. */
#ifndef SET_ASIDE_H
#define SET_ASIDE_H

#include "engine/state.h"

/* For a person; all are counted. */
void set_aside_show(struct worker *worker, int32_t level, const char *what, const churn_record *record,
                    const char *why);
bool set_aside_record(struct worker *worker, struct window *window, const churn_record *record, const char *payload,
                      enum lateness late, const struct reject *reject);
/* A dead letter for a good event that the store has no place for, and nothing else of it. False when the worker failed.
 */
bool set_aside_event(struct worker *worker, struct window *window, const struct customer *customer,
                     const struct window_event *event, const struct reject *reject);
/* A dead letter for an output that the sink of this name refused or must not be given. */
bool set_aside_output(struct worker *worker, struct window *window, const churn_record *output, const char *sink,
                      const struct reject *reject);

#endif
