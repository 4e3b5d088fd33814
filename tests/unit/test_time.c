/* RFC 3339 times: the expected values come from Python's datetime and, outside its years, from counting days. */
#include <churn/time.h>

#include "check.h"

#define FIRST_MS INT64_C(-62167219200000) /* 0000-01-01T00:00:00.000Z */
#define LAST_MS INT64_C(253402300799999)  /* 9999-12-31T23:59:59.999Z */
#define DAY_MS INT64_C(86400000)

struct good {
    const char *text;
    int64_t ms;
};

static bool parse(const char *text, int64_t *ret)
{
    char *copy = exact_copy(text, strlen(text));
    bool ok = churn_time_parse(copy, strlen(text), ret);
    free(copy);
    return ok;
}

static void check_good(const struct good *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        int64_t ms = 42;
        bool ok = parse(cases[i].text, &ms);
        check(ok && ms == cases[i].ms, "%s: expected %lld, got %s %lld", cases[i].text, (long long)cases[i].ms,
              ok ? "ok" : "refused", (long long)ms);
    }
}

static void check_bad(const char *const *cases)
{
    for (; *cases != NULL; cases++) {
        int64_t ms = 42;
        check(!parse(*cases, &ms), "%s was taken as %lld", *cases, (long long)ms);
        check(ms == 42, "%s: refused, but the result was written", *cases);
    }
}

static void test_known_instants(void)
{
    static const struct good cases[] = {
        {"1970-01-01T00:00:00Z", 0},
        {"1970-01-01T00:00:00.001Z", 1},
        {"1969-12-31T23:59:59.999Z", -1},
        {"1969-12-31T00:00:00Z", -DAY_MS},
        {"2026-01-02T03:04:05.678Z", 1767323045678},
        {"2001-09-09T01:46:40Z", 1000000000000},
        {"2038-01-19T03:14:08Z", 2147483648000},
        {"1582-10-15T00:00:00Z", -12219292800000},
        {"0001-01-01T00:00:00Z", -62135596800000},
        {"0000-01-01T00:00:00.000Z", FIRST_MS},
        {"0000-02-29T00:00:00Z", FIRST_MS + 59 * DAY_MS}, /* year 0 is a leap year */
        {"0000-03-01T00:00:00Z", FIRST_MS + 60 * DAY_MS},
        {"9999-12-31T23:59:59.999Z", LAST_MS},
        {"2023-06-30T23:59:59Z", 1688169599000},
    };
    check_good(cases, COUNT(cases));
}

static void test_offsets(void)
{
    static const struct good cases[] = {
        {"1970-01-01T00:00:00+00:00", 0},
        {"1970-01-01T00:00:00-00:00", 0},
        {"1970-01-01T00:00:00+23:59", -86340000},
        {"1970-01-01T00:00:00-23:59", 86340000},
        {"1970-01-01T00:00:00+00:01", -60000},
        {"2026-01-01T01:30:00+01:30", 1767225600000},
        {"2025-12-31T18:00:00-06:00", 1767225600000},
        {"1970-01-01T00:00:00.5+05:30", -19799500},
    };
    static const char *const bad[] = {"1970-01-01T00:00:00+24:00",
                                      "1970-01-01T00:00:00-24:00",
                                      "1970-01-01T00:00:00+23:60",
                                      "1970-01-01T00:00:00+00:60",
                                      "1970-01-01T00:00:00+1:00",
                                      "1970-01-01T00:00:00+0100",
                                      "1970-01-01T00:00:00+01",
                                      "1970-01-01T00:00:00+01:0",
                                      "1970-01-01T00:00:00+01:000",
                                      "1970-01-01T00:00:00*01:00",
                                      "1970-01-01T00:00:00+01-00",
                                      "1970-01-01T00:00:00+01:00Z",
                                      "1970-01-01T00:00:00Z+01:00",
                                      "1970-01-01T00:00:00+-1:00",
                                      "1970-01-01T00:00:00\xe2\x88\x92"
                                      "01:00",
                                      NULL};
    check_good(cases, COUNT(cases));
    check_bad(bad);
}

