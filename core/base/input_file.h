/* Files that somebody names: none of them is waited for when it is opened, and none is read without a limit. */
#ifndef INPUT_FILE_H
#define INPUT_FILE_H

#include "base/json_text.h"
#include <stdbool.h>
#include <stdio.h>
#include <sys/stat.h>

#define INPUT_FILE_MAX (4 << 20) /* of what input_file_read takes */

/* What a file is that is no regular one; NULL for one that is. */
const char *input_file_kind(mode_t mode);
/* Opens a regular file for reading: its descriptor. -1 with errno, which is 0 where there is something else, as
 * ret->st_mode says. */
int input_file_open(const char *path, struct stat *ret);
/* Whether the path leads to a pipe that this process was given open, such as /dev/stdin: its text comes once. A FIFO
 * that has a name of its own is none. */
bool input_file_is_pipe(const char *path);
/* Appends all that `in` holds. False with errno: EFBIG where that is more than INPUT_FILE_MAX. */
bool input_file_read(FILE *in, struct text *text);

#endif
