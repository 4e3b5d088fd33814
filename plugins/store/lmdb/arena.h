/* Memory that is given back all at once. The engine has an arena too (core/base/arena.h); a plugin includes nothing of
 * it. */
#ifndef LMDB_ARENA_H
#define LMDB_ARENA_H

#include <churn/store.h>

#include <stddef.h>

struct block;

/* Starts zeroed. Blocks up to `current` are in use, the ones behind it are kept for later. */
struct arena {
    struct block *first;
    struct block *current;
};

/* Memory that stays where it is until arena_reset; NULL when there is none. */
void *arena_alloc(struct arena *arena, size_t bytes);

/* A deep copy of pairs, and of `key` when it is not NULL; NULL when there is no memory. */
churn_pair *arena_copy_pairs(struct arena *arena, const churn_pair *pairs, uint32_t count, churn_str *key);

/* Gives back what was taken, for the next ones. */
void arena_reset(struct arena *arena);

void arena_free(struct arena *arena);

#endif