static void test_letters_of_either_case(void)
{
    static const struct good cases[] = {{"1970-01-01t00:00:00z", 0},
                                        {"1970-01-01T00:00:00z", 0},
                                        {"1970-01-01t00:00:00Z", 0},
                                        {"1970-01-01t00:00:00.25z", 250}};
    static const char *const bad[] = {"1970-01-01 00:00:00Z",
                                      "1970-01-01_00:00:00Z",
                                      "1970-01-0100:00:00ZZ",
                                      "1970-01-01T00:00:00",
                                      "1970-01-01T00:00:00.5",
                                      "1970-01-01T00:00:00U",
                                      NULL};
    check_good(cases, COUNT(cases));
    check_bad(bad);
}

/* Digits beyond the third are cut off, never rounded, so that a time is the same whoever sends how many of them. */
static void test_fractions_of_1_to_20_digits(void)
{
    static const int64_t expected[] = {0, 900, 980, 987};
    char text[64];
    for (int digits = 1; digits <= 20; digits++) {
        int64_t ms = -1, nines = -1, leading = -1;
        (void)snprintf(text, sizeof text, "1970-01-01T00:00:00.%.*sZ", digits, "98765432109876543210");
        check(parse(text, &ms) && ms == expected[digits < 3 ? digits : 3], "%s gave %lld", text, (long long)ms);
        (void)snprintf(text, sizeof text, "1969-12-31T23:59:59.%.*s+00:00", digits, "99999999999999999999");
        check(parse(text, &nines) && nines == (digits == 1   ? -100
                                               : digits == 2 ? -10
                                                             : -1),
              "%s gave %lld", text, (long long)nines);
        (void)snprintf(text, sizeof text, "1970-01-01T00:00:00.%.*sZ", digits, "00100000000000000000");
        check(parse(text, &leading) && leading == (digits >= 3), "%s gave %lld", text, (long long)leading);
    }
    static const char *const bad[] = {
        "1970-01-01T00:00:00.Z",    "1970-01-01T00:00:00.+00:00", "1970-01-01T00:00:00,5Z",
        "1970-01-01T00:00:00.5.5Z", "1970-01-01T00:00:00.-5Z",    "1970-01-01T00:00:00. 5Z",
        "1970-01-01T00:00:00.5eZ",  "1970-01-01T00:00:00:5Z",     NULL};
    check_bad(bad);
}

static void test_bounds_of_the_years_count_in_utc(void)
{
    static const struct good cases[] = {
        {"0000-01-01T23:59:00+23:59", FIRST_MS},    {"0000-01-01T00:00:00-00:01", FIRST_MS + 60000},
        {"9999-12-31T00:00:59.999-23:59", LAST_MS}, {"9999-12-31T23:59:59.999+00:01", LAST_MS - 60000},
        {"9999-12-31T23:59:59.99999999Z", LAST_MS},
    };
    static const char *const bad[] = {"0000-01-01T00:00:00+00:01", "0000-01-01T23:58:59.999+23:59",
                                      "9999-12-31T23:59:00-00:01", "9999-12-31T00:01:00.000-23:59",
                                      "10000-01-01T00:00:00Z",     "-0001-01-01T00:00:00Z",
                                      "+2026-01-01T00:00:00Z",     NULL};
    check_good(cases, COUNT(cases));
    check_bad(bad);
}

