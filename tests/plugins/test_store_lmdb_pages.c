/* The look through the pages of an LMDB file: what LMDB writes passes, and each lie that it would believe is met. */
#include "cunit_main.h"

#include "metas.h"
#include "page.h"
#include "pages.h"
#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define PAGE 4096
#define RECORDS 2000
#define LARGE 100                    /* each so many-th value lies in pages of its own */
#define AT_FREE (LAYOUT_HEADER + 24) /* in a meta page */
#define AT_RECORDS (LAYOUT_HEADER + 72)
#define AT_LAST_PAGE (LAYOUT_HEADER + 120)
#define TREE_FLAGS 4
#define TREE_DEPTH 6
#define TREE_ROOT 40

static unsigned char *bytes; /* of the file; tests change them */
static size_t size;
static struct meta now;
static int fd = -1;

/* ---- a file of LMDB's ---- */

static void put_all(MDB_txn *txn, MDB_dbi dbi, unsigned every, unsigned round)
{
    static char large[3 * PAGE];
    memset(large, 'a' + (int)round, sizeof large);
    for (unsigned i = 0; i < RECORDS; i += every) {
        char text[32];
        MDB_val key = {.mv_data = text, .mv_size = (size_t)snprintf(text, sizeof text, "profile:%05u", i)};
        MDB_val value = {.mv_data = large, .mv_size = i % LARGE == 0 ? sizeof large : 900};
        CU_ASSERT_EQUAL_FATAL(mdb_put(txn, dbi, &key, &value, 0), 0);
    }
}

/* Trees of two floors and more; since there is a reader no free page is used again: a list of free pages in its leaf,
 * and one that needs pages of its own. */
static void make_file(const char *path)
{
    const unsigned every[] = {1, 1, 400, 400, 300};
    MDB_env *env;
    MDB_txn *txn, *reader = NULL;
    MDB_dbi dbi;
    char lock[64];
    CU_ASSERT_EQUAL_FATAL(mdb_env_create(&env), 0);
    CU_ASSERT_EQUAL_FATAL(mdb_env_set_mapsize(env, (size_t)64 << 20), 0);
    CU_ASSERT_EQUAL_FATAL(mdb_env_open(env, path, MDB_NOSUBDIR | MDB_NOTLS | MDB_NOSYNC, 0600), 0);
    for (unsigned i = 0; i < sizeof every / sizeof every[0]; i++) {
        CU_ASSERT_EQUAL_FATAL(mdb_txn_begin(env, NULL, 0, &txn), 0);
        CU_ASSERT_EQUAL_FATAL(mdb_dbi_open(txn, NULL, 0, &dbi), 0);
        put_all(txn, dbi, every[i], i);
        CU_ASSERT_EQUAL_FATAL(mdb_txn_commit(txn), 0);
        if (reader == NULL) {
            CU_ASSERT_EQUAL_FATAL(mdb_txn_begin(env, NULL, MDB_RDONLY, &reader), 0);
        }
    }
    CU_ASSERT_EQUAL_FATAL(mdb_txn_begin(env, NULL, MDB_RDONLY, &txn), 0);
    CU_ASSERT_EQUAL_FATAL(metas_read(fd, mdb_txn_id(txn), &now), 0);
    mdb_txn_abort(txn);
    mdb_txn_abort(reader);
    mdb_env_close(env);
    (void)snprintf(lock, sizeof lock, "%s-lock", path);
    CU_ASSERT_EQUAL(unlink(lock), 0);
}

static void begin(void)
{
    char path[] = "/tmp/churn-pages-XXXXXX";
    off_t end;
    fd = mkstemp(path);
    CU_ASSERT_FATAL(fd >= 0);
    make_file(path);
    CU_ASSERT_EQUAL(unlink(path), 0);
    end = lseek(fd, 0, SEEK_END);
    CU_ASSERT_FATAL(end > 0 && end % PAGE == 0 && now.page_size == PAGE);
    size = (size_t)end;
    bytes = malloc(size);
    CU_ASSERT_FATAL(bytes != NULL && pread(fd, bytes, size, 0) == end);
}

