#include "session.h"

#include <stdarg.h>
#include <stdio.h>

int32_t fail_memory(churn_error *err)
{
    return churn_fail(err, CHURN_RETRY, "out of memory");
}

CHURN_PRINTF(2, 3) void session_break(struct session *s, const char *format, ...)
{
    if (!session_is_broken(s)) {
        va_list args;
        va_start(args, format);
        (void)vsnprintf(s->broken, sizeof s->broken, format, args);
        va_end(args);
    }
}

int32_t session_fail(const struct session *s, churn_error *err)
{
    (void)churn_fail(err, CHURN_RETRY, "%s", s->broken);
    if (err != NULL && s->broken_option != NULL) {
        (void)snprintf(err->option, sizeof err->option, "%s", s->broken_option);
    }
    return CHURN_RETRY;
}

int64_t session_now(const struct session *s)
{
    return s->store->host->monotonic_ms(s->store->host);
}
