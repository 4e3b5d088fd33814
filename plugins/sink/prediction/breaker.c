#include "breaker.h"

int breaker_allows(const struct breaker *breaker, int64_t now_ms)
{
    return breaker->state == BREAKER_CLOSED || (breaker->state == BREAKER_OPEN && now_ms >= breaker->until_ms);
}

uint64_t breaker_started(struct breaker *breaker)
{
    if (breaker->state == BREAKER_OPEN) {
        breaker->state = BREAKER_PROBING;
        breaker->turn++;
    }
    return breaker->turn;
}

enum breaker_change breaker_success(struct breaker *breaker)
{
    enum breaker_change change = breaker->state == BREAKER_CLOSED ? BREAKER_SAME : BREAKER_CLOSED_AGAIN;
    breaker->turn += change == BREAKER_CLOSED_AGAIN;
    breaker->state = BREAKER_CLOSED;
    breaker->failures = 0;
    return change;
}

enum breaker_change breaker_failure(struct breaker *breaker, uint64_t turn, int64_t now_ms)
{
    int was_closed = breaker->state == BREAKER_CLOSED;
    if (turn != breaker->turn) {
        return BREAKER_SAME;
    }
    breaker->failures++;
    if (was_closed && breaker->failures < breaker->limit) {
        return BREAKER_SAME;
    }
    breaker->state = BREAKER_OPEN;
    breaker->turn++;
    breaker->until_ms = now_ms + breaker->pause_ms;
    return was_closed ? BREAKER_OPENED : BREAKER_SAME;
}
