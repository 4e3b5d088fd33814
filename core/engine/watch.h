/* What keeps a worker's events from moving and only time shows. */
#ifndef WATCH_H
#define WATCH_H

#include "engine/state.h"

/* Notes that the worker goes round, and looks once a second at what only time shows. */
void watch_step(struct worker *worker);

#endif
