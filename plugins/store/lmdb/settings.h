/* What the options of the store say, and what its sessions share. */
#ifndef LMDB_SETTINGS_H
#define LMDB_SETTINGS_H

#include <churn/host.h>

#include <lmdb.h>
#include <pthread.h>
#include <stdint.h>
#include <sys/stat.h>

/* Which files are open. */
struct opened_files {
    struct stat data, lock; /* mode 0: none, as beside a store that can only be read */
};

struct lmdb_store {
    const char *path; /* options */
    int64_t map_size;
    int32_t sync;
    const churn_host *host;
    pthread_mutex_t lock; /* guards the opening of env: sessions are opened by several threads */
    MDB_env *env;         /* NULL until the first session */
    MDB_dbi dbi;
    struct opened_files opened; /* the files of env */
};

static inline int64_t store_now_ms(const struct lmdb_store *store)
{
    return store->host->now_ms(store->host);
}

#endif
