/* A circuit breaker: after so many failures in a row nothing is tried for a pause, then one probe decides. */
#ifndef PREDICTION_BREAKER_H
#define PREDICTION_BREAKER_H

#include <stdint.h>

enum breaker_state { BREAKER_CLOSED, BREAKER_OPEN, BREAKER_PROBING };
enum breaker_change { BREAKER_SAME, BREAKER_OPENED, BREAKER_CLOSED_AGAIN };

struct breaker {
    enum breaker_state state;
    int64_t failures; /* in a row */
    int64_t limit;
    int64_t pause_ms;
    int64_t until_ms; /* OPEN: no probe before */
};

/* 1 when a request may be started now; in the OPEN state that is the probe, to be told by breaker_started. */
int breaker_allows(const struct breaker *breaker, int64_t now_ms);
void breaker_started(struct breaker *breaker);

enum breaker_change breaker_success(struct breaker *breaker);
enum breaker_change breaker_failure(struct breaker *breaker, int64_t now_ms);

#endif
