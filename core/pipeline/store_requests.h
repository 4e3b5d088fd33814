/* Requests to a store whose answer is waited for: for who has a session of his own and nothing else to do meanwhile. */
#ifndef STORE_REQUESTS_H
#define STORE_REQUESTS_H

#include <churn/store.h>

/* Gives what lies under each key to `fn`, in their order, at once where the store can; as get_many of
 * churn_store_ops. */
int32_t store_get_many(const churn_store_ops *ops, void *session, const churn_str *keys, uint32_t count,
                       churn_fields_fn fn, void *ctx, churn_error *err);
/* Puts, with no other put under way in the session. CHURN_OK, CHURN_CONFLICT, or what failed, with a message; then the
 * session may still owe the reply and is to be closed. */
int32_t store_put_one(const churn_store_ops *ops, void *session, const churn_put *put, uint32_t timeout_ms,
                      churn_error *err);

#endif
