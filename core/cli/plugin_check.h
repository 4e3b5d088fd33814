/* `churnd plugin-check`: judges a plugin's file as its author needs it. A child process does it, since a plugin may
 * crash or hang as soon as it is opened; it tells its parent line by line what it does and finds. */
#ifndef PLUGIN_CHECK_H
#define PLUGIN_CHECK_H

#include "cli/plugin_report.h"

/* All checks, in their order. In the child. */
void plugin_check_file(struct plugin_check *check);
#endif
