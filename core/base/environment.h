/* The process's environment, which others can read as /proc/PID/environ, and which a core dump has. */
#ifndef ENVIRONMENT_H
#define ENVIRONMENT_H

#include <stdbool.h>

/* Moves all variables to memory that only this process reads, and overwrites the place that they came in: any of them
 * may hold a secret, whatever it is called. To be called once, before there are threads. False when memory ran out. */
bool environment_take(void);

/* No core dump is written, and no other process of this user may look into this one: not into its memory, its
 * environment, nor its open files. There is no way back. */
bool environment_shield(void);

#endif
