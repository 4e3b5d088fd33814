/* A pipeline's store as plugins see it where nothing may be written: they read what is stored, and what they write
 * stays in memory, where they find it again. So processors that keep something, such as the ids of dedup, answer as in
 * a run.
 */
#ifndef STORE_OVERLAY_H
#define STORE_OVERLAY_H

#include <churn/store.h>
#include <stdbool.h>

struct store_overlay;

/* Over a store and its instance, which outlive it. One thread. NULL when memory ran out. */
struct store_overlay *store_overlay_new(const churn_store_ops *ops, void *self);
/* Once all its sessions are closed; may be NULL. */
void store_overlay_free(struct store_overlay *overlay);

/* What time it is where something is written that expires: that of the record at hand. 0: unknown, so nothing expires.
 */
void store_overlay_set_time(struct store_overlay *overlay, int64_t now_ms);

/* Whether what is written from here on is kept; else it is answered and forgotten. At first it is. */
void store_overlay_set_keeping(struct store_overlay *overlay, bool keeping);

/* The calls of the overlay; `open` takes the overlay itself as `self`. It cannot list keys. */
extern const churn_store_ops store_overlay_ops;

#endif
