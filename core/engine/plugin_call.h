/* What a worker does around the call of a plugin: says whom it has called, holds the event against it in the journal,
 * and blames who breaks the rules. */
#ifndef PLUGIN_CALL_H
#define PLUGIN_CALL_H

#include "engine/state.h"

/* The plugin of a section is called, until the next call of this; NULL: it has come back. Tells main whom a worker that
 * does not go on waits for. */
static inline void worker_enter(struct worker *worker, const struct section *section)
{
    atomic_store_explicit(&worker->signs.inside, section, memory_order_relaxed);
}

/* worker_fail where a plugin does what the header of its role forbids, so that nothing it says can be relied on. Names
 * it and its file. */
CHURN_PRINTF(3, 4)
bool worker_blame(struct worker *worker, const struct section *section, const char *format, ...);

/* What is said about an event that `plugin` must not be given. */
void plugin_poison(const struct worker *worker, unsigned plugin, const char *topic, int32_t partition, int64_t offset,
                   struct reject *reject);
/* fold_event, with a callback's call in the journal. CHURN_REJECT: with *reject. */
int32_t plugin_fold(struct worker *worker, const struct event_type *type, const churn_event *event, uint32_t part,
                    struct fields *into, struct arena *arena, struct reject *reject);
/* Makes an error as new for the next call. Emptied, not zeroed as a whole: it is large, and this happens for every
 * event. */
static inline void clear_error(churn_error *err)
{
    err->size = sizeof *err;
    err->code = CHURN_OK;
    err->option[0] = err->message[0] = err->message[sizeof err->message - 1] = '\0';
}

#endif
