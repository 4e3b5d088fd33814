/* Exact decimals. The tables of money and ratios were computed with Python's decimal and whole numbers. */
#include "core/base/decimal.h"

#include "check.h"

#define REFUSED (-1)
#define INT128_MAX ((int128)(~(unsigned __int128)0 >> 1))

static void test_grammar_of_numbers(void)
{
    static const char *const good[] = {"0",    "-0",   "1",      "-1",    "10",    "1234567890", "0.0",     "0.5",
                                       "-0.5", "1.50", "1e0",    "1E0",   "1e+0",  "1e-0",       "1E+10",   "1E-10",
                                       "0e0",  "0e00", "0.0e99", "1e007", "-0e-0", "123.456e78", "9e99999", NULL};
    static const char *const bad[] = {
        "",      "-",        "+1",        "+",     ".",     ".5",  "5.",  "-.5", "-5.", "01",       "00",
        "-01",   "-00",      "00.5",      "1e",    "1E",    "1e+", "1e-", "e1",  "-e1", "1.e1",     "1..2",
        "1.2.3", "1ee1",     "1e1e1",     "1e1.5", "1e+-1", "--1", "1-",  "1 ",  " 1",  "1,0",      "0x10",
        "1_000", "Infinity", "-Infinity", "NaN",   "nan",   "inf", "1f",  "1d",  "1L",  "\xd9\xa1", NULL};
    for (const char *const *text = good; *text != NULL; text++) {
        char *copy = exact_copy(*text, strlen(*text));
        check(decimal_is_number(copy, strlen(*text)), "%s was refused", *text);
        free(copy);
    }
    for (const char *const *text = bad; *text != NULL; text++) {
        char *copy = exact_copy(*text, strlen(*text));
        check(!decimal_is_number(copy, strlen(*text)), "%s was taken", *text);
        free(copy);
    }
    CU_ASSERT(!decimal_is_number("1\0", 2));
    CU_ASSERT(decimal_is_number("12x", 2));
}

/* Whether `a` equals `b`, asked both ways, of copies that end where they end. */
static bool equal(const char *a, const char *b)
{
    char *x = exact_copy(a, strlen(a)), *y = exact_copy(b, strlen(b));
    bool one = decimal_equal(x, strlen(a), y, strlen(b)), other = decimal_equal(y, strlen(b), x, strlen(a));
    check(one == other, "%s and %s are equal one way only", a, b);
    free(x);
    free(y);
    return one;
}

static void test_equal(void)
{
    static const char *const same[][2] = {
        {"0", "0"},           {"0", "-0"},     {"0", "0.00"},     {"0e5", "-0.0e-9"}, {"1.50", "1.5"},
        {"1.50", "15e-1"},    {"100", "1e2"},  {"100", "1E+02"},  {"0.001", "1e-3"},  {"-20.40", "-20.4"},
        {"10.01", "1001e-2"}, {"0.00e0", "0"}, {"1000.0", "1e3"}, {"0.10e1", "1"}};
    static const char *const other[][2] = {{"0", "1"},
                                           {"1", "-1"},
                                           {"1", "10"},
                                           {"1", "0.1"},
                                           {"1.5", "1.51"},
                                           {"1.5", "1.05"},
                                           {"15", "1.5"},
                                           {"101", "11"},
                                           {"1e2", "1e-2"},
                                           {"0.001", "0.01"},
                                           {"12", "123"},
                                           {"1e9", "1e90"},
                                           {"0.3", "0.30000000000000000000004"},
                                           {"9007199254740993", "9007199254740992"}};
    for (size_t i = 0; i < sizeof same / sizeof same[0]; i++) {
        check(equal(same[i][0], same[i][1]), "%s is %s", same[i][0], same[i][1]);
    }
    for (size_t i = 0; i < sizeof other / sizeof other[0]; i++) {
        check(!equal(other[i][0], other[i][1]), "%s is not %s", other[i][0], other[i][1]);
    }
}

static void test_int64(void)
{
    static const struct {
        const char *text;
        bool ok;
        int64_t value;
    } cases[] = {
        {"0", true, 0},
        {"-0", true, 0},
        {"1", true, 1},
        {"-1", true, -1},
        {"42", true, 42},
        {"9223372036854775806", true, INT64_MAX - 1},
        {"9223372036854775807", true, INT64_MAX},
        {"9223372036854775808", false, 0},
        {"9223372036854775809", false, 0},
        {"9223372036854775817", false, 0},
        {"-9223372036854775807", true, -INT64_MAX},
        {"-9223372036854775808", true, INT64_MIN},
        {"-9223372036854775809", false, 0},
        {"18446744073709551615", false, 0},
        {"18446744073709551616", false, 0},
        {"18446744073709551617", false, 0},
        {"99999999999999999999999999999999999999999999", false, 0},
        {"-99999999999999999999999999999999999999999999", false, 0},
        {"1.0", false, 0},
        {"1.5", false, 0},
        {"1e0", false, 0},
        {"1E2", false, 0},
        {"10e-1", false, 0},
        {"", false, 0},
        {"-", false, 0},
        {"+1", false, 0},
        {"1 ", false, 0},
        {"/", false, 0},
        {":", false, 0},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char *copy = exact_copy(cases[i].text, strlen(cases[i].text));
        int64_t value = 77;
        bool ok = decimal_parse_int64(copy, strlen(cases[i].text), &value);
        check(ok == cases[i].ok && value == (ok ? cases[i].value : 77), "'%s' gave %d, %lld", cases[i].text, ok,
              (long long)value);
        free(copy);
    }
}

