/* Which records go where, as the pipeline's file says: the names of its sections, and their conditions. */
#ifndef ROUTING_H
#define ROUTING_H

#include "pipeline.h"

/* Names the processors and sinks and compiles their conditions, once all sections were read. False when a mistake was
 * reported. */
bool routing_load(struct pipeline *pipeline);
/* One row of `events: override:`. False when a mistake was reported. */
bool routing_override(struct pipeline *pipeline, const struct node *key, const struct node *value);

/* What is said about an event. */
struct saying {
    uint32_t kinds;    /* CHURN_RECORD_… */
    uint32_t severity; /* of the alert */
    uint32_t withheld; /* sinks that are not given it, by their `bit` */
};

/* What follows from an event by its type's rules and overrides, of the `kinds` that may be said. */
struct saying routing_saying(const struct event_type *type, const churn_event *event, uint32_t kinds);
/* Leaves out the sinks whose conditions do not hold, and the kinds that nobody wants then. */
void routing_withhold(const struct pipeline *pipeline, const struct event_type *type, const churn_event *event,
                      struct saying *saying);
/* The sinks of one kind but for the one that is called `name`; *ret_found tells whether there is such a one. */
uint32_t routing_all_but(const struct pipeline *pipeline, uint32_t kind, churn_str name, bool *ret_found);

#endif
