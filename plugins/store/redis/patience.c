#include "patience.h"

#define STALL_MS 1000 /* without a look at the socket: what this process did meanwhile is not the server's delay */

void patience_renew(struct patience *p, int64_t now_ms)
{
    p->progress_ms = now_ms;
    p->overdue = false;
}

bool patience_lasts(struct patience *p, int64_t now_ms)
{
    bool was_overdue;
    if (!p->waiting) {
        p->waiting = true;
        patience_renew(p, now_ms);
    } else if (now_ms - p->looked_ms >= STALL_MS) {
        p->progress_ms += now_ms - p->looked_ms;
    }
    p->looked_ms = now_ms;
    if (patience_left(p, now_ms) > 0) {
        return true;
    }
    was_overdue = p->overdue;
    p->overdue = true;
    return !was_overdue;
}

int64_t patience_left(const struct patience *p, int64_t now_ms)
{
    return p->progress_ms + p->most_ms - now_ms;
}
