/* Whether the pages of an LMDB file are what they are meant to be. LMDB itself reads them from memory and trusts what
 * it finds: a page that is not in the file ends the process, and so may one that holds something else. */
#ifndef LMDB_PAGES_H
#define LMDB_PAGES_H

#include <stdint.h>

enum {
    LMDB_PAGES_WHOLE,
    LMDB_PAGES_CUT,     /* the file ends before a page that is needed */
    LMDB_PAGES_DAMAGED, /* a page holds something else */
    LMDB_PAGES_UNKNOWN  /* it cannot be told: another layout, a read error, no memory, or nothing is known of this state
                         */
};

/* Looks through the file as transaction `id` sees it, which its caller holds open, so that nobody writes over the
 * pages. A file of more than `most` bytes, which would take long, is looked through only when it is shorter than it
 * should be.
 */
int lmdb_pages_check(int fd, uint64_t id, uint64_t most);

#endif
