/* What one pipeline's file says otherwise than another's. */
#ifndef DIFFERENCE_H
#define DIFFERENCE_H

#include "base/json_text.h"
#include "pipeline/pipeline.h"

/* Appends a JSON array with an object for each option that differs: its place and, but of what is secret or could be,
 * what it was and is. */
void difference_append(struct text *out, const struct pipeline *from, const struct pipeline *to);

#endif
