/* The section `protect:`: what becomes of personal data, and where. */
#ifndef PROTECT_SECTION_H
#define PROTECT_SECTION_H

#include "event/protect.h"
#include "pipeline/pipeline.h"

/* Sinks of one kind that are given the same. */
struct protect_group {
    unsigned place; /* enum protect_place */
    uint32_t bits;  /* of the sinks */
};

#define PROTECT_GROUPS (1 + PROTECT_ACTIONS)

struct protection {
    struct protect_settings settings;
    struct protect *protect;
    struct protect_group events[PROTECT_GROUPS], alerts[PROTECT_GROUPS];
    unsigned event_groups, alert_groups;
};

/* Reads it once the event types and sinks are known. Without it, and without a sink that says `protect:`, there is no
 * protection. False, with an error at each mistake. */
bool protect_section_load(struct pipeline *pipeline);
void protect_section_free(struct pipeline *pipeline);

/* The place that a sink's records go to: its kind's, or what it says itself. */
unsigned protect_section_place(const struct section *sink);

/* The keys; NULL: there is no protection. */
static inline const struct seal_ring *protect_section_ring(const struct pipeline *pipeline)
{
    return pipeline->protection != NULL ? &pipeline->protection->protect->ring : NULL;
}

#endif