static int64_t money(const char *text, size_t len)
{
    char *copy = exact_copy(text, len);
    int64_t units = 77;
    bool ok = decimal_parse_money(copy, len, &units);
    free(copy);
    return ok ? units : REFUSED;
}

static void test_money(void)
{
    static const struct {
        const char *text;
        int64_t units;
    } cases[] = {
        {"0", 0},
        {"-0", 0},
        {"0.0", 0},
        {"-0.0", 0},
        {"-0.0000", 0},
        {"0e0", 0},
        {"0e5", 0},
        {"-0e5", 0},
        {"0E-5", 0},
        {"0e999999999", 0},
        {"0e-999999999", 0},
        {"-0e999999999", 0},
        {"0.000e99999999999999999999", 0},
        {"1", 10000},
        {"99.99", 999900},
        {"100", 1000000},
        {"0.1234", 1234},
        {"0.1", 1000},
        {"0.01", 100},
        {"0.001", 10},
        {"0.0001", 1},
        {"0.00001", 0},
        {"0.00005", 0},
        {"0.00006", 1},
        {"0.00015", 2},
        {"0.00025", 2},
        {"0.000150000001", 2},
        {"0.00014999999", 1},
        {"0.00035", 4},
        {"0.00004999999999999999999999", 0},
        {"0.00005000000000000000000001", 1},
        {"1.00005", 10000},
        {"1.00015", 10002},
        {"2.99995", 30000},
        {"2.99985", 29998},
        {"9.99995", 100000},
        {"0.99995", 10000},
        {"0.99985", 9998},
        {"-1", REFUSED},
        {"-0.0001", REFUSED},
        {"-0.00001", REFUSED},
        {"-1e-400", REFUSED},
        {"-1e400", REFUSED},
        {"-0.00000000000000000000000000001", REFUSED},
        {"999999999999.9999", 9999999999999999},
        {"999999999999.99990", 9999999999999999},
        {"999999999999.99990000000000000000000", 9999999999999999},
        {"999999999999.99991", REFUSED},
        {"999999999999.99990000000000001", REFUSED},
        {"999999999999.99995", REFUSED},
        {"999999999999.99989", 9999999999999999},
        {"999999999999.99985", 9999999999999998},
        {"999999999999.99984999", 9999999999999998},
        {"999999999999.99975", 9999999999999998},
        {"1000000000000", REFUSED},
        {"1000000000000.0000", REFUSED},
        {"999999999999", 9999999999990000},
        {"99999999999999.9999e-2", REFUSED},
        {"99999999999999.99999e-2", REFUSED},
        {"9999999999999999e-4", 9999999999999999},
        {"99999999999999990e-5", 9999999999999999},
        {"99999999999999995e-5", REFUSED},
        {"99999999999999994e-5", REFUSED},
        {"9999999999999999.5e-4", REFUSED},
        {"9999999999999998.5e-4", 9999999999999998},
        {"9999999999999997.5e-4", 9999999999999998},
        {"9999999999999999.4e-4", REFUSED},
        {"1e11", 1000000000000000},
        {"1e12", REFUSED},
        {"9.999999999999999e11", 9999999999999999},
        {"9.9999999999999999e11", REFUSED},
        {"1e400", REFUSED},
        {"1E+400", REFUSED},
        {"1e-400", 0},
        {"1e999999999999999999999", REFUSED},
        {"1e-999999999999999999999", 0},
        {"1e-5", 0},
        {"5e-5", 0},
        {"15e-5", 2},
        {"25e-5", 2},
        {"1.5e-4", 2},
        {"2.5e-4", 2},
        {"0.5e-4", 0},
        {"0.5e-5", 0},
        {"5e-6", 0},
        {"1e-4", 1},
        {"1e-3", 10},
        {"1e+0", 10000},
        {"1E0", 10000},
        {"1e+00000000000000000000000000000003", 10000000},
        {"1e-00000000000000000000000000000003", 10},
        {"123.456e1", 12345600},
        {"123.456e-1", 123456},
        {"123.456e3", 1234560000},
        {"123.456e10", REFUSED},
        {"0.000001e6", 10000},
        {"0.00000001e8", 10000},
        {"0.0000000000000000000000000001e28", 10000},
        {"12345678901234567890", REFUSED},
        {"12345678901.23456789012345", 123456789012346},
        {"922337203685477.5807", REFUSED},
        {"1844674407370955.1616", REFUSED},
        {"18446744073709551617e-6", REFUSED},
        {"0.3", 3000},
        {"2.675", 26750},
        {"1.005", 10050},
        {"4.35", 43500},
        {"1.1e1", 110000},
        {"50e-6", 0},
        {"51e-6", 1},
        {"49e-6", 0},
        {"150e-6", 2},
        {"149e-6", 1},
        {"151e-6", 2},
        {"100e-7", 0},
        {"500e-7", 0},
        {"501e-7", 1},
        {"0.00000e999999999", 0},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        int64_t units = money(cases[i].text, strlen(cases[i].text));
        check(units == cases[i].units, "%s: expected %lld, got %lld", cases[i].text, (long long)cases[i].units,
              (long long)units);
    }
}

