#include "engine/stalled.h"

static struct stall_place place_of(const struct worker *worker, const struct section *section)
{
    return (struct stall_place){section, section->label, worker->number};
}

void worker_stalled(struct worker *worker, const struct section *section, const char *what, int32_t level,
                    const char *format, ...)
{
    const struct stall_place place = place_of(worker, section);
    char message[STALL_MESSAGE_SIZE];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(message, sizeof message, format, args);
    va_end(args);
    stalls_begin(worker->pipeline->stalls, &place, what, level, message);
}

void worker_goes_on(struct worker *worker, const struct section *section, const char *what, const char *over)
{
    const struct stall_place place = place_of(worker, section);
    stalls_end(worker->pipeline->stalls, &place, what, over);
}
