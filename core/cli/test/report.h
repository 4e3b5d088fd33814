/* What became of tests, for people, for programs and for build servers (JUnit's XML). */
#ifndef TEST_REPORT_H
#define TEST_REPORT_H

#include "cli/test/bench.h"
#include "cli/test/compare.h"
#include <stdio.h>

struct test_result {
    const struct test_case *test;
    bool passed;
    struct test_outcome outcome;
    struct differences differences;
};

/* A whole run; the results are the caller's. */
struct test_report {
    const char *pipeline; /* its name */
    struct test_result *results;
    unsigned count, failed;
    double seconds;
};

void test_report_result(FILE *out, const struct test_result *result);
void test_report_summary(FILE *out, const struct test_report *report);
/* False when memory ran out. */
bool test_report_json(FILE *out, const struct test_report *report);
bool test_report_junit(FILE *out, const struct test_report *report);

#endif
