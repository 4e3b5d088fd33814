/* What a path names, whatever it is called: `./a`, a link and a mount of `a` are one thing, also one that is not there
 * yet. */
#ifndef FILE_PLACE_H
#define FILE_PLACE_H

#include <stdbool.h>
#include <sys/stat.h>

struct file_place {
    dev_t device; /* of the thing, or of the nearest folder above it that exists */
    ino_t inode;
    mode_t mode; /* of the thing; 0: it does not exist */
    char *rest;  /* what is to be made below that folder, as "/a/b"; "": the thing exists */
};

/* The path `-` is standard input or output. False where nothing can be told; free with file_place_free in either case.
 */
bool file_place_find(const char *path, bool written, struct file_place *ret);
void file_place_free(struct file_place *place);

/* Both name one file or folder, which is there or could be. A pipe, a terminal or a device is nobody's alone. */
bool file_place_same(const struct file_place *a, const struct file_place *b);

/* The process' own open files under a name, such as /dev/stdout, which are links by nature. */
bool file_place_is_standard(const char *path);

#endif
