#include "follow.h"

#include "counted.h"
#include "input.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

/* Another file lies under the name: one that begins with what was read, such as a copy, is read on. */
static int32_t change_file(struct file_source *s, churn_error *err)
{
    int fd = open(s->path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    struct prefix now;
    struct stat st;
    if (fd < 0 || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        tell_missing(s, fd < 0 ? "cannot be opened any more" : "is no file any more");
        (void)(fd >= 0 && close(fd));
        return CHURN_OK; /* looked at the next time */
    }
    now = prefix_of(s, fd, s->seen.end);
    if (!is_same(&s->seen, &now)) {
        (void)close(fd);
        return fail_other(s, "was replaced by another file, which does not begin with what was read", read_of(s), err);
    }
    (void)close(s->fd);
    s->fd = fd;
    (void)lseek(fd, s->origin + read_of(s), SEEK_SET);
    s->warned_missing = false;
    return CHURN_OK;
}

/* Whether the name still leads to what is read, all of which was: `st`. */
static int32_t check_name(struct file_source *s, const struct stat *st, churn_error *err)
{
    struct stat named;
    if (is_stdin(s)) {
        return CHURN_OK;
    }
    if (stat(s->path, &named) != 0) {
        tell_missing(s, errno == ENOENT || errno == ENOTDIR ? "does not exist any more" : "cannot be opened any more");
        return CHURN_OK;
    }
    if (named.st_dev != st->st_dev || named.st_ino != st->st_ino) {
        return change_file(s, err);
    }
    s->warned_missing = false; /* it was moved away, and back */
    return CHURN_OK;
}

int32_t check_followed(struct file_source *s, churn_error *err)
{
    struct stat st;
    if (!s->regular || fstat(s->fd, &st) != 0) {
        return CHURN_OK;
    }
    if (st.st_size < s->origin + read_of(s)) {
        return fail_other(s, shorter, read_of(s), err);
    }
    if (st.st_size > s->origin + read_of(s)) {
        struct prefix now = prefix_of(s, s->fd, s->seen.end);
        return is_same(&s->seen, &now) ? CHURN_OK : fail_other(s, another, read_of(s), err);
    }
    return check_name(s, &st, err);
}
