/* Ways to fail on purpose, for tests/faults; compiled in by `configure --enable-faults` only.
 *
 * CHURN_FAILPOINT="name[:N]" kills the process (SIGKILL) when it passes the failpoint for the Nth time.
 * CHURN_MUTANT="name" turns one guard off, so that the tests can show that they would notice. */
#ifndef FAULT_H
#define FAULT_H

#include "build-config.h"

#ifdef CHURN_FAULTS
#include <stdbool.h>

void fault_point(const char *name);
bool fault_mutant(const char *name);
#define FAILPOINT(name) fault_point(name)
#define MUTANT(name) fault_mutant(name)
#else
#define FAILPOINT(name) ((void)0)
#define MUTANT(name) 0
#endif

#endif
