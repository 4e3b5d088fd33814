/* Profiles that the cache does not know, read many at a time before a window is written. */
#ifndef READ_AHEAD_H
#define READ_AHEAD_H

#include "engine/session.h"

/* Makes what the store has of the window's customers known to the cache, as far as that pays. Whoever stays unknown is
 * put as new, and a conflict tells; so it does where another wrote since. To be called before the window's first put.
 * False when the worker failed. */
bool read_ahead(struct worker *worker, struct window *window);

#endif
