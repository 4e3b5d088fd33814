#include "engine/windows.h"

#include "base/clock.h"
#include "base/fault.h"
#include "engine/counters.h"
#include "engine/emitter.h"
#include "engine/forgetting.h"
#include "engine/placing.h"
#include "engine/processors.h"
#include "engine/progress.h"
#include "engine/protecting.h"
#include "engine/raising.h"
#include "engine/session.h"
#include "engine/strays.h"
#include "engine/tapping.h"
#include "engine/watch.h"
#include "engine/writer.h"
#include <time.h>

#define NAP_MS 1        /* after a round in which nothing happened and nobody waited */
#define LONG_NAP_MS 10  /* the same when there is little to miss: at the end, or without the store */
#define SHORT_NAP_US 50 /* the same when somebody waits for this worker's end */

bool windows_have_room(struct worker *worker)
{
    const struct window *window = window_filling(worker);
    return window->record_count < worker->pipeline->store_settings.window_events &&
           window->arena.bytes < (size_t)worker->pipeline->store_settings.window_bytes;
}

struct window *windows_writing(struct worker *worker)
{
    struct window *window = window_filled(worker);
    bool writing = window != NULL && (window->state == WINDOW_WRITING || window->state == WINDOW_SETTING_ASIDE);
    return writing ? window : NULL;
}

/* Hands the filled window on and begins another, where the ring has room for it. */
static bool turn_window(struct worker *worker)
{
    struct window *full = window_filling(worker), *next;
    if (worker->ring.newest - worker->ring.oldest + 1 >= MAX_WINDOWS) {
        return true;
    }
    next = window_at(worker, worker->ring.newest + 1);
    window_reset(next, worker->pipeline->sink_count);
    next->number = ++worker->ring.newest;
    next->state = WINDOW_FILLING;
    worker->moved = true;
    if (worker_has_store(worker)) {
        return writer_begin(worker, full);
    }
    counters_note_window(worker, full);
    full->state = WINDOW_EMITTING;
    if (tapping_wanted(worker, TAP_ALERTS)) {
        tapping_alerts(worker, full);
    }
    return true;
}

/* What was held against events of the window is settled. */
static void tell_journal(const struct worker *worker, const struct window *window)
{
    for (uint32_t i = 0; i < window->position_count; i++) {
        const struct part *partition = &worker->parts.items[window->positions[i].part];
        journal_done(&worker->seat, partition->topic, partition->partition, window->positions[i].next);
    }
}

/* The window that was done last is filled next, whatever its place in the ring: its memory is warm, and most of the
 * ring never needs any. */
static void reuse(struct worker *worker, struct window *done)
{
    struct window *next = window_at(worker, worker->ring.newest + 1), spare = *next;
    *next = *done;
    *done = spare;
}

/* Lets go of windows that are done, in order. */
static bool retire_windows(struct worker *worker)
{
    while (worker->ring.oldest < worker->ring.newest) {
        struct window *window = window_at(worker, worker->ring.oldest);
        if (window->state != WINDOW_EMITTING || !emitter_done(worker, window)) {
            break;
        }
        FAILPOINT("after_produce");
        tell_journal(worker, window);
        if (!progress_note_done(worker, window)) {
            return false;
        }
        window_reset(window, worker->pipeline->sink_count);
        worker->ring.oldest++;
        reuse(worker, window);
        worker->moved = true;
        cache_trim(&worker->cache);
    }
    return true;
}

bool windows_done(struct worker *worker)
{
    return worker->ring.oldest == worker->ring.newest && window_is_empty(window_filling(worker));
}

/* A window waits for more while the source is busy, up to its age and size; never when the source has nothing. */
static bool filling_is_due(struct worker *worker, bool source_idle)
{
    const struct window *window = window_filling(worker);
    return !window_is_empty(window) &&
           (source_idle || !windows_have_room(worker) ||
            clock_monotonic_ms() - window->opened_ms >= worker->pipeline->store_settings.window_age_ms);
}

void windows_discard(struct worker *worker)
{
    strays_keep(worker);
    for (uint64_t number = worker->ring.oldest; number <= worker->ring.newest; number++) {
        struct window *window = window_at(worker, number);
        writer_discard(worker, window);
        window_reset(window, worker->pipeline->sink_count);
    }
    session_close(worker); /* answers to its puts are of no use any more */
    raising_give_back(worker);
    worker->ring.newest++; /* a new number, so that late answers of sinks are told apart */
    worker->ring.oldest = worker->ring.newest;
    window_filling(worker)->number = worker->ring.newest;
    window_filling(worker)->state = WINDOW_FILLING;
    worker->reading.undecided = NULL;
    for (unsigned i = 0; i < worker->pipeline->processor_count; i++) { /* what they waited with is read again */
        stalls_forget(worker->pipeline->stalls, &worker->pipeline->processors[i], worker->number);
    }
}

