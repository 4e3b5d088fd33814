/* A pipeline as it runs: its workers and its journal. A run has one generation after another, for a reload replaces it
 * whole. Main thread only. */
#ifndef GENERATION_H
#define GENERATION_H

#include "engine/worker.h"

struct generation {
    struct pipeline *pipeline;
    struct worker **workers;
    unsigned count;
    enum worker_order order;
    int64_t deadline_ms; /* once it stops: no worker may take longer */
    bool broken;         /* it could not be started */
};

/* Tells the pipeline's journal which of its plugins are called for single events. */
void generation_name_plugins(struct pipeline *pipeline);
/* Opens the journal, makes the workers and starts them. False, with a line in the log, when that fails: then those that
 * started were told to stop. End it in either case. */
bool generation_start(struct generation *generation, struct pipeline *pipeline);
void generation_order(struct generation *generation, enum worker_order order);
unsigned generation_count(const struct generation *generation, enum worker_state state);
/* Every worker has opened its instances and its session, and went round once. */
bool generation_has_started(const struct generation *generation);
/* Every worker knows which partitions are its. */
bool generation_is_assigned(const struct generation *generation);
bool generation_has_ended(const struct generation *generation);
bool generation_failed(const struct generation *generation);
/* How many records the source still has; -1: not known. */
int64_t generation_lag(const struct generation *generation);
/* Why the first worker that failed did; NULL: no worker has. */
const char *generation_failure(const struct generation *generation);
/* Waits for the workers and frees them, which passes their positions on (pipeline->handover), and closes store and
 * journal. Where a plugin does not let go of its threads for `patience_ms`, the process ends with `status`. */
void generation_end(struct generation *generation, int64_t patience_ms, int status);

#endif