static void end(void)
{
    (void)close(fd);
    free(bytes);
}

static int judge(void)
{
    CU_ASSERT_EQUAL(ftruncate(fd, 0), 0);
    CU_ASSERT_EQUAL(pwrite(fd, bytes, size, 0), (ssize_t)size);
    return pages_check(fd, now.txn, UINT64_MAX);
}

/* ---- places in it ---- */

static void set16(unsigned char *at, unsigned n)
{
    const uint16_t word = (uint16_t)n;
    memcpy(at, &word, sizeof word);
}

static void set32(unsigned char *at, uint32_t n)
{
    memcpy(at, &n, sizeof n);
}

static void set64(unsigned char *at, uint64_t n)
{
    memcpy(at, &n, sizeof n);
}

static unsigned char *page_at(uint64_t number)
{
    CU_ASSERT_FATAL(number >= LAYOUT_METAS && number < size / PAGE);
    return bytes + number * PAGE;
}

static unsigned char *meta_at(void)
{
    return bytes + now.txn % LAYOUT_METAS * PAGE;
}

static unsigned char *branch(void)
{
    unsigned char *page = page_at(now.records.root);
    CU_ASSERT_FATAL(now.records.depth > 1 && page_is_branch(page));
    return page;
}

static unsigned char *leaf_of(const struct tree *tree)
{
    unsigned char *page = page_at(tree->root);
    while (page_is_branch(page)) {
        page = page_at(page_node(page, 0).page);
    }
    CU_ASSERT_FATAL(page_count(page) > 1);
    return page;
}

static unsigned char *leaf(void)
{
    return leaf_of(&now.records);
}

static unsigned char *node_at(unsigned char *page, unsigned i)
{
    return page + layout_get16(page + LAYOUT_HEADER + (size_t)i * 2);
}

/* The bytes of a node's key or value, to change. */
static unsigned char *inside(unsigned char *page, const unsigned char *at)
{
    return page + (at - page);
}

static unsigned char *pointer(unsigned char *page, unsigned i)
{
    return page + LAYOUT_HEADER + (size_t)i * 2;
}

/* The first value of a tree's first leaf that lies elsewhere, or does not; *ret_node: whose it is. */
static unsigned char *value(const struct tree *tree, bool elsewhere, unsigned char **ret_node)
{
    unsigned char *page = leaf_of(tree);
    for (unsigned i = 0; i < page_count(page); i++) {
        struct node node = page_node(page, i);
        if ((node.data == NULL) == elsewhere) {
            *ret_node = node_at(page, i);
            return elsewhere ? page_at(node.page) : inside(page, node.data);
        }
    }
    CU_FAIL_FATAL("no such value");
    return NULL;
}

static unsigned char *overflow(void)
{
    unsigned char *node;
    return value(&now.records, true, &node);
}

/* Lists of free pages: of those that lie in the leaf one with two, or the one in pages of its own. */
static unsigned char *list(bool elsewhere)
{
    unsigned char *page = leaf_of(&now.free);
    for (unsigned i = 0; i < page_count(page); i++) {
        struct node node = page_node(page, i);
        unsigned char *at = node.data == NULL ? page_at(node.page) + LAYOUT_HEADER : inside(page, node.data);
        if ((node.data == NULL) == elsewhere && layout_get64(at) > 1) {
            return at;
        }
    }
    CU_FAIL_FATAL("no such list");
    return NULL;
}

/* ---- lies ---- */

static void no_lie(void)
{
}

static void flags_of_the_file(void)
{
    set16(meta_at() + AT_FREE + TREE_FLAGS, 0x08 | MDB_NOSUBDIR | MDB_FIXEDMAP);
}

static void pages_given_back(void)
{
    set64(meta_at() + AT_LAST_PAGE, now.last_page + 5);
}

static void room_behind_a_value(void)
{
    unsigned char *at = list(false);
    set64(at, layout_get64(at) - 1);
}

