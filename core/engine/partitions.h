/* A worker's partitions, asked and told one by one. */
#ifndef PARTITIONS_H
#define PARTITIONS_H

#include "engine/state.h"

/* The source keeps no positions. */
static inline bool is_forgetful(const struct worker *worker)
{
    return source_of(worker)->commit == NULL;
}

void partitions_free(struct progress *progress);
/* So that each of worker->parts has a partition. False when the worker failed: memory ran out. */
bool partitions_make_room(struct worker *worker);
/* True when the source gave us this partition. */
bool partitions_own(struct worker *worker, const char *topic, int32_t partition);
/* The record at this offset is wanted again, and what follows it. */
void partitions_seek_back(struct worker *worker, uint32_t part, int64_t offset);
/* True when every assigned partition is where it should be. */
bool partitions_ready(const struct worker *worker);
/* Asks where a partition begins and ends; sources that cannot tell have no end to be beyond. CHURN_OK or CHURN_RETRY.
 */
int32_t partitions_ask_bounds(struct worker *worker, uint32_t part, int64_t *ret_low, int64_t *ret_end);
/* The source handed out the record at this offset. */
void partitions_note_read(struct worker *worker, uint32_t part, int64_t offset);
/* Kinds of outputs, CHURN_RECORD_…, that are not sent again for this record. */
uint32_t partitions_muted(const struct worker *worker, uint32_t part, int64_t offset);
/* True for a record that had been judged before this run began to read. */
bool partitions_is_replayed(const struct worker *worker, uint32_t part, int64_t offset);
/* True for a record whose dead letter may have been written before this run began to read. */
bool partitions_is_lettered(const struct worker *worker, uint32_t part, int64_t offset);

#endif
