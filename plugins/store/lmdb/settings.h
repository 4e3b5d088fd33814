/* What the options of the store say, and what its sessions share. */
#ifndef LMDB_SETTINGS_H
#define LMDB_SETTINGS_H

#include <churn/host.h>

#include <lmdb.h>
#include <pthread.h>
#include <stdint.h>
#include <sys/stat.h>

#define MAX_KEY 511 /* LMDB's own limit */

struct lmdb_store {
    const char *path; /* options */
    int64_t map_size;
    int32_t sync;
    const churn_host *host;
    pthread_mutex_t lock; /* guards the opening of env: sessions are opened by several threads */
    MDB_env *env;         /* NULL until the first session */
    MDB_dbi dbi;
    struct stat data_as_opened, lock_as_opened; /* the files of env: which ones they are */
};

#endif
