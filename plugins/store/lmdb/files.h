/* The files of a store: what lies in its folder, and whether it stays in its place. */
#ifndef LMDB_FILES_H
#define LMDB_FILES_H

#include "settings.h"
#include <churn/result.h>

#include <limits.h>
#include <stdbool.h>

/* LMDB's own files in the store's folder. */
extern const char data_file[], lock_file[];

/* The path of such a file; false when it is too long. */
bool files_path(const struct lmdb_store *store, const char *name, char path[PATH_MAX]);

/* May the store not be written to? */
bool files_read_only(const struct lmdb_store *store);

/* Looks at what lies in the folder before LMDB does. *ret_new: there is no store yet. */
int32_t files_check_folder(const struct lmdb_store *store, bool *ret_new, churn_error *err);

/* Takes room for the lock file before LMDB maps it: on a full disk the first use of a page without any would end the
 * process. 0, or an errno. */
int files_reserve_lock(const struct lmdb_store *store);

/* Removes a new file that could not be written whole, since the disk is full: it is no store. */
void files_remove_beginnings(const struct lmdb_store *store);

/* Remembers which files are open. */
void files_note(struct lmdb_store *store);

/* Fails when the names do not lead to those files any more: what is counted into others is found by nobody, and whoever
 * locks others does not know of us. */
int32_t files_check_place(const struct lmdb_store *store, churn_error *err);

#endif
