#include "engine/partitions.h"

#include "engine/stalled.h"
#include <stdlib.h>

void partitions_free(struct progress *progress)
{
    free(progress->partitions);
    *progress = (struct progress){0};
}

bool partitions_make_room(struct worker *worker)
{
    struct progress *progress = &worker->progress;
    uint32_t room = worker->parts.count + 16;
    struct partition *grown;
    if (worker->parts.count <= progress->room) {
        return true;
    }
    grown = realloc(progress->partitions, room * sizeof *grown);
    if (grown == NULL) {
        return out_of_memory(worker);
    }
    for (uint32_t i = progress->room; i < room; i++) {
        grown[i] = (struct partition){
            .place = PLACE_NONE, .reached = NOTHING, .doubted_below = NOTHING, .stored = CHECKPOINT_NONE};
    }
    progress->partitions = grown;
    progress->room = room;
    return true;
}

bool partitions_own(struct worker *worker, const char *topic, int32_t partition)
{
    const struct partition *p = partition_find(worker, parts_find(&worker->parts, topic, partition));
    return p != NULL && p->place != PLACE_NONE;
}

void partitions_seek_back(struct worker *worker, uint32_t part, int64_t offset)
{
    struct partition *p = partition_find(worker, part);
    if (p == NULL || p->place == PLACE_NONE) {
        return; /* not ours any more */
    }
    if (p->place == PLACE_LOOK_UP) {
        p->placed = true; /* it goes back further, but the source does not stand where it was assigned any more */
        return;
    }
    if (p->place == PLACE_READY || offset < p->target) {
        p->target = offset;
        p->read = offset < p->read ? offset : p->read;
    }
    p->place = PLACE_SEEK;
}

bool partitions_ready(const struct worker *worker)
{
    for (uint32_t i = 0; i < partition_count(worker); i++) {
        if (partition_at(worker, i)->place == PLACE_LOOK_UP || partition_at(worker, i)->place == PLACE_SEEK) {
            return false;
        }
    }
    return true;
}

int32_t partitions_ask_bounds(struct worker *worker, uint32_t part, int64_t *ret_low, int64_t *ret_end)
{
    const struct part *s = &worker->parts.items[part];
    churn_error err = {.size = sizeof err};
    int32_t result;
    if (source_of(worker)->bounds == NULL) {
        *ret_low = 0;
        *ret_end = INT64_MAX;
        return CHURN_OK;
    }
    result = source_of(worker)->bounds(worker->source->self, s->topic, s->partition, ret_low, ret_end, &err);
    if (result != CHURN_OK) {
        worker_stalled(worker, &worker->pipeline->source, STALL_PLACE, CHURN_LOG_WARN, "%s; waiting", err.message);
        return CHURN_RETRY;
    }
    return CHURN_OK;
}

uint32_t partitions_muted(const struct worker *worker, uint32_t part, int64_t offset)
{
    const struct partition *p = partition_find(worker, part);
    return p != NULL && offset < p->muted_below ? p->muted : 0;
}

bool partitions_is_replayed(const struct worker *worker, uint32_t part, int64_t offset)
{
    const struct partition *p = partition_find(worker, part);
    return p != NULL && offset < p->replayed_below;
}

bool partitions_is_lettered(const struct worker *worker, uint32_t part, int64_t offset)
{
    const struct partition *p = partition_find(worker, part);
    return p != NULL && offset < p->lettered_below;
}

void partitions_note_read(struct worker *worker, uint32_t part, int64_t offset)
{
    struct partition *p = partition_find(worker, part);
    if (p == NULL) {
        return;
    }
    p->read = offset + 1;
    if (offset >= p->end) {
        p->end = offset + 1;
    }
}
