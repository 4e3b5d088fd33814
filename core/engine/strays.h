/* What sinks still have of windows that were given up, where customers are forgotten: a sink may write it yet, so the
 * worker holds it until it is answered. */
#ifndef STRAYS_H
#define STRAYS_H

#include "engine/state.h"

/* To be called before the windows of the ring are given up. The worker fails when memory runs out. */
void strays_keep(struct worker *worker);
/* Whether a sink still has anything of a customer who is forgotten, that was made of what is forgotten. */
bool strays_are_held(struct worker *worker);
void strays_free(struct worker *worker);

#endif
