/* Records as they are stored: format byte, then varints: expiry (ms since 1970, 0 none), version, count, and for each
 * field the lengths of name and value followed by their bytes; at the end a checksum, since LMDB has none. */
#ifndef LMDB_RECORD_H
#define LMDB_RECORD_H

#include <churn/store.h>

#include <lmdb.h>
#include <stdbool.h>
#include <stddef.h>

struct record {
    uint64_t expires_ms;
    uint64_t version;
    uint32_t count;  /* fields, which are in the memory's `pairs` */
    uint32_t stored; /* 0: nothing, or nothing any more */
};

/* Where records are decoded and encoded, one after the other. Starts zeroed. One thread. */
struct record_memory {
    churn_pair *pairs; /* of the record decoded last */
    size_t pair_room;
    unsigned char *encoded; /* the one encoded last */
    size_t encoded_room;
    char version_text[24];
};

/* Room for so many pairs; false when memory ran out. */
bool record_reserve(struct record_memory *m, size_t count);

/* Decodes into the memory's pairs, which point into `data`. CHURN_FATAL: damaged; CHURN_RETRY: out of memory. */
int32_t record_decode(struct record_memory *m, churn_str key, const MDB_val *data, struct record *ret);

/* Encodes it with `pairs`; *ret stays until the next one. False when memory ran out. */
bool record_encode(struct record_memory *m, churn_str key, const struct record *record, const churn_pair *pairs,
                   MDB_val *ret);

/* The fields of the record decoded last, as `get` and `scan` show them: `_v` last, unless the record has no version.
 * Returns how many there are. */
uint32_t record_with_version(struct record_memory *m, const struct record *record);

/* Is it nothing any more? */
static inline bool record_is_over(uint64_t expires_ms, int64_t now_ms)
{
    return expires_ms != 0 && expires_ms <= (uint64_t)now_ms;
}

/* … one that is stored; a damaged one stays, for somebody to see. */
bool record_has_expired(churn_str key, const MDB_val *data, int64_t now_ms);

void record_memory_free(struct record_memory *m);

#endif
