/* What fakes were asked for, in order, as one text that a test compares. Included behind check.h. */
#ifndef TESTS_UNIT_TRACE_H
#define TESTS_UNIT_TRACE_H

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static char trace[8192]; /* "put 10; flush; commit 10; " */

__attribute__((format(printf, 1, 2))) static void note(const char *format, ...)
{
    size_t len = strlen(trace);
    va_list args;
    va_start(args, format);
    (void)vsnprintf(trace + len, sizeof trace - len, format, args);
    va_end(args);
}

/* Since the last call, exactly this was asked for. */
static void check_trace(const char *expected, const char *when)
{
    check_text(trace, expected, when);
    trace[0] = '\0';
}

#endif
