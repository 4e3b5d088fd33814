#include "base/decimal.h"

#include <string.h>

__extension__ typedef unsigned __int128 uint128;

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static size_t skip_digits(const char *text, size_t len, size_t i)
{
    while (i < len && is_digit(text[i])) {
        i++;
    }
    return i;
}

bool decimal_is_number(const char *text, size_t len)
{
    size_t i = len > 0 && text[0] == '-', start = i;
    i = skip_digits(text, len, i);
    if (i == start || (text[start] == '0' && i > start + 1)) {
        return false;
    }
    if (i < len && text[i] == '.') {
        start = ++i;
        i = skip_digits(text, len, i);
        if (i == start) {
            return false;
        }
    }
    if (i < len && (text[i] == 'e' || text[i] == 'E')) {
        i++;
        i += i < len && (text[i] == '+' || text[i] == '-');
        start = i;
        i = skip_digits(text, len, i);
        if (i == start) {
            return false;
        }
    }
    return i == len;
}

/* A number as 0.d₁d₂… · 10^exponent, without zeros at either end of the digits; zero has none. */
struct normal {
    bool negative;
    const char *first, *last; /* digits, perhaps with a point among them */
    int64_t exponent;
};

static int64_t read_exponent(const char *text, size_t len)
{
    bool negative = len > 0 && *text == '-';
    int64_t value = 0;
    for (size_t i = len > 0 && !is_digit(*text); i < len && value < INT32_MAX; i++) {
        value = value * 10 + (text[i] - '0');
    }
    return negative ? -value : value;
}

static struct normal normalise(const char *text, size_t len)
{
    struct normal n = {.negative = *text == '-'};
    const char *end = text + len, *mantissa_end = text, *point;
    while (mantissa_end < end && *mantissa_end != 'e' && *mantissa_end != 'E') {
        mantissa_end++;
    }
    point = memchr(text, '.', (size_t)(mantissa_end - text));
    point = point != NULL ? point : mantissa_end;
    for (const char *at = text + n.negative; at < mantissa_end; at++) {
        if (*at != '.' && *at != '0') {
            n.first = n.first != NULL ? n.first : at;
            n.last = at;
        }
    }
    if (n.first == NULL) {
        return (struct normal){0};
    }
    n.exponent = mantissa_end < end ? read_exponent(mantissa_end + 1, (size_t)(end - mantissa_end - 1)) : 0;
    n.exponent += point > n.first ? point - n.first : point - n.first + 1;
    return n;
}

bool decimal_equal(const char *a, size_t a_len, const char *b, size_t b_len)
{
    struct normal x = normalise(a, a_len), y = normalise(b, b_len);
    const char *i = x.first, *j = y.first;
    if (x.negative != y.negative || x.exponent != y.exponent || (i == NULL) != (j == NULL)) {
        return false;
    }
    for (; i != NULL && i <= x.last && j <= y.last; i++, j++) {
        i += *i == '.';
        j += *j == '.';
        if (*i != *j) {
            return false;
        }
    }
    return i == NULL || (i > x.last && j > y.last);
}

bool decimal_parse_int64(const char *text, size_t len, int64_t *ret)
{
    bool negative = len > 0 && text[0] == '-';
    uint64_t limit = (uint64_t)INT64_MAX + negative, value = 0;
    if (len == (size_t)negative) {
        return false;
    }
    for (size_t i = negative; i < len; i++) {
        unsigned digit = (unsigned)(unsigned char)text[i] - '0';
        if (digit > 9 || value > (limit - digit) / 10) {
            return false;
        }
        value = value * 10 + digit;
    }
    *ret = (int64_t)(negative ? 0 - value : value);
    return true;
}

#define EXPONENT_LIMIT 10000000 /* more than a record has digits to make up for */

/* The exponent of a JSON number; beyond the limit only "too large" and "rounds to nothing" remain. */
static int64_t parse_exponent(const char *text, size_t len)
{
    bool negative = len > 0 && text[0] == '-';
    int64_t value = 0;
    for (size_t i = len > 0 && !is_digit(text[0]); i < len && value < EXPONENT_LIMIT; i++) {
        value = value * 10 + (text[i] - '0');
    }
    return negative ? -value : value;
}

/* Where the digits of a number lie relative to the fourth decimal, found without changing the text. */
struct mantissa {
    const char *text;
    size_t len;        /* of the part before any exponent */
    int64_t units_end; /* how many digits make up the units; digits behind them are rounded off */
    bool negative;
};

