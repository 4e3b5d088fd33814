/* When events are seen in their profiles: a thread of its own looks again and again at the profiles of some customers
 * whose events are noted here as they are written. */
#ifndef PROBES_H
#define PROBES_H

#include "base/log.h"
#include "cli/load/ladder.h"
#include <churn/result.h>
#include <churn/store.h>

#define PROBES 64 /* customers */

struct probes;

/* The store's instance must live as long; `key_prefix` of its profiles, `customer_prefix` of the customers, whose names
 * end in a number from 1 to PROBES. NULL: memory ran out, or no thread could be started. */
struct probes *probes_new(const churn_store_ops *ops, void *store, struct log *log, const char *key_prefix,
                          const char *customer_prefix);
void probes_free(struct probes *probes);

/* An event of `customer` was due at `due_ms`, and `written` events were written before it in all. Its latency goes to
 * `step`, which lives until no event waits. False where it is none of the customers, or memory ran out. [main] */
bool probes_note(struct probes *probes, churn_str customer, int64_t due_ms, uint64_t written, struct step *step);

/* What is not seen yet. [main] */
struct probes_waiting {
    uint32_t count;
    uint64_t written; /* before the oldest of them */
};
struct probes_waiting probes_waiting(struct probes *probes);
/* Forgets what is not seen yet, with the time that was waited for it as its latency. [main] */
void probes_give_up(struct probes *probes);

/* Mean time between two looks, ms, at profiles of which something was awaited. 0: there were none. [main] */
double probes_resolution_ms(struct probes *probes);
/* Why the store cannot be used at all; NULL: it can. [main] */
const char *probes_failure(struct probes *probes);

#endif
