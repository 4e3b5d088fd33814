/* Whether an audit is whole: no line of it changed, missing, moved or put in. */
#ifndef VERIFY_H
#define VERIFY_H

#include "audit/trail.h"

struct verify_report {
    int64_t lines;  /* that were read */
    int64_t faults; /* that were told */
    struct chain_head
        first;              /* the number of the first good line, and the hash that it goes on from; 0: there is none */
    struct chain_head last; /* the last good one */
};

/* Told of each fault, with its file and line. */
typedef void (*verify_fault_fn)(void *ctx, const char *fault);

/* Reads files, the oldest first, of which each goes on where the one before ended. `must`: a head from elsewhere that
 * must be among the lines, number 0: none. `head`: where the last file ends. False, with a message, when a file cannot
 * be read. */
bool verify_files(const char *const *paths, unsigned count, const struct key *key, const struct chain_head *head,
                  const struct chain_head *must, verify_fault_fn fault, void *ctx, struct verify_report *ret,
                  char *message, size_t size);

#endif
