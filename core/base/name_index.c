#define XXH_INLINE_ALL
#include "base/name_index.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

static uint32_t first_slot(const struct name_index *index, const char *name, size_t len)
{
    return (uint32_t)XXH3_64bits(name, len) & (index->slot_count - 1);
}

int32_t name_index_find(const struct name_index *index, const char *name, size_t len)
{
    if (index->slot_count == 0) {
        return -1;
    }
    for (uint32_t i = first_slot(index, name, len); index->slots[i] != 0; i = (i + 1) & (index->slot_count - 1)) {
        uint32_t id = index->slots[i] - 1;
        if (index->lens[id] == len && memcmp(index->names[id], name, len) == 0) {
            return (int32_t)id;
        }
    }
    return -1;
}

static void place(struct name_index *index, uint32_t id)
{
    uint32_t i = first_slot(index, index->names[id], index->lens[id]);
    while (index->slots[i] != 0) {
        i = (i + 1) & (index->slot_count - 1);
    }
    index->slots[i] = id + 1;
}

static bool grow(struct name_index *index)
{
    uint32_t slot_count = index->slot_count != 0 ? index->slot_count * 2 : 64;
    const char **names = realloc(index->names, slot_count / 2 * sizeof *names);
    index->names = names != NULL ? names : index->names;
    uint32_t *lens = realloc(index->lens, slot_count / 2 * sizeof *lens);
    index->lens = lens != NULL ? lens : index->lens;
    uint32_t *slots = calloc(slot_count, sizeof *slots);
    if (names == NULL || lens == NULL || slots == NULL) {
        free(slots);
        return false;
    }
    free(index->slots);
    index->slots = slots;
    index->slot_count = slot_count;
    for (uint32_t id = 0; id < index->count; id++) {
        place(index, id);
    }
    return true;
}

int32_t name_index_add_bytes(struct name_index *index, const char *name, size_t len)
{
    int32_t known = name_index_find(index, name, len);
    if (known >= 0) {
        return known;
    }
    if (index->count >= index->slot_count / 2 && !grow(index)) {
        return -1;
    }
    index->names[index->count] = name;
    index->lens[index->count] = (uint32_t)len;
    place(index, index->count);
    return (int32_t)index->count++;
}

int32_t name_index_add(struct name_index *index, const char *name)
{
    return name_index_add_bytes(index, name, strlen(name));
}

void name_index_free(struct name_index *index)
{
    free(index->names);
    free(index->lens);
    free(index->slots);
    *index = (struct name_index){0};
}
