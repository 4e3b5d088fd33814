/* Metrics in Prometheus' text format, version 0.0.4. */
#ifndef EXPOSITION_H
#define EXPOSITION_H

#include "base/json_text.h"
#include "base/metrics.h"

#define EXPOSITION_TYPE "text/plain; version=0.0.4; charset=utf-8"

/* Appends all that is shown; `out` fails where memory runs out. [any] */
void exposition_write(struct text *out, struct metrics *metrics);

#endif
