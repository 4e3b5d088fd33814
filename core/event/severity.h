/* How urgent an alert is, CHURN_SEVERITY_…. */
#ifndef SEVERITY_H
#define SEVERITY_H

#include "event/catalog.h"

/* The severity of an event's alert: `severity`, raised or lowered by the type's rules; NONE stays NONE. */
uint32_t severity_of_event(const struct event_type *type, const churn_event *event, uint32_t severity);

const char *severity_name(uint32_t severity);

#endif
