/* The least rights of a pipeline, as its plugins describe them: `churnd check --acl`. */
#ifndef ACL_H
#define ACL_H

#include "cli/commands.h"
#include "pipeline/pipeline.h"

/* Finds out and prints them, for a run and for the commands that need more; `pipeline` was loaded from the same file
 * without a mistake. False with messages. */
bool acl_show(const struct arguments *arguments, struct pipeline *pipeline, struct loader *loader, struct log *log);

#endif
