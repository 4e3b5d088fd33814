#include "engine/state.h"

bool worker_fail(struct worker *worker, const char *format, ...)
{
    va_list args;
    if (!worker->failed) {
        va_start(args, format);
        (void)vsnprintf(worker->failure, sizeof worker->failure, format, args);
        va_end(args);
        log_line(worker->pipeline->log, CHURN_LOG_ERROR, "worker", worker->failure);
        worker->failed = true;
    }
    return false;
}
