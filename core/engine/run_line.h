/* The progress line of a run: what its workers tell of how far they are. Main thread only. */
#ifndef RUN_LINE_H
#define RUN_LINE_H

#include "base/progress_line.h"
#include "engine/generation.h"

struct run_line {
    struct progress_line line;
    int64_t done, total; /* the newest that are known: while partitions move nobody knows */
};

/* `quiet`: nothing is shown. */
void run_line_begin(struct run_line *line, const struct pipeline *pipeline, bool quiet);
/* Shows it where it is time. What has no end and is no generator is shown on a terminal alone: that is a service, and
 * its log is for what happens. */
void run_line_show(struct run_line *line, const struct generation *generation);
void run_line_end(struct run_line *line);

#endif
