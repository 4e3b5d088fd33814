/* The files of journals: FOLDER/PIPELINE.<n>.journal, each locked by the process that uses it. */
#ifndef JOURNAL_FILE_H
#define JOURNAL_FILE_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

#define JOURNAL_FILES 64 /* processes of one pipeline on one machine */

/* The folder: `given`, or the user's own for state where that is NULL. False when its name is too long. *ret_shared: in
 * a folder where anybody may make files. */
bool journal_folder_name(const char *given, char ret_folder[PATH_MAX], bool *ret_shared);
/* The same, and makes it where it is missing. False with a message; true with one that is not empty: a place of last
 * resort. */
bool journal_folder(const char *given, char ret_folder[PATH_MAX], char *message, size_t size);
/* Opens and locks file `n`, made where it is missing if `make`: its descriptor; -1 with errno, EWOULDBLOCK where
 * another process has it, 0 where there is something else than a regular file. */
int journal_lock(const char *folder, const char *pipeline, unsigned n, bool make);

#endif
