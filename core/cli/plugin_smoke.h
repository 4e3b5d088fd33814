/* A plugin tried with the engine's own code. */
#ifndef PLUGIN_SMOKE_H
#define PLUGIN_SMOKE_H

#include "cli/plugin_report.h"

/* Makes an instance, or samples of an event type, with the engine's own code. */
void plugin_smoke(struct plugin_check *check, const struct loaded *loaded);

#endif
