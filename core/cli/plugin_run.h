/* A processor or sink at work. */
#ifndef PLUGIN_RUN_H
#define PLUGIN_RUN_H

#include "cli/plugin_report.h"

struct pipeline;
struct section;

/* Starts it and gives it a few events or records. */
void plugin_run(struct plugin_check *check, struct pipeline *pipeline, const struct section *section);

#endif
