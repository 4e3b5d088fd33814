/* Numbers and times as texts: reading what was written gives the same, and two ways of reading agree. */
#include "fuzz.h"

#include "core/base/decimal.h"
#include <churn/time.h>
#include <inttypes.h>

static void check_int64(const char *text, size_t len)
{
    int64_t number;
    int128 wide;
    char written[DECIMAL_SIZE];
    if (!decimal_parse_int64(text, len, &number)) {
        return;
    }
    size_t written_len = decimal_format_int128(number, written);
    promise(len > 36 || (decimal_parse_int128(text, len, &wide) && wide == number), "%.*s is one number", (int)len,
            text);
    promise(decimal_parse_int64(written, written_len, &number) && number == (int64_t)number && written_len <= 20,
            "%s is read again", written);
    promise(!decimal_is_number(text, len) || decimal_equal(text, len, written, written_len), "%.*s is %s", (int)len,
            text, written);
}

static void check_int128(const char *text, size_t len)
{
    int128 number, again;
    char written[DECIMAL_SIZE];
    if (!decimal_parse_int128(text, len, &number)) {
        return;
    }
    size_t written_len = decimal_format_int128(number, written);
    promise(decimal_fits(number), "%.*s fits, as it was read", (int)len, text);
    promise(decimal_parse_int128(written, written_len, &again) && again == number, "%s is read again", written);
}

/* In units, as stored profiles and conditions have money. */
static void check_units(const char *text, size_t len)
{
    int128 units, again;
    int64_t money;
    char written[DECIMAL_SIZE];
    if (!decimal_parse_units(text, len, &units)) {
        return;
    }
    size_t written_len = decimal_format_money(units, written);
    promise(decimal_parse_units(written, written_len, &again) && again == units, "%s is read again", written);
    if (decimal_is_number(text, len)) {
        bool is_money = decimal_parse_money(text, len, &money);
        promise(is_money == (units >= 0 && units <= MONEY_MAX), "%.*s is money, or is none", (int)len, text);
        promise(!is_money || money == units, "%.*s has one value", (int)len, text);
        promise(decimal_equal(text, len, written, written_len), "%.*s is %s", (int)len, text, written);
    }
}

/* Of any JSON number, whose value is half a unit away at most. */
static void check_money(const char *text, size_t len)
{
    int64_t units, again;
    char written[DECIMAL_SIZE];
    if (!decimal_parse_money(text, len, &units)) {
        return;
    }
    promise(units >= 0 && units <= MONEY_MAX, "%.*s is within the bounds of money", (int)len, text);
    size_t written_len = decimal_format_money(units, written);
    promise(decimal_is_number(written, written_len) && decimal_parse_money(written, written_len, &again) &&
                again == units,
            "%s is read again", written);
    long double units_off = strtold(text, NULL) * MONEY_SCALE - units;
    promise(units_off < 0.501L && units_off > -0.501L, "%.*s is about %s", (int)len, text, written);
}

/* Halfway between two units it is the even one. */
static void check_tie(const char *text, size_t len)
{
    const char *point = memchr(text, '.', len);
    int128 units;
    int64_t money;
    if (point == NULL || text[0] == '-' || text + len - point != 6 || text[len - 1] != '5' ||
        !decimal_is_number(text, len) || !decimal_parse_units(text, len - 1, &units) || units < 0 ||
        units >= MONEY_MAX) {
        return;
    }
    promise(decimal_parse_money(text, len, &money) && money == units + units % 2, "%.*s is rounded to the even unit",
            (int)len, text);
}

/* Two numbers with a blank between them. */
static void check_equal(churn_str a, churn_str b)
{
    if (decimal_is_number(a.ptr, a.len) && decimal_is_number(b.ptr, b.len)) {
        int64_t x, y;
        bool equal = decimal_equal(a.ptr, a.len, b.ptr, b.len);
        promise(equal == decimal_equal(b.ptr, b.len, a.ptr, a.len), "equality has no side");
        promise(decimal_equal(a.ptr, a.len, a.ptr, a.len), "a number equals itself");
        if (decimal_parse_int64(a.ptr, a.len, &x) && decimal_parse_int64(b.ptr, b.len, &y)) {
            promise(equal == (x == y), "%" PRId64 " and %" PRId64 " are compared as numbers", x, y);
        }
    }
}

/* A quotient with all of its decimals is half a unit of the last one away from the true one at most. */
static void check_ratio(churn_str a, churn_str b)
{
    int128 x, y, shown, whole;
    char written[DECIMAL_SIZE];
    if (!decimal_parse_int128(a.ptr, a.len, &x) || !decimal_parse_int128(b.ptr, b.len, &y) || y <= 0) {
        return;
    }
    for (unsigned decimals = 0; decimals <= 9; decimals++) {
        size_t len = decimal_format_ratio(x, y, 0, decimals, written);
        promise(decimal_is_number(written, len), "%s is a number", written);
        promise(decimals == 0 || (len > decimals && written[len - decimals - 1] == '.'), "%s shows its %u decimals",
                written, decimals);
    }
    (void)decimal_format_ratio(x, y, 0, 0, written);
    promise(decimal_parse_int128(written, strlen(written), &shown), "%s is a whole number", written);
    whole = x / y;
    promise(shown - whole <= 1 && shown - whole >= -1, "%s is rounded from the quotient", written);
}

static void check_time(const char *text, size_t len)
{
    int64_t ms, again;
    char written[CHURN_TIME_SIZE];
    if (!churn_time_parse(text, len, &ms)) {
        return;
    }
    promise(ms >= CHURN_TIME_MIN && ms <= CHURN_TIME_MAX, "%.*s is within the bounds of times", (int)len, text);
    churn_time_format(ms, written);
    promise(churn_time_parse(written, strlen(written), &again) && again == ms, "%s is read again", written);
    if (len == CHURN_TIME_SIZE - 1 && text[len - 1] == 'Z' && text[10] == 'T') {
        promise(memcmp(text, written, len) == 0, "%.*s is written as it was", (int)len, text);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *copy = fuzz_copy(data, size), *ended = fuzz_text(data, size);
    churn_str rest = {.ptr = copy, .len = (uint32_t)size}, first = fuzz_take(&rest, ' ');
    check_int128(copy, size);
    check_int64(copy, size);
    check_units(copy, size);
    check_tie(copy, size);
    check_time(copy, size);
    if (decimal_is_number(copy, size)) {
        check_money(ended, size);
    }
    check_equal(first, rest);
    check_ratio(first, rest);
    free(ended);
    free(copy);
    return 0;
}
