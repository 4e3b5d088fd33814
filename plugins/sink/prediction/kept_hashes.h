/* Hashes read from the store, many at a time, and kept. */
#ifndef PREDICTION_KEPT_HASHES_H
#define PREDICTION_KEPT_HASHES_H

#include "store_session.h"

struct kept_hash {
    char *damage;       /* why it cannot be read; owned; NULL: it was */
    churn_pair *fields; /* `count` of them, with their texts behind; owned */
    uint32_t count;
};

/* Reads `count` hashes; `session` is open. CHURN_OK: each was read, or is damaged; CHURN_RETRY: the store is out of
 * reach; CHURN_FATAL. What was read then is freed by the caller all the same. */
int32_t kept_hashes_read(struct store_session *session, const churn_str *keys, uint32_t count, struct kept_hash *ret,
                         churn_error *err);

void kept_hashes_free(struct kept_hash *hashes, uint32_t count);

#endif
