#include "opening.h"
#include "errors.h"
#include "files.h"
#include "metas.h"
#include "own_file.h"
#include "pages.h"
#include "session.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <unistd.h>

#define MAX_READERS 1022                           /* slots in the lock file: one for each session of each process */
#define LOOK_THROUGH ((uint64_t)256 * 1024 * 1024) /* larger files are looked through only when one is too short */

/* LMDB would end the process by abort(): it has found what cannot be. */
static void on_assert(MDB_env *env, const char *message)
{
    const struct lmdb_store *store = mdb_env_get_userctx(env);
    churn_log(store->host, CHURN_LOG_ERROR, "%s/data.mdb is damaged (%.200s); " WAY_BACK, store->path, message);
    _exit(1);
}

/* Whether the pages are what they should be; MDB_CORRUPTED or another error. */
static int check_pages(MDB_env *env)
{
    MDB_txn *txn;
    int fd, rc = mdb_env_get_fd(env, &fd);
    if (rc != 0 || (rc = mdb_txn_begin(env, NULL, MDB_RDONLY, &txn)) != 0) {
        return rc;
    }
    rc = pages_check(fd, mdb_txn_id(txn), LOOK_THROUGH);
    mdb_txn_abort(txn);
    return rc;
}

/* Whether the file, where there is one, can be opened at all; MDB_CORRUPTED. */
static int check_sizes(const struct lmdb_store *store)
{
    char data[PATH_MAX];
    int fd = files_path(store, data_file, data) ? open(data, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY) : -1;
    int rc = 0;
    if (fd >= 0) {
        rc = metas_check_sizes(fd);
        (void)close(fd);
    }
    return rc;
}

static int open_database(struct lmdb_store *store, MDB_env *env)
{
    MDB_txn *txn;
    int rc = mdb_txn_begin(env, NULL, files_read_only(store) ? MDB_RDONLY : 0, &txn);
    if (rc != 0) {
        return rc;
    }
    rc = mdb_dbi_open(txn, NULL, 0, &store->dbi);
    if (rc != 0) {
        mdb_txn_abort(txn);
        return rc;
    }
    return mdb_txn_commit(txn);
}

static int open_env(struct lmdb_store *store)
{
    /* NOTLS: a session may move from thread to thread. NOMETASYNC and not NOSYNC, which may damage the whole file. */
    unsigned flags = MDB_NOTLS | (store->sync ? 0 : MDB_NOMETASYNC) | (files_read_only(store) ? MDB_RDONLY : 0);
    size_t page = (size_t)sysconf(_SC_PAGESIZE), map_size = (size_t)store->map_size / page * page;
    MDB_env *env;
    int dead, rc;
    if ((rc = files_reserve_lock(store)) != 0 || (rc = mdb_env_create(&env)) != 0) {
        return rc;
    }
    if ((rc = mdb_env_set_mapsize(env, map_size)) != 0 || (rc = mdb_env_set_maxreaders(env, MAX_READERS)) != 0 ||
        (rc = mdb_env_set_userctx(env, store)) != 0 || (rc = mdb_env_set_assert(env, on_assert)) != 0 ||
        (rc = check_sizes(store)) != 0 || (rc = mdb_env_open(env, store->path, flags, OWN_FILE_MODE)) != 0 ||
        (rc = check_pages(env)) != 0 ||
        (rc = mdb_reader_check(env, &dead)) != 0 || /* slots of processes that were killed */
        (rc = open_database(store, env)) != 0) {
        mdb_env_close(env);
        return rc;
    }
    files_note(store);
    store->env = env;
    return 0;
}

static int32_t fail_open(const struct lmdb_store *store, int rc, churn_error *err)
{
    switch (rc) {
    case ENOMEM:
        return churn_fail_option(
            err, "map_size", "%" PRId64 " bytes of address space are not to be had; lower map_size", store->map_size);
    case MDB_INVALID:
    case MDB_VERSION_MISMATCH:
        return churn_fail_option(err, "path",
                                 "%s/data.mdb does not hold an LMDB database that can be read: %s; " WAY_BACK,
                                 store->path, mdb_strerror(rc));
    case MDB_PAGE_NOTFOUND:
        return churn_fail_option(err, "path", "%s/data.mdb was cut: it ends before pages that it needs; " WAY_BACK,
                                 store->path);
    case MDB_CORRUPTED:
        return churn_fail_option(err, "path", "%s/data.mdb is damaged: pages of it hold something else; " WAY_BACK,
                                 store->path);
    default:
        if (error_severity(rc) == CHURN_RETRY) {
            return fail_rc(store, rc, err);
        }
        return churn_fail_option(err, "path", "cannot open the store %s: %s%s", store->path, mdb_strerror(rc),
                                 own_file_hint(rc));
    }
}

/* With the lock. */
static int32_t open_once(struct lmdb_store *store, churn_error *err)
{
    char data[PATH_MAX];
    bool is_new = false;
    int32_t result = files_check_folder(store, &is_new, err);
    int rc = 0;
    if (result != CHURN_OK) {
        return result;
    }
    if (files_path(store, data_file, data)) {
        rc = own_file_make_folders(data);
    }
    rc = rc == 0 ? open_env(store) : rc;
    if (rc != 0 && is_new) {
        files_remove_beginnings(store);
    }
    return rc == 0 ? CHURN_OK : fail_open(store, rc, err);
}

int32_t lmdb_open(void *self, void **ret_session, churn_error *err)
{
    struct lmdb_store *store = self;
    struct session *s;
    int32_t result;
    (void)pthread_mutex_lock(&store->lock);
    result = store->env == NULL ? open_once(store, err) : CHURN_OK;
    (void)pthread_mutex_unlock(&store->lock);
    if (result != CHURN_OK) {
        return result;
    }
    s = session_new(store);
    if (s == NULL) {
        return fail_memory(err);
    }
    *ret_session = s;
    return CHURN_OK;
}

void lmdb_close(void *session)
{
    session_free(session);
}

void lmdb_destroy(void *self)
{
    struct lmdb_store *store = self;
    if (store->env != NULL) {
        if (!store->sync) {
            (void)mdb_env_sync(store->env, 1);
        }
        mdb_env_close(store->env);
    }
    (void)pthread_mutex_destroy(&store->lock);
}
