#include "base/unix_socket.h"

#include "base/refuse.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static bool fill(struct sockaddr_un *address, const char *path)
{
    size_t len = strlen(path);
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (len > UNIX_SOCKET_MAX_PATH) {
        errno = ENAMETOOLONG;
        return false;
    }
    memcpy(address->sun_path, path, len + 1);
    return true;
}

#define LOCK_NAME_SIZE (UNIX_SOCKET_MAX_PATH + sizeof ".lock")

static void lock_name(const char *path, char name[LOCK_NAME_SIZE])
{
    (void)snprintf(name, LOCK_NAME_SIZE, "%s.lock", path);
}

/* Whoever had the lock before may have removed its file since it was opened. */
static bool lies_at(int fd, const char *name)
{
    struct stat own, there;
    return fstat(fd, &own) == 0 && lstat(name, &there) == 0 && own.st_dev == there.st_dev && own.st_ino == there.st_ino;
}

/* A lock ends with its process, so it tells what was left behind from what is in use, without a moment in which two can
 * take it for theirs. -1 with a message. */
static int lock_path(const char *path, char *message, size_t size)
{
    char name[LOCK_NAME_SIZE];
    int fd;
    lock_name(path, name);
    for (;;) {
        fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0600);
        if (fd < 0) {
            (void)refuse(message, size, "%s cannot be made: %s", name, strerror(errno));
            return -1;
        }
        if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
            (void)refuse(message, size, "%s: %s", path,
                         errno == EWOULDBLOCK ? "another process listens there" : strerror(errno));
            (void)close(fd);
            return -1;
        }
        if (lies_at(fd, name)) {
            return fd;
        }
        (void)close(fd);
    }
}

/* Who asks is let go of at once; a queue that is full is somebody's, too. */
static bool is_listened_at(const char *path)
{
    struct sockaddr_un address;
    int fd = fill(&address, path) ? socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0) : -1;
    bool listened = fd >= 0 && (connect(fd, (const struct sockaddr *)&address, sizeof address) == 0 ||
                                (errno != ECONNREFUSED && errno != ENOENT));
    if (fd >= 0) {
        (void)close(fd);
    }
    return listened;
}

/* Makes room where the path is a socket, whose process is no more. */
static bool clear(const char *path, char *message, size_t size)
{
    struct stat st;
    if (lstat(path, &st) != 0) {
        return errno == ENOENT || refuse(message, size, "%s: %s", path, strerror(errno));
    }
    if (!S_ISSOCK(st.st_mode)) {
        return refuse(message, size, "%s: there is something else than a socket; remove it, or name another path",
                      path);
    }
    if (is_listened_at(path)) { /* a process of another program's, which has no lock */
        return refuse(message, size, "%s: another process listens there", path);
    }
    return unlink(path) == 0 || refuse(message, size, "%s cannot be replaced: %s", path, strerror(errno));
}

/* The rights are set before there is a path by which somebody could come. */
static bool bind_private(int fd, const struct sockaddr_un *address)
{
    return fd >= 0 && fchmod(fd, 0600) == 0 && bind(fd, (const struct sockaddr *)address, sizeof *address) == 0 &&
           listen(fd, SOMAXCONN) == 0;
}

bool unix_socket_listen(struct unix_socket *ret, const char *path, char *message, size_t size)
{
    struct sockaddr_un address;
    *ret = (struct unix_socket){.fd = -1, .lock = -1, .path = path};
    if (!fill(&address, path)) {
        return refuse(message, size, "%s: a socket's path has at most %d bytes, this one %zu; name a shorter one", path,
                      UNIX_SOCKET_MAX_PATH, strlen(path));
    }
    ret->lock = lock_path(path, message, size);
    if (ret->lock < 0 || !clear(path, message, size)) {
        unix_socket_close(ret);
        return false;
    }
    ret->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (!bind_private(ret->fd, &address)) {
        (void)refuse(message, size, "%s cannot be listened on: %s", path, strerror(errno));
        unix_socket_close(ret);
        return false;
    }
    return true;
}

void unix_socket_close(struct unix_socket *socket)
{
    if (socket->fd >= 0) {
        (void)close(socket->fd);
        (void)unlink(socket->path); /* nobody else can have put another there while the lock is held */
    }
    if (socket->lock >= 0) {
        char name[LOCK_NAME_SIZE];
        lock_name(socket->path, name);
        (void)unlink(name);
        (void)close(socket->lock);
    }
    socket->fd = socket->lock = -1;
}

int unix_socket_connect(const char *path)
{
    struct sockaddr_un address;
    int fd = fill(&address, path) ? socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0) : -1;
    if (fd >= 0 && connect(fd, (const struct sockaddr *)&address, sizeof address) != 0) {
        int failed = errno;
        (void)close(fd);
        errno = failed;
        fd = -1;
    }
    return fd;
}