static void more_than_memory_had(void)
{
    set64(meta_at() + AT_LAST_PAGE, UINT64_C(1) << 40);
}

static void duplicates(void)
{
    set16(meta_at() + AT_RECORDS + TREE_FLAGS, MDB_DUPSORT);
}

static void keys_that_are_numbers(void)
{
    set16(meta_at() + AT_RECORDS + TREE_FLAGS, MDB_INTEGERKEY);
}

static void free_keys_that_are_none(void)
{
    set16(meta_at() + AT_FREE + TREE_FLAGS, 0);
}

static void free_duplicates(void)
{
    set16(meta_at() + AT_FREE + TREE_FLAGS, 0x08 | MDB_DUPSORT);
}

static void a_floor_too_many(void)
{
    set16(meta_at() + AT_RECORDS + TREE_DEPTH, now.records.depth + 1U);
}

static void a_floor_too_few(void)
{
    set16(meta_at() + AT_RECORDS + TREE_DEPTH, now.records.depth - 1U);
}

static void an_empty_tree_with_floors(void)
{
    set64(meta_at() + AT_RECORDS + TREE_ROOT, LAYOUT_NO_PAGE);
}

static void two_trees_in_one(void)
{
    set64(meta_at() + AT_FREE + TREE_ROOT, now.records.root);
}

static void a_last_page_too_low(void)
{
    set64(meta_at() + AT_LAST_PAGE, now.records.root - 1);
}

static void keys_out_of_order(void)
{
    unsigned char *page = leaf(), *first = pointer(page, 0), *second = pointer(page, 1);
    unsigned kept = layout_get16(first);
    set16(first, layout_get16(second));
    set16(second, kept);
}

static void one_node_twice(void)
{
    set16(pointer(leaf(), 1), layout_get16(pointer(leaf(), 0)));
}

static void nodes_over_each_other(void)
{
    unsigned char *node = node_at(leaf(), 1);
    set32(node, layout_get32(node) + 2);
}

static void a_gap(void)
{
    unsigned char *node = node_at(leaf(), 1);
    set32(node, layout_get32(node) - 2);
}

static void a_gap_before_all(void)
{
    set16(leaf() + LAYOUT_UPPER, layout_get16(leaf() + LAYOUT_UPPER) - 2U);
}

static void an_odd_place(void)
{
    set16(pointer(leaf(), 0), layout_get16(pointer(leaf(), 0)) + 1U);
}

static void a_key_of_nothing(void)
{
    unsigned char *node = node_at(leaf(), 0);
    set32(node, layout_get32(node) + layout_get16(node + 6));
    set16(node + 6, 0);
}

static void a_key_too_long(void)
{
    unsigned char *node = node_at(leaf(), 1);
    unsigned more = 600U - layout_get16(node + 6);
    set16(node + 6, 600);
    set32(node, layout_get32(node) - more);
}

static void a_database_inside(void)
{
    set16(node_at(leaf(), 1) + 4, 2);
}

static void a_leaf_of_none(void)
{
    unsigned char *page = leaf();
    set16(page + LAYOUT_LOWER, LAYOUT_HEADER);
    set16(page + LAYOUT_UPPER, PAGE);
}

static void a_branch_of_one(void)
{
    unsigned char *page = branch();
    set16(page + LAYOUT_LOWER, LAYOUT_HEADER + 2);
    set16(pointer(page, 0), PAGE - 8);
    set16(page + LAYOUT_UPPER, PAGE - 8);
    memcpy(page + PAGE - 8, node_at(page, 1), 8);
    set16(page + PAGE - 2, 0);
}

static void one_page_twice(void)
{
    memcpy(node_at(branch(), 1), node_at(branch(), 0), 6);
}

static void a_page_below_that_is_none(void)
{
    set32(node_at(branch(), 1), 1);
}

static void a_page_below_behind_the_last(void)
{
    set32(node_at(branch(), 1), (uint32_t)now.last_page + 1);
}

