/* What a run shows of itself: a line of progress on a terminal, and the summary at its end. */
#ifndef SUMMARY_H
#define SUMMARY_H

#include "engine/worker.h"
#include "pipeline/pipeline.h"

/* The rate is measured between two calls. */
struct progress_line {
    int64_t started_ms;
    int64_t last_ms;
    int64_t last_events;
};

void progress_start(struct progress_line *progress);
/* Shows "12,345 events · 4,000/s · lag 77 · about 3 s left" as the log's status line. */
void progress_show(struct progress_line *progress, struct pipeline *pipeline, struct worker *const *workers,
                   unsigned count);

/* Writes the summary to `out`; the workers have ended. */
void summary_print(FILE *out, struct pipeline *pipeline, struct worker *const *workers, unsigned count, double seconds);

#endif
