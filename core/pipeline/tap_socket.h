/* Where a run of a pipeline is tapped. */
#ifndef TAP_SOCKET_H
#define TAP_SOCKET_H

#include "pipeline/pipeline.h"
#include <limits.h>

/* The socket that `tap: socket:` names, else one in the pipeline's folder for state. False when its name is too long.
 */
bool tap_socket_path(const struct pipeline *pipeline, char ret_path[PATH_MAX]);

#endif
