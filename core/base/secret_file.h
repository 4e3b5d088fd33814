/* Secrets that lie in files, each the file's whole text. */
#ifndef SECRET_FILE_H
#define SECRET_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

#define SECRET_FILE_MAX (64 << 10) /* bytes; no password, token or key comes near it */

/* The file's text, to be freed, and in `about` whose it is. One end of line behind it is left out. False with a message
 * of one line, which names the file and shows nothing of it; `about->st_mode` is 0 where there is no such file. */
bool secret_file_read(const char *path, char **ret_value, struct stat *about, char *message, size_t size);
/* Overwrites the text before it is freed; NULL is nothing. */
void secret_free(char *value);

#endif
