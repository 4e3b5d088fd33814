#include "engine/progress.h"

#include "base/clock.h"
#include "engine/commit.h"
#include "engine/handover.h"
#include "engine/partition_lag.h"
#include "engine/partitions.h"
#include "engine/proof.h"
#include "engine/reach.h"
#include "engine/rounds.h"
#include <time.h>

/* What was in flight is void: `done` begins anew, and nothing is known of the store. A replay that was not through
 * begins anew. */
static void restart(struct partition *p)
{
    p->replayed = p->replayed && (p->replay_to == 0 || p->done >= p->replay_to);
    p->again = false;
    p->place = PLACE_LOOK_UP;
    p->done = p->putting = p->durable = p->doubted_below = NOTHING;
    p->last = p->putting_last = WITNESS_NONE;
    p->proving = p->proven = p->mended = false;
    p->stored = CHECKPOINT_NONE;
    p->replayed_below = p->lettered_below = p->announced = p->muted_below = p->replay_to = 0;
    p->reach = p->written = p->began = p->owned = 0;
    p->reached = p->read = NOTHING;
    p->muted = 0;
    p->kept = false;
}

bool progress_assign(struct worker *worker, const churn_position *positions, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        uint32_t part = parts_find(&worker->parts, positions[i].topic, positions[i].partition);
        if (part == PART_NONE || !partitions_make_room(worker)) {
            return out_of_memory(worker);
        }
        struct partition *p = partition_at(worker, part);
        partition_lag_take(p, &positions[i]);
        restart(p);
        p->flags = positions[i].flags;
        p->position = positions[i].offset;
        p->committed = (p->flags & CHURN_POSITION_RESUMED) != 0 ? p->position : NOTHING;
        p->end = NOTHING;
        p->handed = worker->pipeline->handover != NULL && is_forgetful(worker)
                        ? handover_get(worker->pipeline->handover, positions[i].topic, positions[i].partition)
                        : NOTHING;
        p->placed = false;
    }
    partition_lag_forget(worker);
    return true;
}

void progress_hand_over(const struct worker *worker)
{
    for (uint32_t i = 0; worker->pipeline->handover != NULL && is_forgetful(worker) && i < partition_count(worker);
         i++) {
        const struct partition *p = partition_at(worker, i);
        if (p->place != PLACE_NONE && p->done != NOTHING) {
            handover_set(worker->pipeline->handover, worker->parts.items[i].topic, worker->parts.items[i].partition,
                         p->done);
        }
    }
}

/* Whatever was not settled will be read again. */
static void forget_records(struct progress *progress)
{
    progress->done = progress->putting = progress->durable = 0;
}

void progress_revoke(struct worker *worker)
{
    if (rounds_wait(worker)) {
        session_close(worker); /* its answers are of no use, and nothing else may be asked before they came */
    }
    for (uint32_t i = 0; i < worker->progress.room; i++) {
        partition_at(worker, i)->place = PLACE_NONE;
        partition_at(worker, i)->proving = false;
        partition_lag_leave(partition_at(worker, i));
    }
    rounds_end(&worker->progress);
    forget_records(&worker->progress);
    worker->progress.unsure = false;
}

void progress_rewind(struct worker *worker)
{
    for (uint32_t i = 0; i < partition_count(worker); i++) {
        if (partition_at(worker, i)->place != PLACE_NONE) {
            restart(partition_at(worker, i));
        }
    }
    rounds_end(&worker->progress);
    forget_records(&worker->progress);
}

bool progress_note_done(struct worker *worker, const struct window *window)
{
    for (uint32_t i = 0; i < window->position_count; i++) {
        uint32_t part = window->positions[i].part;
        struct partition *p = partition_find(worker, part);
        if (p != NULL && p->place != PLACE_NONE && p->place != PLACE_LOOK_UP) {
            p->done = window->positions[i].next;
            p->last = window->positions[i].last.offset >= 0 ? window->positions[i].last : p->last;
        }
    }
    worker->progress.done += window->record_count;
    if (!worker_has_store(worker)) {
        worker->progress.durable = worker->progress.done;
    }
    return true;
}

bool progress_note_passed(struct worker *worker, uint32_t part, int64_t offset)
{
    struct window *window = window_filling(worker);
    const struct partition *p = partition_find(worker, part);
    if (p == NULL || p->place != PLACE_READY || p->kept || proof_passed(worker, part, offset)) {
        return true; /* read again, or not ours any more, or kept for a later redrive */
    }
    if (window_is_empty(window)) {
        window->opened_ms = clock_monotonic_ms();
    }
    if (!window_note_passed(window, part, offset)) {
        return out_of_memory(worker);
    }
    partitions_note_read(worker, part, offset - 1);
    return true;
}

bool progress_settled(const struct worker *worker)
{
    bool settled = worker->progress.round == ROUND_NONE && !worker->progress.held;
    for (uint32_t i = 0; i < partition_count(worker); i++) {
        settled = settled && !commit_lacks_store(worker, partition_at(worker, i));
    }
    return settled;
}

int64_t progress_unsettled(const struct worker *worker)
{
    const struct progress *progress = &worker->progress;
    return progress_settled(worker) ? 0 : (int64_t)(progress->done - progress->durable);
}

bool progress_commit(struct worker *worker, int64_t limit_ms)
{
    static const struct timespec nap = {.tv_nsec = 1000000};
    int64_t deadline = clock_monotonic_ms() + limit_ms;
    /* A window that could not be finished in time still waits for answers: only what was durable before it counts. */
    while (worker->session.handle != NULL && !session_is_writing(worker) && !worker->session.went_back &&
           !progress_settled(worker) && clock_monotonic_ms() < deadline) {
        worker->moved = false;
        rounds_step(worker, true);
        if (worker->failed || !session_poll(worker, NULL, 1)) {
            return false;
        }
        if (!worker->moved) {
            (void)nanosleep(&nap, NULL);
        }
    }
    reach_settle(worker);
    commit_tell(worker, true);
    while (!worker_has_store(worker) && worker->progress.held && !worker->failed && clock_monotonic_ms() < deadline) {
        (void)nanosleep(&nap, NULL);
        commit_tell(worker, true);
    }
    return !worker->failed;
}