/* The store may have lost what it acknowledged: everything that rests on it is forgotten, and reading goes on from what
 * the store itself says is in it. */
static bool rewind_to_checkpoints(struct worker *worker)
{
    worker->session.went_back = false;
    windows_discard(worker);
    cache_free(&worker->cache);
    processors_forget(worker);
    protecting_forget(worker);
    progress_rewind(worker);
    return !worker->failed;
}

/* Whatever was put of a customer who is forgotten may have come after he was erased. */
static bool erase_held(struct worker *worker)
{
    const struct cache *cache = &worker->cache;
    for (uint32_t i = 0; cache->slots != NULL && i <= cache->mask; i++) {
        const struct customer *customer = cache->slots[i].customer;
        char tombstone[TOMBSTONE_ID_SIZE];
        bool settled;
        if (customer != NULL) {
            const churn_str id = {.ptr = customer->id, .len = customer->id_len};
            if (forgetting_find(worker->pipeline->forgetting, id, tombstone, &settled) &&
                !forgetting_erase(worker->pipeline->forgetting, id)) {
                return out_of_memory(worker);
            }
        }
    }
    return true;
}

/* What was in flight, and made without the newest tombstones, is given up. */
static bool adopt(struct worker *worker, int64_t known)
{
    if (worker->forgetting.known >= 0 && !erase_held(worker)) {
        return false;
    }
    if (!rewind_to_checkpoints(worker)) {
        return false;
    }
    worker->forgetting.known = known;
    worker->forgetting.told = false;
    return true;
}

/* What sinks had taken of it they may still write, until they answer. */
static void tell_adopted(struct worker *worker)
{
    if (!worker->forgetting.told && !strays_are_held(worker)) {
        forgetting_adopt(worker->pipeline->forgetting, worker->number, worker->forgetting.known);
        worker->forgetting.told = true;
    }
}

bool windows_move_on(struct worker *worker, bool source_idle, uint32_t timeout_ms)
{
    struct window *writing;
    int64_t known;
    watch_step(worker);
    if (worker_has_store(worker) && !session_step(worker)) {
        return false;
    }
    known = forgetting_known(worker->pipeline->forgetting);
    if (known != worker->forgetting.known) {
        return adopt(worker, known);
    }
    tell_adopted(worker);
    if (worker->session.went_back) {
        return rewind_to_checkpoints(worker);
    }
    if (!placing_step(worker) || !raising_take(worker)) {
        return false;
    }
    writing = windows_writing(worker);
    if (writing == NULL && filling_is_due(worker, source_idle)) {
        if (!turn_window(worker)) {
            return false;
        }
        writing = windows_writing(worker);
    }
    if (writing != NULL) {
        bool sink_owes = writing->state == WINDOW_SETTING_ASIDE;
        if (!writer_step(worker, writing, timeout_ms)) {
            return false;
        }
        timeout_ms = sink_owes ? timeout_ms : 0;
    } else if (!session_poll(worker, NULL, 0)) {
        return false;
    }
    if (worker->ring.oldest == worker->ring.newest) {
        timeout_ms = 0; /* no sink owes an answer */
    }
    if (!emitter_step(worker, timeout_ms)) {
        return false;
    }
    raising_answer(worker);
    return retire_windows(worker);
}

void windows_nap(const struct worker *worker, int64_t round_began_ms)
{
    bool little_to_miss = worker->reading.at_end || (worker_has_store(worker) && worker->session.handle == NULL);
    struct timespec pause = {.tv_nsec = worker_ordered(worker) == WORKER_FINISH_AT_END ? SHORT_NAP_US * 1000L
                                        : little_to_miss                               ? LONG_NAP_MS * 1000000L
                                                                                       : NAP_MS * 1000000L};
    if (!worker->moved && clock_monotonic_ms() - round_began_ms < NAP_MS) {
        (void)nanosleep(&pause, NULL);
    }
}

bool windows_drain(struct worker *worker, int64_t limit_ms)
{
    int64_t deadline = clock_monotonic_ms() + limit_ms;
    while (!windows_done(worker) && clock_monotonic_ms() < deadline) {
        int64_t began = clock_monotonic_ms();
        worker->moved = false;
        if (!windows_move_on(worker, true, BUSY_MS)) {
            return false;
        }
        windows_nap(worker, began);
    }
    return windows_done(worker);
}
