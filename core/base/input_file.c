#include "base/input_file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/vfs.h>
#include <unistd.h>

const char *input_file_kind(mode_t mode)
{
    return S_ISREG(mode)    ? NULL
           : S_ISDIR(mode)  ? "a folder"
           : S_ISFIFO(mode) ? "a FIFO"
           : S_ISSOCK(mode) ? "a socket"
                            : "a device";
}

/* Looks before it opens, as devices do things when they are opened; what takes the file's place between may be a FIFO,
 * which would wait for a writer. */
int input_file_open(const char *path, struct stat *ret)
{
    int fd = -1, failed = 0;
    bool known = stat(path, ret) == 0;
    if (known && S_ISREG(ret->st_mode)) {
        fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
        known = fd >= 0 && fstat(fd, ret) == 0;
    }
    if (known && S_ISREG(ret->st_mode)) {
        return fd;
    }
    failed = known ? 0 : errno;
    if (fd >= 0) {
        (void)close(fd);
    }
    errno = failed;
    return -1;
}

bool input_file_is_pipe(const char *path)
{
    struct statfs where;
    return statfs(path, &where) == 0 && where.f_type == PIPEFS_MAGIC;
}

bool input_file_read(FILE *in, struct text *text)
{
    char bytes[4096];
    size_t count;
    while ((count = fread(bytes, 1, sizeof bytes, in)) > 0 && text->len <= INPUT_FILE_MAX) {
        text_append(text, bytes, count);
    }
    if (ferror(in)) {
        return false; /* errno is fread's */
    }
    errno = text->failed ? ENOMEM : EFBIG;
    return !text->failed && text->len <= INPUT_FILE_MAX;
}
