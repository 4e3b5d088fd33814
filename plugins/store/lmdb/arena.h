/* Memory that is given back all at once. */
#ifndef LMDB_ARENA_H
#define LMDB_ARENA_H

#include <churn/profile.h>
#include <churn/store.h>

#include <stddef.h>

/* Blocks up to `current` are in use, the ones behind it are kept for later. */
struct arena {
    struct block *first;
    struct block *current;
};

/* Memory that stays where it is until arena_reset; NULL when there is none. */
void *arena_alloc(struct arena *arena, size_t bytes);

void arena_reset(struct arena *arena);

void arena_free(struct arena *arena);

size_t pairs_size(const churn_pair *pairs, uint32_t count);

churn_str copy_str(char **at, churn_str from);

/* A deep copy of pairs, and of `key` when it is not NULL. */
churn_pair *copy_pairs(struct arena *arena, const churn_pair *pairs, uint32_t count, churn_str *key);

#endif
