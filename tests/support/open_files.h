/* How many file descriptors the process has open; what is counted twice shows what stayed open in between. */
#ifndef TESTS_SUPPORT_OPEN_FILES_H
#define TESTS_SUPPORT_OPEN_FILES_H

#include <dirent.h>
#include <stddef.h>

static unsigned open_files(void)
{
    DIR *dir = opendir("/proc/self/fd");
    unsigned count = 0;
    while (dir != NULL && readdir(dir) != NULL) {
        count++;
    }
    (void)(dir != NULL && closedir(dir));
    return count;
}

#endif
