#include "config/tree.h"

#include <stdlib.h>
#include <string.h>

static void clear(const churn_node *node)
{
    for (uint32_t i = 0; i < node->count; i++) {
        if (node->keys != NULL) {
            free((char *)(uintptr_t)node->keys[i]);
        }
        if (node->items != NULL) {
            clear(&node->items[i]);
        }
    }
    free((char *)(uintptr_t)node->text);
    free((void *)(uintptr_t)node->keys);
    free((void *)(uintptr_t)node->items);
}

static bool fill(churn_node *to, const struct node *from)
{
    static const uint32_t kinds[] = {
        [NODE_SCALAR] = CHURN_NODE_SCALAR, [NODE_LIST] = CHURN_NODE_LIST, [NODE_MAP] = CHURN_NODE_MAP};
    const char **keys = from->kind == NODE_MAP ? calloc(from->count + 1u, sizeof *keys) : NULL;
    churn_node *items = from->kind != NODE_SCALAR ? calloc(from->count + 1u, sizeof *items) : NULL;
    bool ok = (from->kind == NODE_SCALAR || items != NULL) && (from->kind != NODE_MAP || keys != NULL);
    *to = (churn_node){.kind = kinds[from->kind],
                       .flags = (from->quoted ? CHURN_NODE_QUOTED : 0u) | (from->null ? CHURN_NODE_NULL : 0u),
                       .count = ok ? from->count : 0,
                       .keys = keys,
                       .items = items};
    if (from->kind == NODE_SCALAR) {
        to->text = strdup(from->text);
        return to->text != NULL;
    }
    for (unsigned i = 0; ok && i < from->count; i++) {
        if (from->kind == NODE_MAP) {
            keys[i] = strdup(from->keys[i].text);
        }
        ok = fill(&items[i], &from->items[i]) && (from->kind != NODE_MAP || keys[i] != NULL);
    }
    return ok;
}

const churn_node *tree_new(const struct node *node)
{
    churn_node *tree = calloc(1, sizeof *tree);
    if (tree != NULL && !fill(tree, node)) {
        tree_free(tree);
        return NULL;
    }
    return tree;
}

void tree_free(const churn_node *tree)
{
    if (tree != NULL) {
        clear(tree);
        free((void *)(uintptr_t)tree);
    }
}
