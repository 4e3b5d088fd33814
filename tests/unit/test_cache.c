/* Known customers within a bound: who is forgotten first, who never, and that every byte counted is given back. */
#include "core/profile/cache.h"

#include "check.h"
#include "no_leaks.h"

static struct registry registry;
static struct parts parts;

static churn_str id_of(const char *text)
{
    return (churn_str){.ptr = text, .len = (uint32_t)strlen(text)};
}

static struct customer *get(struct cache *cache, const char *id)
{
    struct customer *customer = cache_get(cache, id_of(id));
    if (customer == NULL) {
        abort();
    }
    return customer;
}

static struct customer *numbered(struct cache *cache, int n)
{
    char id[16];
    (void)snprintf(id, sizeof id, "c%d", n);
    return get(cache, id);
}

/* Looks without using, and past the table. */
static bool knows(const struct cache *cache, int n)
{
    char id[16];
    int len = snprintf(id, sizeof id, "c%d", n);
    for (const struct customer *c = cache->queue; c != NULL; c = c->next) {
        if (c->id_len == (uint32_t)len && memcmp(c->id, id, c->id_len) == 0) {
            return true;
        }
    }
    return false;
}

/* A profile with a few texts and marks, as large as they are. */
static struct profile *some_profile(unsigned marks)
{
    struct profile *profile = profile_new(&registry);
    if (profile == NULL) {
        abort();
    }
    for (unsigned i = 0; i < marks; i++) {
        CU_ASSERT(profile_set_mark(profile, parts_find(&parts, "t", (int32_t)i), 5));
    }
    return profile;
}

/* What all customers' own counts make. */
static size_t counted(const struct cache *cache)
{
    size_t sum = 0;
    for (const struct customer *c = cache->queue; c != NULL; c = c->next) {
        sum += c->bytes;
    }
    return sum;
}

static void test_one_customer_for_an_id(void)
{
    struct cache cache = {.registry = &registry, .limit = SIZE_MAX};
    struct customer *a = get(&cache, "a"), *ab = get(&cache, "ab");
    CU_ASSERT(a != ab && a->profile == NULL && a->id_len == 1 && memcmp(ab->id, "ab", 2) == 0);
    CU_ASSERT_PTR_EQUAL(get(&cache, "a"), a);
    CU_ASSERT_PTR_EQUAL(cache_get(&cache, (churn_str){.ptr = "abc", .len = 2}), ab);
    CU_ASSERT_PTR_NOT_EQUAL(cache_get(&cache, (churn_str){.ptr = "a\0b", .len = 3}), a);
    CU_ASSERT_EQUAL(cache.count, 3);
    CU_ASSERT_EQUAL(cache.bytes, counted(&cache));
    cache_free(&cache);
    CU_ASSERT(cache.bytes == 0 && cache.count == 0 && cache.queue == NULL);
}

static void test_bytes_follow_the_profiles(void)
{
    struct cache cache = {.registry = &registry, .limit = SIZE_MAX};
    struct customer *customer = get(&cache, "a");
    size_t empty = cache.bytes;
    CU_ASSERT(empty > sizeof(struct customer));
    cache_set_profile(&cache, customer, some_profile(0));
    size_t small = cache.bytes;
    CU_ASSERT(small > empty);
    cache_set_profile(&cache, customer, some_profile(50));
    CU_ASSERT(cache.bytes >= small + 50 * sizeof(struct mark));
    cache_set_profile(&cache, customer, some_profile(0));
    CU_ASSERT_EQUAL(cache.bytes, small);
    cache_set_profile(&cache, customer, NULL);
    CU_ASSERT_EQUAL(cache.bytes, empty);
    CU_ASSERT_EQUAL(customer->bytes, empty);
    cache_free(&cache);
    CU_ASSERT_EQUAL(cache.bytes, 0);
}

/* To the byte: the cache's bound relies on it. */
static void test_bytes_of_a_customer(void)
{
    struct cache cache = {.registry = &registry, .limit = SIZE_MAX};
    size_t slots = 3 * sizeof(struct cache_slot) / 2;
    CU_ASSERT_EQUAL(get(&cache, "")->bytes, sizeof(struct customer) + 16 + slots);
    struct customer *customer = get(&cache, "abc");
    CU_ASSERT_EQUAL(customer->bytes, sizeof(struct customer) + 3 + 16 + slots);
    cache_set_profile(&cache, customer, some_profile(1));
    CU_ASSERT_EQUAL(customer->bytes,
                    sizeof(struct customer) + 3 + 16 + slots + profile_bytes(customer->profile, &registry));
    CU_ASSERT(profile_set_mark(customer->profile, parts_find(&parts, "t", 70), 5));
    cache_note_growth(&cache, customer);
    CU_ASSERT_EQUAL(customer->bytes,
                    sizeof(struct customer) + 3 + 16 + slots + profile_bytes(customer->profile, &registry));
    CU_ASSERT_EQUAL(cache.bytes, counted(&cache));
    cache_free(&cache);
}

