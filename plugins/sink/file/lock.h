/* The lock on a file by which those who append to it, and those who change what stands in it, keep out of each other's
 * way. */
#ifndef SINK_FILE_LOCK_H
#define SINK_FILE_LOCK_H

#include "pause.h"
#include <errno.h>
#include <stdint.h>
#include <sys/file.h>

/* 1: locked (or the file system knows no locks). 0: somebody else has held it for `timeout_ms`. */
static inline int lock_file(int fd, uint32_t timeout_ms)
{
    for (uint32_t waited = 0;; waited++) {
        if (flock(fd, LOCK_EX | LOCK_NB) == 0 || (errno != EWOULDBLOCK && errno != EINTR)) {
            return 1;
        }
        if (waited >= timeout_ms) {
            return 0;
        }
        pause_ms(1);
    }
}

#endif
