#include "held.h"
#include "grow.h"

struct held {
    redisReply *reply;
    void *memory;
};

bool held_add(struct held_list *list, redisReply *reply, void *memory)
{
    struct held *items = grow(list->items, &list->room, list->count + 1, sizeof *items);
    if (items == NULL) {
        freeReplyObject(reply);
        free(memory);
        return false;
    }
    list->items = items;
    list->items[list->count++] = (struct held){.reply = reply, .memory = memory};
    return true;
}

void held_drop(struct held_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        freeReplyObject(list->items[i].reply);
        free(list->items[i].memory);
    }
    list->count = 0;
}

void held_free(struct held_list *list)
{
    held_drop(list);
    free(list->items);
}