static void keys_before_what_parts_them(void)
{
    memset(node_at(branch(), 1) + 8, 0xff, 4);
}

static void keys_behind_what_parts_them(void)
{
    memset(node_at(branch(), 1) + 8, 0, 4);
}

static void a_leaf_for_a_value(void)
{
    set16(overflow() + LAYOUT_FLAGS, LAYOUT_LEAF);
}

static void too_few_pages_for_a_value(void)
{
    set32(overflow() + LAYOUT_OVERFLOW_PAGES, 2);
}

static void too_many_pages_for_a_value(void)
{
    set32(overflow() + LAYOUT_OVERFLOW_PAGES, UINT32_MAX);
}

static void a_value_over_other_pages(void)
{
    set32(overflow() + LAYOUT_OVERFLOW_PAGES, (uint32_t)(now.last_page - layout_get64(overflow()) + 1));
}

static void a_value_behind_the_file(void)
{
    unsigned char *node;
    (void)value(&now.records, true, &node);
    set32(node, UINT32_MAX);
}

static void more_free_pages_than_listed(void)
{
    unsigned char *node, *at = value(&now.free, false, &node);
    set64(at, layout_get32(node) / 8);
}

static void more_free_pages_than_listed_elsewhere(void)
{
    set64(list(true), PAGE * 8);
}

static void a_page_that_is_free_twice(void)
{
    unsigned char *at = list(false);
    set64(at + 8, layout_get64(at + 16));
}

static void free_pages_out_of_order(void)
{
    unsigned char *at = list(true);
    uint64_t kept = layout_get64(at + 8);
    set64(at + 8, layout_get64(at + 16));
    set64(at + 16, kept);
}

static void a_free_page_behind_the_last(void)
{
    set64(list(true) + 8, now.last_page + 1);
}

static void a_free_page_that_holds_records(void)
{
    unsigned char *at = list(false);
    set64(at, 1);
    set64(at + 8, now.records.root);
}

static void a_free_page_that_is_a_meta(void)
{
    unsigned char *at = list(false);
    set64(at, 1);
    set64(at + 8, 1);
}

static void pages_freed_by_nobody(void)
{
    unsigned char *page = leaf_of(&now.free);
    set64(inside(page, page_node(page, 0).key), 0);
}

static void pages_freed_in_the_future(void)
{
    unsigned char *page = leaf_of(&now.free);
    set64(inside(page, page_node(page, page_count(page) - 1).key), now.txn + 1);
}

