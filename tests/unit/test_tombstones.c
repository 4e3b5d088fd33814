/* Tombstones: whom they cover, up to where, and which of several is the newest. */
#include "core/profile/tombstones.h"

#include "no_leaks.h"

#include <sodium.h>
#include <string.h>

#define NO_TIME INT64_MAX

static const struct key key = {.bytes = {1, 2, 3}};

static churn_str text(const char *bytes)
{
    return (churn_str){.ptr = bytes, .len = (uint32_t)strlen(bytes)};
}

/* Of the customer, below t/0@10 and t/1@20, and before `until` where that is not NULL. */
static int32_t add(struct tombstones *set, const char *id, const char *customer, const char *end, const char *until)
{
    unsigned char hash[TOMBSTONE_HASH_BYTES];
    char hex[TOMBSTONE_HASH_SIZE], name[64] = TOMBSTONE_CUSTOMER;
    churn_pair fields[8] = {{text(TOMBSTONE_ID), text(id)},         {text(TOMBSTONE_AT), text("1000")},
                            {text(TOMBSTONE_END "t/0"), text(end)}, {text(TOMBSTONE_END "t/1"), text("20")},
                            {text(CHURN_VERSION_FIELD), text("1")}, {text("of-later"), text("?")}};
    uint32_t count = 6;
    int32_t result;
    tombstones_hash(&key, text(customer), hash);
    (void)strcat(name, sodium_bin2hex(hex, sizeof hex, hash, sizeof hash));
    fields[count++] = (churn_pair){text(name), text("1")};
    if (until != NULL) {
        fields[count++] = (churn_pair){text(TOMBSTONE_UNTIL), text(until)};
    }
    result = tombstones_add(set, fields, count, 5);
    tombstones_sort(set);
    return result;
}

static bool covers(const struct tombstones *set, const char *customer, const char *source, int64_t offset, int64_t ms)
{
    unsigned char hash[TOMBSTONE_HASH_BYTES];
    tombstones_hash(&key, text(customer), hash);
    return tombstones_cover(set, hash, text(source), offset, ms);
}

static const struct tombstone *newest(const struct tombstones *set, const char *customer)
{
    unsigned char hash[TOMBSTONE_HASH_BYTES];
    tombstones_hash(&key, text(customer), hash);
    return tombstones_newest(set, hash);
}

static void test_below_the_ends(void)
{
    struct tombstones set = {0};
    CU_ASSERT(add(&set, "a", "anna", "10", NULL) == CHURN_OK);
    CU_ASSERT(covers(&set, "anna", "t/0", 9, NO_TIME) && covers(&set, "anna", "t/1", 19, 0));
    CU_ASSERT(!covers(&set, "anna", "t/0", 10, 0) && !covers(&set, "anna", "t/1", 20, NO_TIME));
    CU_ASSERT(!covers(&set, "anna", "t/2", 0, 0)); /* a partition of after */
    CU_ASSERT(!covers(&set, "ann", "t/0", 0, 0) && !covers(&set, "bob", "t/0", 0, 0));
    CU_ASSERT(newest(&set, "bob") == NULL);
    tombstones_free(&set);
}

static void test_until_a_time(void)
{
    struct tombstones set = {0};
    CU_ASSERT(add(&set, "a", "anna", "10", "5000") == CHURN_OK);
    CU_ASSERT(covers(&set, "anna", "t/0", 10, 4999) && covers(&set, "anna", "t/7", 99, -1));
    CU_ASSERT(!covers(&set, "anna", "t/0", 10, 5000) && !covers(&set, "anna", "t/0", 10, NO_TIME));
    tombstones_free(&set);
}

