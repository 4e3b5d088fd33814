/* Sentinels, which know where the primary is. */
#ifndef REDIS_SENTINEL_H
#define REDIS_SENTINEL_H

#include "session.h"

/* Asks one after the other, first the one that told last, until one tells. CHURN_RETRY: none does at the moment;
 * CHURN_FATAL: none will as configured. */
int32_t sentinel_find(struct redis_store *store, struct address *ret, churn_error *err);

/* What was told last is wrong: another is asked first the next time. */
void sentinel_doubt(struct redis_store *store);

/* Asks each of them, and writes what is to be said of those that do not tell; "": they all do. */
void sentinel_try_all(struct redis_store *store, char *text, size_t size);

#endif
