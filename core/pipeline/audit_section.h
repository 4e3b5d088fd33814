/* The section `audit:`, where acts are written down. */
#ifndef AUDIT_SECTION_H
#define AUDIT_SECTION_H

#include "pipeline/pipeline.h"

/* Reads it into the pipeline's audit_settings. False, with an error at each mistake. */
bool audit_section_load(struct pipeline *pipeline);

#endif
