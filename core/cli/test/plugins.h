/* The plugins of the bench, inside the host: a source that hands out a test's events, and sinks that note what they are
 * given, and predict where the test has answers. Their instances find the bench through the pipeline that they belong
 * to. */
#ifndef TEST_PLUGINS_H
#define TEST_PLUGINS_H

#include "plugin/loader.h"

extern const struct loaded test_source;
extern const struct loaded test_sink;

#endif
