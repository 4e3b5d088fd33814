#include "input.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

bool is_stdin(const struct file_source *s)
{
    return strcmp(s->path, "-") == 0;
}

int64_t read_of(const struct file_source *s)
{
    return s->buffer_offset + (int64_t)s->used;
}

bool is_endless(const struct file_source *s)
{
    return s->follow && !s->host->until_end;
}

int32_t refuse_kind(const struct file_source *s, mode_t mode, churn_error *err)
{
    if (S_ISDIR(mode)) {
        return churn_fail_option(err, "path", "%s is a folder; name a file in it", s->path);
    }
    if (is_stdin(s) || S_ISREG(mode) || S_ISFIFO(mode)) {
        return CHURN_OK;
    }
    return churn_fail_option(err, "path", "%s is a %s; name a file or a named pipe, or `-` for standard input", s->path,
                             S_ISSOCK(mode) ? "socket" : "device");
}

static int32_t fail_open(const struct file_source *s, int error, churn_error *err)
{
    struct stat st;
    if (error == EBADF) {
        return churn_fail_option(err, "path", "standard input is closed");
    }
    if (error == ENXIO && stat(s->path, &st) == 0 && refuse_kind(s, st.st_mode, err) != CHURN_OK) {
        return CHURN_FATAL;
    }
    return churn_fail_option(err, "path", "cannot open %s: %s%s", s->path, strerror(error),
                             error == ENOENT && !s->follow ? "; `follow: true` waits for a file" : "");
}

void tell_missing(struct file_source *s, const char *what)
{
    if (!s->warned_missing) {
        churn_log(s->host, CHURN_LOG_WARN, "%s %s; waiting for it", s->path, what);
        s->warned_missing = true;
    }
}

int32_t open_file(struct file_source *s, churn_error *err)
{
    struct stat st;
    int32_t result;
    /* O_NONBLOCK: a pipe is opened also while nobody writes to it. */
    s->fd = is_stdin(s) ? dup(STDIN_FILENO) : open(s->path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (s->fd < 0 && errno == ENOENT && is_endless(s)) {
        tell_missing(s, "does not exist yet");
        return CHURN_PENDING;
    }
    if (s->fd < 0 || fstat(s->fd, &st) != 0) {
        return fail_open(s, errno, err);
    }
    if ((fcntl(s->fd, F_GETFL) & O_ACCMODE) == O_WRONLY) {
        return fail_open(s, EBADF, err);
    }
    result = refuse_kind(s, st.st_mode, err);
    if (result != CHURN_OK) {
        return result;
    }
    s->warned_missing = false;
    s->origin = S_ISREG(st.st_mode) ? lseek(s->fd, 0, SEEK_CUR) : -1;
    s->regular = s->origin >= 0;
    if (!s->regular && s->head == NULL && (s->head = malloc(PART_SIZE)) == NULL) {
        return churn_fail(err, CHURN_FATAL, "out of memory");
    }
    return CHURN_OK;
}
