/* Rounds of checkpoints: put for whatever is done, flushed, and once they are durable the source is told. */
#ifndef ROUNDS_H
#define ROUNDS_H

#include "engine/session.h"

void rounds_end(struct progress *progress);
/* Moves commits on; begins a new one when something is done and `due`. */
void rounds_step(struct worker *worker, bool due);
/* Puts the checkpoint of a partition that was read before, and waits for it. False: it is not stored. */
bool rounds_put_now(struct worker *worker, uint32_t part, int64_t limit_ms);
/* True while the store owes an answer to rounds_step. */
bool rounds_wait(const struct worker *worker);

/* Takes the store's answers to what was put here. */
extern const struct session_user rounds_session_user;

#endif
