#include "pages.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The layout of LMDB 0.9, in the byte order of the machine. A page begins with its number (8 bytes), 2 bytes of
 * padding, its flags (2), and where its free space begins and ends (2 each) or, of an overflow page, how many there are
 * (4). Pages 0 and 1 go on with what is known of the newest transactions but one and the newest one. */
#define HEADER 16
#define MAGIC 0xbeefc0deU
#define VERSION 1U
#define META_SIZE 136
#define META_PAGE_SIZE 24 /* from the end of the header */
#define META_FREE_ROOT 64
#define META_MAIN_ROOT 112
#define META_LAST_PAGE 120
#define META_TXN 128
#define BRANCH 1U
#define LEAF 2U
#define OVERFLOW_PAGE 4U
#define NODE 8 /* bytes before a node's key */
#define NODE_BIG 1U
#define NO_PAGE UINT64_MAX
#define MOST_DEPTH 32 /* LMDB's own limit */

struct meta {
    uint32_t page_size;
    uint64_t free_root, main_root, last_page, txn;
};

struct walk {
    int fd;
    size_t page_size;
    uint64_t pages; /* whole ones in the file */
    uint64_t seen;  /* more than there are: they lead in a circle */
};

static uint16_t get16(const unsigned char *at)
{
    uint16_t n;
    memcpy(&n, at, sizeof n);
    return n;
}

static uint32_t get32(const unsigned char *at)
{
    uint32_t n;
    memcpy(&n, at, sizeof n);
    return n;
}

static uint64_t get64(const unsigned char *at)
{
    uint64_t n;
    memcpy(&n, at, sizeof n);
    return n;
}

/* False where it is none of LMDB's, which LMDB itself refuses. */
static int read_header(int fd, off_t at, struct meta *ret)
{
    unsigned char page[HEADER + META_SIZE], *meta = page + HEADER;
    if (pread(fd, page, sizeof page, at) != (ssize_t)sizeof page || get32(meta) != MAGIC ||
        get32(meta + 4) != VERSION) {
        return 0;
    }
    *ret = (struct meta){.page_size = get32(meta + META_PAGE_SIZE),
                         .free_root = get64(meta + META_FREE_ROOT),
                         .main_root = get64(meta + META_MAIN_ROOT),
                         .last_page = get64(meta + META_LAST_PAGE),
                         .txn = get64(meta + META_TXN)};
    return 1;
}

static int is_page_size(uint32_t size)
{
    return size >= 256 && size <= 65536 && (size & (size - 1)) == 0;
}

int pages_check_sizes(int fd)
{
    struct meta first, second;
    if (!read_header(fd, 0, &first)) {
        return PAGES_UNKNOWN;
    }
    if (!is_page_size(first.page_size) ||
        (read_header(fd, (off_t)first.page_size, &second) && second.page_size != first.page_size)) {
        return PAGES_DAMAGED;
    }
    return PAGES_WHOLE;
}

/* What both pages say at one moment: the first one stays while the second one is read. */
static int read_metas(int fd, struct meta ret[2])
{
    struct meta again;
    do {
        if (!read_header(fd, 0, &ret[0]) || !is_page_size(ret[0].page_size) ||
            !read_header(fd, (off_t)ret[0].page_size, &ret[1]) || !read_header(fd, 0, &again)) {
            return 0;
        }
    } while (again.txn != ret[0].txn);
    return 1;
}

/* Transactions write to the two in turn, even ones to the first, so that the ids are neighbours; those of a new file
 * are 0. LMDB begins with the page that the newest id leads to, whatever id stands in it. */
static int are_in_turn(const struct meta metas[2])
{
    uint64_t first = metas[0].txn, second = metas[1].txn;
    if (first % 2 != 0) {
        return 0;
    }
    return first > second ? first - second == 1 : second - first == 1 || second == 0;
}

static int check_page(struct walk *walk, uint64_t number, unsigned depth);

