/* Reading a pipeline's file again while the pipeline runs (SIGHUP). */
#ifndef RELOAD_H
#define RELOAD_H

#include "engine/sandbox.h"
#include "pipeline/load.h"

/* Loads the file into `next` and checks it whole, beside the pipeline `now`, which runs in `sandbox`. False, with the
 * mistakes in the log and nothing left to free, when the file is refused or this run cannot change its pipeline at all.
 */
bool reload_load(struct pipeline_files files, const struct pipeline *now, struct pipeline *next,
                 const struct sandbox *sandbox);

#endif
