#include "config/node.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static int index_of(const struct node *map, const char *key)
{
    for (unsigned i = 0; map != NULL && map->kind == NODE_MAP && i < map->count; i++) {
        if (strcmp(map->keys[i].text, key) == 0) {
            return (int)i;
        }
    }
    return -1;
}

const struct node *config_get_key(const struct node *map, const char *key)
{
    int i = index_of(map, key);
    return i >= 0 ? &map->keys[i] : NULL;
}

bool config_is_absent(const struct node *node)
{
    return node == NULL || (node->kind == NODE_SCALAR && node->null);
}

const struct node *config_get(const struct node *map, const char *key)
{
    int i = index_of(map, key);
    return i >= 0 ? &map->items[i] : NULL;
}

void config_free_node(struct node *node)
{
    for (unsigned i = 0; i < node->count; i++) {
        if (node->keys != NULL) {
            config_free_node(&node->keys[i]);
        }
        config_free_node(&node->items[i]);
    }
    free(node->keys);
    free(node->items);
    free((char *)(uintptr_t)node->text);
    free((char *)(uintptr_t)node->written);
}

struct node config_scalar(const struct node *at, const char *text)
{
    return (struct node){
        .kind = NODE_SCALAR, .line = at->line, .column = at->column, .text = strdup(text), .written = strdup(text)};
}

struct node config_copy(const struct node *scalar)
{
    struct node copy = *scalar;
    copy.text = strdup(scalar->text);
    copy.written = strdup(scalar->written);
    return copy;
}

struct node config_map(const struct node *at)
{
    return (struct node){.kind = NODE_MAP, .line = at->line, .column = at->column};
}

static bool is_whole(const struct node *node)
{
    return node->kind != NODE_SCALAR || (node->text != NULL && node->written != NULL);
}

bool config_put(struct node *map, const char *key, struct node value)
{
    struct node *keys, *items;
    int found = index_of(map, key);
    unsigned at = found >= 0 ? (unsigned)found : map->count;
    if (at == map->count) {
        struct node name = config_scalar(&value, key);
        keys = realloc(map->keys, (map->count + 1) * sizeof *keys);
        map->keys = keys != NULL ? keys : map->keys;
        items = realloc(map->items, (map->count + 1) * sizeof *items);
        map->items = items != NULL ? items : map->items;
        if (keys == NULL || items == NULL || !is_whole(&name)) {
            config_free_node(&name);
            config_free_node(&value);
            return false;
        }
        map->keys[at] = name;
        map->items[at] = (struct node){0};
        map->count++;
    }
    config_free_node(&map->items[at]);
    map->items[at] = value;
    return is_whole(&value);
}

bool config_take(struct node *map, const char *key, struct node *ret)
{
    int at = index_of(map, key);
    if (at >= 0) {
        *ret = map->items[at];
        map->items[at] = (struct node){0};
    }
    return at >= 0;
}

void config_remove(struct node *map, const char *key)
{
    int at = index_of(map, key);
    if (at < 0) {
        return;
    }
    config_free_node(&map->keys[at]);
    config_free_node(&map->items[at]);
    map->count--;
    memmove(&map->keys[at], &map->keys[at + 1], (map->count - (unsigned)at) * sizeof *map->keys);
    memmove(&map->items[at], &map->items[at + 1], (map->count - (unsigned)at) * sizeof *map->items);
}

bool config_remove_item(struct node *list, const char *path)
{
    unsigned long at = strtoul(path, NULL, 10);
    if (list->kind != NODE_LIST || at >= list->count || list->count == 1) {
        return false;
    }
    config_free_node(&list->items[at]);
    list->count--;
    memmove(&list->items[at], &list->items[at + 1], (list->count - at) * sizeof *list->items);
    return true;
}
