/* What the user of an ACL needs at least. */
#ifndef REDIS_GRANTS_H
#define REDIS_GRANTS_H

#include <churn/store.h>

/* For people; grants.c has them one by one. */
#define NEEDED_COMMANDS "info, script|load, eval, evalsha, del, hget, hset, hgetall, persist and pexpire"

/* The store's call of this name; see <churn/store.h>. */
void redis_grants(void *self, uint32_t use, const churn_str *prefixes, uint32_t count, churn_grant_fn fn, void *ctx);

#endif
