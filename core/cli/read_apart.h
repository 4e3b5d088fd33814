/* Commands that read a pipeline's source from its beginning, beside the pipeline, which goes on undisturbed. */
#ifndef READ_APART_H
#define READ_APART_H

#include "pipeline/pipeline.h"

/* While the file is read: changes the section of the source so that a run with it reads apart. `reader` names who
 * reads, `whoever` is that for people, as in "a rebuild". False, with a mistake reported, when the source cannot be
 * read so. A plugin that cannot be had is told of once the file is read. */
bool read_apart(struct pipeline *pipeline, struct node *source, const char *reader, const char *whoever);

#endif
