#include "engine/raising.h"

#include "base/clock.h"
#include "engine/emitter.h"
#include "engine/tapping.h"
#include "pipeline/raised.h"
#include "pipeline/routing.h"

/* The one that is being filled; while the ring is full the newest one that is emitted. Else a sink that answers its
 * records when its alerts are safe would wait for a window that waits for it. NULL: none can take any. */
static struct window *place_of(struct worker *worker)
{
    if (worker->ring.newest - worker->ring.oldest + 1 < MAX_WINDOWS) {
        return window_filling(worker);
    }
    for (uint64_t number = worker->ring.newest; number-- > worker->ring.oldest;) {
        struct window *window = window_at(worker, number);
        if (window->state == WINDOW_EMITTING) {
            return window;
        }
    }
    return NULL;
}

/* What is counted and shown of a window's outputs when it is emitted is so now. */
static void show_late(struct worker *worker, const struct window *window, uint32_t severity, bool wanted)
{
    metrics_add_own(worker->shown.alerts[severity], 1);
    if (wanted && tapping_wanted(worker, TAP_ALERTS)) {
        tapping_alert(worker, &window->outputs[window->output_count - 1]);
    }
}

static bool add(struct worker *worker, struct window *window, const churn_alert *alert)
{
    uint32_t withheld;
    bool wanted = routing_raised(worker->pipeline, alert, &withheld);
    if (window_is_empty(window)) {
        window->opened_ms = clock_monotonic_ms();
        window->began_ms = clock_wall_ms();
    }
    if (wanted && !output_own_alert(window, alert, withheld, &worker->intake.scratch)) {
        return out_of_memory(worker);
    }
    window->has_raised = true;
    if (window->state == WINDOW_EMITTING) {
        show_late(worker, window, alert->severity, wanted);
    } else {
        window->alerts[alert->severity]++;
    }
    return true;
}

bool raising_take(struct worker *worker)
{
    struct raised *raised = worker->pipeline->raised;
    const struct raised_alert *first;
    while (raised != NULL && (first = raised_first(raised, worker->number)) != NULL) {
        struct window *window = place_of(worker);
        if (window == NULL) {
            return true;
        }
        if (!add(worker, window, &first->alert)) {
            return false;
        }
        raised_given(raised, worker->number, window->number);
        worker->moved = true;
    }
    return true;
}

void raising_answer(struct worker *worker)
{
    for (uint64_t number = worker->ring.oldest; number < worker->ring.newest; number++) {
        struct window *window = window_at(worker, number);
        if (window->has_raised && window->state == WINDOW_EMITTING && emitter_alerts_done(worker, window)) {
            window->has_raised = false;
            raised_answer(worker->pipeline->raised, worker->number, number);
            worker->moved = true;
        }
    }
}

void raising_give_back(struct worker *worker)
{
    if (worker->pipeline->raised != NULL) {
        raised_give_back(worker->pipeline->raised, worker->number);
    }
}
