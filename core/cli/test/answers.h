/* What a test says that models answer, as YAML declares it. */
#ifndef TEST_ANSWERS_H
#define TEST_ANSWERS_H

#include "pipeline/pipeline.h"

/* Texts are the configuration's. */
struct test_answer {
    const struct node *node;
    const char *customer_id;
    int sink;                      /* that it is for; -1: any */
    const char *churn_probability; /* a JSON number; NULL: the model fails this time */
    const char *risk_level;        /* NULL: the one that belongs to the probability */
    const char *model_version;     /* NULL: none */
};

struct test_answers {
    const struct node *node; /* NULL: the test has none, and nobody is asked */
    struct test_answer *items;
    unsigned count;
};

/* Reads `answers:` of a test, checked against the pipeline, loaded and not yet on a bench. Every mistake is reported to
 * `config`. False when there was one. */
bool test_answers_read(struct test_answers *answers, const struct pipeline *pipeline, struct config *config,
                       const struct node *test);
void test_answers_free(struct test_answers *answers);

#endif
