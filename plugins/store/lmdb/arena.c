#include "arena.h"
#include "pairs.h"

#include <stdlib.h>
#include <string.h>

#define ARENA_BLOCK (256 * 1024) /* bytes */

struct block {
    struct block *next;
    size_t used;
    size_t size;
    max_align_t data[];
};

/* A new block after the current one, in place of kept ones that are too small. */
static struct block *arena_grow(struct arena *arena, size_t bytes)
{
    size_t size = bytes > ARENA_BLOCK ? bytes : ARENA_BLOCK;
    struct block *block = malloc(sizeof *block + size), **link;
    if (block == NULL) {
        return NULL;
    }
    link = arena->current != NULL ? &arena->current->next : &arena->first;
    while (*link != NULL && (*link)->size < size) {
        struct block *small = *link;
        *link = small->next;
        free(small);
    }
    *block = (struct block){.size = size, .next = *link};
    *link = block;
    return block;
}

void *arena_alloc(struct arena *arena, size_t bytes)
{
    struct block *block = arena->current;
    char *at;
    bytes = (bytes + sizeof(max_align_t) - 1) / sizeof(max_align_t) * sizeof(max_align_t);
    if (block == NULL || block->size - block->used < bytes) {
        block =
            block != NULL && block->next != NULL && block->next->size >= bytes ? block->next : arena_grow(arena, bytes);
        if (block == NULL) {
            return NULL;
        }
        block->used = 0;
        arena->current = block;
    }
    at = (char *)block->data + block->used;
    block->used += bytes;
    return at;
}

void arena_reset(struct arena *arena)
{
    arena->current = arena->first;
    if (arena->first != NULL) {
        arena->first->used = 0;
    }
}

void arena_free(struct arena *arena)
{
    for (struct block *block = arena->first, *next; block != NULL; block = next) {
        next = block->next;
        free(block);
    }
}

static churn_str copy_str(char **at, churn_str from)
{
    churn_str to = {.ptr = *at, .len = from.len};
    if (from.len > 0) {
        memcpy(*at, from.ptr, from.len);
        *at += from.len;
    }
    return to;
}

churn_pair *arena_copy_pairs(struct arena *arena, const churn_pair *pairs, uint32_t count, churn_str *key)
{
    size_t head = (size_t)count * sizeof *pairs;
    churn_pair *copy = arena_alloc(arena, head + pairs_size(pairs, count) + (key != NULL ? key->len : 0) + 1);
    char *at;
    if (copy == NULL) {
        return NULL;
    }
    at = (char *)copy + head;
    for (uint32_t i = 0; i < count; i++) {
        copy[i].name = copy_str(&at, pairs[i].name);
        copy[i].value = copy_str(&at, pairs[i].value);
    }
    if (key != NULL) {
        *key = copy_str(&at, *key);
    }
    return copy;
}
