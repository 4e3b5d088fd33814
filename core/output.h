/* What a window says to the sinks about a record: the event itself, an alert, a prediction trigger, a dead letter. */
#ifndef OUTPUT_H
#define OUTPUT_H

#include "edit.h"
#include "event.h"
#include "json_text.h"
#include "window.h"

/* Each adds one output to the window; `scratch` is working space. False when memory ran out. */

/* The record with its value, which lives in the window's arena: as it came, or as processors changed it. */
bool output_event(struct window *window, const churn_record *record, churn_str payload);
/* The event type's own alert, and one that a processor raised. */
bool output_alert(struct window *window, const churn_record *record, const struct event_type *type,
                  const churn_event *event, uint32_t severity, struct text *scratch);
bool output_raised(struct window *window, const churn_record *record, const churn_event *event,
                   const struct edit_alert *alert, struct text *scratch);
bool output_trigger(struct window *window, const churn_record *record, const churn_event *event, struct text *scratch);
/* `payload` is the record's value as it came, in the window's arena, NULL for a record without value. `sink`: it is an
 * output that the sink of this name refused, and that and its kind are said; NULL: it is none. `replayed`: it had been
 * judged before, and may have been counted then. */
bool output_dead_letter(struct window *window, const churn_record *record, const char *payload, const char *sink,
                        bool replayed, const struct reject *reject);
/* An output that a sink refused once, as it was. Its `reserved` has OUTPUT_AGAIN. */
bool output_again(struct window *window, const churn_record *output);
/* Gives a record's key and headers, and those of its headers' texts that it has, a place in the window's arena, where
 * its value is. */
bool output_keep(struct window *window, churn_record *record);

/* An output's `reserved`, which no sink sees, has the bits of the sinks that are not given it, and this one. */
#define OUTPUT_AGAIN (UINT32_C(1) << 31)

/* The severity of an event's alert: the type's, raised or lowered by its rules; NONE stays NONE. */
uint32_t output_severity(const struct event_type *type, const churn_event *event);

const char *output_severity_name(uint32_t severity);

/* "event", "trigger" or "alert". */
const char *output_kind_name(uint32_t kind);

#endif
