/* What one session has under way. One thread. */
#ifndef LMDB_SESSION_H
#define LMDB_SESSION_H

#include "arena.h"
#include "record.h"
#include "settings.h"
#include "sweep.h"
#include <churn/store.h>

/* Puts since the last commit. */
struct queue {
    churn_put *puts;
    uint32_t count;
    size_t room;
    struct arena memory; /* of what they point to */
};

/* Replies of the last commit. */
struct answers {
    churn_put_reply *replies;
    uint32_t count;
    uint32_t given; /* of these: handed out already */
    size_t room;
    struct arena memory; /* of what they point to */
};

struct session {
    struct lmdb_store *store;
    MDB_txn *reader; /* reset between calls, so that it pins no old pages */
    struct queue queue;
    struct answers answers;
    struct record_memory record; /* of the record that is being read or written */
    struct sweep sweep;
};

/* NULL when memory ran out. */
struct session *session_new(struct lmdb_store *store);

void session_free(struct session *s);

#endif
