/* Exact decimal numbers: money in units of 1/10,000 and 128-bit whole numbers, never through a binary float. */
#ifndef DECIMAL_H
#define DECIMAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

__extension__ typedef __int128 int128;

#define MONEY_SCALE 10000
#define MONEY_MAX INT64_C(9999999999999999) /* 999,999,999,999.9999 */
#define DECIMAL_SIZE 56                     /* any int128 with nine decimals, a sign, a point and a NUL */

/* True when `text` is a number by RFC 8259 section 6. */
bool decimal_is_number(const char *text, size_t len);

/* Whether two JSON numbers, of any size, are the same number: 1.50 and 15e-1 are. */
bool decimal_equal(const char *a, size_t a_len, const char *b, size_t b_len);

/* A JSON number (checked by decimal_is_number) without fraction or exponent that fits 64 bits. */
bool decimal_parse_int64(const char *text, size_t len, int64_t *ret);

/* A JSON number (checked by decimal_is_number) in 0 … MONEY_MAX/MONEY_SCALE, judged before it is rounded half to even
 * to four decimals. */
bool decimal_parse_money(const char *text, size_t len, int64_t *ret_units);

/* Whole numbers and money as this program writes them, of up to 36 digits. */
bool decimal_parse_int128(const char *text, size_t len, int128 *ret);
bool decimal_parse_units(const char *text, size_t len, int128 *ret_units);
/* Whether a number, or units of money, can be read back by these. */
bool decimal_fits(int128 value);

/* Each returns the length written, with a NUL behind it. */
size_t decimal_format_int128(int128 value, char out[DECIMAL_SIZE]);
/* At least two decimals, no trailing zeros beyond them. */
size_t decimal_format_money(int128 units, char out[DECIMAL_SIZE]);
/* numerator / (denominator · 10^scale), rounded half to even to `decimals` (0–9) places, all of them shown; denominator
 * > 0. `scale` is 4 for a numerator in money units, else 0. */
size_t decimal_format_ratio(int128 numerator, int128 denominator, unsigned scale, unsigned decimals,
                            char out[DECIMAL_SIZE]);

#endif
