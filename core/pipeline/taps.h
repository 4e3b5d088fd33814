/* The points of a running pipeline at which its records can be looked at, and copies of those that somebody wants to
 * see. Threads that move records offer them and never wait: nobody looks as a rule, which costs them the look at one
 * word; else a copy goes into a ring of the thread's own, and what finds no room there is passed over, and counted. */
#ifndef TAPS_H
#define TAPS_H

#include <churn/record.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum tap_point { TAP_SOURCE, TAP_EVENTS, TAP_ALERTS, TAP_DEAD_LETTERS, TAP_PREDICTIONS, TAP_POINTS };

/* "source", "events" … */
const char *taps_point_name(enum tap_point point);
/* False when there is no such point. */
bool taps_point_find(const char *name, enum tap_point *ret);

#define TAPS_WATCHERS 8
#define TAPS_ROOM (4u << 20)      /* bytes of a ring */
#define TAPS_MAX_VALUE (1u << 20) /* a record with a longer value is shown without it */
#define TAPS_MAX_HEADERS 64

struct taps_rings;

struct taps {
    _Atomic uint32_t watched; /* a bit for each point that somebody looks at, and one beside it, see taps.c */
    struct taps_rings *rings;
};

/* NULL when memory ran out. */
struct taps *taps_new(void);
/* May be NULL; nobody offers or looks any more. */
void taps_free(struct taps *taps);

/* Whether a record at this point is worth an offer; `taps` NULL: never. [any] */
static inline bool taps_watched(const struct taps *taps, enum tap_point point)
{
    return taps != NULL && (atomic_load_explicit(&taps->watched, memory_order_relaxed) >> point & 1) != 0;
}

/* Copies a record, as far as somebody wants it. `customer`: whose it is; ptr NULL where that is not known. By the
 * thread of this worker alone. [worker] */
void taps_offer(struct taps *taps, unsigned worker, enum tap_point point, churn_str customer,
                const churn_record *record);
/* The same for threads of plugins, which share a ring and its lock. [any] */
void taps_offer_shared(struct taps *taps, enum tap_point point, churn_str customer, const churn_record *record);

/* ---- whoever looks: one thread ---- */

/* `watcher`, of TAPS_WATCHERS, looks at a point from now on, at the records of one customer or of all (NULL). */
void taps_watch(struct taps *taps, unsigned watcher, enum tap_point point, const char *customer);
void taps_unwatch(struct taps *taps, unsigned watcher);

/* A copy, valid during the call it is given to. */
struct tapped {
    enum tap_point point;
    churn_str customer;  /* ptr NULL: not known */
    churn_record record; /* its value has room for the decoder behind it; without headers and key where it is cut */
    uint32_t cut;        /* bytes that its value had, which is not here; 0: it is */
};

typedef void (*taps_fn)(void *ctx, const struct tapped *tapped);
/* Calls `fn` with up to `most` copies that wait; returns how many there were. What a watcher did not ask for may be
 * among them. */
unsigned taps_take(struct taps *taps, unsigned most, taps_fn fn, void *ctx);
/* How many records were passed over at a point since the taps were made. */
uint64_t taps_passed_over(const struct taps *taps, enum tap_point point);

#endif
