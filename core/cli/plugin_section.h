/* The calls of a plugin that need no instance, tried. */
#ifndef PLUGIN_SECTION_H
#define PLUGIN_SECTION_H

#include "cli/plugin_report.h"

struct node;

/* Makes them with an empty section and with the options given. */
void plugin_section(struct plugin_check *check, const struct loaded *loaded, const struct node *options);

#endif
