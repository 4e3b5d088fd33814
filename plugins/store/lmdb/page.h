/* One page of a tree: nodes, each with a key, and behind it what it leads to. */
#ifndef LMDB_PAGE_H
#define LMDB_PAGE_H

#include "layout.h"

#include <stdbool.h>
#include <stddef.h>

struct node {
    const unsigned char *key;
    size_t key_len;
    uint64_t page;             /* of a branch: the page below; of a value that lies elsewhere: its first page; or 0 */
    const unsigned char *data; /* of a leaf: the value; NULL: it lies elsewhere */
    uint32_t data_len;
};

/* Whether LMDB can read and change the page: it has nodes, which are whole, beside each other, and fill it from where
 * its free space ends. */
bool page_is_sound(const unsigned char *page, size_t size, uint64_t number);

bool page_is_branch(const unsigned char *page);

/* Nodes in a page that is sound, and one of them. */
unsigned page_count(const unsigned char *page);
struct node page_node(const unsigned char *page, unsigned i);

#endif