static int check_overflow(const struct walk *walk, uint64_t number, uint32_t size)
{
    unsigned char header[HEADER];
    uint64_t count = (HEADER + (uint64_t)size + walk->page_size - 1) / walk->page_size;
    if (number >= walk->pages || count > walk->pages - number) {
        return PAGES_CUT;
    }
    if (pread(walk->fd, header, sizeof header, (off_t)(number * walk->page_size)) != (ssize_t)sizeof header) {
        return PAGES_UNKNOWN;
    }
    return get64(header) == number && get16(header + 10) == OVERFLOW_PAGE && get32(header + 12) >= count
               ? PAGES_WHOLE
               : PAGES_DAMAGED;
}

/* What one node of a page leads to. */
static int check_node(struct walk *walk, const unsigned char *page, uint16_t at, unsigned depth)
{
    const unsigned char *node = page + at;
    uint32_t low = get16(node), high = get16(node + 2), flags = get16(node + 4);
    size_t end = (size_t)at + NODE + get16(node + 6);
    if ((get16(page + 10) & BRANCH) != 0) {
        return end > walk->page_size ? PAGES_DAMAGED
                                     : check_page(walk, low | high << 16 | (uint64_t)flags << 32, depth + 1);
    }
    if ((flags & ~NODE_BIG) != 0) { /* a database inside this one: there is none */
        return PAGES_DAMAGED;
    }
    if ((flags & NODE_BIG) != 0) {
        return end + 8 > walk->page_size ? PAGES_DAMAGED : check_overflow(walk, get64(page + end), low | high << 16);
    }
    return end + (low | high << 16) > walk->page_size ? PAGES_DAMAGED : PAGES_WHOLE;
}

static int check_nodes(struct walk *walk, const unsigned char *page, unsigned depth)
{
    uint16_t flags = get16(page + 10), lower = get16(page + 12), upper = get16(page + 14);
    int verdict = PAGES_WHOLE;
    if ((flags != BRANCH && flags != LEAF) || lower < HEADER || lower > upper || upper > walk->page_size ||
        (depth > 1 && lower == HEADER)) {
        return PAGES_DAMAGED;
    }
    for (uint16_t at = HEADER; at + 1 < lower && verdict == PAGES_WHOLE; at = (uint16_t)(at + 2)) {
        uint16_t node = get16(page + at);
        verdict =
            node < upper || node + NODE > (long)walk->page_size ? PAGES_DAMAGED : check_node(walk, page, node, depth);
    }
    return verdict;
}

static int check_page(struct walk *walk, uint64_t number, unsigned depth)
{
    unsigned char *page;
    int verdict;
    if (number >= walk->pages) {
        return PAGES_CUT;
    }
    if (number < 2 || depth > MOST_DEPTH || ++walk->seen > walk->pages) {
        return PAGES_DAMAGED;
    }
    page = malloc(walk->page_size);
    if (page == NULL ||
        pread(walk->fd, page, walk->page_size, (off_t)(number * walk->page_size)) != (ssize_t)walk->page_size) {
        verdict = PAGES_UNKNOWN;
    } else {
        verdict = get64(page) == number ? check_nodes(walk, page, depth) : PAGES_DAMAGED;
    }
    free(page);
    return verdict;
}

int pages_check(int fd, uint64_t id, uint64_t most)
{
    struct walk walk = {.fd = fd};
    struct stat st;
    struct meta metas[2], meta;
    int verdict = PAGES_WHOLE;
    if (!read_metas(fd, metas) || fstat(fd, &st) != 0) {
        return PAGES_UNKNOWN;
    }
    meta = metas[id % 2]; /* of the transaction, or of one that another process has ended since */
    if (!are_in_turn(metas) || meta.txn < id) {
        return PAGES_DAMAGED;
    }
    walk.page_size = meta.page_size;
    walk.pages = (uint64_t)st.st_size / meta.page_size;
    /* Pages that a transaction took at the end and gave back again are not in the file, so a short one may be whole. */
    if (meta.last_page < walk.pages && (uint64_t)st.st_size > most) {
        return PAGES_WHOLE;
    }
    if (meta.free_root != NO_PAGE) {
        verdict = check_page(&walk, meta.free_root, 1);
    }
    return verdict == PAGES_WHOLE && meta.main_root != NO_PAGE ? check_page(&walk, meta.main_root, 1) : verdict;
}
