/* The file of an audit, PATH, to which several processes append, and beside it PATH.head with the newest line's number
 * and hash: the lock of all, and what tells when the end of the file was cut off. Whoever rotates it moves PATH away:
 * the next line makes a new one, which begins where the old one ended. */
#ifndef TRAIL_H
#define TRAIL_H

#include "audit/chain.h"
#include <limits.h>

#define TRAIL_MESSAGE_SIZE (PATH_MAX + 256)

/* What was found and mended while a line was appended; for the log. */
enum trail_found {
    TRAIL_WHOLE,
    TRAIL_BEGUN, /* there was no file: a new one has begun */
    TRAIL_TORN,  /* its last line was not whole, as after a crash */
    TRAIL_CUT    /* its end is missing, or its head was changed */
};

/* Appends a line with these JSON members, and has it on the disk. `members` begins with no comma. False with a message,
 * and nothing is appended. */
bool trail_append(const char *path, const struct key *key, const char *members, struct chain_head *ret_head,
                  enum trail_found *ret_found, char *message, size_t size);

/* Whether the next line could be written, without writing it; false with a message. */
bool trail_try(const char *path, char *message, size_t size);
void trail_folder(const char *path, char ret[PATH_MAX]);

/* What PATH.head says, while nobody appends; false with a message. One that is not there is a head without lines. */
bool trail_head(const char *path, struct chain_head *ret, char *message, size_t size);

#endif
