/* Source partitions as numbers, and their order. */
#include "core/profile/sources.h"

#include "check.h"
#include "no_leaks.h"

static churn_str part(const char *text)
{
    return (churn_str){.ptr = text, .len = (uint32_t)strlen(text)};
}

static void test_numbers_stay(void)
{
    struct sources sources = {0};
    static const char *const topics[] = {"user-events", "customer-events", "user-event", "a/b c", ""};
    for (int round = 0; round < 3; round++) {
        for (uint32_t i = 0; i < COUNT(topics); i++) {
            for (int32_t partition = 0; partition < 4; partition++) {
                uint32_t expected = i * 4 + (uint32_t)partition;
                CU_ASSERT_EQUAL(sources_find(&sources, topics[i], partition), expected);
                CU_ASSERT_EQUAL(sources_find_part(&sources, part(topics[i]), partition), expected);
            }
        }
    }
    CU_ASSERT_EQUAL(sources.count, 4 * COUNT(topics));
    CU_ASSERT_EQUAL(sources_find_part(&sources, (churn_str){.ptr = "user-events-more", .len = 11}, 2), 2);
    CU_ASSERT_EQUAL(sources_find(&sources, "user-events", INT32_MAX), sources.count - 1);
    sources_free(&sources);
    CU_ASSERT(sources.count == 0 && sources.items == NULL);
}

static void test_the_newest_look_up_is_no_trap(void)
{
    struct sources sources = {0};
    static const char topic[] = "t";
    char copy[] = "t";
    CU_ASSERT_EQUAL(sources_find(&sources, topic, 0), 0);
    CU_ASSERT_EQUAL(sources_find(&sources, topic, 1), 1);
    CU_ASSERT_EQUAL(sources_find(&sources, topic, 0), 0);
    CU_ASSERT_EQUAL(sources_find(&sources, copy, 1), 1);
    CU_ASSERT_EQUAL(sources_find_part(&sources, part("u"), 1), 2);
    CU_ASSERT_EQUAL(sources_find(&sources, copy, 1), 1);
    sources_free(&sources);
}

static void test_names_of_marks(void)
{
    struct sources sources = {0};
    static const struct {
        const char *topic;
        int32_t partition;
        const char *name;
    } cases[] = {{"user-events", 0, "_m:user-events/0"},
                 {"a/b c", 12, "_m:a/b c/12"},
                 {"", 0, "_m:/0"},
                 {"t", INT32_MAX, "_m:t/2147483647"}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        uint32_t source = sources_find(&sources, cases[i].topic, cases[i].partition);
        CU_ASSERT_EQUAL(sources.items[source].mark_name.len, strlen(cases[i].name));
        check_text(sources.items[source].mark_name.ptr, cases[i].name, "mark");
    }
    sources_free(&sources);
}

static void check_before(const struct sources *sources, uint32_t a, int64_t offset_a, uint32_t b, int64_t offset_b)
{
    check(sources_compare(sources, a, offset_a, b, offset_b) < 0 &&
              sources_compare(sources, b, offset_b, a, offset_a) > 0,
          "%s at %lld does not come before %s at %lld", sources->items[a].mark_name.ptr, (long long)offset_a,
          sources->items[b].mark_name.ptr, (long long)offset_b);
}

static void test_order(void)
{
    struct sources sources = {0};
    uint32_t b1 = sources_find(&sources, "b", 1), b0 = sources_find(&sources, "b", 0),
             a10 = sources_find(&sources, "a", 10), a9 = sources_find(&sources, "a", 9),
             ab = sources_find(&sources, "ab", 0), accent = sources_find(&sources, "\xc3\xa9", 0);
    check_before(&sources, a9, 99, a10, 0);
    check_before(&sources, a10, 99, ab, 0);
    check_before(&sources, ab, 99, b0, 0);
    check_before(&sources, b0, 99, b1, 0);
    check_before(&sources, b1, 99, accent, 0);
    check_before(&sources, b1, 9, b1, 10);
    check_before(&sources, b1, 0, b1, INT64_MAX);
    CU_ASSERT_EQUAL(sources_compare(&sources, b1, 7, b1, 7), 0);
    sources_free(&sources);
}

/* More than the table has room for at first, and after it has grown; each is found again, beside those like it. */
static void test_many(void)
{
    struct sources sources = {0};
    for (uint32_t i = 0; i < 600; i++) {
        char topic[16];
        (void)snprintf(topic, sizeof topic, "t%u", i / 3);
        CU_ASSERT_EQUAL(sources_find_part(&sources, part(topic), (int32_t)(i % 3)), i);
        CU_ASSERT(sources.room >= sources.count && sources.mask + 1 == 2 * sources.room);
        CU_ASSERT_EQUAL(sources.room, i < 32 ? 32 : i < 64 ? 64 : i < 128 ? 128 : i < 256 ? 256 : i < 512 ? 512 : 1024);
    }
    for (uint32_t i = 0; i < 600; i++) {
        char topic[16];
        (void)snprintf(topic, sizeof topic, "t%u", i / 3);
        CU_ASSERT_EQUAL(sources_find_part(&sources, part(topic), (int32_t)(i % 3)), i);
        CU_ASSERT_STRING_EQUAL(sources.items[i].topic, topic);
        CU_ASSERT_EQUAL(sources.items[i].partition, i % 3);
    }
    sources_free(&sources);
    CU_ASSERT(sources.count == 0 && sources.room == 0 && sources.slots == NULL);
}

/* Wherever memory runs out: nothing is half known, and the next call succeeds. */
static struct sources forgetful;

static bool find_one(void)
{
    return sources_find_part(&forgetful, part("t"), 7) != SOURCE_NONE;
}

static void find_it_again(bool ok)
{
    CU_ASSERT_EQUAL(forgetful.count, ok ? 1 : 0);
    CU_ASSERT_EQUAL(sources_find(&forgetful, "t", 7), 0);
    CU_ASSERT_EQUAL(forgetful.count, 1);
    sources_free(&forgetful);
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