static struct mantissa split_number(const char *text, size_t len)
{
    struct mantissa m = {.negative = text[0] == '-'};
    int64_t exponent = 0;
    size_t e = 0, point;
    while (e < len && text[e] != 'e' && text[e] != 'E') {
        e++;
    }
    if (e < len) {
        exponent = parse_exponent(text + e + 1, len - e - 1);
    }
    m.text = text + m.negative;
    m.len = e - m.negative;
    const char *dot = memchr(m.text, '.', m.len);
    point = dot != NULL ? (size_t)(dot - m.text) : m.len;
    m.units_end = (int64_t)point + exponent + 4;
    return m;
}

bool decimal_parse_money(const char *text, size_t len, int64_t *ret_units)
{
    struct mantissa m = split_number(text, len);
    int64_t units = 0, seen = 0;
    int next = 0; /* first digit behind the units */
    bool rest = false, any = false;
    for (size_t i = 0; i < m.len; i++) {
        int digit = m.text[i] - '0';
        if (m.text[i] == '.') {
            continue;
        }
        any = any || digit != 0;
        if (seen < m.units_end) {
            units = units * 10 + digit;
            if (units > MONEY_MAX) {
                return false;
            }
        } else if (seen == m.units_end) {
            next = digit;
        } else {
            rest = rest || digit != 0;
        }
        seen++;
    }
    for (; seen < m.units_end && units != 0; seen++) {
        if (units > MONEY_MAX / 10) {
            return false;
        }
        units *= 10;
    }
    if (m.units_end < 0) { /* even the first digit lies behind the fifth decimal */
        rest = any;
        next = 0;
    }
    if ((m.negative && any) || (units == MONEY_MAX && (next != 0 || rest))) {
        return false;
    }
    units += next > 5 || (next == 5 && (rest || units % 2 != 0));
    *ret_units = units;
    return true;
}

#define MAX_DIGITS 36 /* 10^36 is far below 2^127 and above any sum this program can reach */

static bool parse_digits(const char *text, size_t len, int128 *value)
{
    if (len == 0 || len > MAX_DIGITS) {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        if (!is_digit(text[i])) {
            return false;
        }
        *value = *value * 10 + (text[i] - '0');
    }
    return true;
}

bool decimal_parse_int128(const char *text, size_t len, int128 *ret)
{
    bool negative = len > 0 && text[0] == '-';
    int128 value = 0;
    if (!parse_digits(text + negative, len - negative, &value)) {
        return false;
    }
    *ret = negative ? -value : value;
    return true;
}

bool decimal_parse_units(const char *text, size_t len, int128 *ret_units)
{
    bool negative = len > 0 && text[0] == '-';
    const char *dot = memchr(text, '.', len);
    size_t whole = (dot != NULL ? (size_t)(dot - text) : len) - negative;
    size_t fraction = dot != NULL ? len - negative - whole - 1 : 0;
    int128 units = 0;
    if (fraction > 4 || whole > MAX_DIGITS - 4 || !parse_digits(text + negative, whole, &units) ||
        (fraction > 0 && !parse_digits(dot + 1, fraction, &units))) {
        return false;
    }
    for (size_t i = fraction; i < 4; i++) {
        units *= 10;
    }
    *ret_units = negative ? -units : units;
    return true;
}

/* The digits of what is not 0, backwards from `end`; returns the first. */
static char *put_digits64(uint64_t value, char *end)
{
    static const char pairs[] =
        "0001020304050607080910111213141516171819202122232425262728293031323334353637383940414243444546474849"
        "5051525354555657585960616263646566676869707172737475767778798081828384858687888990919293949596979899";
    for (; value >= 100; value /= 100) {
        end -= 2;
        memcpy(end, pairs + value % 100 * 2, 2);
    }
    if (value >= 10) {
        end -= 2;
        memcpy(end, pairs + value * 2, 2);
    } else if (value > 0) {
        *--end = (char)('0' + value);
    }
    return end;
}

/* Writes `value` with at least `min_digits` digits, backwards from `end`; returns the first. */
static char *put_digits(uint128 value, unsigned min_digits, char *end)
{
    const char *first = end - min_digits;
    while (value > UINT64_MAX) {
        *--end = (char)('0' + (int)(value % 10));
        value /= 10;
    }
    end = put_digits64((uint64_t)value, end); /* far cheaper */
    while (end > first) {
        *--end = '0';
    }
    return end;
}

/* a / b and what is left, in 64 bits where they suffice. */
static uint128 divide(uint128 a, uint128 b, uint128 *ret_rest)
{
    uint128 quotient = a <= UINT64_MAX && b <= UINT64_MAX ? (uint64_t)a / (uint64_t)b : a / b;
    *ret_rest = a - quotient * b;
    return quotient;
}

