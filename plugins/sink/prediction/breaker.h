/* A circuit breaker: after so many failures in a row nothing is tried for a pause, then one probe decides. What fails
 * later than that, but was started before, tells nothing new and is passed over. */
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
    uint64_t turn;    /* grows whenever the state changes */
};

/* 1 when a request may be started now; in the OPEN state that is the probe. */
int breaker_allows(const struct breaker *breaker, int64_t now_ms);

/* A request was started. Returns the turn that it belongs to. */
uint64_t breaker_started(struct breaker *breaker);

enum breaker_change breaker_success(struct breaker *breaker);
enum breaker_change breaker_failure(struct breaker *breaker, uint64_t turn, int64_t now_ms);

#endif
