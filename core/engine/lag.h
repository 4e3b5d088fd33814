/* How far a worker is behind its source. */
#ifndef LAG_H
#define LAG_H

#include <stdbool.h>
#include <stdint.h>

struct worker;

struct worker_lag {
    bool known;
    int64_t messages; /* that are not settled */
    int64_t waiting;  /* the same, or when it was last known; -1: it never was */
    int64_t since_ms; /* what waits is no older, by the wall clock; as in struct health_worker */
    int64_t total;    /* of a bounded input, what was read of it and is to come; -1: not known, or it has no end */
    int64_t counted;  /* of what was read, the records whose profiles and outputs are answered */
    bool endless;     /* a generator without end: there is nothing to be behind of */
};

/* As of the newest look. [any] */
struct worker_lag worker_lag(const struct worker *worker);
/* More is known to come at once: what is written together then costs less. */
bool lag_is_large(struct worker *worker);
/* Looks how far it is behind, for worker_lag: some times a second, or at once. */
void lag_look(struct worker *worker);
void lag_look_now(struct worker *worker);

#endif