/* `head`, then `count` times the digit, then `tail`. */
static int64_t long_money(const char *head, size_t count, char digit, const char *tail)
{
    size_t room = strlen(head) + count + strlen(tail) + 1;
    char *text = malloc(room);
    int64_t units;
    if (text == NULL) {
        abort();
    }
    memcpy(text, head, strlen(head));
    memset(text + strlen(head), digit, count);
    memcpy(text + strlen(head) + count, tail, strlen(tail) + 1);
    units = money(text, room - 1);
    free(text);
    return units;
}

static void test_money_of_many_digits(void)
{
    CU_ASSERT_EQUAL(long_money("1.", 100000, '0', ""), 10000);
    CU_ASSERT_EQUAL(long_money("0.00005", 100000, '0', ""), 0);
    CU_ASSERT_EQUAL(long_money("0.00005", 100000, '0', "1"), 1);
    CU_ASSERT_EQUAL(long_money("0.00014", 100000, '9', ""), 1);
    CU_ASSERT_EQUAL(long_money("999999999999.9999", 100000, '0', ""), MONEY_MAX);
    CU_ASSERT_EQUAL(long_money("999999999999.9999", 100000, '0', "1"), REFUSED);
    CU_ASSERT_EQUAL(long_money("999999999999.9998", 100000, '9', ""), MONEY_MAX);
    CU_ASSERT_EQUAL(long_money("1", 100000, '0', ""), REFUSED);
    CU_ASSERT_EQUAL(long_money("1", 100000, '0', "e-100000"), 10000);
    CU_ASSERT_EQUAL(long_money("1", 100000, '0', "e-100004"), 1);
    CU_ASSERT_EQUAL(long_money("1", 100000, '0', "e-100005"), 0);
    CU_ASSERT_EQUAL(long_money("0.", 100000, '0', "1e100001"), 10000);
    CU_ASSERT_EQUAL(long_money("0.", 100000, '0', "1e100012"), INT64_C(1000000000000000));
    CU_ASSERT_EQUAL(long_money("0.", 100000, '0', "1e100013"), REFUSED);
    CU_ASSERT_EQUAL(long_money("1e", 100000, '0', ""), 10000);
    CU_ASSERT_EQUAL(long_money("1e-", 100000, '0', "2"), 100);
    CU_ASSERT_EQUAL(long_money("1e", 100000, '9', ""), REFUSED);
    CU_ASSERT_EQUAL(long_money("1e-", 100000, '9', ""), 0);
    CU_ASSERT_EQUAL(long_money("-", 100000, '9', ""), REFUSED);
}

/* A record holds up to 2^20 bytes, so that a mantissa can make up for an exponent of seven digits. */
static void test_money_whose_digits_make_up_for_a_huge_exponent(void)
{
    CU_ASSERT_EQUAL(long_money("0.", 1040000, '0', "1e1040001"), 10000);
    CU_ASSERT_EQUAL(long_money("1", 1040000, '0', "e-1040000"), 10000);
    CU_ASSERT_EQUAL(long_money("0.", 1040000, '0', "1e10400010"), REFUSED);
    CU_ASSERT_EQUAL(long_money("0.", 1040000, '0', "1e10000000"), REFUSED);
    CU_ASSERT_EQUAL(long_money("0.", 1040000, '0', "1e104000100"), REFUSED);
    CU_ASSERT_EQUAL(long_money("1", 1040000, '0', "e-10000000"), 0);
    CU_ASSERT_EQUAL(long_money("1", 1040000, '0', "e-10400000"), 0);
}

