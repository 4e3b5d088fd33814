#define _GNU_SOURCE /* fallocate */
#include "errors.h"
#include "own_file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/resource.h>

#define SPARE (256 * 1024) /* bytes that LMDB writes at once */

/* LMDB says EIO when a write was cut short: what would the next one say? */
static int real_cause(const struct lmdb_store *store, int rc)
{
    struct rlimit limit;
    struct stat st;
    int fd;
    if (rc != EIO || store->env == NULL || mdb_env_get_fd(store->env, &fd) != 0 || fstat(fd, &st) != 0) {
        return rc;
    }
    if (getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur < (rlim_t)st.st_size + SPARE) {
        return EFBIG;
    }
    return fallocate(fd, FALLOC_FL_KEEP_SIZE, st.st_size, SPARE) != 0 && (errno == ENOSPC || errno == EDQUOT) ? errno
                                                                                                              : rc;
}

/* Says what LMDB or the system said, for a person. */
static void describe(const struct lmdb_store *store, int rc, char *text, size_t size)
{
    switch (rc) {
    case MDB_MAP_FULL:
        (void)snprintf(text, size,
                       "the store %s is full: map_size is %" PRId64 " bytes; raise map_size and start again",
                       store->path, store->map_size);
        break;
    case ENOSPC:
    case EDQUOT:
        (void)snprintf(text, size, "no space is left on the disk of the store %s%s", store->path, own_file_hint(rc));
        break;
    case MDB_CORRUPTED:
    case MDB_PAGE_NOTFOUND:
        (void)snprintf(text, size, "%s/data.mdb is damaged (%s); " WAY_BACK, store->path, mdb_strerror(rc));
        break;
    case MDB_MAP_RESIZED:
        (void)snprintf(text, size, "another process enlarged the store %s: give each the same map_size and start again",
                       store->path);
        break;
    case MDB_READERS_FULL:
        (void)snprintf(text, size, "the store %s is in use by too many sessions", store->path);
        break;
    default:
        (void)snprintf(text, size, "the store %s failed: %s%s", store->path, mdb_strerror(rc), own_file_hint(rc));
    }
}

int32_t error_severity(int rc)
{
    bool passing = rc == MDB_MAP_FULL || rc == ENOSPC || rc == EDQUOT || rc == EFBIG || rc == ENOMEM || rc == EAGAIN ||
                   rc == EINTR || rc == MDB_READERS_FULL || rc == MDB_TXN_FULL;
    return passing ? CHURN_RETRY : CHURN_FATAL;
}

int32_t fail_rc(const struct lmdb_store *store, int rc, churn_error *err)
{
    char text[CHURN_ERROR_MESSAGE_SIZE];
    rc = real_cause(store, rc);
    describe(store, rc, text, sizeof text);
    return churn_fail(err, error_severity(rc), "%s", text);
}

int32_t fail_memory(churn_error *err)
{
    return churn_fail(err, CHURN_RETRY, "out of memory");
}

int32_t fail_corrupt(const struct lmdb_store *store, churn_str key, churn_error *err)
{
    return churn_fail(
        err, CHURN_REJECT,
        "the store %s holds a damaged record under the key %.*s; restore the folder from a backup, or make "
        "all anew with `churnd rebuild --into`",
        store->path, (int)key.len, key.ptr);
}
