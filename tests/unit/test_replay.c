/* What --replay-from takes. */
#include "core/pipeline/replay.h"

#include "check.h"

#define NOW INT64_C(1767625200000) /* 2026-01-05T15:00:00Z */
#define HOUR INT64_C(3600000)
#define DAY (24 * HOUR)

static void test_places(void)
{
    static const struct {
        const char *text;
        enum replay_from from;
        int64_t value;
    } cases[] = {
        {"beginning", REPLAY_FROM_BEGINNING, 0},
        {"0", REPLAY_FROM_OFFSET, 0},
        {"24", REPLAY_FROM_OFFSET, 24},
        {"2026", REPLAY_FROM_OFFSET, 2026},
        {"2026-01-05T14:00:00Z", REPLAY_FROM_TIME, NOW - HOUR},
        {"2026-01-05T14:00:00.5+01:00", REPLAY_FROM_TIME, NOW - 2 * HOUR + 500},
        {"2026-01-05", REPLAY_FROM_TIME, NOW - 15 * HOUR},
        {"1969-12-31", REPLAY_FROM_TIME, -DAY},
        {"today", REPLAY_FROM_TIME, NOW - 15 * HOUR},
        {"yesterday", REPLAY_FROM_TIME, NOW - 15 * HOUR - DAY},
        {"24h", REPLAY_FROM_TIME, NOW - DAY},
        {"30d", REPLAY_FROM_TIME, NOW - 30 * DAY},
        {"90m", REPLAY_FROM_TIME, NOW - HOUR - HOUR / 2},
        {"0s", REPLAY_FROM_TIME, NOW},
        {"1500ms", REPLAY_FROM_TIME, NOW - 1500},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct replay replay = {0};
        check(replay_parse(&replay, cases[i].text, NOW) && replay.from == cases[i].from &&
                  replay.value == cases[i].value,
              "%s is %d %lld", cases[i].text, (int)replay.from, (long long)replay.value);
    }
}

static void test_days_begin_at_midnight(void)
{
    static const int64_t nows[] = {NOW - 15 * HOUR, NOW - 15 * HOUR + 1, NOW + 9 * HOUR - 1};
    for (size_t i = 0; i < COUNT(nows); i++) {
        struct replay replay = {0};
        CU_ASSERT(replay_parse(&replay, "today", nows[i]) && replay.value == NOW - 15 * HOUR);
        CU_ASSERT(replay_parse(&replay, "yesterday", nows[i]) && replay.value == NOW - 15 * HOUR - DAY);
    }
}

static void test_what_is_no_place(void)
{
    static const char *const texts[] = {"",
                                        "-1",
                                        "-1h",
                                        "tomorrow",
                                        "Yesterday",
                                        "24 h",
                                        "h",
                                        "24hours",
                                        "2026-1-1",
                                        "2026-13-01",
                                        "1.5h",
                                        "beginning ",
                                        "2026-02-30",
                                        "2026-01-01T",
                                        "2026-01-01Z",
                                        "2026-01-0x",
                                        "end",
                                        " 24h",
                                        "+24h",
                                        "9999999999999999999d",
                                        "2026-01-01T00:00:00"};
    for (size_t i = 0; i < COUNT(texts); i++) {
        struct replay replay = {0};
        check(!replay_parse(&replay, texts[i], NOW), "'%s' is a place", texts[i]);
    }
}

int main(void)
{
    CU_TestInfo tests[] = {TEST(test_places), TEST(test_days_begin_at_midnight), TEST(test_what_is_no_place),
                           CU_TEST_INFO_NULL};
    return run_tests("replay", tests);
}
