#include "pages.h"
#include "keys.h"
#include "metas.h"
#include "page.h"

#include <errno.h>
#include <lmdb.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define MOST_GIVEN_BACK ((uint64_t)1 << 24) /* pages behind the file's end: one transaction had them all in memory */

/* The last key met, which the next one is to be greater than, or as great where it parted two pages. */
struct last_key {
    unsigned char bytes[MAX_KEY];
    size_t len;
    bool parts;
};

struct walk {
    int fd;
    size_t page_size;
    uint64_t file_pages; /* whole ones in the file */
    uint64_t last_page;  /* … and that LMDB knows of: those behind the file's end were never written, and are free */
    uint64_t txn;
    unsigned char *met; /* a bit for each page: nothing leads to one twice, nor to one that is free */
    bool is_free;       /* in the tree of what is free */
    unsigned depth;     /* of the tree */
    struct last_key last;
};

static int read_at(const struct walk *walk, uint64_t page, size_t offset, void *ret, size_t size)
{
    ssize_t len = pread(walk->fd, ret, size, (off_t)(page * walk->page_size + offset));
    if (len < 0) {
        return errno;
    }
    return (size_t)len == size ? 0 : MDB_PAGE_NOTFOUND;
}

static int meet(struct walk *walk, uint64_t page)
{
    unsigned char *bits = walk->met + page / 8, bit = (unsigned char)(1U << page % 8);
    if (page < LAYOUT_METAS || page > walk->last_page || (*bits & bit) != 0) {
        return MDB_CORRUPTED;
    }
    *bits |= bit;
    return 0;
}

/* ---- keys ---- */

/* As LMDB orders them. */
static int compare(const struct walk *walk, const unsigned char *key, size_t len)
{
    const struct last_key *last = &walk->last;
    int order;
    if (walk->is_free) {
        uint64_t id = layout_get64(key), before = layout_get64(last->bytes);
        return (id > before) - (id < before);
    }
    order = memcmp(key, last->bytes, len < last->len ? len : last->len);
    return order != 0 ? order : (len > last->len) - (len < last->len);
}

static int check_key(struct walk *walk, const struct node *node, bool parts)
{
    struct last_key *last = &walk->last;
    int order;
    if (walk->is_free && (node->key_len != sizeof(uint64_t) || layout_get64(node->key) > walk->txn)) {
        return MDB_CORRUPTED;
    }
    order = compare(walk, node->key, node->key_len);
    if (order < 0 || (order == 0 && !last->parts)) {
        return MDB_CORRUPTED;
    }
    memcpy(last->bytes, node->key, node->key_len);
    last->len = node->key_len;
    last->parts = parts;
    return 0;
}

/* ---- values ---- */

/* Pages that a value lies in, for which it may leave room. */
static int check_overflow(struct walk *walk, const struct node *node)
{
    unsigned char header[LAYOUT_HEADER];
    uint64_t needed = (LAYOUT_HEADER + (uint64_t)node->data_len + walk->page_size - 1) / walk->page_size, count;
    int rc;
    if (node->page > walk->last_page) {
        return MDB_CORRUPTED;
    }
    if (node->page >= walk->file_pages || needed > walk->file_pages - node->page) {
        return MDB_PAGE_NOTFOUND;
    }
    if ((rc = read_at(walk, node->page, 0, header, sizeof header)) != 0) {
        return rc;
    }
    count = layout_get32(header + LAYOUT_OVERFLOW_PAGES);
    if (layout_get64(header) != node->page || layout_get16(header + LAYOUT_FLAGS) != LAYOUT_OVERFLOW ||
        count < needed || count > walk->last_page - node->page + 1) {
        return MDB_CORRUPTED;
    }
    for (uint64_t i = 0; i < count && rc == 0; i++) {
        rc = meet(walk, node->page + i);
    }
    return rc;
}

