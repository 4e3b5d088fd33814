#include "observe/process.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

static int64_t microseconds(struct timeval t)
{
    return (int64_t)t.tv_sec * 1000000 + t.tv_usec;
}

/* In pages: all of it, what is in RAM, and more. */
static void read_memory(struct process_usage *usage)
{
    FILE *file = fopen("/proc/self/statm", "re");
    int64_t page = sysconf(_SC_PAGESIZE);
    char line[128], *rest;
    if (file == NULL) {
        return;
    }
    if (fgets(line, sizeof line, file) != NULL) {
        usage->virtual_bytes = strtoll(line, &rest, 10) * page;
        usage->resident_bytes = strtoll(rest, NULL, 10) * page;
    }
    (void)fclose(file);
}

static int64_t count_open(void)
{
    DIR *folder = opendir("/proc/self/fd");
    int64_t count = -3; /* without `.`, `..` and the folder's own */
    if (folder == NULL) {
        return -1;
    }
    while (readdir(folder) != NULL) {
        count++;
    }
    (void)closedir(folder);
    return count;
}

struct process_usage process_read(void)
{
    struct process_usage usage = {.cpu_us = -1, .resident_bytes = -1, .virtual_bytes = -1, .max_fds = -1};
    struct rusage spent;
    struct rlimit limit;
    if (getrusage(RUSAGE_SELF, &spent) == 0) {
        usage.cpu_us = microseconds(spent.ru_utime) + microseconds(spent.ru_stime);
    }
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY) {
        usage.max_fds = (int64_t)limit.rlim_cur;
    }
    read_memory(&usage);
    usage.open_fds = count_open();
    return usage;
}