static void test_days_that_exist(void)
{
    static const struct good cases[] = {
        {"2000-02-29T00:00:00Z", 951782400000},   {"2024-02-29T12:00:00Z", 1709208000000},
        {"1900-03-01T00:00:00Z", -2203891200000}, {"2100-03-01T00:00:00Z", 4107542400000},
        {"1900-02-28T00:00:00Z", -2203977600000}, {"2400-02-29T00:00:00Z", 13574563200000}};
    static const char *const bad[] = {
        "1900-02-29T00:00:00Z", "2100-02-29T00:00:00Z", "1800-02-29T00:00:00Z", "2200-02-29T00:00:00Z",
        "2023-02-29T00:00:00Z", "2024-02-30T00:00:00Z", "2024-01-32T00:00:00Z", "2024-04-31T00:00:00Z",
        "2024-06-31T00:00:00Z", "2024-09-31T00:00:00Z", "2024-11-31T00:00:00Z", "2024-01-00T00:00:00Z",
        "2024-00-01T00:00:00Z", "2024-13-01T00:00:00Z", "2024-99-99T00:00:00Z", NULL};
    check_good(cases, COUNT(cases));
    check_bad(bad);
}

static void test_every_month_has_its_length(void)
{
    static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    char text[64];
    int64_t ms, expected = INT64_C(1672531200000); /* 2023-01-01 */
    for (int month = 1; month <= 12; month++) {
        for (int day = 0; day <= 33; day++) {
            bool exists = day >= 1 && day <= lengths[month - 1];
            (void)snprintf(text, sizeof text, "2023-%02d-%02dT00:00:00Z", month, day);
            check(parse(text, &ms) == exists, "%s", text);
            if (exists) {
                check(ms == expected, "%s gave %lld, expected %lld", text, (long long)ms, (long long)expected);
                expected += DAY_MS;
            }
        }
    }
}

static void test_times_of_day_that_exist(void)
{
    static const struct good cases[] = {
        {"1970-01-01T23:59:59.999Z", 86399999}, {"1970-01-01T23:00:00Z", 82800000}, {"1970-01-01T00:59:00Z", 3540000}};
    static const char *const bad[] = {"2024-01-01T24:00:00Z", "2024-01-01T23:60:00Z", "2024-01-01T23:59:60Z",
                                      "2016-12-31T23:59:60Z", "2024-01-01T99:00:00Z", "2024-01-01T00:99:00Z",
                                      "2024-01-01T00:00:99Z", "2024-01-01T-1:00:00Z", NULL};
    check_good(cases, COUNT(cases));
    check_bad(bad);
}

static void test_garbage(void)
{
    static const char *const bad[] = {
        "",
        "Z",
        "2024",
        "2024-01-01",
        "2024-01-01T00:00Z",
        "2024-01-01T00:00:00",
        "T00:00:00Z",
        "1704067200",
        "1704067200000",
        " 2024-01-01T00:00:00Z",
        "2024-01-01T00:00:00Z ",
        "2024-01-01T00:00:00Z\n",
        "2024-01-01T00:00:00 Z",
        "2024-01-01T00:00:00ZZ",
        "2024/01/01T00:00:00Z",
        "2024-01-01T00.00.00Z",
        "24-01-01T00:00:00Z",
        "2024-1-01T00:00:00Z",
        "2024-01-1T00:00:00Z",
        "20240101T000000Z",
        "2024-W01-1T00:00:00Z",
        "2024-001T00:00:00Z",
        "two thousand and 24Z",
        "2O24-01-01T00:00:00Z",
        "2024-01-01T00:00:0:Z",
        "2024-01-01T00:00:0/Z",
        "\xd9\xa2\xd9\xa0\xd9\xa2\xd9\xa4-01-01T00:00:00Z", /* Arabic digits */
        "2024-01-01T00:00:00.123456789012345678901234567890123456789012345678901234567890",
        NULL};
    check_bad(bad);
}

static void test_nul_bytes_and_every_prefix(void)
{
    static const char full[] = "2024-01-01T00:00:00.125+01:00";
    int64_t ms = 42;
    char text[sizeof full];
    for (size_t len = 0; len < sizeof full - 1; len++) {
        char *copy = exact_copy(full, len);
        check(!churn_time_parse(copy, len, &ms), "the first %zu bytes of %s", len, full);
        free(copy);
        memcpy(text, full, sizeof full);
        text[len] = '\0';
        check(!churn_time_parse(text, sizeof full - 1, &ms), "a NUL as byte %zu of %s", len, full);
    }
    CU_ASSERT_EQUAL(ms, 42);
    CU_ASSERT(churn_time_parse(full, sizeof full - 1, &ms) && ms == INT64_C(1704063600125));
}

