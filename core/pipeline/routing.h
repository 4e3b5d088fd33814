/* Which records go where, as the pipeline's file says: the names of its sections, and their conditions. */
#ifndef ROUTING_H
#define ROUTING_H

#include "pipeline/pipeline.h"
#include <churn/ext/alerts.h>

/* Names the processors and sinks and compiles their conditions, once all sections were read. False when a mistake was
 * reported. */
bool routing_load(struct pipeline *pipeline);
/* Compiles the conditions of one type's override, `value`, once the rest of it was read into the type; `section` is for
 * messages. False when a mistake was reported. */
bool routing_override(struct pipeline *pipeline, const struct node *value, const char *section,
                      struct event_type *type);

/* What is said about an event. */
struct saying {
    uint32_t kinds;    /* CHURN_RECORD_… */
    uint32_t severity; /* of the type's own alert */
};

/* What follows from an event by its type's rules and overrides, of the `kinds` that may be said. */
struct saying routing_saying(const struct pipeline *pipeline, const struct event_type *type, const churn_event *event,
                             uint32_t kinds);
/* Whether a record of this kind, which follows from the event, is for any sink; *ret_withheld has the bits of those
 * that it is not for. `severity` is an alert's. */
bool routing_wanted(const struct pipeline *pipeline, const struct event_type *type, const churn_event *event,
                    uint32_t kind, uint32_t severity, uint32_t *ret_withheld);
/* The same of an alert that a sink raised. */
bool routing_raised(const struct pipeline *pipeline, const churn_alert *alert, uint32_t *ret_withheld);
/* The sinks of one kind but for the one that is called `name`; *ret_found tells whether there is such a one. */
uint32_t routing_all_but(const struct pipeline *pipeline, uint32_t kind, churn_str name, bool *ret_found);

#endif
