#include "base/secret_file.h"

#include "base/input_file.h"
#include "base/refuse.h"
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

/* Who writes a secret into a file with an editor or `echo` ends it with a line's end. */
static size_t without_line_end(const char *bytes, size_t len)
{
    if (len > 0 && bytes[len - 1] == '\n') {
        len -= len > 1 && bytes[len - 2] == '\r' ? 2 : 1;
    }
    return len;
}

/* How much the file holds, up to `room`; -1 with errno. */
static ssize_t read_bytes(int fd, char *bytes, size_t room)
{
    size_t len = 0;
    ssize_t count = 1;
    while (count != 0 && len < room) {
        count = read(fd, bytes + len, room - len);
        if (count < 0 && errno != EINTR) {
            return -1;
        }
        len += count > 0 ? (size_t)count : 0;
    }
    return (ssize_t)len;
}

static bool take(int fd, const char *path, char **ret_value, char *message, size_t size)
{
    static const size_t room = SECRET_FILE_MAX + 1;
    char *bytes = calloc(1, room + 1);
    ssize_t len = bytes != NULL ? read_bytes(fd, bytes, room) : -1;
    if (len < 0) {
        secret_free(bytes);
        return refuse(message, size, "%s: %s", path, strerror(errno));
    }
    if (len > SECRET_FILE_MAX || memchr(bytes, '\0', (size_t)len) != NULL) {
        explicit_bzero(bytes, room);
        free(bytes);
        return len > SECRET_FILE_MAX
                   ? refuse(message, size, "%s: more than %d KiB; this is no secret", path, SECRET_FILE_MAX >> 10)
                   : refuse(message, size, "%s: there is a NUL character", path);
    }
    bytes[without_line_end(bytes, (size_t)len)] = '\0';
    *ret_value = bytes;
    return true;
}

bool secret_file_read(const char *path, char **ret_value, struct stat *about, char *message, size_t size)
{
    int fd;
    bool ok;
    *ret_value = NULL;
    *about = (struct stat){0};
    fd = input_file_open(path, about);
    if (fd < 0 && errno == 0) {
        return refuse(message, size, "%s: is %s, no file", path, input_file_kind(about->st_mode));
    }
    if (fd < 0) {
        int error = errno;
        about->st_mode = error == ENOENT ? 0 : S_IFREG;
        return refuse(message, size, "%s: %s", path, strerror(error));
    }
    ok = take(fd, path, ret_value, message, size);
    (void)close(fd);
    return ok;
}

void secret_free(char *value)
{
    if (value != NULL) {
        explicit_bzero(value, strlen(value));
        free(value);
    }
}
