/* Whether an audit is whole: no line of it changed, missing, moved or put in. */
#ifndef VERIFY_H
#define VERIFY_H

#include "audit/trail.h"

struct verify_report {
    int64_t lines;          /* that were read */
    int64_t faults;         /* that were told */
    int64_t first;          /* the number of the first good line; 0: there is none */
    struct chain_head last; /* the last good one */
};

/* What the lines are held against. */
struct verify_ends {
    struct chain_head head; /* where the last file ends */
    struct chain_head must; /* from elsewhere, must be among the lines; number 0: none */
    struct chain_head from; /* of the lines before the first file, which are not read; number 0: there are none */
};

/* Told of each fault, with its file and line. */
typedef void (*verify_fault_fn)(void *ctx, const char *fault);

/* Reads files, the oldest first, of which each goes on where the one before ended. False, with a message, when a file
 * cannot be read. */
bool verify_files(const char *const *paths, unsigned count, const struct key *key, const struct verify_ends *ends,
                  verify_fault_fn fault, void *ctx, struct verify_report *ret, char *message, size_t size);

#endif
