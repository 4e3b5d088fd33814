/* How far a worker is in each of its source partitions: where reading begins, what is done, what the store keeps of
 * that, and what the source was told.
 *
 * A partition's checkpoint is a small hash in the store, beside the profiles: the offset before which every event is in
 * them and every output was answered, and the source's fingerprint of the records before it. It is put once the
 * profiles are acknowledged, and only then, and after the store said that both are durable, the source's offset is
 * committed. A store that fails over to an older state loses profiles and checkpoint together, so going back to the
 * checkpoint heals what it lost. Processors that keep state are asked first, for the same reason. A source that keeps
 * no positions, such as a file, is read on from its checkpoint.
 *
 * A rebuild counts and sends nothing, so its checkpoints say besides how far outputs were answered: as far as the
 * checkpoint says of the pipeline that it rebuilds. */
#ifndef PROGRESS_H
#define PROGRESS_H

#include "engine/state.h"

/* The source gave us these. False when memory ran out. */
bool progress_assign(struct worker *worker, const churn_position *positions, uint32_t count);
/* Notes in pipeline->handover what is done, where the source does not remember it. The worker does not run any more. */
void progress_hand_over(const struct worker *worker);
/* The source took everything back. */
void progress_revoke(struct worker *worker);
/* What was read is forgotten, and so is what is known of the store: reading goes on from the checkpoints. */
void progress_rewind(struct worker *worker);
/* A window is done: its profiles are acknowledged, its outputs answered. False when memory ran out. */
bool progress_note_done(struct worker *worker, const struct window *window);
/* The source has no record below `offset` that it has not handed out. False when memory ran out. */
bool progress_note_passed(struct worker *worker, uint32_t part, int64_t offset);
/* True when everything done is durable in the store, or there is no store, and no processor holds it back. */
bool progress_settled(const struct worker *worker);
/* How many records are done, but not yet known to be durable in the store. */
int64_t progress_unsettled(const struct worker *worker);
/* Commits what is done, and waits for it for at most `limit_ms`. False when the worker failed. */
bool progress_commit(struct worker *worker, int64_t limit_ms);
#define COMMIT_WAIT_MS 5000 /* that limit, where nothing else sets one: for the store and the source together */

#endif
