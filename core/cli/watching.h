/* What commands share that look on until somebody has seen enough: a signal, or the end of whoever reads their output,
 * ends them, and well. */
#ifndef WATCHING_H
#define WATCHING_H

#include <stdbool.h>

/* A signalfd that is readable once SIGINT or SIGTERM came; they, and SIGPIPE, do nothing else from here on. -1: there
 * is none. */
int watching_signals(void);
/* What was not written because nobody reads standard output any more is no error. */
void watching_end(void);

#endif
