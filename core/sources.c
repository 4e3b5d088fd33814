#include "sources.h"

#include <stdlib.h>

uint32_t sources_find_part(struct sources *sources, churn_str topic, int32_t partition)
{
    struct source_partition *items, *item;
    size_t size = topic.len + 32u;
    char *names;
    for (uint32_t i = 0; i < sources->count; i++) {
        item = &sources->items[i];
        if (item->partition == partition && strlen(item->topic) == topic.len &&
            memcmp(item->topic, topic.ptr, topic.len) == 0) {
            return i;
        }
    }
    items = realloc(sources->items, (sources->count + 1) * sizeof *items);
    if (items == NULL) {
        return SOURCE_NONE;
    }
    sources->items = items;
    item = &items[sources->count];
    item->topic = strndup(topic.ptr, topic.len);
    names = malloc(2 * size);
    if (item->topic == NULL || names == NULL) {
        free(item->topic);
        free(names);
        return SOURCE_NONE;
    }
    item->partition = partition;
    item->mark_name =
        (churn_str){.ptr = names, .len = (uint32_t)snprintf(names, size, "_m:%s/%d", item->topic, partition)};
    item->late_name = (churn_str){.ptr = names + size,
                                  .len = (uint32_t)snprintf(names + size, size, "_r:%s/%d", item->topic, partition)};
    return sources->count++;
}

uint32_t sources_find(struct sources *sources, const char *topic, int32_t partition)
{
    if (topic != sources->last_topic || partition != sources->last_partition) {
        uint32_t found =
            sources_find_part(sources, (churn_str){.ptr = topic, .len = (uint32_t)strlen(topic)}, partition);
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
    *sources = (struct sources){0};
}