/* Each multiple of 1/100,000 up to 3: nearest of 1/10,000, a tie to the even one. */
static void test_money_rounds_half_to_even(void)
{
    for (int64_t n = 0; n <= 300000; n++) {
        char text[64];
        int64_t units = n / 10, last = n % 10;
        units += last > 5 || (last == 5 && units % 2 == 1);
        int len = snprintf(text, sizeof text, "%d.%05d", (int)(n / 100000), (int)(n % 100000));
        int64_t got = REFUSED;
        check(decimal_parse_money(text, (size_t)len, &got) && got == units, "%s gave %lld", text, (long long)got);
        len = snprintf(text, sizeof text, "%de-5", (int)n);
        check(decimal_parse_money(text, (size_t)len, &got) && got == units, "%s gave %lld", text, (long long)got);
    }
}

static int128 big(int64_t high, int64_t low) /* high · 10^18 + low */
{
    return (int128)high * INT64_C(1000000000000000000) + low;
}

static void test_int128(void)
{
    static const struct {
        const char *text;
        bool ok;
    } cases[] = {{"0", true},
                 {"-1", true},
                 {"9223372036854775808", true},
                 {"-9223372036854775809", true},
                 {"18446744073709551616", true},
                 {"340282366920938463463374607431", true},
                 {"999999999999999999999999999999999999", true}, /* 36 digits, the most it takes */
                 {"-999999999999999999999999999999999999", true},
                 {"1000000000000000000000000000000000000", false},
                 {"170141183460469231731687303715884105727", false},
                 {"170141183460469231731687303715884105728", false},
                 {"999999999999999999999999999999999999999999999999", false},
                 {"", false},
                 {"-", false},
                 {"--1", false},
                 {"+1", false},
                 {"1.0", false},
                 {"1e3", false},
                 {" 1", false},
                 {"1 ", false},
                 {"12a", false}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        char *copy = exact_copy(cases[i].text, strlen(cases[i].text)), out[DECIMAL_SIZE] = "";
        int128 value = 77;
        bool ok = decimal_parse_int128(copy, strlen(cases[i].text), &value);
        check(ok == cases[i].ok, "'%s' gave %d", cases[i].text, ok);
        if (ok) {
            CU_ASSERT_EQUAL(decimal_format_int128(value, out), strlen(cases[i].text));
            check_text(out, cases[i].text, "int128");
        } else {
            CU_ASSERT(value == 77);
        }
        free(copy);
    }
    int128 value;
    CU_ASSERT(decimal_parse_int128("18446744073709551616", 20, &value) && value == (int128)1 << 64);
    CU_ASSERT(decimal_parse_int128("-18446744073709551616", 21, &value) && value == -((int128)1 << 64));
    CU_ASSERT(decimal_parse_int128("123000000000000000456", 21, &value) && value == big(123, 456));
}

static void test_format_int128_limits(void)
{
    char out[DECIMAL_SIZE];
    CU_ASSERT_EQUAL(decimal_format_int128(0, out), 1);
    check_text(out, "0", "zero");
    CU_ASSERT_EQUAL(decimal_format_int128(INT128_MAX, out), 39);
    check_text(out, "170141183460469231731687303715884105727", "largest");
    CU_ASSERT_EQUAL(decimal_format_int128(-INT128_MAX, out), 40);
    check_text(out, "-170141183460469231731687303715884105727", "smallest but one");
    CU_ASSERT_EQUAL(decimal_format_int128(-INT128_MAX - 1, out), 40);
    check_text(out, "-170141183460469231731687303715884105728", "smallest");
    CU_ASSERT_EQUAL(decimal_format_money(-INT128_MAX - 1, out), 41);
    check_text(out, "-17014118346046923173168730371588410.5728", "smallest money");
    CU_ASSERT_EQUAL(decimal_format_int128(INT64_MIN, out), 20);
    check_text(out, "-9223372036854775808", "smallest of 64 bits");
}

static void test_format_money(void)
{
    static const struct {
        int64_t units;
        const char *text;
    } cases[] = {{0, "0.00"},
                 {1, "0.0001"},
                 {10, "0.001"},
                 {100, "0.01"},
                 {1000, "0.10"},
                 {10000, "1.00"},
                 {12, "0.0012"},
                 {120, "0.012"},
                 {1200, "0.12"},
                 {1234, "0.1234"},
                 {999900, "99.99"},
                 {1000000, "100.00"},
                 {1001000, "100.10"},
                 {1000100, "100.01"},
                 {1000010, "100.001"},
                 {1000001, "100.0001"},
                 {MONEY_MAX, "999999999999.9999"},
                 {INT64_MAX, "922337203685477.5807"},
                 {-1, "-0.0001"},
                 {-10000, "-1.00"},
                 {-12345, "-1.2345"},
                 {INT64_MIN, "-922337203685477.5808"}};
    char out[DECIMAL_SIZE];
    for (size_t i = 0; i < COUNT(cases); i++) {
        int128 again = 77;
        CU_ASSERT_EQUAL(decimal_format_money(cases[i].units, out), strlen(cases[i].text));
        check_text(out, cases[i].text, "money");
        check(decimal_parse_units(out, strlen(out), &again) && again == cases[i].units, "%s does not read back", out);
    }
    CU_ASSERT_EQUAL(decimal_format_money(big(10000000000, 9999), out), 30);
    check_text(out, "1000000000000000000000000.9999", "a sum beyond 64 bits");
}

