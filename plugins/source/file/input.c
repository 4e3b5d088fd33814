#include "input.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

bool input_is_stdin(const struct input *input)
{
    return strcmp(input->path, "-") == 0;
}

const char *input_name(const struct input *input)
{
    return input_is_stdin(input) ? "standard input" : input->path;
}

bool input_is_endless(const struct input *input)
{
    return input->follow && !input->host->until_end;
}

bool input_is_done(const struct input *input)
{
    return input->at_end && !input_is_endless(input);
}

int32_t input_refuse_kind(const struct input *input, mode_t mode, churn_error *err)
{
    if (S_ISDIR(mode)) {
        return churn_fail_option(err, "path", "%s is a folder; name a file in it", input->path);
    }
    if (input_is_stdin(input) || S_ISREG(mode) || S_ISFIFO(mode)) {
        return CHURN_OK;
    }
    return churn_fail_option(err, "path", "%s is a %s; name a file or a named pipe, or `-` for standard input",
                             input->path, S_ISSOCK(mode) ? "socket" : "device");
}

static int32_t fail_open(const struct input *input, int error, churn_error *err)
{
    struct stat st;
    if (error == EBADF) {
        return churn_fail_option(err, "path", "standard input is closed");
    }
    if (error == ENXIO && stat(input->path, &st) == 0 && input_refuse_kind(input, st.st_mode, err) != CHURN_OK) {
        return CHURN_FATAL;
    }
    return churn_fail_option(err, "path", "cannot open %s: %s%s", input->path, strerror(error),
                             error == ENOENT && !input->follow ? "; `follow: true` waits for a file" : "");
}

void input_tell_missing(struct input *input, const char *what)
{
    if (!input->told_missing) {
        churn_log(input->host, CHURN_LOG_WARN, "%s %s; waiting for it", input->path, what);
        input->told_missing = true;
    }
}

int32_t input_open(struct input *input, churn_error *err)
{
    struct stat st;
    int32_t result;
    /* O_NONBLOCK: a pipe is opened also while nobody writes to it. */
    input->fd =
        input_is_stdin(input) ? dup(STDIN_FILENO) : open(input->path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (input->fd < 0 && errno == ENOENT && input_is_endless(input)) {
        input_tell_missing(input, "does not exist yet");
        return CHURN_PENDING;
    }
    if (input->fd < 0 || fstat(input->fd, &st) != 0) {
        return fail_open(input, errno, err);
    }
    if ((fcntl(input->fd, F_GETFL) & O_ACCMODE) == O_WRONLY) {
        return fail_open(input, EBADF, err);
    }
    result = input_refuse_kind(input, st.st_mode, err);
    if (result != CHURN_OK) {
        return result;
    }
    input->told_missing = false;
    input->origin = S_ISREG(st.st_mode) ? lseek(input->fd, 0, SEEK_CUR) : -1;
    input->regular = input->origin >= 0;
    if (!input->regular && input->head == NULL && (input->head = malloc(HEAD_SIZE)) == NULL) {
        return churn_fail(err, CHURN_FATAL, "out of memory");
    }
    return CHURN_OK;
}

/* Keeps the first of the `n` bytes that were read just now, of what cannot be read twice. */
static void keep_head(struct input *input, const char *bytes, size_t n)
{
    size_t room = HEAD_SIZE - input->head_len;
    if (!input->regular && input->come == (int64_t)input->head_len && room > 0) {
        memcpy(input->head + input->head_len, bytes, n < room ? n : room);
        input->head_len += n < room ? n : room;
    }
}

int32_t input_read(struct input *input, char *bytes, size_t room, size_t *ret_len, churn_error *err)
{
    ssize_t n = read(input->fd, bytes, room);
    *ret_len = 0;
    if (n < 0) {
        if (errno == EINTR || errno == EAGAIN || errno == EWOULDBLOCK) {
            return CHURN_PENDING;
        }
        return churn_fail(err, CHURN_FATAL, "cannot read %s: %s", input->path, strerror(errno));
    }
    keep_head(input, bytes, (size_t)n);
    input->come += n;
    input->at_end = n == 0;
    *ret_len = (size_t)n;
    return n > 0 ? CHURN_OK : CHURN_END;
}

size_t input_bytes_at(const struct input *input, int fd, int64_t at, char *bytes, size_t len)
{
    size_t got = 0;
    ssize_t n = 1;
    if (!input->regular) {
        got = at < (int64_t)input->head_len ? input->head_len - (size_t)at : 0;
        got = got < len ? got : len;
        memcpy(bytes, input->head + (got > 0 ? at : 0), got);
        return got;
    }
    while (got < len && n > 0) {
        n = pread(fd, bytes + got, len - got, input->origin + at + (int64_t)got);
        got += n > 0 ? (size_t)n : 0;
    }
    return got;
}

bool input_seek(struct input *input, int64_t at)
{
    if (lseek(input->fd, input->origin + at, SEEK_SET) < 0) {
        return false;
    }
    input->come = at;
    input->at_end = false;
    return true;
}

int64_t input_size(const struct input *input)
{
    struct stat st;
    return input->fd >= 0 && input->regular && fstat(input->fd, &st) == 0 ? st.st_size - input->origin : -1;
}

void input_close(struct input *input)
{
    if (input->fd >= 0) {
        (void)close(input->fd);
        input->fd = -1;
    }
}

void input_free(struct input *input)
{
    input_close(input);
    free(input->head);
}
