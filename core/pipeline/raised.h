/* Alerts that sinks raise by themselves (<churn/ext/alerts.h>), on their way from their threads to the worker's, which
 * gives them to the sinks for alerts, and back as answers. One queue for each worker. */
#ifndef RAISED_H
#define RAISED_H

#include <churn/ext/alerts.h>
#include <stdatomic.h>
#include <stdbool.h>

struct raised_alert {
    struct raised_alert *next;
    const void *owner; /* the instance that raised it */
    uint64_t id;       /* … and what it calls it */
    uint64_t window;   /* number of the window that has it */
    churn_alert alert; /* its texts lie behind */
    char texts[];
};

struct raised;

/* NULL when memory ran out. */
struct raised *raised_new(unsigned workers);
/* May be NULL. */
void raised_free(struct raised *raised);

/* ---- whoever raises: any thread ---- */

/* False when memory ran out. */
bool raised_add(struct raised *raised, unsigned worker, const void *owner, const churn_alert *alert, uint64_t id);
uint32_t raised_answers(struct raised *raised, unsigned worker, const void *owner, uint64_t *ids, uint32_t max);

/* ---- the worker ---- */

/* The oldest one that waits; NULL: none. Valid until it is answered. */
const struct raised_alert *raised_first(struct raised *raised, unsigned worker);
/* That one is in a window now. */
void raised_given(struct raised *raised, unsigned worker, uint64_t window);
/* Those of a window are safe. */
void raised_answer(struct raised *raised, unsigned worker, uint64_t window);
/* All windows were given up: what they had waits again, in order. */
void raised_give_back(struct raised *raised, unsigned worker);

#endif
