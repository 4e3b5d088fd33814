/* The headers of records whose dead letters are made after their poll. */
#ifndef OWN_HEADERS_H
#define OWN_HEADERS_H

#include "engine/state.h"

/* Gives the dead letters that a window's writing made the headers of their records. False when it cannot be done yet,
 * or the worker failed. */
bool own_headers_complete(struct worker *worker, struct window *window);

#endif
