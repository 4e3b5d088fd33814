#include "profile/sources.h"

#include "base/json_text.h"
#include <stdlib.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#define FIRST_SLOTS 64

static uint32_t hash_of(churn_str topic, int32_t partition)
{
    return (uint32_t)XXH3_64bits_withSeed(topic.ptr, topic.len, (uint64_t)partition);
}

static void insert(uint32_t *slots, uint32_t mask, const struct source_partition *item, uint32_t number)
{
    uint32_t i = item->hash & mask;
    while (slots[i] != 0) {
        i = (i + 1) & mask;
    }
    slots[i] = number + 1;
}

/* Room for one more: in the list, and in the table, half of which stays free. */
static bool make_room(struct sources *sources)
{
    uint32_t slots = sources->slots != NULL ? sources->mask + 1 : 0;
    struct source_partition *items;
    uint32_t *grown;
    if (sources->count < sources->room) {
        return true;
    }
    slots = slots != 0 ? slots * 2 : FIRST_SLOTS;
    items = realloc(sources->items, slots / 2 * sizeof *items);
    if (items == NULL) {
        return false;
    }
    sources->items = items;
    grown = calloc(slots, sizeof *grown);
    if (grown == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < sources->count; i++) {
        insert(grown, slots - 1, &items[i], i);
    }
    free(sources->slots);
    sources->slots = grown;
    sources->mask = slots - 1;
    sources->room = slots / 2;
    return true;
}

static uint32_t find(const struct sources *sources, churn_str topic, int32_t partition, uint32_t hash)
{
    if (sources->slots == NULL) {
        return SOURCE_NONE;
    }
    for (uint32_t i = hash & sources->mask; sources->slots[i] != 0; i = (i + 1) & sources->mask) {
        const struct source_partition *item = &sources->items[sources->slots[i] - 1];
        if (item->hash == hash && item->partition == partition && str_equals(topic, item->topic)) {
            return sources->slots[i] - 1;
        }
    }
    return SOURCE_NONE;
}

static bool init(struct source_partition *item, churn_str topic, int32_t partition, uint32_t hash)
{
    size_t size = topic.len + 32u;
    char *names = malloc(2 * size);
    *item = (struct source_partition){.topic = strndup(topic.ptr, topic.len), .partition = partition, .hash = hash};
    if (item->topic == NULL || names == NULL) {
        free(item->topic);
        free(names);
        return false;
    }
    item->mark_name =
        (churn_str){.ptr = names, .len = (uint32_t)snprintf(names, size, "_m:%s/%d", item->topic, partition)};
    item->late_name = (churn_str){.ptr = names + size,
                                  .len = (uint32_t)snprintf(names + size, size, "_r:%s/%d", item->topic, partition)};
    return true;
}

uint32_t sources_find_part(struct sources *sources, churn_str topic, int32_t partition)
{
    uint32_t hash = hash_of(topic, partition), found = find(sources, topic, partition, hash);
    if (found != SOURCE_NONE) {
        return found;
    }
    if (!make_room(sources) || !init(&sources->items[sources->count], topic, partition, hash)) {
        return SOURCE_NONE;
    }
    insert(sources->slots, sources->mask, &sources->items[sources->count], sources->count);
    return sources->count++;
}

uint32_t sources_find(struct sources *sources, const char *topic, int32_t partition)
{
    if (topic != sources->last_topic || partition != sources->last_partition) {
        uint32_t found = sources_find_part(sources, churn_text(topic), partition);
        if (found == SOURCE_NONE) {
            return SOURCE_NONE;
        }
        sources->last_topic = topic;
        sources->last_partition = partition;
        sources->last = found;
    }
    return sources->last;
}

int sources_compare(const struct sources *sources, uint32_t a, int64_t offset_a, uint32_t b, int64_t offset_b)
{
    const struct source_partition *p = &sources->items[a], *q = &sources->items[b];
    int order = a == b ? 0 : strcmp(p->topic, q->topic);
    if (order == 0) {
        order = (p->partition > q->partition) - (p->partition < q->partition);
    }
    return order != 0 ? order : (offset_a > offset_b) - (offset_a < offset_b);
}

void sources_free(struct sources *sources)
{
    for (uint32_t i = 0; i < sources->count; i++) {
        free(sources->items[i].topic);
        free((char *)(uintptr_t)sources->items[i].mark_name.ptr);
    }
    free(sources->items);
    free(sources->slots);
    *sources = (struct sources){0};
}
