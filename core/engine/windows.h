/* The ring of windows: each is filled, written, told to the sinks, and let go of in order. */
#ifndef WINDOWS_H
#define WINDOWS_H

#include "engine/state.h"

#define IDLE_MS 50 /* wait for records when nothing is under way */
#define BUSY_MS 1  /* wait for the store or the sinks when the source has nothing */

bool windows_have_room(struct worker *worker);
struct window *windows_writing(struct worker *worker);
bool windows_done(struct worker *worker);
/* Forgets what was read and not finished; it will be read again by whoever owns the partitions then. */
void windows_discard(struct worker *worker);
/* Everything but taking records: one round of store, sinks and windows. */
bool windows_move_on(struct worker *worker, bool source_idle, uint32_t timeout_ms);
/* Sources, stores and sinks wait for what they know of; a round in which nobody could wait for anything ends in a nap,
 * so that an outage costs no processor. */
void windows_nap(const struct worker *worker, int64_t round_began_ms);
/* Finishes what was read, for at most `limit_ms`. True when all of it is done. */
bool windows_drain(struct worker *worker, int64_t limit_ms);

#endif
