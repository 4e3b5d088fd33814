/* The set of ids that a sink owes an answer to, against an array that holds each of them. */
#include "core/profile/owed.h"

#include "check.h"

#define IDS 3000

static void test_against_an_array(void)
{
    struct owed owed = {0};
    bool there[IDS] = {false};
    uint64_t state = 42;
    uint32_t count = 0;
    CU_ASSERT(!owed_remove(&owed, 1));
    for (int i = 0; i < 200000; i++) {
        uint32_t n = (uint32_t)(next_random(&state) % IDS);
        uint64_t id = (uint64_t)(n / 100 + 1) << 32 | n % 100; /* as windows number their outputs */
        if (i % 50000 < 30000 ? !there[n] && next_random(&state) % 4 != 0 : false) {
            CU_ASSERT_FATAL(owed_reserve(&owed, 1));
            owed_add(&owed, id);
            there[n] = true;
            count++;
        } else {
            CU_ASSERT_FATAL(owed_remove(&owed, id) == there[n]);
            count -= there[n];
            there[n] = false;
        }
        CU_ASSERT_FATAL(owed.count == count && owed.room >= 2 * count);
    }
    CU_ASSERT(!owed_remove(&owed, 0));
    owed_free(&owed);
    CU_ASSERT(owed.slots == NULL && owed.count == 0);
}

static void test_room_for_many_at_once(void)
{
    struct owed owed = {0};
    CU_ASSERT_FATAL(owed_reserve(&owed, 1000));
    uint32_t room = owed.room;
    for (uint64_t id = 1; id <= 1000; id++) {
        owed_add(&owed, id << 32);
    }
    CU_ASSERT(owed.room == room && room >= 2000);
    for (uint64_t id = 1000; id > 0; id--) {
        CU_ASSERT(owed_remove(&owed, id << 32) && !owed_remove(&owed, id << 32));
    }
    CU_ASSERT(owed.count == 0);
    owed_free(&owed);
}

int main(void)
{
    CU_TestInfo tests[] = {TEST(test_against_an_array), TEST(test_room_for_many_at_once), CU_TEST_INFO_NULL};
    return run_tests("owed", tests);
}
