/* What one session has under way. One thread. */
#ifndef LMDB_SESSION_H
#define LMDB_SESSION_H

#include "arena.h"
#include "settings.h"
#include <churn/store.h>

#include <stdbool.h>

struct session {
    struct lmdb_store *store;
    MDB_txn *reader; /* reset between calls, so that it pins no old pages */
    churn_put *puts; /* queued since the last commit; what they point to is in `queue` */
    uint32_t put_count;
    uint32_t put_room;
    struct arena queue;
    churn_put_reply *replies; /* of the last commit; what they point to is in `answers` */
    uint32_t reply_count;
    uint32_t reply_room;
    uint32_t replied; /* replies already handed out */
    struct arena answers;
    churn_pair *pairs; /* of the record decoded last */
    uint32_t pair_room;
    unsigned char *encoded;
    size_t encoded_room;
    char version_text[24];
    uint32_t sweep_due; /* records to look at with the next commit, for what has expired */
    uint32_t swept_len; /* the key that was looked at last; 0: begin with the first */
    unsigned char swept[MAX_KEY];
};

/* Makes room for `count` items, doubling; false when memory ran out. */
bool reserve(void **items, uint32_t *room, uint64_t count, size_t item_size);

bool reserve_pairs(struct session *s, uint64_t count);

#endif