/* A profile gets marks while it is in the cache; giving it up must not take off more than was counted. */
static void test_bytes_of_a_profile_that_grew(void)
{
    struct cache cache = {.registry = &registry, .limit = SIZE_MAX};
    struct customer *customer = get(&cache, "a");
    size_t empty = cache.bytes;
    cache_set_profile(&cache, customer, some_profile(0));
    for (int32_t i = 0; i < 500; i++) {
        CU_ASSERT(profile_set_mark(customer->profile, parts_find(&parts, "t", i), 5));
    }
    cache_set_profile(&cache, customer, NULL);
    check(cache.bytes == empty && customer->bytes == empty, "%zu and %zu bytes, expected %zu", cache.bytes,
          customer->bytes, empty);
    cache_free(&cache);
    CU_ASSERT_EQUAL(cache.bytes, 0);
}

static void test_second_chance(void)
{
    struct cache cache = {.registry = &registry, .limit = SIZE_MAX};
    for (int i = 0; i < 4; i++) {
        (void)numbered(&cache, i);
    }
    cache_trim(&cache);
    CU_ASSERT_EQUAL(cache.count, 4);
    cache.limit = cache.bytes - 1; /* one has to go: all were just used, so the oldest does */
    cache_trim(&cache);
    CU_ASSERT(!knows(&cache, 0) && knows(&cache, 1) && knows(&cache, 2) && knows(&cache, 3));
    (void)numbered(&cache, 1); /* used again */
    cache.limit = cache.bytes - 1;
    cache_trim(&cache);
    CU_ASSERT(knows(&cache, 1) && !knows(&cache, 2) && knows(&cache, 3));
    cache.limit = 0;
    cache_trim(&cache);
    CU_ASSERT(cache.count == 0 && cache.queue == NULL && cache.bytes == 0);
    cache_trim(&cache);
    cache_free(&cache);
}

static void test_customers_of_windows_stay(void)
{
    struct cache cache = {.registry = &registry, .limit = 0};
    struct delta *some_delta = (struct delta *)(void *)&cache; /* never looked into */
    for (int i = 0; i < 30; i++) {
        struct customer *customer = numbered(&cache, i);
        customer->writing = i % 3 == 0 ? some_delta : NULL;
        customer->filling = i % 3 == 1 ? some_delta : NULL;
        cache_set_profile(&cache, customer, some_profile(1));
    }
    cache_trim(&cache);
    for (int i = 0; i < 30; i++) {
        check(knows(&cache, i) == (i % 3 != 2), "customer %d", i);
    }
    CU_ASSERT_EQUAL(cache.bytes, counted(&cache));
    for (int i = 0; i < 30; i++) {
        if (i % 3 != 2) {
            struct customer *customer = numbered(&cache, i);
            customer->writing = customer->filling = NULL;
        }
    }
    cache_trim(&cache);
    CU_ASSERT(cache.count == 0 && cache.bytes == 0);
    cache_free(&cache);
}

static void test_the_bound_holds_over_time(void)
{
    struct cache cache = {.registry = &registry, .limit = 200000};
    uint64_t state = 8;
    unsigned most = 0;
    for (int i = 0; i < 50000; i++) {
        struct customer *customer = numbered(&cache, (int)(next_random(&state) % 5000));
        if (customer->profile == NULL) {
            cache_set_profile(&cache, customer, some_profile((unsigned)(next_random(&state) % 4)));
        }
        if (i % 10 == 0) {
            cache_trim(&cache);
            CU_ASSERT(cache.bytes <= cache.limit);
            most = cache.count > most ? cache.count : most;
        }
    }
    CU_ASSERT_EQUAL(cache.bytes, counted(&cache));
    CU_ASSERT(most > 100);
    cache_free(&cache);
    CU_ASSERT_EQUAL(cache.bytes, 0);
}

/* The table finds each customer of the queue, and no slot holds anything else. */
static void check_table(struct cache *cache)
{
    uint32_t before = cache->count, filled = 0, queued = 0;
    for (struct customer *c = cache->queue, *next; c != NULL; c = next, queued++) {
        next = c->next;
        CU_ASSERT_PTR_EQUAL(cache_get(cache, (churn_str){.ptr = c->id, .len = c->id_len}), c);
    }
    for (uint32_t i = 0; cache->slots != NULL && i <= cache->mask; i++) {
        filled += cache->slots[i].customer != NULL;
    }
    CU_ASSERT(cache->count == before && queued == before && filled == before);
}