static void test_formats_known_instants(void)
{
    static const struct good cases[] = {
        {"1970-01-01T00:00:00.000Z", 0},
        {"1970-01-01T00:00:00.001Z", 1},
        {"1969-12-31T23:59:59.999Z", -1},
        {"1969-12-31T00:00:00.000Z", -DAY_MS},
        {"1969-12-30T23:59:59.999Z", -DAY_MS - 1},
        {"2026-01-02T03:04:05.678Z", 1767323045678},
        {"2000-02-29T00:00:00.000Z", 951782400000},
        {"2000-03-01T00:00:00.000Z", 951868800000},
        {"1900-02-28T23:59:59.999Z", -2203891200001},
        {"1900-03-01T00:00:00.000Z", -2203891200000},
        {"2024-12-31T23:59:59.999Z", 1735689599999},
        {"0000-01-01T00:00:00.000Z", FIRST_MS},
        {"0000-02-29T00:00:00.000Z", FIRST_MS + 59 * DAY_MS},
        {"0000-12-31T23:59:59.999Z", -62135596800001},
        {"9999-12-31T23:59:59.999Z", LAST_MS},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char out[CHURN_TIME_SIZE];
        churn_time_format(cases[i].ms, out);
        check_text(out, cases[i].text, "format");
    }
}

static void check_round_trip(int64_t ms)
{
    char out[CHURN_TIME_SIZE];
    int64_t again = ms + 1;
    churn_time_format(ms, out);
    check(strlen(out) == CHURN_TIME_SIZE - 1 && parse(out, &again) && again == ms, "%lld became %s, then %lld",
          (long long)ms, out, (long long)again);
}

static void test_round_trips(void)
{
    uint64_t state = 1;
    for (int i = 0; i < 200000; i++) {
        check_round_trip(FIRST_MS + (int64_t)(next_random(&state) % (uint64_t)(LAST_MS - FIRST_MS + 1)));
    }
    for (int64_t day = FIRST_MS / DAY_MS; day <= LAST_MS / DAY_MS; day += 97) {
        check_round_trip(day * DAY_MS);
        check_round_trip(day * DAY_MS + DAY_MS - 1);
    }
    check_round_trip(FIRST_MS);
    check_round_trip(LAST_MS);
}

/* Texts sort as their times do: stores and people compare them. */
static void test_texts_sort_as_times(void)
{
    uint64_t state = 2;
    for (int i = 0; i < 20000; i++) {
        char a[CHURN_TIME_SIZE], b[CHURN_TIME_SIZE];
        int64_t x = FIRST_MS + (int64_t)(next_random(&state) % (uint64_t)(LAST_MS - FIRST_MS));
        churn_time_format(x, a);
        churn_time_format(x + 1, b);
        check(strcmp(a, b) < 0, "%s does not come before %s", a, b);
    }
}

int main(void)
{
    CU_TestInfo tests[] = {
        TEST(test_known_instants),
        TEST(test_offsets),
        TEST(test_letters_of_either_case),
        TEST(test_fractions_of_1_to_20_digits),
        TEST(test_bounds_of_the_years_count_in_utc),
        TEST(test_days_that_exist),
        TEST(test_every_month_has_its_length),
        TEST(test_times_of_day_that_exist),
        TEST(test_garbage),
        TEST(test_nul_bytes_and_every_prefix),
        TEST(test_formats_known_instants),
        TEST(test_round_trips),
        TEST(test_texts_sort_as_times),
        CU_TEST_INFO_NULL,
    };
    return run_tests("timestamp", tests);
}
