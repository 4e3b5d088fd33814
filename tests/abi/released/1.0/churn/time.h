/** @file
 * RFC 3339 times, kept as milliseconds since 1970-01-01T00:00:00Z (proleptic Gregorian calendar, no leap seconds).
 * Compiled into whoever includes it: churn_time_parse and churn_time_format are the interface, the rest serves them.
 */
#ifndef CHURN_TIME_H
#define CHURN_TIME_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define CHURN_TIME_SIZE 25                      /**< YYYY-MM-DDTHH:MM:SS.mmmZ and a NUL */
#define CHURN_TIME_MIN INT64_C(-62167219200000) /**< 0000-01-01T00:00:00.000Z */
#define CHURN_TIME_MAX INT64_C(253402300799999) /**< 9999-12-31T23:59:59.999Z */
#define CHURN_TIME_DAY_MS 86400000

/* Days since 1970-01-01; Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", days_from_civil. */
static inline int64_t churn_time_days_from_civil(int64_t year, unsigned month, unsigned day)
{
    year -= month <= 2;
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    unsigned year_of_era = (unsigned)(year - era * 400);
    unsigned day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    unsigned day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + (int64_t)day_of_era - 719468;
}

/* Reads exactly `n` digits. */
static inline int churn_time_digits(const char *at, unsigned n, unsigned *ret)
{
    unsigned value = 0;
    for (unsigned i = 0; i < n; i++) {
        unsigned digit = (unsigned)(unsigned char)at[i] - '0';
        if (digit > 9) {
            return 0;
        }
        value = value * 10 + digit;
    }
    *ret = value;
    return 1;
}

static inline unsigned churn_time_days_in_month(unsigned year, unsigned month)
{
    static const unsigned char days[] = {0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return month == 2 && leap ? 29 : days[month];
}

/* "YYYY-MM-DDTHH:MM:SS" */
static inline int churn_time_parse_seconds(const char *at, int64_t *ret_ms)
{
    unsigned year, month, day, hour, minute, second;
    if (!churn_time_digits(at, 4, &year) || at[4] != '-' || !churn_time_digits(at + 5, 2, &month) || at[7] != '-' ||
        !churn_time_digits(at + 8, 2, &day) || (at[10] != 'T' && at[10] != 't') ||
        !churn_time_digits(at + 11, 2, &hour) || at[13] != ':' || !churn_time_digits(at + 14, 2, &minute) ||
        at[16] != ':' || !churn_time_digits(at + 17, 2, &second)) {
        return 0;
    }
    if (month < 1 || month > 12 || day < 1 || day > churn_time_days_in_month(year, month) || hour > 23 || minute > 59 ||
        second > 59) {
        return 0;
    }
    *ret_ms = churn_time_days_from_civil(year, month, day) * CHURN_TIME_DAY_MS +
              (int64_t)(hour * 3600 + minute * 60 + second) * 1000;
    return 1;
}

/* ".123456": sets *ret_ms and returns the length, 0 when there is none or it has no digit. */
static inline size_t churn_time_parse_fraction(const char *at, size_t len, int64_t *ret_ms)
{
    int64_t ms = 0, unit = 100;
    size_t i = 1;
    if (len < 2 || at[0] != '.') {
        return 0;
    }
    for (; i < len && at[i] >= '0' && at[i] <= '9'; i++, unit /= 10) {
        ms += (at[i] - '0') * unit;
    }
    *ret_ms = ms;
    return i > 1 ? i : 0;
}

/* "Z" or "+HH:MM", which must be all that is left. */
static inline int churn_time_parse_offset(const char *at, size_t len, int64_t *ret_ms)
{
    unsigned hour, minute;
    if (len == 1 && (at[0] == 'Z' || at[0] == 'z')) {
        *ret_ms = 0;
        return 1;
    }
    if (len != 6 || (at[0] != '+' && at[0] != '-') || !churn_time_digits(at + 1, 2, &hour) || at[3] != ':' ||
        !churn_time_digits(at + 4, 2, &minute) || hour > 23 || minute > 59) {
        return 0;
    }
    *ret_ms = (int64_t)(hour * 60 + minute) * (at[0] == '-' ? -60000 : 60000);
    return 1;
}

/** Reads a date-time of RFC 3339 section 5.6 with `Z` or an offset; digits beyond the millisecond are cut off. 1 and
 *  *ret_ms, or 0 for anything else, for a time that does not exist (30 February, 24:00, a second 60, which this count
 * of milliseconds cannot express) and for one outside the UTC years 0000–9999. [any] */
static inline int churn_time_parse(const char *text, size_t len, int64_t *ret_ms)
{
    int64_t ms, fraction = 0, offset;
    size_t used = 19;
    if (len < 20 || !churn_time_parse_seconds(text, &ms)) {
        return 0;
    }
    used += churn_time_parse_fraction(text + used, len - used, &fraction);
    if (used >= len || !churn_time_parse_offset(text + used, len - used, &offset)) {
        return 0;
    }
    ms += fraction - offset;
    if (ms < CHURN_TIME_MIN || ms > CHURN_TIME_MAX) {
        return 0;
    }
    *ret_ms = ms;
    return 1;
}

static inline char *churn_time_put_digits(char *at, unsigned value, unsigned n, char after)
{
    for (unsigned i = n; i-- > 0; value /= 10) {
        at[i] = (char)('0' + value % 10);
    }
    at[n] = after;
    return at + n + 1;
}

/** Writes UTC as YYYY-MM-DDTHH:MM:SS.mmmZ with a NUL; `ms` lies between CHURN_TIME_MIN and CHURN_TIME_MAX. [any] */
static inline void churn_time_format(int64_t ms, char out[CHURN_TIME_SIZE])
{
    int64_t days = ms / CHURN_TIME_DAY_MS - (ms % CHURN_TIME_DAY_MS < 0);
    unsigned rest = (unsigned)(ms - days * CHURN_TIME_DAY_MS);
    /* civil_from_days, from the same paper; `days` counts from 0000-03-01 */
    days += 719468;
    int64_t era = (days >= 0 ? days : days - 146096) / 146097;
    unsigned day_of_era = (unsigned)(days - era * 146097);
    unsigned year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    unsigned day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    unsigned shifted = (5 * day_of_year + 2) / 153;
    unsigned month = shifted < 10 ? shifted + 3 : shifted - 9;
    unsigned year = (unsigned)((int64_t)year_of_era + era * 400 + (month <= 2));
    out = churn_time_put_digits(out, year, 4, '-');
    out = churn_time_put_digits(out, month, 2, '-');
    out = churn_time_put_digits(out, day_of_year - (153 * shifted + 2) / 5 + 1, 2, 'T');
    out = churn_time_put_digits(out, rest / 3600000, 2, ':');
    out = churn_time_put_digits(out, rest / 60000 % 60, 2, ':');
    out = churn_time_put_digits(out, rest / 1000 % 60, 2, '.');
    out = churn_time_put_digits(out, rest % 1000, 3, 'Z');
    *out = '\0';
}

#ifdef __cplusplus
}
#endif
#endif
