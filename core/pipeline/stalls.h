/* The states in which events do not move: who is in one, since when and why. Each is logged when it begins, once a
 * minute while it lasts, and when it is over; what lasts makes the run not ready. */
#ifndef STALLS_H
#define STALLS_H

#include "base/log.h"

#define STALL_WHAT_SIZE 32
#define STALL_MESSAGE_SIZE 512

struct stalls;

/* Whose state it is. */
struct stall_place {
    const void *owner;  /* the section that is in it: two plugins may have one name */
    const char *plugin; /* what the log and /readyz call it; lives as long as the stalls */
    unsigned worker;
};

/* One that lasts. */
struct stall_report {
    const char *plugin, *what, *message;
    unsigned worker;
    int64_t since_ms; /* by the wall clock */
};

/* `log` NULL: says nothing. `now_ms` is the monotonic clock. NULL when memory ran out. */
struct stalls *stalls_new(struct log *log, int64_t (*now_ms)(void));
void stalls_free(struct stalls *stalls);

/* `place` is in the state `what`, or still is, with another message. Logged with `level` when it begins; one that comes
 * and goes all the time is logged every ten seconds at most. [any] */
void stalls_begin(struct stalls *stalls, const struct stall_place *place, const char *what, int32_t level,
                  const char *message);
/* It is over, or never was; `over` is what the log says, NULL: "goes on". [any] */
void stalls_end(struct stalls *stalls, const struct stall_place *place, const char *what, const char *over);
/* Nothing of this owner's in this worker lasts any more; says nothing. [any] */
void stalls_forget(struct stalls *stalls, const void *owner, unsigned worker);

/* The run of this worker ends: says which of its states last, and that they do. [any] */
void stalls_leave(struct stalls *stalls, unsigned worker);

/* Logs what has lasted for another minute. `waiting`: how many records the source still has; -1: not known. [main] */
void stalls_remind(struct stalls *stalls, int64_t waiting);
/* Calls `fn` with each that lasts. The texts live until it returns. [any] */
void stalls_each(struct stalls *stalls, void (*fn)(void *ctx, const struct stall_report *report), void *ctx);

#endif
