/* A worker: one thread that owns a source, its processors and sinks, a session of the store and a cache of profiles. */
#ifndef WORKER_H
#define WORKER_H

#include "engine/lag.h"
#include "engine/order.h"
#include "observe/health.h"
#include "pipeline/pipeline.h"

struct worker;

/* Makes a worker with its instances; mistakes were reported. NULL when there was one. [main] */
struct worker *worker_new(struct pipeline *pipeline, unsigned number);
/* Starts its thread. [main] */
bool worker_start(struct worker *worker);
/* [main] */
void worker_order(struct worker *worker, enum worker_order order);
enum worker_state worker_state(const struct worker *worker);
/* Its instances have started, and its loop went round once: what cannot work at all has failed by then. [main] */
bool worker_has_started(const struct worker *worker);
/* Why it failed; NULL: it has not. [main] */
const char *worker_failure(const struct worker *worker);
struct health_worker worker_health(const struct worker *worker);
/* Whose call has not returned, such as "sink chat" or "filter worked on t/0 offset 7", and its section; "itself" and
 * NULL where no plugin is called. [any] */
void worker_where(const struct worker *worker, const struct section **ret_section, char *text, size_t size);
/* After its end: how many records a sink had not taken for good. [main] */
int64_t worker_undelivered(const struct worker *worker, unsigned sink);
/* Waits for the thread, if it was started, notes in pipeline->handover how far it came, and frees; may be NULL. [main]
 */
void worker_free(struct worker *worker);

#endif
