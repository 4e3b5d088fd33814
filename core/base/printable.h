/* Text for a person's terminal. Customers' data, other people's files and what servers answer may hold control
 * characters that make a terminal do things; they are shown as what they are: `\u001b`, in JSON the same character
 * still. */
#ifndef PRINTABLE_H
#define PRINTABLE_H

#include "base/json_text.h"
#include <stdio.h>

/* Appends `bytes` with control characters, but for line ends and tabs, as \u001b, and what is no UTF-8 as \x9b. Returns
 * how many were taken: a character at the end that may go on is left, unless these are the `last` bytes. */
size_t printable_append(struct text *out, const char *bytes, size_t len, bool last);

/* The same for a text within a line: line ends and tabs too. */
void printable_append_line(struct text *out, const char *bytes, size_t len);

/* Whether that changes nothing. */
bool printable_is_plain(const char *text);

/* fprintf of a part of a line, whatever its arguments hold, and of a whole one, with its end. */
CHURN_PRINTF(2, 3) void printable_print(FILE *out, const char *format, ...);
CHURN_PRINTF(2, 3) void printable_line(FILE *out, const char *format, ...);

/* Prints it to standard output; as a JSON string where it has control characters, line ends too. */
void printable_put(churn_str text);

/* Standard output and standard error do that with all that goes through stdio from here on; what is written to the
 * descriptors is as it is. Call before other threads exist. False when memory ran out. */
bool printable_streams(void);

#endif
