#include "base/environment.h"

#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

bool environment_take(void)
{
    for (char **at = environ; at != NULL && *at != NULL; at++) {
        char *copy = strdup(*at);
        if (copy == NULL) {
            return false;
        }
        explicit_bzero(*at, strlen(*at));
        *at = copy; /* the process's, like the environment itself */
    }
    return true;
}

bool environment_shield(void)
{
    return prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0;
}

bool environment_unshield(void)
{
    return prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) == 0;
}
