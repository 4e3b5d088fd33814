#define _GNU_SOURCE /* fallocate */
#include "files.h"
#include "errors.h"
#include "own_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LOCK_FILE_SIZE (72 * 1024) /* room for MAX_READERS, as LMDB lays them out */

const char data_file[] = "data.mdb", lock_file[] = "lock.mdb";

bool files_path(const struct lmdb_store *store, const char *name, char path[PATH_MAX])
{
    int len = snprintf(path, PATH_MAX, "%s/%s", store->path, name);
    return len > 0 && len < PATH_MAX;
}

bool files_read_only(const struct lmdb_store *store)
{
    const churn_host *host = store->host;
    return host->size >= offsetof(churn_host, read_only) + sizeof host->read_only && host->read_only != 0;
}

/* A file or folder must be what it is called, not a link to somewhere else. *ret_st: what it is; mode 0: nothing yet.
 */
static int32_t check_kind(const char *path, mode_t kind, struct stat *ret_st, churn_error *err)
{
    *ret_st = (struct stat){0};
    if (lstat(path, ret_st) != 0) {
        *ret_st = (struct stat){0};
        return errno == ENOENT ? CHURN_OK
                               : churn_fail_option(err, "path", "%s cannot be looked at: %s%s", path, strerror(errno),
                                                   own_file_hint(errno));
    }
    if (S_ISLNK(ret_st->st_mode)) {
        return churn_fail_option(err, "path", "%s cannot be used%s", path, own_file_hint(ELOOP));
    }
    if ((ret_st->st_mode & S_IFMT) != kind) {
        return churn_fail_option(err, "path", "%s is no %s", path, kind == S_IFDIR ? "folder" : "file");
    }
    return CHURN_OK;
}

int32_t files_check_folder(const struct lmdb_store *store, bool *ret_new, churn_error *err)
{
    char data[PATH_MAX], lock[PATH_MAX];
    struct stat st;
    int32_t result;
    if (!files_path(store, data_file, data) || !files_path(store, lock_file, lock)) {
        return churn_fail_option(err, "path", "%s is too long", store->path);
    }
    if ((result = check_kind(store->path, S_IFDIR, &st, err)) != CHURN_OK ||
        (result = check_kind(lock, S_IFREG, &st, err)) != CHURN_OK ||
        (result = check_kind(data, S_IFREG, &st, err)) != CHURN_OK) {
        return result;
    }
    *ret_new = st.st_mode == 0;
    if (*ret_new && files_read_only(store)) {
        return churn_fail_option(err, "path",
                                 "there is no store in %s: the pipeline has not run yet, or another folder "
                                 "is meant",
                                 store->path);
    }
    if (!*ret_new && st.st_size == 0) {
        return churn_fail_option(err, "path",
                                 "%s is empty: somebody has cut it, or its making was interrupted; " WAY_BACK, data);
    }
    return CHURN_OK;
}

int files_reserve_lock(const struct lmdb_store *store)
{
    char path[PATH_MAX];
    struct stat st;
    int fd, rc = 0;
    if (!files_path(store, lock_file, path)) {
        return ENAMETOOLONG;
    }
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, OWN_FILE_MODE);
    if (fd < 0) {
        return errno == EROFS || files_read_only(store) ? 0 : errno; /* LMDB knows what to do, or says it */
    }
    if (fstat(fd, &st) == 0 &&
        fallocate(fd, st.st_size == 0 ? 0 : FALLOC_FL_KEEP_SIZE, 0, st.st_size == 0 ? LOCK_FILE_SIZE : st.st_size) !=
            0 &&
        (errno == ENOSPC || errno == EDQUOT || errno == EFBIG)) {
        rc = errno;
    }
    (void)close(fd);
    return rc;
}

void files_remove_beginnings(const struct lmdb_store *store)
{
    char path[PATH_MAX];
    struct stat st;
    if (files_path(store, data_file, path) && stat(path, &st) == 0 && st.st_size < 2 * sysconf(_SC_PAGESIZE)) {
        (void)unlink(path);
    }
}

/* Which file it is; mode 0: none. */
static void note(const struct lmdb_store *store, const char *name, struct stat *ret)
{
    char path[PATH_MAX];
    if (!files_path(store, name, path) || stat(path, ret) != 0) {
        ret->st_mode = 0;
    }
}

void files_note(struct lmdb_store *store)
{
    note(store, data_file, &store->opened.data);
    note(store, lock_file, &store->opened.lock);
}

/* Whether the name led to another file, or none, when it was looked at; where it cannot be looked at, nothing is known.
 */
static bool was_taken(const struct lmdb_store *store, const char *name, const struct stat *noted)
{
    char path[PATH_MAX];
    struct stat st;
    if (noted->st_mode == 0 || !files_path(store, name, path)) {
        return false;
    }
    return stat(path, &st) == 0 ? st.st_dev != noted->st_dev || st.st_ino != noted->st_ino
                                : errno == ENOENT || errno == ENOTDIR;
}

int32_t files_check_place(const struct lmdb_store *store, churn_error *err)
{
    if (was_taken(store, data_file, &store->opened.data)) {
        return churn_fail(err, CHURN_FATAL,
                          "%s/data.mdb was deleted, moved away or replaced while it was in use, so nothing more is "
                          "counted into it; put it back, or leave what is there now, and start again: what the store "
                          "then lacks is counted anew as far as the source still holds it",
                          store->path);
    }
    if (was_taken(store, lock_file, &store->opened.lock)) {
        return churn_fail(err, CHURN_FATAL,
                          "%s/lock.mdb was deleted, moved away or replaced while it was in use: whoever opens the "
                          "store now would not know that this process writes to it, and damage it; leave data.mdb as "
                          "it is and start again",
                          store->path);
    }
    return CHURN_OK;
}
