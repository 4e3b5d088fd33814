/* What INFO says of a server. */
#ifndef REDIS_INFO_H
#define REDIS_INFO_H

#include "session.h"

/* The value of a line `name:value` of INFO, up to the line's end; NULL when there is none. */
const char *info_value(const char *info, const char *name, int *ret_len);

long info_number(const char *info, const char *name);

int32_t info_ask(struct session *s, const char *section, redisReply **ret, churn_error *err);

#endif
