/* The tests of a pipeline as YAML declares them: what is stored before, the events, what is expected. */
#ifndef TEST_CASES_H
#define TEST_CASES_H

#include "base/json_text.h"
#include "cli/test/answers.h"
#include "pipeline/pipeline.h"

struct test_event {
    char *topic; /* where it was read */
    int32_t partition;
    int64_t offset;
    int64_t timestamp_ms; /* of the record; 0: none */
    bool has_key, has_value;
    struct text key, value;
};

/* The options of a test that are plain values. */
struct test_settings {
    const char *name;
    const char *now;
};

struct test_case {
    const struct config *config; /* of its file, which outlives it */
    const struct node *node;
    const struct node *profiles; /* stored before; NULL: none */
    const struct node *expect;
    bool exactly;
    int64_t now_ms; /* 0: the time */
    struct test_settings settings;
    struct test_event *events;
    unsigned event_count;
    struct test_answers answers;
};

/* Starts zeroed. */
struct test_cases {
    struct test_case *items;
    unsigned count;
};

/* Adds the tests under `tests:` of a file; `pipeline` is what they are checked against, loaded and not yet on a bench.
 * Every mistake is reported to `config`. False when there was one. */
bool test_cases_read(struct test_cases *cases, const struct pipeline *pipeline, struct config *config);
void test_cases_free(struct test_cases *cases);

#endif
