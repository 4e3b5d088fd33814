/* seccomp: the system calls that the process may make from here on; others fail with EPERM. */
#ifndef SYSCALL_FILTER_H
#define SYSCALL_FILTER_H

#include <stdbool.h>
#include <stddef.h>

/* Whether there is a call of that name, on any architecture. */
bool syscall_filter_knows(const char *name);
/* Binds all threads. `more`: names beside those of any pipeline, NULL-terminated. `internet`: sockets of TCP and UDP
 * may be made. Sets no_new_privs. False with a message. */
bool syscall_filter_enforce(const char *const *more, bool internet, char *message, size_t size);

#endif
