/* Ways to fail on purpose, for tests/faults; compiled in by `configure --enable-faults` only.
 *
 * CHURN_FAILPOINT="name[:N]" kills the process (SIGKILL) when it passes the failpoint for the Nth time. */
#ifndef FAULT_H
#define FAULT_H

#include "build-config.h"

#ifdef CHURN_FAULTS
void fault_point(const char *name);
#define FAILPOINT(name) fault_point(name)
#else
#define FAILPOINT(name) ((void)0)
#endif

#endif
