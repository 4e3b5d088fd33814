/* Whether the pages of an LMDB file are what they are meant to be. LMDB itself reads them from memory and trusts what
 * it finds: a page that is not in the file ends the process, and so may one that holds something else. */
#ifndef LMDB_PAGES_H
#define LMDB_PAGES_H

#include <stdint.h>

enum {
    PAGES_WHOLE,
    PAGES_CUT,     /* the file ends before a page that is needed */
    PAGES_DAMAGED, /* a page holds something else */
    PAGES_UNKNOWN  /* it cannot be told: another layout, a read error, no memory, or nothing is known of this state
                    */
};

/* Whether LMDB can open the file: it divides by the size of pages that stands there. */
int pages_check_sizes(int fd);

/* Looks through the file as transaction `id` sees it, which its caller holds open, so that nobody writes over the
 * pages. A file of more than `most` bytes, which would take long, is looked through only when it is shorter than it
 * should be.
 */
int pages_check(int fd, uint64_t id, uint64_t most);

#endif
