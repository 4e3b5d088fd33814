/* Which history of writes a server has, so that one that lost data is known by it. */
#ifndef REDIS_IDENTITY_H
#define REDIS_IDENTITY_H

#include <churn/store.h>

/* `run_id` changes with every start of the server, `master_replid` also when its data was replaced by another server's
 * while it ran, the name of the history when it was emptied. */
int32_t redis_identity(void *session, char text[CHURN_IDENTITY_SIZE], churn_error *err);

#endif
