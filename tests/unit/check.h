/* Assertions for tables of cases: a failure says which case it was and what came out. */
#ifndef TESTS_UNIT_CHECK_H
#define TESTS_UNIT_CHECK_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/cunit_main.h"

#define SHOWN_FAILURES 20

__attribute__((format(printf, 2, 3))) static inline void check(bool ok, const char *format, ...)
{
    static unsigned failures;
    if (ok || failures < SHOWN_FAILURES) { /* a wrong table would otherwise fill the log */
        CU_ASSERT(ok);
    }
    if (!ok && failures++ < SHOWN_FAILURES) {
        va_list args;
        va_start(args, format);
        (void)fprintf(stderr, "\n  case: ");
        (void)vfprintf(stderr, format, args);
        va_end(args);
    }
}

static inline void check_text(const char *got, const char *expected, const char *what)
{
    check(strcmp(got, expected) == 0, "%s: expected \"%s\", got \"%s\"", what, expected, got);
}

static inline void check_contains(const char *text, const char *part, const char *what)
{
    check(strstr(text, part) != NULL, "%s: \"%s\" is not in \"%s\"", what, part, text);
}

/* A text in memory of exactly its size, so that a sanitizer sees each byte read behind it. */
static inline char *exact_copy(const char *bytes, size_t len)
{
    char *copy = malloc(len != 0 ? len : 1);
    if (copy == NULL) {
        abort();
    }
    memcpy(copy, bytes, len);
    return copy;
}

/* The same numbers in every run (splitmix64). */
static inline uint64_t next_random(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#endif
