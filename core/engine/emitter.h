/* Outputs to the sinks, and their answers. */
#ifndef EMITTER_H
#define EMITTER_H

#include "engine/state.h"

/* Offers outputs to the sinks and takes their answers. */
bool emitter_step(struct worker *worker, uint32_t timeout_ms);
/* True when every dead letter of the window was answered, before anything else of it is offered. */
bool emitter_set_aside(const struct worker *worker, const struct window *window);
/* True when every output of the window was answered. */
bool emitter_done(const struct worker *worker, const struct window *window);
/* True when every alert of the window was answered, and every dead letter. */
bool emitter_alerts_done(const struct worker *worker, const struct window *window);
/* At the worker's end: notes what was not delivered, and logs what was dropped since the last warning. */
void emitter_end(struct worker *worker);
/* Whether a sink is to take or answer something. */
bool emitter_owes(const struct worker *worker, unsigned sink);
/* How many outputs it has not taken for good, of all windows. */
int64_t emitter_undelivered(const struct worker *worker, unsigned sink);

#endif
