/* What INFO says of a server. */
#ifndef REDIS_INFO_H
#define REDIS_INFO_H

#include "session.h"

/* The value of a line `name:value` of INFO, up to the line's end; NULL when there is none. */
const char *info_value(const char *info, const char *name, int *ret_len);

/* … as a number; -1 when there is none. */
long info_number(const char *info, const char *name);

/* Asks for a section of INFO. *ret is NULL where it may not be asked for; the caller frees it. */
int32_t info_ask(struct session *s, const char *section, redisReply **ret, churn_error *err);

#endif
