#include "metas.h"

#include <errno.h>
#include <lmdb.h>
#include <unistd.h>

#define MAGIC 0xbeefc0deU
#define VERSION 1U

/* From the end of a page's header. */
#define AT_VERSION 4
#define AT_PAGE_SIZE 24
#define AT_FREE 24
#define AT_RECORDS 72
#define AT_LAST_PAGE 120
#define AT_TXN 128
#define META_SIZE 136

/* … and from the beginning of a tree. */
#define AT_TREE_FLAGS 4
#define AT_TREE_DEPTH 6
#define AT_TREE_ROOT 40

#define MOST_DEPTH 32                                   /* LMDB's own limit */
#define INTEGER_KEYS 0x08U                              /* the keys of the free tree are ids of transactions */
#define FLAGS_OF_THE_FILE (MDB_FIXEDMAP | MDB_NOSUBDIR) /* stand beside them, and mean nothing to who opens it */

static struct tree read_tree(const unsigned char *at)
{
    return (struct tree){.flags = layout_get16(at + AT_TREE_FLAGS),
                         .depth = layout_get16(at + AT_TREE_DEPTH),
                         .root = layout_get64(at + AT_TREE_ROOT)};
}

/* MDB_INVALID where it is none of LMDB's, which LMDB itself refuses. */
static int read_one(int fd, off_t at, struct meta *ret)
{
    unsigned char page[LAYOUT_HEADER + META_SIZE], *meta = page + LAYOUT_HEADER;
    ssize_t len = pread(fd, page, sizeof page, at);
    *ret = (struct meta){0};
    if (len < 0) {
        return errno;
    }
    if (len != (ssize_t)sizeof page || layout_get32(meta) != MAGIC || layout_get32(meta + AT_VERSION) != VERSION) {
        return MDB_INVALID;
    }
    *ret = (struct meta){.page_size = layout_get32(meta + AT_PAGE_SIZE),
                         .free = read_tree(meta + AT_FREE),
                         .records = read_tree(meta + AT_RECORDS),
                         .last_page = layout_get64(meta + AT_LAST_PAGE),
                         .txn = layout_get64(meta + AT_TXN)};
    return 0;
}

static bool is_page_size(uint32_t size)
{
    return size >= LAYOUT_LEAST_PAGE && size <= LAYOUT_MOST_PAGE && (size & (size - 1)) == 0;
}

int metas_check_sizes(int fd)
{
    struct meta first, second;
    if (read_one(fd, 0, &first) != 0) {
        return 0;
    }
    return !is_page_size(first.page_size) ||
                   (read_one(fd, (off_t)first.page_size, &second) == 0 && second.page_size != first.page_size)
               ? MDB_CORRUPTED
               : 0;
}

/* Both at one moment: the first one stays while the second one is read. */
static int read_both(int fd, struct meta ret[LAYOUT_METAS])
{
    struct meta again;
    int rc;
    do {
        if ((rc = read_one(fd, 0, &ret[0])) != 0 || (rc = read_one(fd, (off_t)ret[0].page_size, &ret[1])) != 0 ||
            (rc = read_one(fd, 0, &again)) != 0) {
            return rc;
        }
    } while (again.txn != ret[0].txn);
    return 0;
}

/* Transactions write to the two in turn, even ones to the first, so that the ids are neighbours; those of a new file
 * are 0. */
static bool are_in_turn(const struct meta metas[LAYOUT_METAS])
{
    uint64_t first = metas[0].txn, second = metas[1].txn;
    if (first % 2 != 0) {
        return false;
    }
    return first > second ? first - second == 1 : second - first == 1 || second == 0;
}

static bool is_tree(const struct tree *tree)
{
    return tree->depth <= MOST_DEPTH && (tree->root == LAYOUT_NO_PAGE) == (tree->depth == 0);
}

/* LMDB does as the flags say: compares keys as numbers, takes a record for a database. */
static bool are_known(const struct meta *meta)
{
    return is_page_size(meta->page_size) && is_tree(&meta->free) && is_tree(&meta->records) &&
           (meta->free.flags & ~FLAGS_OF_THE_FILE) == INTEGER_KEYS && meta->records.flags == 0;
}

/* LMDB believes the page that the newest id leads to, whatever id stands in it. */
int metas_read(int fd, uint64_t txn, struct meta *ret)
{
    struct meta both[LAYOUT_METAS];
    int rc = read_both(fd, both);
    if (rc != 0) {
        return rc;
    }
    *ret = both[txn % LAYOUT_METAS];
    return are_in_turn(both) && ret->txn >= txn && are_known(ret) ? 0 : MDB_CORRUPTED;
}
