/* Compares what happened in a test, as JSON, with what its YAML says, which names only what it is about. */
#ifndef TEST_COMPARE_H
#define TEST_COMPARE_H

#include "config/config.h"

struct json_object;
struct test_case;

/* One thing that is not as expected. */
struct difference {
    unsigned line, column; /* of what the test says */
    char *where;           /* "profiles: cust_1: order_count" */
    char *expected;        /* as JSON; NULL: nothing of the kind */
    char *actual;          /* as JSON; NULL: nothing of the kind */
};

/* Starts zeroed. */
struct differences {
    struct difference *items;
    unsigned count, room;
    bool failed; /* memory ran out */
};

/* Adds every difference between a test's `expect` and what happened, which has the same form. */
void test_compare(struct differences *differences, const struct test_case *test, struct json_object *actual);
void differences_free(struct differences *differences);

#endif
