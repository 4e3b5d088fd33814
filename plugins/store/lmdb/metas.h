/* What the first two pages of an LMDB file say: where its two trees, of pages that are free and of records, begin. */
#ifndef LMDB_METAS_H
#define LMDB_METAS_H

#include "layout.h"

#include <stdbool.h>

struct tree {
    uint16_t flags, depth;
    uint64_t root; /* LAYOUT_NO_PAGE: it is empty */
};

struct meta {
    uint32_t page_size;
    struct tree free, records;
    uint64_t last_page, txn;
};

/* Whether LMDB can open the file: it divides by the size of pages that stands there. 0, or MDB_CORRUPTED; what else may
 * be wrong LMDB itself says. */
int metas_check_sizes(int fd);

/* What LMDB reads at the beginning of transaction `txn`, or what another process has put in its place since, whose
 * pages the transaction holds too. 0, MDB_CORRUPTED, or why it cannot be read. */
int metas_read(int fd, uint64_t txn, struct meta *ret);

#endif
