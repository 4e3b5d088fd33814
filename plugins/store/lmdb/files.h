/* The files of a store: what lies in its folder, and whether it stays in its place. */
#ifndef LMDB_FILES_H
#define LMDB_FILES_H

#include "settings.h"
#include <churn/result.h>

#include <limits.h>
#include <stdbool.h>

/* LMDB's own files in the store's folder. */
extern const char data_file[], lock_file[];

bool path_of(const struct lmdb_store *store, const char *name, char path[PATH_MAX]);

bool reads_only(const struct lmdb_store *store);

/* Looks at what lies in the folder before LMDB does. *ret_new: there is no store yet. */
int32_t check_folder(const struct lmdb_store *store, bool *ret_new, churn_error *err);

/* Takes room for the lock file before LMDB maps it: on a full disk the first use of a page without any would end the
 * process. 0, or an errno. */
int reserve_lock_file(const struct lmdb_store *store);

/* A new file that could not be written whole, since the disk is full, is no store. */
void remove_beginnings(const struct lmdb_store *store);

/* Which file it is; mode 0: none, as beside a store that can only be read. */
void note_file(const struct lmdb_store *store, const char *name, struct stat *ret);

/* Whether the names still lead to the files that are open: what is counted into others is found by nobody, and whoever
 * locks others does not know of us. */
int32_t check_place(const struct lmdb_store *store, churn_error *err);

#endif
