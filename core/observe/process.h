/* What the process uses of the machine. */
#ifndef PROCESS_H
#define PROCESS_H

#include <stdint.h>

struct process_usage { /* -1: not known */
    int64_t cpu_us;
    int64_t resident_bytes, virtual_bytes;
    int64_t open_fds, max_fds;
};

struct process_usage process_read(void);

#endif