/* Writes a number of which the last `decimals` digits, of those from `first` to `end`, lie behind the point. */
static size_t write_number(bool negative, const char *first, const char *end, unsigned decimals, char out[DECIMAL_SIZE])
{
    size_t whole = (size_t)(end - first) - decimals, len = 0;
    if (negative) {
        out[len++] = '-';
    }
    /* NOLINTNEXTLINE(clang-analyzer-unix.cstring.UninitializedRead): whoever calls has written from `first` on */
    memcpy(out + len, first, whole);
    len += whole;
    if (decimals > 0) {
        out[len++] = '.';
        memcpy(out + len, first + whole, decimals);
        len += decimals;
    }
    out[len] = '\0';
    return len;
}

static uint128 magnitude(int128 value)
{
    return value < 0 ? 0 - (uint128)value : (uint128)value;
}

/* value / 10^decimals with all decimals shown. */
static size_t format_scaled(int128 value, unsigned decimals, char out[DECIMAL_SIZE])
{
    char buffer[DECIMAL_SIZE], *end = buffer + sizeof buffer;
    return write_number(value < 0, put_digits(magnitude(value), decimals + 1, end), end, decimals, out);
}

bool decimal_fits(int128 value)
{
    static const int128 limit = (int128)1000000000000000000 * 1000000000000000000; /* 10^MAX_DIGITS */
    return value > -limit && value < limit;
}

size_t decimal_format_int128(int128 value, char out[DECIMAL_SIZE])
{
    return format_scaled(value, 0, out);
}

size_t decimal_format_money(int128 units, char out[DECIMAL_SIZE])
{
    size_t len = format_scaled(units, 4, out);
    for (int i = 0; i < 2 && out[len - 1] == '0'; i++) {
        out[--len] = '\0';
    }
    return len;
}

static uint128 power_of_ten(unsigned exponent)
{
    uint64_t power = 1;
    for (; exponent > 0; exponent--) {
        power *= 10;
    }
    return power;
}

/* Adds a bit to a quotient that is made bit by bit: `rest`, at most twice the divisor, is brought below it. */
static unsigned step(unsigned quotient, uint128 *rest, uint128 divisor)
{
    bool one = *rest >= divisor;
    *rest -= one ? divisor : 0;
    return quotient + one;
}

/* The next decimal of rest / divisor, with rest < divisor < 2^127, where ten times the rest may not fit: 10 is
 * 2 · (2 · 2 + 1). */
static unsigned next_decimal(uint128 *rest, uint128 divisor)
{
    uint128 once = *rest;
    unsigned digit;
    *rest = 2 * once;
    digit = step(0, rest, divisor);
    *rest *= 2;
    digit = step(2 * digit, rest, divisor);
    *rest += once;
    digit = step(digit, rest, divisor);
    *rest *= 2;
    return step(2 * digit, rest, divisor);
}

/* The first `count` decimals of *rest / divisor, as a number; *rest becomes what is left of it. */
static uint64_t decimals_of(uint128 *rest, uint128 divisor, unsigned count)
{
    uint128 scaled;
    uint64_t decimals = 0;
    if (!__builtin_mul_overflow(*rest, power_of_ten(count), &scaled)) {
        return (uint64_t)divide(scaled, divisor, rest);
    }
    for (; count > 0; count--) {
        decimals = decimals * 10 + next_decimal(rest, divisor);
    }
    return decimals;
}

/* Whether what is left, of 1, rounds an odd or even number up. */
static bool rounds_up(uint128 rest, uint128 of, bool odd)
{
    return rest > of - rest || (rest == of - rest && odd);
}

size_t decimal_format_ratio(int128 numerator, int128 denominator, unsigned scale, unsigned decimals,
                            char out[DECIMAL_SIZE])
{
    unsigned more = decimals > scale ? decimals - scale : 0; /* decimals that the quotient itself has to have */
    uint128 divisor = (uint128)denominator, rest, whole = divide(magnitude(numerator), divisor, &rest);
    uint64_t fraction = decimals_of(&rest, divisor, more);
    char buffer[DECIMAL_SIZE], *end = buffer + sizeof buffer, *first;
    if (scale > decimals) { /* digits of the quotient are rounded off, and what is left of it breaks a tie */
        uint128 power = power_of_ten(scale - decimals), cut;
        bool below = rest != 0;
        whole = divide(whole, power, &cut);
        whole += rounds_up(2 * cut + below, 2 * power, whole % 2 != 0);
        scale = decimals;
    } else if (rounds_up(rest, divisor, (more > 0 ? fraction : (uint64_t)whole) % 2 != 0) &&
               ++fraction == power_of_ten(more)) {
        fraction = 0;
        whole++;
    }
    first = put_digits(fraction, more, end);
    first = put_digits(whole, scale + 1, first);
    return write_number(numerator < 0 && (whole != 0 || fraction != 0), first, end, decimals, out);
}
