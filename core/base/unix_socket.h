/* Sockets that have a path: who may open one is said by the rights of its folder, and by its own. */
#ifndef UNIX_SOCKET_H
#define UNIX_SOCKET_H

#include <stdbool.h>
#include <stddef.h>

#define UNIX_SOCKET_MAX_PATH 107 /* bytes */

struct unix_socket {
    int fd;   /* listens, does not block */
    int lock; /* of PATH.lock, which whoever listens holds to its end */
    const char *path;
};

/* Listens at `path`, which outlives the socket, for this user (and root) alone. What a process that is no more has left
 * there is replaced. False with a message, such as "/run/x: another process listens there". */
bool unix_socket_listen(struct unix_socket *socket, const char *path, char *message, size_t size);
/* Ends it, and removes the path. */
void unix_socket_close(struct unix_socket *socket);

/* A connection to whoever listens at `path`: a descriptor; -1 with errno. */
int unix_socket_connect(const char *path);

#endif
