/* seccomp: the system calls that the process may make from here on; others fail with EPERM. */
#ifndef SYSCALL_FILTER_H
#define SYSCALL_FILTER_H

#include <stdbool.h>
#include <stddef.h>

/* Whether there is a call of that name, on any architecture. */
bool syscall_filter_knows(const char *name);
/* Which of them may be made. */
struct syscall_sockets {
    bool tcp;
    bool udp;
    bool local; /* Unix ones; a pair of its own ends a process has in any case */
};

/* Binds all threads. `more`: names beside those of any pipeline, NULL-terminated. Sets no_new_privs. False with a
 * message. */
bool syscall_filter_enforce(const char *const *more, struct syscall_sockets sockets, char *message, size_t size);

#endif
