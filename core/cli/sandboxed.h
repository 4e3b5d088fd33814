/* Commands that take a pipeline's plugins to its data: they are bound as its run is (`sandbox:`). */
#ifndef SANDBOXED_H
#define SANDBOXED_H

#include "pipeline/load.h"

/* Binds the process to what the pipeline needs, and to making `written` (NULL: nothing), before there are threads.
 * False, logged, when the command must not go on. */
bool sandboxed(struct pipeline *pipeline, struct pipeline_files files, const char *written);

#endif
