/* The newest alerts of a run, for whoever shows the token. */
#ifndef RECENT_ALERTS_H
#define RECENT_ALERTS_H

#include <churn/result.h>
#include <stdint.h>

#define RECENT_ALERTS_MAX 50
#define RECENT_ALERTS_BYTES (64 * 1024) /* a larger alert is not kept */

struct recent_alerts;

/* NULL when memory ran out. */
struct recent_alerts *recent_alerts_new(void);
void recent_alerts_free(struct recent_alerts *alerts);

/* A sink has answered for the alert, whose JSON is copied; one that is there already is not kept twice. [any] */
void recent_alerts_add(struct recent_alerts *alerts, churn_str json);
/* Calls `fn` for each, the newest first, with when it came, by the wall clock; returns how many there are. `fn` must
 * not add one. [any] */
unsigned recent_alerts_each(struct recent_alerts *alerts, void (*fn)(void *ctx, churn_str json, int64_t at_ms),
                            void *ctx);

#endif