/* Pages that are free: how many, and their numbers, the greatest first. */
static int check_list(struct walk *walk, const unsigned char *list, size_t len)
{
    const size_t word = sizeof(uint64_t);
    uint64_t count, before = LAYOUT_NO_PAGE;
    int rc = 0;
    if (len < word || len % word != 0 || (count = layout_get64(list)) > len / word - 1) {
        return MDB_CORRUPTED;
    }
    for (uint64_t i = 1; i <= count && rc == 0; i++) {
        uint64_t page = layout_get64(list + i * word);
        rc = page < before ? meet(walk, page) : MDB_CORRUPTED;
        before = page;
    }
    return rc;
}

static int check_list_elsewhere(struct walk *walk, const struct node *node)
{
    unsigned char *list = malloc(node->data_len + (size_t)1);
    int rc = list == NULL ? ENOMEM : read_at(walk, node->page, LAYOUT_HEADER, list, node->data_len);
    if (rc == 0) {
        rc = check_list(walk, list, node->data_len);
    }
    free(list);
    return rc;
}

static int check_value(struct walk *walk, const struct node *node)
{
    int rc = node->data == NULL ? check_overflow(walk, node) : 0;
    if (rc != 0 || !walk->is_free) {
        return rc;
    }
    return node->data == NULL ? check_list_elsewhere(walk, node) : check_list(walk, node->data, node->data_len);
}

/* ---- pages ---- */

static int check_page(struct walk *walk, uint64_t number, unsigned depth);

static int check_nodes(struct walk *walk, const unsigned char *page, unsigned depth)
{
    bool is_branch = page_is_branch(page);
    int rc = 0;
    for (unsigned i = 0; i < page_count(page) && rc == 0; i++) {
        struct node node = page_node(page, i);
        if (!is_branch || i > 0) {
            rc = check_key(walk, &node, is_branch);
        }
        if (rc == 0) {
            rc = is_branch ? check_page(walk, node.page, depth + 1) : check_value(walk, &node);
        }
    }
    return rc;
}

static int check_page(struct walk *walk, uint64_t number, unsigned depth)
{
    unsigned char *page;
    int rc = meet(walk, number);
    if (rc != 0 || number >= walk->file_pages) {
        return rc != 0 ? rc : MDB_PAGE_NOTFOUND;
    }
    page = malloc(walk->page_size);
    rc = page == NULL ? ENOMEM : read_at(walk, number, 0, page, walk->page_size);
    if (rc == 0) {
        rc = page_is_sound(page, walk->page_size, number) && page_is_branch(page) == (depth < walk->depth)
                 ? check_nodes(walk, page, depth)
                 : MDB_CORRUPTED;
    }
    free(page);
    return rc;
}

static int check_tree(struct walk *walk, const struct tree *tree, bool is_free)
{
    walk->is_free = is_free;
    walk->depth = tree->depth;
    walk->last = (struct last_key){0};
    return tree->root == LAYOUT_NO_PAGE ? 0 : check_page(walk, tree->root, 1);
}

int pages_check(int fd, uint64_t txn, uint64_t most)
{
    struct walk walk = {.fd = fd};
    struct stat st;
    struct meta meta;
    int rc = metas_read(fd, txn, &meta);
    if (rc != 0) {
        return rc;
    }
    if (fstat(fd, &st) != 0) {
        return errno;
    }
    walk.page_size = meta.page_size;
    walk.file_pages = (uint64_t)st.st_size / meta.page_size;
    walk.last_page = meta.last_page;
    walk.txn = meta.txn;
    /* Pages that a transaction took at the end and gave back again are not in the file, so a short one may be whole. */
    if (meta.last_page < walk.file_pages && (uint64_t)st.st_size > most) {
        return 0;
    }
    if (meta.last_page > walk.file_pages + MOST_GIVEN_BACK) {
        return MDB_PAGE_NOTFOUND;
    }
    walk.met = calloc(meta.last_page / 8 + 1, 1);
    if (walk.met == NULL) {
        return ENOMEM;
    }
    rc = check_tree(&walk, &meta.free, true);
    if (rc == 0) {
        rc = check_tree(&walk, &meta.records, false);
    }
    free(walk.met);
    return rc;
}