static void test_several(void)
{
    struct tombstones set = {0};
    char customer[32];
    for (int i = 0; i < 200; i++) { /* more than fit at first */
        (void)snprintf(customer, sizeof customer, "c%d", i);
        CU_ASSERT(add(&set, "x", customer, "10", NULL) == CHURN_OK);
    }
    CU_ASSERT(add(&set, "second", "c7", "30", NULL) == CHURN_OK);
    CU_ASSERT(set.count == 201 && newest(&set, "c7")->number == 201 && strcmp(newest(&set, "c7")->id, "second") == 0);
    CU_ASSERT(newest(&set, "c8")->number == 9 && newest(&set, "c8")->seen_ms == 5 && newest(&set, "c8")->at_ms == 1000);
    CU_ASSERT(covers(&set, "c7", "t/0", 29, 0) && !covers(&set, "c8", "t/0", 29, 0));
    CU_ASSERT(tombstones_lowest_end(&set, 0, text("t/0")) == 10 && tombstones_lowest_end(&set, 0, text("t/1")) == 20);
    CU_ASSERT(tombstones_lowest_end(&set, 200, text("t/0")) == 30 &&
              tombstones_lowest_end(&set, 0, text("t/2")) == INT64_MAX);
    CU_ASSERT(tombstones_lowest_end(&set, 201, text("t/0")) == INT64_MAX);
    CU_ASSERT(newest(&set, "c8")->field_count == 6); /* all but the version, to be written again */
    tombstones_free(&set);
}

static void test_what_is_none(void)
{
    struct tombstones set = {0};
    const churn_pair nameless = {text(TOMBSTONE_AT), text("1")},
                     cut[] = {{text(TOMBSTONE_ID), text("a")}, {text(TOMBSTONE_CUSTOMER "6c6c"), text("1")}};
    CU_ASSERT(add(&set, "a", "anna", "many", NULL) == CHURN_REJECT);
    CU_ASSERT(add(&set, "", "anna", "10", NULL) == CHURN_REJECT);
    CU_ASSERT(add(&set, "an id that is longer than any that this program makes", "anna", "10", NULL) == CHURN_REJECT);
    CU_ASSERT(tombstones_add(&set, &nameless, 1, 0) == CHURN_REJECT);
    CU_ASSERT(tombstones_add(&set, cut, 2, 0) == CHURN_REJECT);
    CU_ASSERT(set.count == 0 && !covers(&set, "anna", "t/0", 0, 0));
    tombstones_free(&set);
}

static int32_t add_keyed(struct tombstones *set, const char *id, const char *shown, const char *at)
{
    const churn_pair fields[] = {
        {text(TOMBSTONE_ID), text(id)}, {text(TOMBSTONE_KEY), text(shown)}, {text(TOMBSTONE_AT), text(at)}};
    return tombstones_add(set, fields, 3, 5);
}

/* The same, as it is written with a key. */
static int32_t add_sealed(struct tombstones *set, const struct key *by, const char *id)
{
    char shown[TOMBSTONE_KEY_SIZE], seal[TOMBSTONE_SEAL_SIZE];
    tombstones_show_key(by, shown);
    churn_pair fields[5] = {{text(TOMBSTONE_KEY), text(shown)},
                            {text(TOMBSTONE_ID), text(id)},
                            {text(CHURN_VERSION_FIELD), text("1")},
                            {text(TOMBSTONE_AT), text("1")}};
    CU_ASSERT(tombstones_seal(by, fields, 4, seal));
    fields[4] = (churn_pair){text(TOMBSTONE_SEAL), text(seal)};
    return tombstones_add(set, fields, 5, 5);
}

static void test_another_key(void)
{
    const struct key other = {.bytes = {1, 2, 4}};
    char ours[TOMBSTONE_KEY_SIZE], theirs[TOMBSTONE_KEY_SIZE];
    struct tombstones set = {.key = &key}, any = {0};
    tombstones_show_key(&key, ours);
    tombstones_show_key(&other, theirs);
    CU_ASSERT(strlen(ours) == TOMBSTONE_KEY_SIZE - 1 && strcmp(ours, theirs) != 0);
    CU_ASSERT(add_sealed(&set, &key, "a") == CHURN_OK && add_sealed(&set, &other, "b") == CHURN_CONFLICT);
    CU_ASSERT(add(&set, "c", "anna", "10", NULL) == CHURN_REJECT && add_keyed(&set, "c", ours, "1") == CHURN_REJECT);
    CU_ASSERT(set.count == 1);
    CU_ASSERT(add_keyed(&any, "a", ours, "1") == CHURN_OK && add_keyed(&any, "b", theirs, "1") == CHURN_OK);
    tombstones_free(&set);
    tombstones_free(&any);
    CU_ASSERT(set.key == &key); /* what comes next is of the same */
}

