/* For a program that ends each test with what it began with: runs each twice, and finds what the second run leaves in
 * memory. With a sanitizer, which finds that by itself, and where the C library is not glibc, it only runs the tests.
 */
#ifndef TESTS_UNIT_NO_LEAKS_H
#define TESTS_UNIT_NO_LEAKS_H

#include "check.h"
#include <errno.h>
#include <malloc.h>
#include <stdatomic.h>

#define MOST_TESTS 64

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define HAS_SANITIZER
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define HAS_SANITIZER
#endif

static atomic_long blocks;   /* in use */
static atomic_long fails_in; /* allocations: the last of them fails; 0: none does */
/* Of a thread beside the test, which gives back in its own time what it took. */
__attribute__((unused)) static _Thread_local bool is_uncounted;

#if defined(__GLIBC__) && !defined(HAS_SANITIZER)
static inline bool fails_now(void)
{
    return fails_in > 0 && --fails_in == 0;
}

/* A program may say by itself, before it includes this, which allocations fail, by whose they are. */
#ifndef ALLOCATION_FAILS
#define ALLOCATION_FAILS(caller) fails_now()
#endif
#define FAILS_NOW() ALLOCATION_FAILS(__builtin_return_address(0))

static inline void count_block(int more)
{
    if (!is_uncounted) {
        blocks += more;
    }
}

/* glibc calls its own functions, too, by these names. */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *block, size_t size);
void *__libc_memalign(size_t alignment, size_t size);
void __libc_free(void *block);

#pragma GCC visibility push(default) /* for what the C library allocates itself */
void *malloc(size_t size)
{
    void *block = FAILS_NOW() ? NULL : __libc_malloc(size);
    count_block(block != NULL);
    return block;
}

void *calloc(size_t count, size_t size)
{
    void *block = FAILS_NOW() ? NULL : __libc_calloc(count, size);
    count_block(block != NULL);
    return block;
}

void *realloc(void *old, size_t size)
{
    void *block;
    if (size > 0 && FAILS_NOW()) {
        return NULL;
    }
    block = __libc_realloc(old, size);
    count_block((old == NULL && block != NULL) - (old != NULL && size == 0));
    return block;
}

void *aligned_alloc(size_t alignment, size_t size)
{
    void *block = FAILS_NOW() ? NULL : __libc_memalign(alignment, size);
    count_block(block != NULL);
    return block;
}

int posix_memalign(void **ret, size_t alignment, size_t size)
{
    *ret = FAILS_NOW() ? NULL : __libc_memalign(alignment, size);
    count_block(*ret != NULL);
    return *ret != NULL ? 0 : ENOMEM;
}

void free(void *block)
{
    count_block(-(block != NULL));
    __libc_free(block);
}
#pragma GCC visibility pop
#endif

#define MOST_ALLOCATIONS 10000

/* Does the same between `begin` and `end` (may be NULL) until no allocation fails in it any more: each time the next
 * one does. `act` must tell. */
static inline void check_allocations(const char *what, void (*begin)(void), bool (*act)(void), void (*end)(bool ok))
{
    bool failed = true;
    for (long k = 1; failed && k < MOST_ALLOCATIONS; k++) {
        bool ok;
        if (begin != NULL) {
            begin();
        }
        fails_in = k;
        ok = act();
        failed = fails_in == 0;
        fails_in = 0;
        check(ok == !failed, "%s: allocation %ld %s, and it %s", what, k, failed ? "failed" : "did not fail",
              ok ? "went well" : "did not go well");
        if (end != NULL) {
            end(ok);
        }
    }
    check(!failed, "%s: there is no end to its allocations", what);
}

static long blocks_before;
static unsigned tests_run;
static CU_SetUpFunc begin_of_test; /* NULL: there is none */
static CU_TearDownFunc end_of_test;

static void count_blocks(void)
{
    blocks_before = blocks;
    if (begin_of_test != NULL) {
        begin_of_test();
    }
}

static void compare_blocks(void)
{
    long left;
    if (end_of_test != NULL) {
        end_of_test();
    }
    left = blocks - blocks_before;
    if (tests_run++ % 2 == 1) {
        check(left == 0, "the test left %ld blocks of memory", left);
    }
}

/* Each test between `set_up` and `tear_down`. */
static inline int run_tests_without_leaks_with(const char *suite_name, CU_SetUpFunc set_up, CU_TearDownFunc tear_down,
                                               const CU_TestInfo *tests)
{
    static char names[MOST_TESTS][96];
    CU_TestInfo twice[2 * MOST_TESTS + 1] = {CU_TEST_INFO_NULL};
    size_t count = 0;
    for (; tests[count].pName != NULL && count < MOST_TESTS; count++) {
        (void)snprintf(names[count], sizeof names[count], "%s, again", tests[count].pName);
        twice[2 * count] = tests[count];
        twice[2 * count + 1] = (CU_TestInfo){names[count], tests[count].pTestFunc};
    }
    begin_of_test = set_up;
    end_of_test = tear_down;
    return run_tests_with(suite_name, count_blocks, compare_blocks, twice);
}

static inline int run_tests_without_leaks(const char *suite_name, const CU_TestInfo *tests)
{
    return run_tests_without_leaks_with(suite_name, NULL, NULL, tests);
}

#endif
