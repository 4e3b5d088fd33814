#include "engine/commit.h"

#include "base/fault.h"
#include "engine/plugin_call.h"
#include "engine/processors.h"
#include <stdlib.h>

/* What can be committed. */
static int64_t committable(const struct worker *worker, const struct partition *p)
{
    return worker_has_store(worker) ? p->durable : p->done;
}

static bool is_due(const struct worker *worker, const struct partition *p)
{
    return p->place != PLACE_NONE && committable(worker, p) > p->committed;
}

bool commit_lacks_store(const struct worker *worker, const struct partition *p)
{
    return worker_has_store(worker) && p->place != PLACE_NONE && p->done > p->durable;
}

bool commit_is_allowed(struct worker *worker)
{
    worker->progress.held = !processors_checkpoint(worker);
    return !worker->progress.held;
}

/* What the source is to be told: all that it does not know and, with `all`, what it may have missed. The caller frees.
 */
static churn_position *positions_to_tell(const struct worker *worker, bool all, uint32_t *ret_count)
{
    churn_position *positions = calloc(partition_count(worker) + 1u, sizeof *positions);
    *ret_count = 0;
    for (uint32_t i = 0; positions != NULL && i < partition_count(worker); i++) {
        const struct partition *p = partition_at(worker, i);
        if (is_due(worker, p) ||
            (all && p->place != PLACE_NONE && p->committed > 0 && p->committed == committable(worker, p))) {
            positions[(*ret_count)++] = (churn_position){.topic = worker->parts.items[i].topic,
                                                         .partition = worker->parts.items[i].partition,
                                                         .offset = committable(worker, p)};
        }
    }
    return positions;
}

void commit_tell(struct worker *worker, bool wait)
{
    struct progress *progress = &worker->progress;
    churn_error err = {.size = sizeof err};
    uint32_t count;
    churn_position *positions;
    if (source_of(worker)->commit == NULL) {
        return;
    }
    positions = positions_to_tell(worker, wait && progress->unsure, &count);
    if (count > 0 && (worker_has_store(worker) || commit_is_allowed(worker))) {
        FAILPOINT("before_commit");
        worker_enter(worker, &worker->pipeline->source);
        int32_t result = source_of(worker)->commit(worker->source->self, positions, count, wait, &err);
        worker_enter(worker, NULL);
        if (result == CHURN_OK) {
            for (uint32_t i = 0; i < partition_count(worker); i++) {
                struct partition *p = partition_at(worker, i);
                p->committed = is_due(worker, p) ? committable(worker, p) : p->committed;
            }
            progress->unsure = !wait;
        }
        FAILPOINT("after_commit");
    }
    free(positions);
}
