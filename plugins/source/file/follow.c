#include "follow.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

/* Another file lies under the name: one that begins with what was read, such as a copy, is read on. */
static int32_t change_file(struct input *input, const struct prefix *seen, churn_error *err)
{
    int fd = open(input->path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    struct prefix now;
    struct stat st;
    if (fd < 0 || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        input_tell_missing(input, fd < 0 ? "cannot be opened any more" : "is no file any more");
        (void)(fd >= 0 && close(fd));
        return CHURN_OK; /* looked at the next time */
    }
    now = prefix_of(input, fd, seen->end);
    if (!prefix_is_same(seen, &now)) {
        (void)close(fd);
        return prefix_fail(input, "was replaced by another file, which does not begin with what was read", input->come,
                           err);
    }
    (void)close(input->fd);
    input->fd = fd;
    (void)lseek(fd, input->origin + input->come, SEEK_SET);
    input->told_missing = false;
    return CHURN_OK;
}

/* Whether the name still leads to what is read, all of which was: `st`. */
static int32_t check_name(struct input *input, const struct prefix *seen, const struct stat *st, churn_error *err)
{
    struct stat named;
    if (input_is_stdin(input)) {
        return CHURN_OK;
    }
    if (stat(input->path, &named) != 0) {
        input_tell_missing(input, errno == ENOENT || errno == ENOTDIR ? "does not exist any more"
                                                                      : "cannot be opened any more");
        return CHURN_OK;
    }
    if (named.st_dev != st->st_dev || named.st_ino != st->st_ino) {
        return change_file(input, seen, err);
    }
    input->told_missing = false; /* it was moved away, and back */
    return CHURN_OK;
}

int32_t follow_check(struct input *input, const struct prefix *seen, churn_error *err)
{
    struct stat st;
    if (!input->regular || fstat(input->fd, &st) != 0) {
        return CHURN_OK;
    }
    if (st.st_size < input->origin + input->come) {
        return prefix_fail(input, PREFIX_SHORTER, input->come, err);
    }
    if (st.st_size > input->origin + input->come) {
        struct prefix now = prefix_of(input, input->fd, seen->end);
        return prefix_is_same(seen, &now) ? CHURN_OK : prefix_fail(input, PREFIX_ANOTHER, input->come, err);
    }
    return check_name(input, seen, &st, err);
}
