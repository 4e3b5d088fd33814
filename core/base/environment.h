/* The process's environment, which others can read as /proc/PID/environ, and which a core dump has. */
#ifndef ENVIRONMENT_H
#define ENVIRONMENT_H

#include <stdbool.h>

/* Moves all variables to memory that only this process reads, and overwrites the place that they came in: any of them
 * may hold a secret, whatever it is called. To be called once, before there are threads. False when memory ran out. */
bool environment_take(void);

/* No core dump is written, and no other process of this user may look into this one: not into its memory, its
 * environment, nor its open files. To be called before there is a secret: who has opened /proc/PID/mem by then reads
 * on. False with errno. */
bool environment_shield(void);
/* Ends that. False with errno. */
bool environment_unshield(void);

#endif
