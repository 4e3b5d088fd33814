/* Source partitions as numbers, and their order. */
#include "core/profile/parts.h"

#include "check.h"
#include "no_leaks.h"

static churn_str part(const char *text)
{
    return (churn_str){.ptr = text, .len = (uint32_t)strlen(text)};
}

static void test_numbers_stay(void)
{
    struct parts parts = {0};
    static const char *const topics[] = {"user-events", "customer-events", "user-event", "a/b c", ""};
    for (int round = 0; round < 3; round++) {
        for (uint32_t i = 0; i < COUNT(topics); i++) {
            for (int32_t partition = 0; partition < 4; partition++) {
                uint32_t expected = i * 4 + (uint32_t)partition;
                CU_ASSERT_EQUAL(parts_find(&parts, topics[i], partition), expected);
                CU_ASSERT_EQUAL(parts_find_text(&parts, part(topics[i]), partition), expected);
            }
        }
    }
    CU_ASSERT_EQUAL(parts.count, 4 * COUNT(topics));
    CU_ASSERT_EQUAL(parts_find_text(&parts, (churn_str){.ptr = "user-events-more", .len = 11}, 2), 2);
    CU_ASSERT_EQUAL(parts_find(&parts, "user-events", INT32_MAX), parts.count - 1);
    parts_free(&parts);
    CU_ASSERT(parts.count == 0 && parts.items == NULL);
}

static void test_the_newest_look_up_is_no_trap(void)
{
    struct parts parts = {0};
    static const char topic[] = "t";
    char copy[] = "t";
    CU_ASSERT_EQUAL(parts_find(&parts, topic, 0), 0);
    CU_ASSERT_EQUAL(parts_find(&parts, topic, 1), 1);
    CU_ASSERT_EQUAL(parts_find(&parts, topic, 0), 0);
    CU_ASSERT_EQUAL(parts_find(&parts, copy, 1), 1);
    CU_ASSERT_EQUAL(parts_find_text(&parts, part("u"), 1), 2);
    CU_ASSERT_EQUAL(parts_find(&parts, copy, 1), 1);
    parts_free(&parts);
}

static void test_names_of_marks(void)
{
    struct parts parts = {0};
    static const struct {
        const char *topic;
        int32_t partition;
        const char *name;
    } cases[] = {{"user-events", 0, "_m:user-events/0"},
                 {"a/b c", 12, "_m:a/b c/12"},
                 {"", 0, "_m:/0"},
                 {"t", INT32_MAX, "_m:t/2147483647"}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        uint32_t part = parts_find(&parts, cases[i].topic, cases[i].partition);
        CU_ASSERT_EQUAL(parts.items[part].mark_name.len, strlen(cases[i].name));
        check_text(parts.items[part].mark_name.ptr, cases[i].name, "mark");
    }
    parts_free(&parts);
}

static void check_before(const struct parts *parts, uint32_t a, int64_t offset_a, uint32_t b, int64_t offset_b)
{
    check(parts_compare(parts, a, offset_a, b, offset_b) < 0 && parts_compare(parts, b, offset_b, a, offset_a) > 0,
          "%s at %lld does not come before %s at %lld", parts->items[a].mark_name.ptr, (long long)offset_a,
          parts->items[b].mark_name.ptr, (long long)offset_b);
}

static void test_order(void)
{
    struct parts parts = {0};
    uint32_t b1 = parts_find(&parts, "b", 1), b0 = parts_find(&parts, "b", 0), a10 = parts_find(&parts, "a", 10),
             a9 = parts_find(&parts, "a", 9), ab = parts_find(&parts, "ab", 0),
             accent = parts_find(&parts, "\xc3\xa9", 0);
    check_before(&parts, a9, 99, a10, 0);
    check_before(&parts, a10, 99, ab, 0);
    check_before(&parts, ab, 99, b0, 0);
    check_before(&parts, b0, 99, b1, 0);
    check_before(&parts, b1, 99, accent, 0);
    check_before(&parts, b1, 9, b1, 10);
    check_before(&parts, b1, 0, b1, INT64_MAX);
    CU_ASSERT_EQUAL(parts_compare(&parts, b1, 7, b1, 7), 0);
    parts_free(&parts);
}

/* More than the table has room for at first, and after it has grown; each is found again, beside those like it. */
static void test_many(void)
{
    struct parts parts = {0};
    for (uint32_t i = 0; i < 600; i++) {
        char topic[16];
        (void)snprintf(topic, sizeof topic, "t%u", i / 3);
        CU_ASSERT_EQUAL(parts_find_text(&parts, part(topic), (int32_t)(i % 3)), i);
        CU_ASSERT(parts.room >= parts.count && parts.mask + 1 == 2 * parts.room);
        CU_ASSERT_EQUAL(parts.room, i < 32 ? 32 : i < 64 ? 64 : i < 128 ? 128 : i < 256 ? 256 : i < 512 ? 512 : 1024);
    }
    for (uint32_t i = 0; i < 600; i++) {
        char topic[16];
        (void)snprintf(topic, sizeof topic, "t%u", i / 3);
        CU_ASSERT_EQUAL(parts_find_text(&parts, part(topic), (int32_t)(i % 3)), i);
        CU_ASSERT_STRING_EQUAL(parts.items[i].topic, topic);
        CU_ASSERT_EQUAL(parts.items[i].partition, i % 3);
    }
    parts_free(&parts);
    CU_ASSERT(parts.count == 0 && parts.room == 0 && parts.slots == NULL);
}

/* Wherever memory runs out: nothing is half known, and the next call succeeds. */
static struct parts forgetful;

static bool find_one(void)
{
    return parts_find_text(&forgetful, part("t"), 7) != PART_NONE;
}

static void find_it_again(bool ok)
{
    CU_ASSERT_EQUAL(forgetful.count, ok ? 1 : 0);
    CU_ASSERT_EQUAL(parts_find(&forgetful, "t", 7), 0);
    CU_ASSERT_EQUAL(forgetful.count, 1);
    parts_free(&forgetful);
}

static void test_without_memory(void)
{
    check_allocations("a partition", NULL, find_one, find_it_again);
}

int main(void)
{
    CU_TestInfo tests[] = {
        TEST(test_numbers_stay),   TEST(test_the_newest_look_up_is_no_trap),
        TEST(test_names_of_marks), TEST(test_order),
        TEST(test_many),           TEST(test_without_memory),
        CU_TEST_INFO_NULL,
    };
    return run_tests_without_leaks("sources", tests);
}
