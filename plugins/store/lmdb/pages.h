/* Whether the pages of an LMDB file are what they are meant to be. LMDB itself reads them from memory and trusts what
 * it finds: a page that is not in the file ends the process, and so may one that holds something else. */
#ifndef LMDB_PAGES_H
#define LMDB_PAGES_H

#include <stdint.h>

/* Looks through the file as transaction `txn` sees it, which its caller holds open, so that nobody writes over the
 * pages. A file of more than `most` bytes, which would take long, is looked through only when it is shorter than it
 * should be. 0, MDB_PAGE_NOTFOUND: the file ends before a page that is needed, MDB_CORRUPTED: a page holds something
 * else, or why it cannot be told. */
int pages_check(int fd, uint64_t txn, uint64_t most);

#endif
