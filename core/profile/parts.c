#include "profile/parts.h"

#include "base/json_text.h"
#include <stdlib.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#define FIRST_SLOTS 64

static uint32_t hash_of(churn_str topic, int32_t partition)
{
    return (uint32_t)XXH3_64bits_withSeed(topic.ptr, topic.len, (uint64_t)partition);
}

static void insert(uint32_t *slots, uint32_t mask, const struct part *item, uint32_t number)
{
    uint32_t i = item->hash & mask;
    while (slots[i] != 0) {
        i = (i + 1) & mask;
    }
    slots[i] = number + 1;
}

/* Room for one more: in the list, and in the table, half of which stays free. */
static bool make_room(struct parts *parts)
{
    uint32_t slots = parts->slots != NULL ? parts->mask + 1 : 0;
    struct part *items;
    uint32_t *grown;
    if (parts->count < parts->room) {
        return true;
    }
    slots = slots != 0 ? slots * 2 : FIRST_SLOTS;
    items = realloc(parts->items, slots / 2 * sizeof *items);
    if (items == NULL) {
        return false;
    }
    parts->items = items;
    grown = calloc(slots, sizeof *grown);
    if (grown == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < parts->count; i++) {
        insert(grown, slots - 1, &items[i], i);
    }
    free(parts->slots);
    parts->slots = grown;
    parts->mask = slots - 1;
    parts->room = slots / 2;
    return true;
}

static uint32_t find(const struct parts *parts, churn_str topic, int32_t partition, uint32_t hash)
{
    if (parts->slots == NULL) {
        return PART_NONE;
    }
    for (uint32_t i = hash & parts->mask; parts->slots[i] != 0; i = (i + 1) & parts->mask) {
        const struct part *item = &parts->items[parts->slots[i] - 1];
        if (item->hash == hash && item->partition == partition && str_equals(topic, item->topic)) {
            return parts->slots[i] - 1;
        }
    }
    return PART_NONE;
}

static bool init(struct part *item, churn_str topic, int32_t partition, uint32_t hash)
{
    size_t size = topic.len + 32u;
    char *names = malloc(2 * size);
    *item = (struct part){.topic = strndup(topic.ptr, topic.len), .partition = partition, .hash = hash};
    if (item->topic == NULL || names == NULL) {
        free(item->topic);
        free(names);
        return false;
    }
    item->mark_name =
        (churn_str){.ptr = names, .len = (uint32_t)snprintf(names, size, MARK_PREFIX "%s/%d", item->topic, partition)};
    item->late_name =
        (churn_str){.ptr = names + size,
                    .len = (uint32_t)snprintf(names + size, size, LATE_PREFIX "%s/%d", item->topic, partition)};
    return true;
}

uint32_t parts_find_text(struct parts *parts, churn_str topic, int32_t partition)
{
    uint32_t hash = hash_of(topic, partition), found = find(parts, topic, partition, hash);
    if (found != PART_NONE) {
        return found;
    }
    if (!make_room(parts) || !init(&parts->items[parts->count], topic, partition, hash)) {
        return PART_NONE;
    }
    insert(parts->slots, parts->mask, &parts->items[parts->count], parts->count);
    return parts->count++;
}

uint32_t parts_find(struct parts *parts, const char *topic, int32_t partition)
{
    if (topic != parts->last_topic || partition != parts->last_partition) {
        uint32_t found = parts_find_text(parts, churn_text(topic), partition);
        if (found == PART_NONE) {
            return PART_NONE;
        }
        parts->last_topic = topic;
        parts->last_partition = partition;
        parts->last = found;
    }
    return parts->last;
}

int parts_compare(const struct parts *parts, uint32_t a, int64_t offset_a, uint32_t b, int64_t offset_b)
{
    const struct part *p = &parts->items[a], *q = &parts->items[b];
    int order = a == b ? 0 : strcmp(p->topic, q->topic);
    if (order == 0) {
        order = (p->partition > q->partition) - (p->partition < q->partition);
    }
    return order != 0 ? order : (offset_a > offset_b) - (offset_a < offset_b);
}

void parts_free(struct parts *parts)
{
    for (uint32_t i = 0; i < parts->count; i++) {
        free(parts->items[i].topic);
        free((char *)(uintptr_t)parts->items[i].mark_name.ptr);
    }
    free(parts->items);
    free(parts->slots);
    *parts = (struct parts){0};
}