static void what_lmdb_would_believe(void)
{
    static const struct {
        const char *name;
        void (*lie)(void);
        int verdict;
    } rows[] = {
#define LIE(function, verdict) {#function, function, verdict}
        LIE(no_lie, 0),
        LIE(flags_of_the_file, 0),
        LIE(pages_given_back, 0),
        LIE(room_behind_a_value, 0),
        LIE(more_than_memory_had, MDB_PAGE_NOTFOUND),
        LIE(duplicates, MDB_CORRUPTED),
        LIE(keys_that_are_numbers, MDB_CORRUPTED),
        LIE(free_keys_that_are_none, MDB_CORRUPTED),
        LIE(free_duplicates, MDB_CORRUPTED),
        LIE(a_floor_too_many, MDB_CORRUPTED),
        LIE(a_floor_too_few, MDB_CORRUPTED),
        LIE(an_empty_tree_with_floors, MDB_CORRUPTED),
        LIE(two_trees_in_one, MDB_CORRUPTED),
        LIE(a_last_page_too_low, MDB_CORRUPTED),
        LIE(keys_out_of_order, MDB_CORRUPTED),
        LIE(one_node_twice, MDB_CORRUPTED),
        LIE(nodes_over_each_other, MDB_CORRUPTED),
        LIE(a_gap, MDB_CORRUPTED),
        LIE(a_gap_before_all, MDB_CORRUPTED),
        LIE(an_odd_place, MDB_CORRUPTED),
        LIE(a_key_of_nothing, MDB_CORRUPTED),
        LIE(a_key_too_long, MDB_CORRUPTED),
        LIE(a_database_inside, MDB_CORRUPTED),
        LIE(a_leaf_of_none, MDB_CORRUPTED),
        LIE(a_branch_of_one, MDB_CORRUPTED),
        LIE(one_page_twice, MDB_CORRUPTED),
        LIE(a_page_below_that_is_none, MDB_CORRUPTED),
        LIE(a_page_below_behind_the_last, MDB_CORRUPTED),
        LIE(keys_before_what_parts_them, MDB_CORRUPTED),
        LIE(keys_behind_what_parts_them, MDB_CORRUPTED),
        LIE(a_leaf_for_a_value, MDB_CORRUPTED),
        LIE(too_few_pages_for_a_value, MDB_CORRUPTED),
        LIE(too_many_pages_for_a_value, MDB_CORRUPTED),
        LIE(a_value_over_other_pages, MDB_CORRUPTED),
        LIE(a_value_behind_the_file, MDB_PAGE_NOTFOUND),
        LIE(more_free_pages_than_listed, MDB_CORRUPTED),
        LIE(more_free_pages_than_listed_elsewhere, MDB_CORRUPTED),
        LIE(a_page_that_is_free_twice, MDB_CORRUPTED),
        LIE(free_pages_out_of_order, MDB_CORRUPTED),
        LIE(a_free_page_behind_the_last, MDB_CORRUPTED),
        LIE(a_free_page_that_holds_records, MDB_CORRUPTED),
        LIE(a_free_page_that_is_a_meta, MDB_CORRUPTED),
        LIE(pages_freed_by_nobody, MDB_CORRUPTED),
        LIE(pages_freed_in_the_future, MDB_CORRUPTED),
#undef LIE
    };
    unsigned char *kept;
    begin();
    kept = malloc(size);
    CU_ASSERT_FATAL(kept != NULL);
    memcpy(kept, bytes, size);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int verdict;
        rows[i].lie();
        CU_ASSERT_EQUAL(memcmp(bytes, kept, size) == 0, rows[i].lie == no_lie);
        verdict = judge();
        if (verdict != rows[i].verdict) {
            (void)fprintf(stderr, "%s: %s\n", rows[i].name, mdb_strerror(verdict));
        }
        CU_ASSERT_EQUAL(verdict, rows[i].verdict);
        memcpy(bytes, kept, size);
    }
    free(kept);
    end();
}

static void any_cut_is_met(void)
{
    unsigned cut = 0, tried = 0;
    begin();
    CU_ASSERT_EQUAL(judge(), 0);
    for (uint64_t left = size / PAGE - 1; left > LAYOUT_METAS; left -= 1 + left / 16, tried++) {
        CU_ASSERT_EQUAL(ftruncate(fd, (off_t)(left * PAGE)), 0);
        cut += pages_check(fd, now.txn, 0) == MDB_PAGE_NOTFOUND; /* a short file is looked through whatever its size */
    }
    CU_ASSERT(tried > 10 && cut >= tried - 1);
    end();
}

static void a_large_file_is_taken_as_it_is(void)
{
    begin();
    keys_out_of_order();
    CU_ASSERT_EQUAL(judge(), MDB_CORRUPTED);
    CU_ASSERT_EQUAL(pages_check(fd, now.txn, size), MDB_CORRUPTED);
    CU_ASSERT_EQUAL(pages_check(fd, now.txn, size - 1), 0);
    duplicates();
    CU_ASSERT_EQUAL(judge(), MDB_CORRUPTED);
    CU_ASSERT_EQUAL(pages_check(fd, now.txn, size - 1), MDB_CORRUPTED); /* what the first pages say is judged */
    end();
}

int main(void)
{
    CU_TestInfo tests[] = {TEST(what_lmdb_would_believe), TEST(any_cut_is_met), TEST(a_large_file_is_taken_as_it_is),
                           CU_TEST_INFO_NULL};
    return run_tests("store/lmdb pages", tests);
}
