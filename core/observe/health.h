/* What a run says of itself to whoever watches over it: /healthz, whether it is alive; /readyz, whether events flow,
 * and how durable their profiles are. */
#ifndef HEALTH_H
#define HEALTH_H

#include "observe/listener.h"
#include "pipeline/stalls.h"
#include "plugin/journal.h"
#include <stdint.h>

#define HEALTH_STUCK_MS 30000 /* without a turn of a loop; what a store or source may be waited for is shorter */

#define BEHIND_UNKNOWN INT64_C(-1) /* since when records wait */

struct health_worker {
    bool assigned; /* its source has told what it reads */
    bool store_open;
    bool failed;
    int64_t turned_ms;       /* when its loop last went round, by clock_monotonic_ms; 0: it has not begun */
    int64_t lag;             /* messages, when that was last known; -1: it never was */
    int64_t behind_since_ms; /* what waits is no older, by the wall clock; 0: nothing waits; or BEHIND_UNKNOWN */
    uint32_t damaged;        /* customers whose profiles are, and whose events are set aside */
};

struct health_status {
    const char *pipeline;         /* texts live until the next one is published */
    const char *source;           /* the plugin's name */
    const char *store;            /* NULL: none */
    const char *durability;       /* NULL: the store does not say */
    struct json_object *troubles; /* of health_troubles; publishing takes it */
    bool stopping;
    int64_t looked_ms; /* when main looked */
    unsigned worker_count;
    struct health_worker workers[JOURNAL_WORKERS];
};

/* Whether its loop goes round: /healthz asks for nothing else. */
bool health_worker_is_alive(const struct health_worker *worker, int64_t now_ms);

struct health;

/* The states in which events do not move, for a status. Asked for before the workers are: who is in such a state has
 * noted the rest of it. */
struct json_object *health_troubles(struct stalls *stalls);

/* NULL when memory ran out. [main] */
struct health *health_new(void);
/* Appends what /readyz says. [any] */
void health_append(struct health *health, struct text *out);
/* Adds its routes. It must outlive the listener. [main] */
void health_serve(struct health *health, struct listener *listener);
/* Calls `fn` with the newest status and what /healthz and /readyz would answer; the status is valid until it returns.
 * [any] */
void health_look(struct health *health,
                 void (*fn)(void *ctx, const struct health_status *status, bool alive, bool ready), void *ctx);
/* [main] */
void health_publish(struct health *health, const struct health_status *status);
/* May be NULL. [main] */
void health_free(struct health *health);

#endif
