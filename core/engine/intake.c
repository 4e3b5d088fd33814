#include "engine/intake.h"

#include "base/clock.h"
#include "engine/event_in.h"
#include "engine/original.h"
#include "engine/partition_lag.h"
#include "engine/partitions.h"
#include "engine/processors.h"
#include "engine/put_back.h"
#include "engine/redrive_scope.h"
#include "engine/set_aside.h"

/* What the source knows to be there and cannot read. */
static bool take_unreadable(struct worker *worker, const churn_record *record)
{
    churn_record bare = *record;
    struct reject reject;
    if (worker->pipeline->redrive != NULL) {
        return put_back_leave(worker, record, "it cannot be read");
    }
    bare.value = (churn_str){0};
    reject_set(&reject, REJECT_UNREADABLE_RECORD, "%.*s", (int)record->value.len, record->value.ptr);
    return set_aside_record(worker, window_filling(worker), &bare, NULL, NOT_LATE, &reject);
}

/* *ret_position is where the record stands; PART_NONE: nowhere that is committed. `number` is its place in the poll.
 */
static bool take_record(struct worker *worker, const churn_record *record, uint32_t number, uint32_t *ret_position)
{
    const struct redrive *redrive = worker->pipeline->redrive;
    uint32_t part = parts_find(&worker->parts, record->topic, record->partition);
    bool ok;
    *ret_position = part;
    if (part == PART_NONE) {
        return out_of_memory(worker);
    }
    if (redrive != NULL) {
        ok = record->kind == CHURN_RECORD_UNREADABLE ? take_unreadable(worker, record)
             : record->offset >= redrive->end        ? true /* no letter written since the start */
                                                     : put_back_take(worker, record, &worker->origin.originals[number]);
        *ret_position = redrive->stay || put_back_keeps(worker, part) ? PART_NONE : part;
        return ok;
    }
    if (record->kind == CHURN_RECORD_UNREADABLE) {
        return take_unreadable(worker, record);
    }
    return event_in_take(worker, record, part,
                         partitions_is_replayed(worker, part, record->offset) ||
                                 partitions_is_lettered(worker, part, record->offset)
                             ? LATE_REPLAYED
                             : NOT_LATE);
}

void intake_give_back(struct worker *worker, const churn_record *records, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        uint32_t part = parts_find(&worker->parts, records[i].topic, records[i].partition);
        partitions_seek_back(worker, part, records[i].offset);
    }
}

#define LOOK_AHEAD 16 /* records */

/* Records are keyed by customer as a rule: fetches what the ones to come will need, for memory is slow. `hashes` has
 * those of the keys of LOOK_AHEAD records. */
static void look_ahead(const struct worker *worker, const churn_record *record, uint32_t hashes[LOOK_AHEAD], uint32_t i)
{
    const struct cache *cache = &worker->cache;
    hashes[i % LOOK_AHEAD] = cache_hash(record->key);
    cache_fetch_slot(cache, hashes[i % LOOK_AHEAD]);
    cache_fetch_customer(cache, hashes[(i + LOOK_AHEAD - 5) % LOOK_AHEAD]);
    cache_fetch_profile(cache, hashes[(i + LOOK_AHEAD - 10) % LOOK_AHEAD]);
}

static bool same_partition(const churn_record *a, const churn_record *b)
{
    return a->partition == b->partition && a->topic == b->topic;
}

/* The time of the first record of a run of one partition. */
static void note_first(struct worker *worker, uint32_t part, const churn_record *records, uint32_t i)
{
    struct partition *p = partition_find(worker, part);
    if (p != NULL && (i == 0 || !same_partition(&records[i], &records[i - 1]))) {
        partition_lag_note(p, records[i].offset, records[i].timestamp_ms, worker->intake.polled_ms);
    }
}

/* Only the last record of a run: a witness costs a look at every byte. */
static void note_last(struct worker *worker, uint32_t part, const churn_record *records, uint32_t i, uint32_t count)
{
    if (i + 1 < count && same_partition(&records[i], &records[i + 1])) {
        return;
    }
    if (records[i].kind != CHURN_RECORD_UNREADABLE) {
        window_note_witness(window_filling(worker), part, witness_of(&records[i]));
    }
}

bool intake_take(struct worker *worker, const churn_record *records, uint32_t count)
{
    struct window *window = window_filling(worker);
    uint32_t hashes[LOOK_AHEAD] = {0};
    worker->intake.polled_ms = clock_wall_ms();
    if (window_is_empty(window)) {
        window->opened_ms = clock_monotonic_ms();
        window->began_ms = worker->intake.polled_ms;
    }
    if (!processors_announce(worker, records, count) ||
        (worker->pipeline->redrive != NULL && !originals_read(worker, records, count, worker->origin.originals))) {
        return false;
    }
    for (uint32_t i = 0; i < count; i++) {
        uint32_t position;
        if (worker_has_store(worker) && i + LOOK_AHEAD - 1 < count) {
            look_ahead(worker, &records[i + LOOK_AHEAD - 1], hashes, i);
        }
        if (!take_record(worker, &records[i], i, &position)) {
            return false;
        }
        if (worker->reading.ask_again_ms != 0) {
            intake_give_back(worker, records + i, count - i); /* a processor could not tell */
            return true;
        }
        if (position == PART_NONE) {
            window->record_count++;
        } else if (!window_note_position(window, position, records[i].offset)) {
            return out_of_memory(worker);
        } else {
            partitions_note_read(worker, position, records[i].offset);
            note_first(worker, position, records, i);
            note_last(worker, position, records, i, count);
        }
        metrics_add_own(worker->counters.events, 1);
    }
    return true;
}
