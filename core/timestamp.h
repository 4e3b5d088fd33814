/* RFC 3339 times, kept as milliseconds since 1970-01-01T00:00:00Z (proleptic Gregorian calendar, no leap seconds). */
#ifndef TIMESTAMP_H
#define TIMESTAMP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TIMESTAMP_SIZE sizeof "YYYY-MM-DDTHH:MM:SS.mmmZ"
#define TIMESTAMP_MIN INT64_C(-62167219200000) /* 0000-01-01T00:00:00.000Z */
#define TIMESTAMP_MAX INT64_C(253402300799999) /* 9999-12-31T23:59:59.999Z */

/* Reads a date-time of RFC 3339 section 5.6 with `Z` or an offset; digits beyond the millisecond are cut off. False,
 * and *ret_ms untouched, for anything else, for a time that does not exist (30 February, 24:00, a second 60, which this
 * count of milliseconds cannot express) and for one outside the UTC years 0000–9999. */
bool timestamp_parse(const char *text, size_t len, int64_t *ret_ms);

/* Writes UTC as YYYY-MM-DDTHH:MM:SS.mmmZ with a NUL; `ms` lies in the years 0000–9999. */
void timestamp_format(int64_t ms, char out[TIMESTAMP_SIZE]);

#endif
