/* Records as they are stored: format byte, then varints: expiry (ms since 1970, 0 none), version, count, and for each
 * field the lengths of name and value followed by their bytes; at the end a checksum, since LMDB has none. */
#ifndef LMDB_RECORD_H
#define LMDB_RECORD_H

#include "session.h"

struct record {
    uint64_t expires_ms;
    uint64_t version;
    uint32_t count;  /* fields, which are in the session's `pairs` */
    uint32_t stored; /* 0: nothing, or nothing any more */
};

/* Decodes into the session's pairs, which point into `data`. CHURN_FATAL: damaged; CHURN_RETRY: out of memory. */
int32_t decode(struct session *s, churn_str key, const MDB_val *data, struct record *ret);

bool encode(struct session *s, churn_str key, const struct record *record, const churn_pair *pairs, MDB_val *ret);

/* Reads what is stored now under `key`; expired counts as nothing. */
int32_t load(struct session *s, MDB_txn *txn, churn_str key, struct record *ret, churn_error *err);

uint64_t expiry(const struct lmdb_store *store, int64_t ttl_ms);

/* The fields as `get` and `scan` show them: `_v` last, unless the record has no version. */
uint32_t with_version(struct session *s, const struct record *record);

/* What is damaged stays, for somebody to see. */
bool has_expired(const MDB_val *key, const MDB_val *data, uint64_t now_ms);

bool same_name(const churn_pair *a, const churn_pair *b);

#endif
