#include "engine/handover.h"

#include <stdlib.h>
#include <string.h>

struct handover_item {
    char *topic;
    int32_t partition;
    int64_t offset;
};

static struct handover_item *find(const struct handover *handover, const char *topic, int32_t partition)
{
    for (unsigned i = 0; i < handover->count; i++) {
        struct handover_item *item = &handover->items[i];
        if (item->partition == partition && strcmp(item->topic, topic) == 0) {
            return item;
        }
    }
    return NULL;
}

static struct handover_item *add(struct handover *handover, const char *topic, int32_t partition)
{
    struct handover_item *items = realloc(handover->items, (handover->count + 1) * sizeof *items);
    char *copy = strdup(topic);
    handover->items = items != NULL ? items : handover->items;
    if (items == NULL || copy == NULL) {
        free(copy);
        return NULL;
    }
    items[handover->count] = (struct handover_item){.topic = copy, .partition = partition};
    return &items[handover->count++];
}

void handover_set(struct handover *handover, const char *topic, int32_t partition, int64_t offset)
{
    struct handover_item *item = find(handover, topic, partition);
    item = item != NULL ? item : add(handover, topic, partition);
    if (item != NULL) {
        item->offset = offset;
    } else {
        handover->failed = true;
    }
}

int64_t handover_get(const struct handover *handover, const char *topic, int32_t partition)
{
    const struct handover_item *item = find(handover, topic, partition);
    return item != NULL ? item->offset : -1;
}

void handover_free(struct handover *handover)
{
    for (unsigned i = 0; i < handover->count; i++) {
        free(handover->items[i].topic);
    }
    free(handover->items);
    *handover = (struct handover){0};
}
