/* Memory that is given out piece by piece and taken back all at once. */
#ifndef ARENA_H
#define ARENA_H

#include <stdbool.h>
#include <stddef.h>

struct arena_chunk;

/* Starts zeroed. Pieces never move. One thread. */
struct arena {
    struct arena_chunk *chunks; /* the first is being filled */
    struct arena_chunk *spare;  /* kept from earlier rounds */
    size_t bytes;               /* given out since the last reset */
};

/* A piece aligned to 16 bytes, not zeroed; NULL when memory ran out. */
void *arena_alloc(struct arena *arena, size_t size);
/* A copy of `len` bytes with `padding` readable bytes behind them, the first of which is NUL. */
char *arena_copy(struct arena *arena, const void *bytes, size_t len, size_t padding);
/* Takes every piece back; keeps ordinary chunks for the next round. */
void arena_reset(struct arena *arena);
void arena_free(struct arena *arena);

#endif