static void test_parse_units(void)
{
    static const struct {
        const char *text;
        bool ok;
        int64_t units;
    } cases[] = {{"0", true, 0},
                 {"0.00", true, 0},
                 {"-0.00", true, 0},
                 {"1", true, 10000},
                 {"1.2", true, 12000},
                 {"1.23", true, 12300},
                 {"1.234", true, 12340},
                 {"1.2345", true, 12345},
                 {"-1.2345", true, -12345},
                 {"-0.0001", true, -1},
                 {"0.0001", true, 1},
                 {"922337203685477.5807", true, INT64_MAX},
                 {"1.23456", false, 0},
                 {"1.00000", false, 0},
                 {"", false, 0},
                 {"-", false, 0},
                 {".5", false, 0},
                 {"-.5", false, 0},
                 {".", false, 0},
                 {"1.2.3", false, 0},
                 {"1e3", false, 0},
                 {"+1", false, 0},
                 {"1,5", false, 0},
                 {" 1", false, 0},
                 {"1.5 ", false, 0},
                 {"1.-5", false, 0},
                 {"--1", false, 0},
                 {"1.x", false, 0},
                 {"1000000000000000000000000000000000000000.00", false, 0}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        char *copy = exact_copy(cases[i].text, strlen(cases[i].text));
        int128 units = 77;
        bool ok = decimal_parse_units(copy, strlen(cases[i].text), &units);
        check(ok == cases[i].ok && units == (ok ? cases[i].units : 77), "'%s' gave %d", cases[i].text, ok);
        free(copy);
    }
}

/* Whatever number of digits it takes, the units of it must fit: nothing wraps around. */
static void test_parse_units_never_overflows(void)
{
    for (size_t digits = 1; digits <= 45; digits++) {
        char text[64], out[DECIMAL_SIZE];
        int128 units;
        memset(text, '9', digits);
        memcpy(text + digits, ".9999", 6);
        if (decimal_parse_units(text, digits + 5, &units)) {
            (void)decimal_format_money(units, out);
            check_text(out, text, "read and written");
        } else {
            check(digits > 30, "%s was refused", text);
        }
    }
}

