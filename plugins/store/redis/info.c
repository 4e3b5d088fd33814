#include "info.h"
#include "calls.h"
#include "replies.h"

#include <stdlib.h>
#include <string.h>

const char *info_value(const char *info, const char *name, int *ret_len)
{
    size_t len = strlen(name);
    for (const char *line = info; line != NULL; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, name, len) == 0 && line[len] == ':') {
            *ret_len = (int)strcspn(line + len + 1, "\r\n");
            return line + len + 1;
        }
    }
    return NULL;
}

long info_number(const char *info, const char *name)
{
    int len = 0;
    const char *value = info_value(info, name, &len);
    return value != NULL ? strtol(value, NULL, 10) : -1;
}

int32_t info_ask(struct session *s, const char *section, redisReply **ret, churn_error *err)
{
    const churn_str args[] = {churn_text("INFO"), churn_text(section)};
    int32_t result = call_ask(s, args, 2, ret, err);
    if (result == CHURN_OK && *ret != NULL && !reply_is_text(*ret)) {
        freeReplyObject(*ret);
        *ret = NULL;
        result = churn_fail(err, CHURN_RETRY, "Redis at %s gave an unexpected answer to INFO", s->where);
    }
    return result;
}
