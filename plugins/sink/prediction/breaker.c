#include "breaker.h"

int breaker_allows(const struct breaker *breaker, int64_t now_ms)
{
    return breaker->state == BREAKER_CLOSED || (breaker->state == BREAKER_OPEN && now_ms >= breaker->until_ms);
}

void breaker_started(struct breaker *breaker)
{
    if (breaker->state == BREAKER_OPEN) {
        breaker->state = BREAKER_PROBING;
    }
}

enum breaker_change breaker_success(struct breaker *breaker)
{
    enum breaker_change change = breaker->state == BREAKER_CLOSED ? BREAKER_SAME : BREAKER_CLOSED_AGAIN;
    breaker->state = BREAKER_CLOSED;
    breaker->failures = 0;
    return change;
}

enum breaker_change breaker_failure(struct breaker *breaker, int64_t now_ms)
{
    breaker->failures++;
    if (breaker->state == BREAKER_CLOSED && breaker->failures < breaker->limit) {
        return BREAKER_SAME;
    }
    breaker->until_ms = now_ms + breaker->pause_ms;
    if (breaker->state == BREAKER_CLOSED) {
        breaker->state = BREAKER_OPEN;
        return BREAKER_OPENED;
    }
    breaker->state = BREAKER_OPEN;
    return BREAKER_SAME;
}
