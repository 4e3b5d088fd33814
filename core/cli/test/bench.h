/* Runs one test at a time through a pipeline whose source, store and sinks are the bench's: the worker, the event
 * types, the processors and the rules are those of `churnd run`. */
#ifndef TEST_BENCH_H
#define TEST_BENCH_H

#include "base/log.h"
#include "cli/test/cases.h"
#include <limits.h>

struct json_object;
struct predicting;
struct worker;

/* What a sink was given. */
struct test_record {
    uint64_t id; /* of the output: one that several sinks take has one id, and later ones have higher ids */
    uint32_t kind;
    unsigned sink;
    struct json_object *shown;
};

/* What stands in the place of the pipeline's source and sinks. */
struct test_plugins {
    const struct loaded *source, *sink;
};

struct test_bench {
    struct pipeline *pipeline;
    struct node nothing;   /* the options of the bench's own plugins: none */
    struct node store;     /* the options of its store */
    struct section *sinks; /* as the pipeline itself has them; owned */
    int32_t log_level;

    /* of the test that runs */
    const struct test_case *test;
    char folder[PATH_MAX]; /* of its store */
    void *session;         /* of the store; NULL: the pipeline has none */
    struct test_record *records;
    uint32_t record_count, record_room;
    struct predicting *predicting; /* its sinks that predict; NULL: it has no answers */
    struct worker *worker;
};

/* How a test ended. */
struct test_outcome {
    char failure[512]; /* why it did not come to its end, "" when it did */
    double seconds;
    char *log;                  /* what the engine and its plugins had to say; owned */
    struct json_object *actual; /* what happened, in the form of `expect`; owned; NULL: it did not come to its end */
};

/* Puts a pipeline on the bench; it stays the caller's, and is freed before the bench is. False, with a message to
 * standard error, when it cannot be done. */
bool test_bench_init(struct test_bench *bench, struct pipeline *pipeline, const struct test_plugins *plugins,
                     int32_t log_level);
void test_bench_free(struct test_bench *bench);

/* Runs one test, in a process of its own: a plugin that crashes or hangs costs that test. False, with a message to
 * standard error, when it could not be run at all. */
bool test_bench_run(struct test_bench *bench, const struct test_case *test, struct test_outcome *outcome);
void test_outcome_free(struct test_outcome *outcome);

#endif
