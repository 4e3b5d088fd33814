/* Times that a person writes as an option: RFC 3339 with `Z` or an offset. */
#ifndef RFC3339_H
#define RFC3339_H

#include <stdint.h>

/* Reads a whole date-time of RFC 3339 section 5.6; digits beyond the millisecond are cut off. 1 and *ret_ms (since
 * 1970-01-01T00:00:00Z), or 0 when `text` is anything else or a time that does not exist. */
int rfc3339_parse(const char *text, int64_t *ret_ms);

#endif
