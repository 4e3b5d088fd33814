#include "pending.h"
#include "grow.h"

#include <string.h>

#define MANY_ANSWERED 1024 /* commands: fewer are not worth the moving of the others */

static void drop_keys(struct pending_list *list, size_t len)
{
    if (len > 0) {
        memmove(list->keys, list->keys + len, list->keys_len - len);
        list->keys_len -= len;
        list->keys_base += len;
    }
}

/* Where the key of the first put is; behind all keys when there is none. */
static size_t first_key(const struct pending_list *list)
{
    for (size_t i = list->head; i < list->count; i++) {
        if (list->items[i].kind == PENDING_PUT) {
            return (size_t)(list->items[i].key_at - list->keys_base);
        }
    }
    return list->keys_len;
}

/* Forgets answered commands and their keys once they are most of the list. */
static void compact(struct pending_list *list)
{
    size_t left = list->count - list->head;
    if (left > 0 && (list->head < MANY_ANSWERED || list->head < left)) {
        return;
    }
    drop_keys(list, first_key(list));
    if (list->head > 0) {
        memmove(list->items, list->items + list->head, left * sizeof *list->items);
        list->count = left;
        list->head = 0;
    }
}

bool pending_add(struct pending_list *list, enum pending_kind kind, uint64_t id, churn_str key)
{
    struct pending *items;
    char *keys;
    compact(list);
    items = grow(list->items, &list->room, list->count + 1, sizeof *items);
    if (items == NULL) {
        return false;
    }
    list->items = items;
    keys = grow(list->keys, &list->keys_room, list->keys_len + key.len + 1, 1);
    if (keys == NULL) {
        return false;
    }
    list->keys = keys;
    list->items[list->count++] =
        (struct pending){.id = id, .key_at = list->keys_base + list->keys_len, .key_len = key.len, .kind = kind};
    if (key.len > 0) {
        memcpy(list->keys + list->keys_len, key.ptr, key.len);
        list->keys_len += key.len;
    }
    return true;
}

bool pending_has_puts(const struct pending_list *list)
{
    for (size_t i = list->head; i < list->count; i++) {
        if (list->items[i].kind == PENDING_PUT || list->items[i].kind == PENDING_FLUSH) {
            return true;
        }
    }
    return false;
}

void pending_free(struct pending_list *list)
{
    free(list->items);
    free(list->keys);
}
