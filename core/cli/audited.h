/* Commands that show or change what is customers' own: they are audited first. */
#ifndef AUDITED_H
#define AUDITED_H

#include "pipeline/pipeline.h"

/* Writes to the pipeline's audit, where it has one, that this command is given: `action` such as "read", for `customer`
 * (NULL: not for a single one), with further JSON members in `details` (NULL: none). False, with a message to standard
 * error: it must not be done. */
bool audited(const struct pipeline *pipeline, const char *command, const char *action, const char *customer,
             const char *details);

#endif
