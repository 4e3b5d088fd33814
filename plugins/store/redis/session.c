#include "session.h"

#include <stdarg.h>
#include <stdio.h>

int32_t fail_memory(churn_error *err)
{
    return churn_fail(err, CHURN_RETRY, "out of memory");
}

CHURN_PRINTF(2, 3) void break_session(struct session *s, const char *format, ...)
{
    if (s->broken[0] == '\0') {
        va_list args;
        va_start(args, format);
        (void)vsnprintf(s->broken, sizeof s->broken, format, args);
        va_end(args);
    }
}

int32_t fail_broken(const struct session *s, churn_error *err)
{
    return churn_fail(err, CHURN_RETRY, "%s", s->broken);
}
