/* A window's profiles to the store. */
#ifndef WRITER_H
#define WRITER_H

#include "engine/session.h"

/* Begins to write the profiles of a window that was filled, its dead letters first. */
bool writer_begin(struct worker *worker, struct window *window);
/* Moves the window on: sends, reads replies for up to `timeout_ms`. False when the worker failed. */
bool writer_step(struct worker *worker, struct window *window, uint32_t timeout_ms);
/* Forgets an unfinished window. */
void writer_discard(struct worker *worker, struct window *window);

/* Takes the answers to the puts of profiles. */
extern const struct session_user writer_session_user;

#endif
