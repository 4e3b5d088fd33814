#include "base/fault.h"

#ifdef CHURN_FAULTS
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

void fault_point(const char *name)
{
    static _Atomic long passes; /* one failpoint is set at a time */
    const char *set = getenv("CHURN_FAILPOINT");
    size_t len = strlen(name);
    if (set != NULL && strncmp(set, name, len) == 0 && (set[len] == '\0' || set[len] == ':')) {
        long wanted = set[len] == ':' ? strtol(set + len + 1, NULL, 10) : 1;
        if (atomic_fetch_add(&passes, 1) + 1 == wanted) {
            (void)raise(SIGKILL);
        }
    }
}
#else
typedef int fault_unused; /* ISO C has no empty files */
#endif
