#include "base/arena.h"

#include <stdlib.h>
#include <string.h>

#define CHUNK_SIZE ((size_t)256 * 1024)

struct arena_chunk {
    struct arena_chunk *next;
    size_t size, used;
    _Alignas(16) char bytes[];
};

static struct arena_chunk *take_chunk(struct arena *arena, size_t at_least)
{
    struct arena_chunk *chunk = arena->pool->spare;
    size_t size = at_least > CHUNK_SIZE ? at_least : CHUNK_SIZE;
    if (chunk != NULL && chunk->size >= at_least) {
        arena->pool->spare = chunk->next;
    } else {
        chunk = calloc(1, sizeof *chunk + size + ARENA_PADDING); /* readable means initialised */
        if (chunk == NULL) {
            return NULL;
        }
        chunk->size = size;
    }
    chunk->used = 0;
    chunk->next = arena->chunks;
    arena->chunks = chunk;
    return chunk;
}

void *arena_alloc(struct arena *arena, size_t size)
{
    struct arena_chunk *chunk = arena->chunks;
    void *piece;
    size = (size + 15) & ~(size_t)15;
    if (chunk == NULL || chunk->size - chunk->used < size) {
        chunk = take_chunk(arena, size);
        if (chunk == NULL) {
            return NULL;
        }
    }
    piece = chunk->bytes + chunk->used;
    chunk->used += size;
    arena->bytes += size;
    return piece;
}

char *arena_copy(struct arena *arena, const void *bytes, size_t len)
{
    char *piece = arena_alloc(arena, len + 1);
    if (piece != NULL) {
        if (len > 0) {
            memcpy(piece, bytes, len);
        }
        piece[len] = '\0';
    }
    return piece;
}

void arena_reset(struct arena *arena)
{
    struct arena_chunk *next;
    for (struct arena_chunk *chunk = arena->chunks; chunk != NULL; chunk = next) {
        next = chunk->next;
        if (chunk->size > CHUNK_SIZE) {
            free(chunk);
        } else {
            chunk->next = arena->pool->spare;
            arena->pool->spare = chunk;
        }
    }
    arena->chunks = NULL;
    arena->bytes = 0;
}

void arena_pool_free(struct arena_pool *pool)
{
    struct arena_chunk *next;
    for (struct arena_chunk *chunk = pool->spare; chunk != NULL; chunk = next) {
        next = chunk->next;
        free(chunk);
    }
    pool->spare = NULL;
}
