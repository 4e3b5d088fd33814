/* Keys as LMDB takes them. */
#ifndef LMDB_KEYS_H
#define LMDB_KEYS_H

#include <churn/result.h>

#include <lmdb.h>

#define MAX_KEY 511 /* LMDB's own limit */

/* Fails for a key that LMDB does not take. */
int32_t key_check(churn_str key, churn_error *err);

/* Borrowed; LMDB does not write to it. */
static inline MDB_val key_to_lmdb(churn_str key)
{
    return (MDB_val){.mv_data = (void *)(uintptr_t)key.ptr, .mv_size = key.len};
}

static inline churn_str key_from_lmdb(const MDB_val *key)
{
    return (churn_str){.ptr = key->mv_data, .len = (uint32_t)key->mv_size};
}

#endif
