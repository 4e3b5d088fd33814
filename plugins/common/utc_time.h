/* Times as the profile and the outputs show them: YYYY-MM-DDTHH:MM:SS.mmmZ. */
#ifndef UTC_TIME_H
#define UTC_TIME_H

#include <churn/result.h>

#define UTC_TIME_SIZE 25 /* the text with its NUL */

/* Writes `ms` since 1970-01-01T00:00:00Z, clamped to the years 0000–9999. */
void utc_time_format(int64_t ms, char text[UTC_TIME_SIZE]);

/* Reads exactly that form: 1 and *ret_ms, or 0 when `text` is anything else or a date that does not exist. */
int utc_time_parse(churn_str text, int64_t *ret_ms);

#endif
