/* Calls that wait for their reply. */
#ifndef REDIS_CALLS_H
#define REDIS_CALLS_H

#include "session.h"

/* Waits for the reply to the oldest PENDING_CALL; the caller frees it. */
int32_t call_wait(struct session *s, redisReply **ret, churn_error *err);

/* Before anything is asked: gives back what the answers handed out last point to. Fails when the session is broken or
 * puts are unanswered. */
int32_t call_begin(struct session *s, churn_error *err);

/* Makes a call and waits for its reply, which may be an error; the caller frees it. */
int32_t call(struct session *s, const churn_str *args, uint32_t count, redisReply **ret, churn_error *err);

/* Reports an error, or a reply that cannot be, to a command on `key`; frees the reply. */
int32_t call_fail(struct session *s, redisReply *reply, churn_str key, churn_error *err);

/* A call whose success is needed; nobody reads what it says. */
int32_t call_demand(struct session *s, const churn_str *args, uint32_t count, churn_error *err);

/* Asks for what may be forbidden, or unknown to the server: then *ret is NULL, for nobody can tell. The caller frees
 * it. */
int32_t call_ask(struct session *s, const churn_str *args, uint32_t count, redisReply **ret, churn_error *err);

#endif
