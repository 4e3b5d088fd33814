/* The sinks that predict, in a test that has answers: each is what `prediction_local` is, with the crossings of its own
 * section, and the test says what its model answers. One thread at a time. */
#ifndef TEST_PREDICTING_H
#define TEST_PREDICTING_H

#include "cli/test/cases.h"

struct json_object;
struct predicting;

/* `sinks` are the pipeline's own, as many as test_sink_count says. NULL, with a message to standard error, when it
 * cannot be done. */
struct predicting *predicting_new(const struct pipeline *pipeline, const struct section *sinks,
                                  const struct test_case *test);
/* May be NULL. */
void predicting_free(struct predicting *predicting);

/* The section that stands for the sink of this number; NULL: it does not predict. */
const struct section *predicting_section(const struct predicting *predicting, unsigned sink);
/* For `adapt_host`: gives instances of such a section what they need in place of a run's services. */
void predicting_adapt(struct predicting *predicting, churn_host *host);

/* What came of it: the predictions, by event and sink, and under `left` and `lacking` the numbers of the answers that
 * nobody asked for and the triggers that had none. The caller's; NULL when memory ran out. */
struct json_object *predicting_predictions(struct predicting *predicting);
struct json_object *predicting_answers(const struct predicting *predicting);

#endif
