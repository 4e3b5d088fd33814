/* Memory that is given out piece by piece and taken back all at once. */
#ifndef ARENA_H
#define ARENA_H

#include <stdbool.h>
#include <stddef.h>

struct arena_chunk;

/* Chunks that no arena uses now. Starts zeroed; outlives its arenas. One thread. */
struct arena_pool {
    struct arena_chunk *spare;
};

/* Starts zeroed but for `pool`. Pieces never move. One thread. */
struct arena {
    struct arena_pool *pool;    /* where chunks come from and go to; shared */
    struct arena_chunk *chunks; /* the first is being filled */
    size_t bytes;               /* given out since the last reset */
};

/* A piece aligned to 16 bytes, not zeroed; NULL when memory ran out. */
void *arena_alloc(struct arena *arena, size_t size);
/* A copy of `len` bytes with ARENA_PADDING readable bytes behind them, the first of which is NUL; the others may be
 * those of the next pieces. */
#define ARENA_PADDING 64
char *arena_copy(struct arena *arena, const void *bytes, size_t len);
/* Takes every piece back; ordinary chunks go to the pool. */
void arena_reset(struct arena *arena);
/* Frees the chunks of the pool. */
void arena_pool_free(struct arena_pool *pool);

#endif
