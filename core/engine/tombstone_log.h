/* The log of tombstones in a store, beside the profiles of a prefix: one record for each, numbered from 1, none of
 * which ever changes. Who adds one needs the next number, so that two cannot add the same one twice. */
#ifndef TOMBSTONE_LOG_H
#define TOMBSTONE_LOG_H

#include "profile/store_keys.h"
#include "profile/tombstones.h"
#include <pthread.h>

struct tombstone_log {
    const churn_store_ops *ops;
    void *session;
    const char *prefix;
    struct tombstones *set;
    pthread_rwlock_t *lock; /* taken while the set is changed; NULL: nobody else looks at it */
};

/* Reads on from what is known to the end. CHURN_RETRY with a message also where a record is not of this program, or was
 * written with another key. */
int32_t tombstone_log_read(const struct tombstone_log *log, churn_error *err);
/* Whether the store still has the newest known one. */
int32_t tombstone_log_is_whole(const struct tombstone_log *log, bool *ret_whole, churn_error *err);
/* Whether anybody was ever forgotten, by whatever key: for who does not read it. */
int32_t tombstone_log_began(const struct tombstone_log *log, bool *ret_began, churn_error *err);
/* Adds a record, once it is known up to its end. CHURN_CONFLICT: somebody else has added one; read on. */
int32_t tombstone_log_put(const struct tombstone_log *log, const churn_pair *fields, uint32_t count, churn_error *err);
/* Adds those that the log lacks, in their order; to be called once it was read. *ret_added: how many. */
int32_t tombstone_log_complete(const struct tombstone_log *log, const struct tombstones *from, unsigned *ret_added,
                               churn_error *err);

#endif
