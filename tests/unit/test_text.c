/* The helpers of <churn/result.h> for texts. */
#include <churn/result.h>

#include "check.h"

/* Bytes of an allocation of exactly their length, so that a read beyond them is noticed. */
static churn_str bytes(const char *text, size_t len)
{
    return (churn_str){.ptr = exact_copy(text, len), .len = (uint32_t)len};
}

static void test_a_text_is_its_string_without_the_end(void)
{
    static const char string[] = "customer-\xc3\xbc";
    churn_str text = churn_text(string);
    CU_ASSERT_PTR_EQUAL(text.ptr, string);
    CU_ASSERT_EQUAL(text.len, sizeof string - 1);
    CU_ASSERT_EQUAL(text.reserved, 0);
    CU_ASSERT_EQUAL(churn_text("").len, 0);
}

static void check_equal(const char *a, size_t a_len, const char *b, size_t b_len, bool expected)
{
    churn_str left = bytes(a, a_len), right = bytes(b, b_len);
    CU_ASSERT_EQUAL(churn_equal(left, right) != 0, expected);
    CU_ASSERT_EQUAL(churn_equal(right, left) != 0, expected);
    free((void *)(uintptr_t)left.ptr);
    free((void *)(uintptr_t)right.ptr);
}

static void test_equal_texts_have_the_same_bytes(void)
{
    check_equal("login", 5, "login", 5, true);
    check_equal("login", 5, "logon", 5, false);
    check_equal("login", 5, "Login", 5, false);
    check_equal("login", 5, "logi", 4, false);
    check_equal("login", 5, "", 0, false);
    check_equal("", 0, "", 0, true);
}

static void test_bytes_behind_a_nul_count(void)
{
    check_equal("a\0b", 3, "a\0b", 3, true);
    check_equal("a\0b", 3, "a\0c", 3, false);
    check_equal("a\0", 2, "a", 1, false);
}

static void test_an_empty_text_may_be_nowhere(void)
{
    const churn_str nowhere = {.ptr = NULL};
    CU_ASSERT(churn_equal(nowhere, nowhere));
    CU_ASSERT(churn_equal(nowhere, churn_text("")));
    CU_ASSERT(!churn_equal(nowhere, churn_text("a")));
}

int main(void)
{
    CU_TestInfo tests[] = {
        TEST(test_a_text_is_its_string_without_the_end),
        TEST(test_equal_texts_have_the_same_bytes),
        TEST(test_bytes_behind_a_nul_count),
        TEST(test_an_empty_text_may_be_nowhere),
        CU_TEST_INFO_NULL,
    };
    return run_tests("text", tests);
}
