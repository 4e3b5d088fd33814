/* What the parts of progress.h share: progress.c (where reading begins, checkpoints and commits), proof.c (whether a
 * partition is the one that was counted), reach.c (how far profiles may have counted). */
#ifndef PROGRESS_INTERNAL_H
#define PROGRESS_INTERNAL_H

#include "engine/worker_internal.h"
#include "pipeline/host.h"

#define NOTHING (-1)

static inline const churn_source_ops *source_of(const struct worker *worker)
{
    return source_ops(&worker->pipeline->source);
}

static inline const churn_store_ops *store_of(const struct worker *worker)
{
    return store_ops(&worker->pipeline->store);
}

static inline const char *label_of(const struct worker *worker)
{
    return worker->pipeline->source.label;
}

static inline struct partition *at(const struct worker *worker, uint32_t source)
{
    return &worker->progress.partitions[source];
}

/* How many partitions may be ours. */
static inline uint32_t count_of(const struct worker *worker)
{
    return worker->sources.count < worker->progress.room ? worker->sources.count : worker->progress.room;
}

/* So that each of worker->sources has a partition. False when the worker failed: memory ran out. */
bool progress_make_room(struct worker *worker);

/* "checkpoint" or "letters" of a partition. */
static inline churn_str own_key(const struct worker *worker, uint32_t source, const char *what, char key[HOST_KEY_SIZE])
{
    churn_str name = sources_name(&worker->sources.items[source]);
    return (churn_str){.ptr = key, .len = host_own_key(what, worker->pipeline->store_settings.key_prefix, name, key)};
}

/* reach.c: how far profiles may have counted. A profile is written before the checkpoint beyond its events is, so after
 * a crash its mark may lie beyond the checkpoint; how far, the store is told before. So of a mark beyond the end of the
 * partition it can be said whether it may be true, and the log was cut, or cannot be, and the profile is damaged. */
/* Reads what the store keeps of it: CHURN_OK, CHURN_RETRY when the session was lost, CHURN_FATAL when the worker
 * failed. */
int32_t reach_load(struct worker *worker, uint32_t source);
/* Tells the store, once it has nothing to answer, that profiles have counted no further than this worker has. */
void reach_settle(struct worker *worker);

/* proof.c: the partition ends at `end`, though a customer's profile says in its field `kind` that everything before
 * `below` was counted, as may be: always false. That is remembered for as long as the profile says so. */
bool proof_refuse_profile(struct worker *worker, uint32_t source, churn_str customer, const char *kind, int64_t below,
                          int64_t end);

#endif
