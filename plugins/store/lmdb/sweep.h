/* Expired records are swept away, a few with each put that has an expiry. */
#ifndef LMDB_SWEEP_H
#define LMDB_SWEEP_H

#include "keys.h"
#include "settings.h"

/* Starts zeroed. */
struct sweep {
    uint32_t due;      /* records to look at with the next commit */
    uint32_t last_len; /* the key that was looked at last; 0: begin with the first */
    unsigned char last[MAX_KEY];
};

/* A record with an expiry is put. */
void sweep_owe(struct sweep *sweep);

/* Looks at the records that are due, in the order of their keys, and deletes those that have expired. 0, or LMDB's
 * error. */
int sweep_run(struct sweep *sweep, const struct lmdb_store *store, MDB_txn *txn);

#endif
