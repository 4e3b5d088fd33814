/* A record that can be told from any other that might stand at its offset: by a hash of what it holds and of when it
 * was written. A checkpoint keeps one, so the hash is all that is kept. */
#ifndef WITNESS_H
#define WITNESS_H

#include <churn/record.h>
#include <stdbool.h>

struct witness {
    int64_t offset; /* of the record; -1: none */
    uint64_t hash;
};

#define WITNESS_NONE ((struct witness){.offset = -1})
#define WITNESS_SIZE 40 /* of its text, the NUL included */

struct witness witness_of(const churn_record *record);
/* "<offset>:<hash>", or "" of none; returns the length. */
uint32_t witness_format(struct witness witness, char text[WITNESS_SIZE]);
/* WITNESS_NONE for any other text. */
struct witness witness_parse(churn_str text);

#endif
