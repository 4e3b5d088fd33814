/* The sinks of a pipeline, as tests speak of them. */
#ifndef TEST_SINKS_H
#define TEST_SINKS_H

#include "pipeline/pipeline.h"

/* The sink that a test calls `name`: its own name or its plugin's, or its place in the list, from 1. -1: none; -2: more
 * than one. Dead letters have a name of their own. */
int test_sink_find(const struct pipeline *pipeline, const char *name);
unsigned test_sink_count(const struct pipeline *pipeline);
/* Whether it scores customers or has them scored, as its plugin's options tell, so that scores may cross a threshold.
 */
bool test_sink_predicts(const struct section *sink);

#endif
