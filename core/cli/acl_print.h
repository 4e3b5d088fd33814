/* Rights as the commands that give them, or as JSON. */
#ifndef ACL_PRINT_H
#define ACL_PRINT_H

#include "pipeline/grants.h"

/* To standard output; `file` is the pipeline's. */
void acl_print(const struct grants *grants, const char *file, bool json);

#endif
