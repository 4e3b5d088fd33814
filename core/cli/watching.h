/* What commands share that look on until somebody has seen enough: a signal, or the end of whoever reads their output,
 * ends them, and well. */
#ifndef WATCHING_H
#define WATCHING_H

/* A signalfd that is readable once SIGINT or SIGTERM came; they do nothing else from here on. -1: there is none. */
int watching_signals(void);

#endif
