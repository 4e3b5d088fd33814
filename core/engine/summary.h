/* What a run has done, told at its end. */
#ifndef SUMMARY_H
#define SUMMARY_H

#include "engine/worker.h"
#include "pipeline/pipeline.h"

/* Writes the summary to `out`; the workers have ended. `interrupted`: the signal that came before the end; 0: none. */
void summary_print(FILE *out, struct pipeline *pipeline, struct worker *const *workers, unsigned count, double seconds,
                   int interrupted);

#endif
