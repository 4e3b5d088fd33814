/* The section `forget:`, the key by which forgotten customers are known. */
#ifndef FORGET_SECTION_H
#define FORGET_SECTION_H

#include "pipeline/pipeline.h"

/* Reads it into the pipeline's forget_settings. False, with an error at each mistake. */
bool forget_section_load(struct pipeline *pipeline);
/* The section of the source that keeps the tombstones as a ledger, of a redrive the one that the dead letters are of.
 * NULL: the store alone keeps them, or nobody is forgotten. */
const struct section *pipeline_ledger(const struct pipeline *pipeline);

#endif