/* Who can write where they lie, and has not the key, can change none. */
static void test_what_was_changed(void)
{
    char shown[TOMBSTONE_KEY_SIZE], seal[TOMBSTONE_SEAL_SIZE], other[TOMBSTONE_SEAL_SIZE];
    tombstones_show_key(&key, shown);
    churn_pair good[6] = {{text(TOMBSTONE_ID), text("a")},
                          {text(TOMBSTONE_KEY), text(shown)},
                          {text(TOMBSTONE_AT), text("1000")},
                          {text(TOMBSTONE_END "t/0"), text("10")},
                          {text(TOMBSTONE_UNTIL), text("50")}};
    const churn_pair changes[] = {{text(TOMBSTONE_ID), text("b")},          {text(TOMBSTONE_AT), text("1001")},
                                  {text(TOMBSTONE_END "t/0"), text("100")}, {text(TOMBSTONE_END "t/01"), text("0")},
                                  {text(TOMBSTONE_UNTIL), text("500")},     {text("note"), text("50")}};
    CU_ASSERT_FATAL(tombstones_seal(&key, good, 5, seal));
    good[5] = (churn_pair){text(TOMBSTONE_SEAL), text(seal)};
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        for (size_t k = 0; k < 6; k++) {
            struct tombstones set = {.key = &key};
            churn_pair fields[6];
            memcpy(fields, good, sizeof fields);
            fields[k] = changes[i];
            CU_ASSERT(tombstones_add(&set, fields, 6, 5) == CHURN_REJECT);
            CU_ASSERT(tombstones_add(&set, good, 6, 5) == CHURN_OK);
            tombstones_free(&set);
        }
    }
    const churn_pair turned[] = {good[5], good[4], good[3], good[2], good[1], good[0]};
    CU_ASSERT(tombstones_seal(&key, turned, 6, other) && strcmp(seal, other) == 0);
}

/* What one place has and the other lacks, oldest first, each once. */
static void test_merging(void)
{
    struct tombstones set = {0}, from = {0};
    CU_ASSERT(add_keyed(&set, "b", "k", "20") == CHURN_OK);
    CU_ASSERT(add_keyed(&from, "d", "k", "40") == CHURN_OK && add_keyed(&from, "b", "k", "20") == CHURN_OK);
    CU_ASSERT(add(&from, "a", "anna", "10", NULL) == CHURN_OK); /* at 1000 */
    tombstones_by_age(&from);
    CU_ASSERT(strcmp(from.items[0]->id, "b") == 0 && strcmp(from.items[2]->id, "a") == 0);
    CU_ASSERT(tombstones_merge(&set, &from));
    CU_ASSERT(set.count == 3 && strcmp(set.items[1]->id, "d") == 0 && strcmp(set.items[2]->id, "a") == 0);
    CU_ASSERT(covers(&set, "anna", "t/0", 9, NO_TIME) && newest(&set, "anna")->number == 3);
    CU_ASSERT(tombstones_find(&set, "d") == set.items[1] && tombstones_find(&set, "c") == NULL);
    CU_ASSERT(tombstones_merge(&set, &from) && set.count == 3);
    tombstones_free(&set);
    tombstones_free(&from);
}

/* One of which only a part could be kept would be taken for known, and read no more. */
static struct tombstones poor;

static bool add_poor(void)
{
    return add(&poor, "a", "anna", "10", NULL) == CHURN_OK;
}

static void end_poor(bool ok)
{
    CU_ASSERT(poor.count == ok && covers(&poor, "anna", "t/0", 9, NO_TIME) == ok);
    tombstones_free(&poor);
}

static void test_without_memory(void)
{
    check_allocations("a tombstone", NULL, add_poor, end_poor);
}

int main(void)
{
    static CU_TestInfo tests[] = {TEST(test_below_the_ends), TEST(test_until_a_time),     TEST(test_several),
                                  TEST(test_what_is_none),   TEST(test_another_key),      TEST(test_merging),
                                  TEST(test_without_memory), TEST(test_what_was_changed), CU_TEST_INFO_NULL};
    return run_tests_without_leaks("tombstones", tests);
}
