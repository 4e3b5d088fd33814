/* Memory piece by piece: aligned, never moving, and back in the pool all at once. */
#include "core/base/arena.h"

#include "check.h"

#define CHUNK (256 * 1024)

static struct arena_pool pool;

static bool is_filled(const char *piece, size_t size, int with)
{
    for (size_t i = 0; i < size; i++) {
        if (piece[i] != (char)with) {
            return false;
        }
    }
    return true;
}

static void test_pieces_are_aligned_and_apart(void)
{
    struct arena arena = {.pool = &pool};
    static char *pieces[5000];
    static size_t sizes[5000];
    uint64_t state = 7;
    size_t sum = 0;
    for (size_t i = 0; i < COUNT(pieces); i++) {
        sizes[i] = next_random(&state) % (i % 100 == 0 ? 2 * CHUNK / 10 : 300);
        pieces[i] = arena_alloc(&arena, sizes[i]);
        CU_ASSERT_PTR_NOT_NULL_FATAL(pieces[i]);
        check((uintptr_t)pieces[i] % 16 == 0, "piece %zu is not aligned", i);
        memset(pieces[i], (int)(i % 251), sizes[i]);
        sum += (sizes[i] + 15) / 16 * 16;
    }
    for (size_t i = 0; i < COUNT(pieces); i++) { /* none has written over another */
        check(is_filled(pieces[i], sizes[i], (int)(i % 251)), "piece %zu was overwritten", i);
    }
    CU_ASSERT_EQUAL(arena.bytes, sum);
    arena_reset(&arena);
    CU_ASSERT_EQUAL(arena.bytes, 0);
}

static void test_pieces_of_any_size(void)
{
    static const size_t sizes[] = {0,     1,         15,        16, 17,         CHUNK - 16, CHUNK - 1,
                                   CHUNK, CHUNK + 1, 3 * CHUNK, 16, 10 * CHUNK, 1};
    struct arena arena = {.pool = &pool};
    char *pieces[COUNT(sizes)];
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < COUNT(sizes); i++) {
            pieces[i] = arena_alloc(&arena, sizes[i]);
            CU_ASSERT_PTR_NOT_NULL_FATAL(pieces[i]);
            memset(pieces[i], (int)i + 1, sizes[i]);
        }
        for (size_t i = 0; i < COUNT(sizes); i++) {
            check(is_filled(pieces[i], sizes[i], (int)i + 1), "piece %zu of %zu bytes", i, sizes[i]);
        }
        arena_reset(&arena);
    }
}

static void test_copies_are_padded_with_nul(void)
{
    struct arena arena = {.pool = &pool};
    char *dirty = arena_alloc(&arena, 4096);
    CU_ASSERT_PTR_NOT_NULL_FATAL(dirty);
    memset(dirty, 'x', 4096);
    arena_reset(&arena);
    char *copy = arena_copy(&arena, "payload", 7);
    CU_ASSERT_PTR_NOT_NULL_FATAL(copy);
    CU_ASSERT(memcmp(copy, "payload", 7) == 0);
    CU_ASSERT_EQUAL(copy[7], '\0');
    copy = arena_copy(&arena, NULL, 0);
    CU_ASSERT_PTR_NOT_NULL_FATAL(copy);
    CU_ASSERT_EQUAL(*copy, '\0');
    arena_reset(&arena);
}

/* What one arena gives back serves the next; large pieces are not kept. */
static void test_chunks_are_used_again(void)
{
    struct arena_pool own = {0};
    struct arena first = {.pool = &own}, second = {.pool = &own};
    void *piece = arena_alloc(&first, 100);
    CU_ASSERT_PTR_NULL(own.spare);
    arena_reset(&first);
    CU_ASSERT_PTR_NOT_NULL(own.spare);
    CU_ASSERT_PTR_EQUAL(arena_alloc(&second, 200), piece);
    CU_ASSERT_PTR_NULL(own.spare);
    CU_ASSERT_PTR_NOT_EQUAL(arena_alloc(&first, 100), piece);
    arena_reset(&second);
    arena_reset(&first);
    arena_reset(&first); /* an empty one too */
    arena_pool_free(&own);
    CU_ASSERT_PTR_NULL(own.spare);
    CU_ASSERT_PTR_NOT_NULL(arena_alloc(&first, 2 * CHUNK));
    arena_reset(&first);
    CU_ASSERT_PTR_NULL(own.spare);
    arena_pool_free(&own);
}

int main(void)
{
    CU_TestInfo tests[] = {
        TEST(test_pieces_are_aligned_and_apart),
        TEST(test_pieces_of_any_size),
        TEST(test_copies_are_padded_with_nul),
        TEST(test_chunks_are_used_again),
        CU_TEST_INFO_NULL,
    };
    int status = run_tests("arena", tests);
    arena_pool_free(&pool);
    return status;
}
