/* Who a session is. */
#ifndef REDIS_LOGIN_H
#define REDIS_LOGIN_H

#include "session.h"

/* Logs in, where there is a password. CHURN_FATAL, at the option `password`, when that is refused. */
int32_t session_log_in(struct session *s, const struct login *login, churn_error *err);

#endif