static void test_ratio(void)
{
    static const struct {
        int128 numerator;
        int64_t denominator;
        unsigned scale, decimals;
        const char *text;
    } cases[] = {
        {INT64_C(0), INT64_C(1), 0, 0, "0"},
        {INT64_C(0), INT64_C(7), 4, 2, "0.00"},
        {INT64_C(1), INT64_C(3), 0, 4, "0.3333"},
        {INT64_C(2), INT64_C(3), 0, 4, "0.6667"},
        {INT64_C(1), INT64_C(1), 0, 9, "1.000000000"},
        {INT64_C(1), INT64_C(1), 0, 0, "1"},
        {INT64_C(1), INT64_C(2), 0, 0, "0"},
        {INT64_C(3), INT64_C(2), 0, 0, "2"},
        {INT64_C(5), INT64_C(2), 0, 0, "2"},
        {INT64_C(7), INT64_C(2), 0, 0, "4"},
        {INT64_C(-1), INT64_C(2), 0, 0, "0"},
        {INT64_C(-3), INT64_C(2), 0, 0, "-2"},
        {INT64_C(-5), INT64_C(2), 0, 0, "-2"},
        {INT64_C(1), INT64_C(8), 0, 2, "0.12"},
        {INT64_C(3), INT64_C(8), 0, 2, "0.38"},
        {INT64_C(5), INT64_C(8), 0, 2, "0.62"},
        {INT64_C(7), INT64_C(8), 0, 2, "0.88"},
        {INT64_C(1), INT64_C(16), 0, 3, "0.062"},
        {INT64_C(1), INT64_C(20000), 0, 4, "0.0000"},
        {INT64_C(3), INT64_C(20000), 0, 4, "0.0002"},
        {INT64_C(5), INT64_C(20000), 0, 4, "0.0002"},
        {INT64_C(1), INT64_C(20001), 0, 4, "0.0000"},
        {INT64_C(1), INT64_C(19999), 0, 4, "0.0001"},
        {INT64_C(999900), INT64_C(1), 4, 2, "99.99"},
        {INT64_C(1000000), INT64_C(1), 4, 2, "100.00"},
        {INT64_C(1234), INT64_C(1), 4, 2, "0.12"},
        {INT64_C(1250), INT64_C(1), 4, 2, "0.12"},
        {INT64_C(1350), INT64_C(1), 4, 2, "0.14"},
        {INT64_C(50), INT64_C(1), 4, 2, "0.00"},
        {INT64_C(150), INT64_C(1), 4, 2, "0.02"},
        {INT64_C(250), INT64_C(1), 4, 2, "0.02"},
        {INT64_C(49), INT64_C(1), 4, 2, "0.00"},
        {INT64_C(51), INT64_C(1), 4, 2, "0.01"},
        {INT64_C(1), INT64_C(1), 4, 4, "0.0001"},
        {INT64_C(1), INT64_C(1), 4, 9, "0.000100000"},
        {INT64_C(1), INT64_C(1), 4, 0, "0"},
        {INT64_C(5000), INT64_C(1), 4, 0, "0"},
        {INT64_C(15000), INT64_C(1), 4, 0, "2"},
        {INT64_C(25000), INT64_C(1), 4, 0, "2"},
        {INT64_C(5001), INT64_C(1), 4, 0, "1"},
        {INT64_C(4999), INT64_C(1), 4, 0, "0"},
        {INT64_C(9999999999999999), INT64_C(1), 4, 2, "1000000000000.00"},
        {INT64_C(9999999999999999), INT64_C(3), 4, 2, "333333333333.33"},
        {INT64_C(-9999999999999999), INT64_C(7), 4, 9, "-142857142857.142842857"},
        {(INT64_C(1000000000) * (int128)1000000000000000 + 0), INT64_C(7), 4, 2, "14285714285714285714.29"},
        {(INT64_C(1000000000000) * (int128)1000000000000000 + 0), INT64_C(1), 0, 9,
         "1000000000000000000000000000.000000000"},
        {INT64_C(9223372036854775807), INT64_C(1), 0, 4, "9223372036854775807.0000"},
        {INT64_C(9223372036854775807), INT64_C(9223372036854775807), 0, 4, "1.0000"},
        {INT64_C(1), INT64_C(9223372036854775807), 0, 9, "0.000000000"},
        {INT64_C(-1), INT64_C(9223372036854775807), 0, 9, "0.000000000"},
        {INT64_C(99995), INT64_C(100000), 0, 4, "1.0000"},
        {INT64_C(99994), INT64_C(100000), 0, 4, "0.9999"},
        {INT64_C(999949999), INT64_C(1000000000), 0, 4, "0.9999"},
        {INT64_C(99995), INT64_C(1), 4, 0, "10"},
        {INT64_C(12), INT64_C(7), 0, 4, "1.7143"},
        {INT64_C(100), INT64_C(365), 0, 4, "0.2740"},
        {-(INT64_C(88028) * (int128)1000000000000000 + 532423795807690), INT64_C(116), 4, 7, "-75886665882582.5928362"},
        {INT64_C(1793236797544), INT64_C(215), 0, 6, "8340636267.646512"},
        {INT64_C(-16081656), INT64_C(2677715), 0, 2, "-6.01"},
        {-(INT64_C(60769) * (int128)1000000000000000 + 323525885345666), INT64_C(1), 0, 3, "-60769323525885345666.000"},
        {INT64_C(-393284), INT64_C(208551), 0, 2, "-1.89"},
        {-(INT64_C(96747861) * (int128)1000000000000000 + 360628942049449), INT64_C(435062), 0, 2,
         "-222377181552580878.24"},
        {INT64_C(-643673958), INT64_C(79051), 0, 9, "-8142.515059898"},
        {(INT64_C(36837501) * (int128)1000000000000000 + 102381607184569), INT64_C(858279), 4, 7,
         "4292019390242.7540677"},
        {-(INT64_C(28583776) * (int128)1000000000000000 + 778186858345338), INT64_C(59), 4, 0, "-48447079285062472"},
        {INT64_C(8655164080872), INT64_C(6143557), 4, 9, "140.881969206"},
        {INT64_C(796862662987501), INT64_C(639), 0, 1, "1247046420950.7"},
        {INT64_C(577017350424344), INT64_C(936076), 4, 7, "61642.1476915"},
        {INT64_C(6775437713183532321), INT64_C(4802), 4, 1, "141096162290.4"},
        {INT64_C(83797181673), INT64_C(962685), 0, 5, "87045.27615"},
        {(INT64_C(47206916) * (int128)1000000000000000 + 538082761360718), INT64_C(321044), 0, 1,
         "147041890015333603.4"},
        {-(INT64_C(636798) * (int128)1000000000000000 + 835404002537898), INT64_C(21680118), 0, 1, "-29372480140744.7"},
        {-(INT64_C(92512) * (int128)1000000000000000 + 687520139346155), INT64_C(9732), 4, 4, "-950603036581.7853"},
        {(INT64_C(58025) * (int128)1000000000000000 + 613578007070996), INT64_C(8), 4, 3, "725320169725088.387"},
        {INT64_C(2449303141546752286), INT64_C(1788965), 0, 6, "1369117417918.602257"},
        {INT64_C(-72034646190), INT64_C(4946141), 0, 7, "-14563.8076614"},
        {-(INT64_C(35026) * (int128)1000000000000000 + 982206581268005), INT64_C(92454412), 4, 7, "-37885679.4920520"},
        {INT64_C(5313949079), INT64_C(116), 4, 8, "4580.99058534"},
        {(INT64_C(95556) * (int128)1000000000000000 + 353498782583041), INT64_C(36548848), 4, 1, "261448332.1"},
        {(INT64_C(5195784) * (int128)1000000000000000 + 62063477804835), INT64_C(47636), 4, 7,
         "10907263544511.4573114"},
        {(INT64_C(98179845) * (int128)1000000000000000 + 207101428505997), INT64_C(595), 0, 7,
         "165008143205212484884.0285714"},
        {INT64_C(-225648430565129877), INT64_C(60679), 4, 8, "-371872362.04474345"},
        {(INT64_C(5573618) * (int128)1000000000000000 + 457483314018008), INT64_C(84419), 4, 6, "6602327032401.845577"},
        {INT64_C(-47075987226), INT64_C(48892121), 4, 8, "-0.09628543"},
        {INT64_C(23947998823001452), INT64_C(5932), 4, 4, "403708678.7424"},
        {-(INT64_C(6803879) * (int128)1000000000000000 + 295508779860983), INT64_C(714635555), 4, 4, "-952076796.0543"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char out[DECIMAL_SIZE], what[32];
        size_t len =
            decimal_format_ratio(cases[i].numerator, cases[i].denominator, cases[i].scale, cases[i].decimals, out);
        (void)snprintf(what, sizeof what, "ratio %zu", i);
        CU_ASSERT_EQUAL(len, strlen(cases[i].text));
        check_text(out, cases[i].text, what);
    }
}

/* Any number of 128 bits, whether or not this program reads or writes it. */
static int128 parse(const char *text)
{
    bool negative = *text == '-';
    int128 value = 0;
    for (text += negative; *text != '\0'; text++) { /* downwards, where there is room for one more */
        value = value * 10 - (*text - '0');
    }
    return negative ? value : -value;
}

static void test_ratio_of_large_numbers(void)
{
    static const struct {
        const char *numerator, *denominator;
        unsigned scale, decimals;
        const char *text;
    } cases[] = {
        {"100000000000000000000000000000000000000", "1", 0, 4, "100000000000000000000000000000000000000.0000"},
        {"100000000000000000000000000000000000000", "3", 0, 9, "33333333333333333333333333333333333333.333333333"},
        {"170141183460469231731687303715884105727", "1", 0, 9, "170141183460469231731687303715884105727.000000000"},
        {"-170141183460469231731687303715884105728", "1", 0, 9, "-170141183460469231731687303715884105728.000000000"},
        {"170141183460469231731687303715884105727", "170141183460469231731687303715884105727", 0, 9, "1.000000000"},
        {"170141183460469231731687303715884105726", "170141183460469231731687303715884105727", 0, 9, "1.000000000"},
        {"1", "170141183460469231731687303715884105727", 0, 9, "0.000000000"},
        {"170141183460469231731687303715884105727", "2", 0, 0, "85070591730234615865843651857942052864"},
        {"170141183460469231731687303715884105727", "85070591730234615865843651857942052863", 4, 2, "0.00"},
        {"999999999999999999999999999999999999", "7", 4, 2, "14285714285714285714285714285714.29"},
        {"999999999999999999999999999999999999", "999999999999999999999999999999999998", 0, 4, "1.0000"},
        {"170141183460469231731687303715884105727", "1000000000", 4, 0, "17014118346046923173168730"},
        {"85070591730234615865843651857942052863", "170141183460469231731687303715884105727", 0, 4, "0.5000"},
        {"170141183460469231731687303715884105725", "170141183460469231731687303715884105726", 0, 4, "1.0000"},
        {"150000000000000000000000000000000000000", "100000000000000000000000000000000000000", 0, 0, "2"},
        {"50000000000000000000000000000000000000", "100000000000000000000000000000000000000", 0, 0, "0"},
        {"-150000000000000000000000000000000000000", "100000000000000000000000000000000000000", 0, 0, "-2"},
        {"170141183460469231731687303715884105727", "3", 4, 9, "5671372782015641057722910123862803.524233333"},
        {"25000000000000000000000000000000000000", "10000000000000000000000000000000000000", 4, 4, "0.0002"},
        {"406473971012797112622350028946", "51518710931947261953841958535377663143", 4, 4, "0.0000"},
        {"61008207918789267458149031154714221875", "40523649445393346167200911967718818742", 0, 3, "1.505"},
        {"44507335292560949662962096925620353348", "66119814829523029220437470340557483674", 0, 4, "0.6731"},
        {"575943713621049006717473752131", "36319603675303957157179285531918413962", 4, 2, "0.00"},
        {"657812825510309102374226587710309404", "17809964973607816895", 4, 6, "3693509933821.357915"},
        {"29852162710203950105351170679860281765", "28648798580252735506370676868754015893", 0, 4, "1.0420"},
        {"59431665503259572340748835811348747564", "784730862898368188625099829058", 0, 9, "75735093.792222452"},
        {"640689712370377751198527176054077677", "5666723478057003018059619200922099514", 0, 0, "0"},
        {"1160106325326686424042359314957543820", "46337", 0, 6, "25036284725525744524728819624868.761897"},
        {"74939135601308295821693062144128232892", "79110028979273029263873489616", 0, 1, "947277312.0"},
        {"16791646311328885386324878214947382957", "13287940493798502613258911315629907001", 4, 5, "0.00013"},
        {"1145405577917540711171611528308372558", "44242916445567819524220398809394627728", 0, 9, "0.025889016"},
        {"61277304601119943929382581394237289793", "5554072340489978732", 4, 8, "1103286036704989.64002335"},
        {"1047958591615693612438673965992767591", "1705911347327762656841502447641422208", 0, 0, "1"},
        {"30022760584142863035975796888811695442", "893608456172958245295528771940", 0, 0, "33597221"},
        {"396955710375552683422845855041424563", "410817516576442881361417303772", 4, 4, "96.6258"},
        {"35784414754517465967397334559547278", "9223569782775562509", 4, 3, "387967084298.995"},
        {"863385370214697603524880607236133709", "106789", 4, 3, "808496540106843966630346390.767"},
        {"225017406577450195781837966210286137", "353067", 0, 9, "637322113302716469627118836397.301750093"},
        {"-160729364136014076844446223486552229", "555355", 4, 9, "-28941733510279744819880297.014801745"},
        {"977684213909600821169807507606", "845423", 0, 6, "1156443832152189875565021.897448"},
        {"360452791792993389438971705271104734", "24704394205714432406008135397667417218", 4, 0, "0"},
        {"634510307176558226295244275596622283", "78892528485961383804541662857991959496", 0, 7, "0.0080427"},
        {"-24588959925420476633169013906914271143", "147485690697310620989253723656", 4, 1, "-16672.1"},
        {"-1022329252965523024649615189867", "16298808238223486203", 0, 0, "-62724172100"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char out[DECIMAL_SIZE];
        size_t len = decimal_format_ratio(parse(cases[i].numerator), parse(cases[i].denominator), cases[i].scale,
                                          cases[i].decimals, out);
        check_text(out, cases[i].text, cases[i].numerator);
        CU_ASSERT_EQUAL(len, strlen(cases[i].text));
    }
}

static void test_fits(void)
{
    char text[DECIMAL_SIZE] = "", money[DECIMAL_SIZE];
    int128 limit = parse("1000000000000000000000000000000000000"), value;
    CU_ASSERT(decimal_fits(0) && decimal_fits(limit - 1) && decimal_fits(1 - limit));
    CU_ASSERT(!decimal_fits(limit) && !decimal_fits(-limit) && !decimal_fits(100 * limit));
    for (int i = 0; i < 2; i++) { /* what fits is what can be read back */
        (void)decimal_format_int128(limit - 1 + i, text);
        (void)decimal_format_money(limit - 1 + i, money);
        CU_ASSERT_EQUAL(decimal_parse_int128(text, strlen(text), &value), i == 0);
        CU_ASSERT_EQUAL(decimal_parse_units(money, strlen(money), &value), i == 0);
    }
}

int main(void)
{
    CU_TestInfo tests[] = {
        TEST(test_grammar_of_numbers),
        TEST(test_equal),
        TEST(test_int64),
        TEST(test_money),
        TEST(test_money_of_many_digits),
        TEST(test_money_whose_digits_make_up_for_a_huge_exponent),
        TEST(test_money_rounds_half_to_even),
        TEST(test_int128),
        TEST(test_format_int128_limits),
        TEST(test_format_money),
        TEST(test_parse_units),
        TEST(test_parse_units_never_overflows),
        TEST(test_ratio),
        TEST(test_ratio_of_large_numbers),
        TEST(test_fits),
        CU_TEST_INFO_NULL,
    };
    return run_tests("decimal", tests);
}
