/* How far a worker is behind its source. */
#ifndef LAG_H
#define LAG_H

#include <stdbool.h>
#include <stdint.h>

struct worker;

struct worker_lag {
    bool known;
    int64_t messages; /* that are not settled */
};

/* As of the newest look. [any] */
struct worker_lag worker_lag(const struct worker *worker);
/* More is known to come at once: what is written together then costs less. */
bool lag_is_large(struct worker *worker);
/* Looks how far it is behind, for worker_lag. */
void lag_look(struct worker *worker);

#endif
