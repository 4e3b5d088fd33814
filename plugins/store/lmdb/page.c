#include "page.h"
#include "keys.h"

/* A node begins with the size of its value, or the number of the page below it (4 bytes), its flags, which of a branch
 * belong to that number (2), and the size of its key (2); the key follows, and the value, or the number of the page
 * where it lies. */
#define NODE 8
#define NODE_FLAGS 4
#define NODE_KEY_LEN 6
#define NODE_BIG 1U /* the value lies elsewhere */
#define LEAST_NODES_OF_BRANCH 2

bool page_is_branch(const unsigned char *page)
{
    return layout_get16(page + LAYOUT_FLAGS) == LAYOUT_BRANCH;
}

unsigned page_count(const unsigned char *page)
{
    return (layout_get16(page + LAYOUT_LOWER) - LAYOUT_HEADER) / 2U;
}

static uint16_t node_at(const unsigned char *page, unsigned i)
{
    return layout_get16(page + LAYOUT_HEADER + (size_t)i * 2);
}

struct node page_node(const unsigned char *page, unsigned i)
{
    const unsigned char *at = page + node_at(page, i);
    struct node node = {.key = at + NODE, .key_len = layout_get16(at + NODE_KEY_LEN)};
    if (page_is_branch(page)) {
        node.page = layout_get32(at) | (uint64_t)layout_get16(at + NODE_FLAGS) << 32;
        return node;
    }
    node.data_len = layout_get32(at);
    if (layout_get16(at + NODE_FLAGS) == NODE_BIG) {
        node.page = layout_get64(node.key + node.key_len);
    } else {
        node.data = node.key + node.key_len;
    }
    return node;
}

/* Bytes that a node takes; 0: it is none. The first key of a branch means nothing. */
static size_t node_size(const unsigned char *node, bool is_branch, bool is_first)
{
    size_t key_len = layout_get16(node + NODE_KEY_LEN), size = NODE + key_len;
    uint32_t data_len = layout_get32(node), flags = layout_get16(node + NODE_FLAGS);
    if (key_len > MAX_KEY || (key_len == 0 && !(is_branch && is_first))) {
        return 0;
    }
    if (!is_branch) {
        if (flags > NODE_BIG || (flags == 0 && data_len > LAYOUT_MOST_PAGE)) { /* a database inside this one: no */
            return 0;
        }
        size += flags == NODE_BIG ? 8 : data_len;
    }
    return size + size % 2;
}

/* Nodes lie beside each other, in any order: LMDB moves those below one that it deletes. */
static bool nodes_fill(const unsigned char *page, size_t size)
{
    uint16_t sizes[LAYOUT_MOST_PAGE / 2]; /* of the node that begins there */
    unsigned count = page_count(page), met = 0;
    bool is_branch = page_is_branch(page);
    size_t upper = layout_get16(page + LAYOUT_UPPER), most = is_branch ? size : (size - LAYOUT_HEADER) / 2;
    memset(sizes, 0, size);
    for (unsigned i = 0; i < count; i++) {
        size_t at = node_at(page, i), len;
        if (at < upper || at % 2 != 0 || at + NODE > size || sizes[at / 2] != 0 ||
            (len = node_size(page + at, is_branch, i == 0)) == 0 || len > size - at || len > most) {
            return false;
        }
        sizes[at / 2] = (uint16_t)len;
    }
    for (size_t at = upper; at < size; at += sizes[at / 2], met++) {
        if (sizes[at / 2] == 0) {
            return false;
        }
    }
    return met == count;
}

bool page_is_sound(const unsigned char *page, size_t size, uint64_t number)
{
    uint16_t flags = layout_get16(page + LAYOUT_FLAGS), lower = layout_get16(page + LAYOUT_LOWER),
             upper = layout_get16(page + LAYOUT_UPPER);
    return layout_get64(page) == number && (flags == LAYOUT_BRANCH || flags == LAYOUT_LEAF) && lower >= LAYOUT_HEADER &&
           lower <= upper && upper <= size &&
           page_count(page) >= (flags == LAYOUT_BRANCH ? LEAST_NODES_OF_BRANCH : 1) && nodes_fill(page, size);
}
