/* Whether the user of an ACL may do what is needed. */
#ifndef REDIS_RIGHTS_H
#define REDIS_RIGHTS_H

#include <churn/store.h>

/* The store's call of this name; see <churn/store.h>. */
int32_t redis_allowed(void *session, const churn_str *keys, uint32_t count, churn_error *err);

#endif
