/* Events for `churnd plugin-check` to try a plugin with, made of the tables of event types by the source `generate`. In
 * the child, which ends when memory runs out. */
#ifndef PLUGIN_SAMPLES_H
#define PLUGIN_SAMPLES_H

#include "event/event.h"
#include "pipeline/pipeline.h"

struct sample {
    char *payload; /* with room behind it for the decoder */
    uint32_t len;
    int64_t offset;
};

struct samples {
    struct sample *items;
    unsigned count;
};

/* 200 events of one type, or of all that are loaded (NULL). None where it cannot be: the pipeline's `errors` say why.
 */
struct samples samples_make(struct pipeline *pipeline, const char *type);
void samples_free(struct samples *samples);
/* The event that a sample is, as a worker gives it to plugins; NULL with *reject when it is none. */
const struct event_type *samples_decode(struct event_decoder *decoder, const struct sample *sample, churn_event *event,
                                        struct reject *reject);

#endif