static void test_customers_come_and_go(void)
{
    struct cache cache = {.registry = &registry, .limit = SIZE_MAX};
    uint64_t state = 11;
    for (int round = 0; round < 200; round++) {
        for (int i = 0; i < 200; i++) {
            (void)numbered(&cache, (int)(next_random(&state) % 3000));
        }
        cache.limit = next_random(&state) % (cache.bytes + 1);
        cache_trim(&cache);
        check_table(&cache);
    }
    cache_free(&cache);
    CU_ASSERT(cache.count == 0 && cache.slots == NULL);
}

/* A quarter of the table stays free; whoever is in it is found again, beside customers whose ids begin alike. */
static void test_the_table_grows(void)
{
    struct cache cache = {.registry = &registry, .limit = SIZE_MAX};
    for (int i = 0; i < 5000; i++) {
        uint32_t room = i < 768 ? 1024 : i < 1536 ? 2048 : i < 3072 ? 4096 : 8192;
        (void)numbered(&cache, 4999 - i);
        CU_ASSERT(cache.count == (uint32_t)i + 1 && cache.mask + 1 == room);
    }
    check_table(&cache);
    for (int i = 0; i < 5000; i++) {
        const struct customer *customer = numbered(&cache, i);
        char id[16];
        (void)snprintf(id, sizeof id, "c%d", i);
        CU_ASSERT(customer->id_len == strlen(id) && memcmp(customer->id, id, strlen(id)) == 0);
        CU_ASSERT_EQUAL(customer->hash, cache_hash(id_of(id)));
    }
    CU_ASSERT_EQUAL(cache.count, 5000);
    CU_ASSERT_EQUAL(cache.bytes, counted(&cache));
    cache_free(&cache);
    CU_ASSERT(cache.count == 0 && cache.slots == NULL && cache.mask == 0);
}

/* Hints change nothing, whatever is there. */
static void test_hints(void)
{
    struct cache cache = {.registry = &registry, .limit = SIZE_MAX};
    for (int round = 0; round < 3; round++) {
        for (uint32_t hash = 0; hash < 2048; hash++) {
            cache_fetch_slot(&cache, hash);
            cache_fetch_customer(&cache, hash);
            cache_fetch_profile(&cache, hash);
        }
        CU_ASSERT_EQUAL(cache.count, (uint32_t)round);
        struct customer *customer = numbered(&cache, round);
        if (round == 1) {
            cache_set_profile(&cache, customer, some_profile(1));
        }
    }
    cache_free(&cache);
}

static void test_damaged_customers_are_counted(void)
{
    struct cache cache = {.registry = &registry, .limit = SIZE_MAX};
    struct customer *a = numbered(&cache, 0), *b = numbered(&cache, 1);
    cache_set_damaged(&cache, a, true);
    cache_set_damaged(&cache, a, true);
    CU_ASSERT(cache.damaged == 1 && a->damaged && !b->damaged);
    cache_set_damaged(&cache, b, true);
    CU_ASSERT_EQUAL(cache.damaged, 2);
    cache_set_damaged(&cache, a, false);
    cache_set_damaged(&cache, a, false);
    CU_ASSERT(cache.damaged == 1 && !a->damaged);
    cache.limit = 0;
    cache_trim(&cache);
    CU_ASSERT_EQUAL(cache.damaged, 0);
    cache_free(&cache);
}

/* No table, no customer; and none where the table cannot grow. */
static struct cache full;

static void fill_up(void)
{
    full = (struct cache){.registry = &registry, .limit = SIZE_MAX};
    for (int i = 0; i < 768; i++) {
        (void)numbered(&full, i);
    }
}

static bool add_one(void)
{
    return cache_get(&full, id_of("a")) != NULL;
}

static void look_at_it(bool ok)
{
    CU_ASSERT_EQUAL(full.count, ok ? 769 : 768);
    check_table(&full);
    CU_ASSERT(full.bytes == counted(&full) && add_one() && full.count == 769);
    check_table(&full);
    cache_free(&full);
}

static void test_without_memory(void)
{
    check_allocations("a customer", fill_up, add_one, look_at_it);
}

int main(void)
{
    CU_TestInfo tests[] = {
        TEST(test_one_customer_for_an_id),
        TEST(test_bytes_follow_the_profiles),
        TEST(test_bytes_of_a_profile_that_grew),
        TEST(test_bytes_of_a_customer),
        TEST(test_second_chance),
        TEST(test_customers_of_windows_stay),
        TEST(test_the_bound_holds_over_time),
        TEST(test_customers_come_and_go),
        TEST(test_the_table_grows),
        TEST(test_hints),
        TEST(test_damaged_customers_are_counted),
        TEST(test_without_memory),
        CU_TEST_INFO_NULL,
    };
    int status = registry_init(&registry) ? run_tests_without_leaks("cache", tests) : 1;
    registry_free(&registry);
    parts_free(&parts);
    return status;
}
