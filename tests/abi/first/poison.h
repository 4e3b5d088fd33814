/* Plugins of ABI 1.0, built from its headers: see tests/integration/test_abi.py. A table of calls stands before poison,
 * as another plugin's memory might: a host that reads behind the end of the table would call it. */
#ifndef POISON_H
#define POISON_H

#include <stdlib.h>

static void never(void)
{
    abort();
}

#define POISONED(type)                                                                                                 \
    struct {                                                                                                           \
        type ops;                                                                                                      \
        void (*behind[16])(void);                                                                                      \
    }
#define POISON                                                                                                         \
    {never, never, never, never, never, never, never, never, never, never, never, never, never, never, never, never}

#endif
