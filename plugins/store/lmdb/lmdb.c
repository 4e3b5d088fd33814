/*
 * The embedded store: one LMDB folder, no server.
 *
 * A session queues puts and poll runs them all in one write transaction, so a window of profiles costs one commit.
 * LMDB readers never block and see whole commits, also from another process (`churnd profile` beside a running
 * pipeline). An expired record counts as absent and is overwritten in place; sessions that put records with an expiry
 * also sweep expired ones away, a few with each put.
 *
 * The files, each resting on those before it: settings, errors; arena, keys, record, sweep; session; metas, page,
 * pages; files; transactions; puts, reading, writing; opening; and here the options and the table of the plugin.
 */
#include "files.h"
#include "opening.h"
#include "puts.h"
#include "reading.h"
#include "session.h"
#include "writing.h"
#include <churn/plugin.h>
#include <churn/store.h>

#include <limits.h>

static const churn_option options[] = {
    {"path", .type = CHURN_OPTION_STRING, .flags = CHURN_OPTION_REQUIRED, .offset = offsetof(struct lmdb_store, path),
     .help = "Folder that holds the data; made when it is missing. On a local disk, never on a network share."},
    {"map_size", .type = CHURN_OPTION_SIZE, .default_text = "65536MiB", .min = 1024 * 1024, .max = INT64_MAX,
     .offset = offsetof(struct lmdb_store, map_size),
     .help = "Most that the data may ever take. Only address space is reserved: the file grows as it fills."},
    {"sync", .type = CHURN_OPTION_BOOL, .default_text = "true", .offset = offsetof(struct lmdb_store, sync),
     .help =
         "Wait until each commit is on the disk for good. When false, a crash of the machine (not of the process) may "
         "undo the last commit, which is then lost; the data stays whole either way."},
};

static int32_t lmdb_create(void *self, const churn_host *host, churn_error *err)
{
    struct lmdb_store *store = self;
    store->host = host;
    if ((uint64_t)store->map_size > SIZE_MAX) {
        return churn_fail_option(err, "map_size", "is more than this machine can address");
    }
    if (pthread_mutex_init(&store->lock, NULL) != 0) {
        return churn_fail(err, CHURN_FATAL, "out of memory");
    }
    return CHURN_OK;
}

/* One history: a store that is not in its place any more ends the run. */
static int32_t lmdb_identity(void *session, char text[CHURN_IDENTITY_SIZE], churn_error *err)
{
    const struct session *s = session;
    text[0] = '\0';
    return files_check_place(s->store, err);
}

static const char *lmdb_durability(void *self)
{
    return ((const struct lmdb_store *)self)->sync ? "fsync" : "fsync before a commit";
}

/* The host itself looks at files and folders. */
static void lmdb_probe(void *self, uint32_t timeout_ms, churn_target_fn fn, void *ctx)
{
    static const char *const inner[] = {data_file, lock_file};
    const struct lmdb_store *s = self;
    char path[PATH_MAX];
    churn_target target = {.size = sizeof target,
                           .flags = CHURN_TARGET_WRITES,
                           .kind = CHURN_TARGET_FOLDER,
                           .name = s->path,
                           .option = "path"};
    (void)timeout_ms;
    fn(ctx, &target);
    target.flags |= CHURN_TARGET_INNER;
    target.kind = CHURN_TARGET_FILE;
    target.name = path;
    for (size_t i = 0; i < sizeof inner / sizeof inner[0]; i++) {
        if (files_path(s, inner[i], path)) {
            fn(ctx, &target);
        }
    }
}

static const churn_store_ops ops = {
    .size = sizeof(churn_store_ops),
    .embedded = 1,
    .create = lmdb_create,
    .open = lmdb_open,
    .put = lmdb_put,
    .poll = lmdb_poll,
    .get = lmdb_get,
    .write = lmdb_write,
    .remove = lmdb_remove,
    .scan = lmdb_scan,
    .close = lmdb_close,
    .destroy = lmdb_destroy,
    .identity = lmdb_identity,
    .keys = lmdb_keys,
    .durability = lmdb_durability,
    .probe = lmdb_probe,
};

static const char *const paths[] = {"path", NULL};
static const churn_needs needs = {.size = sizeof needs, .write_options = paths};

CHURN_PLUGIN(.kind = CHURN_KIND_STORE, .name = "lmdb", .version = "1.0.0",
             .summary = "Keeps profiles in a local LMDB folder; needs no server",
             CHURN_OPTIONS(options, struct lmdb_store), .ops = &ops, .needs = &needs);
