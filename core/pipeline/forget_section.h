/* The section `forget:`, the key by which forgotten customers are known. */
#ifndef FORGET_SECTION_H
#define FORGET_SECTION_H

#include "pipeline/pipeline.h"

/* Reads it into the pipeline's forget_settings. False, with an error at each mistake. */
bool forget_section_load(struct pipeline *pipeline);

#endif
