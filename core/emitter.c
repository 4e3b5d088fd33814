/* Outputs to the sinks, in the order of the windows, and their answers. */
#include "worker_internal.h"

#define BATCH 256

static const churn_sink_ops *ops_of(const struct worker *worker, unsigned sink)
{
    return sink_ops(&worker->pipeline->sinks[sink]);
}

/* Offers one window's outputs to one sink. *ret_full is set when it takes no more. */
static bool offer(struct worker *worker, struct window *window, unsigned sink, bool *ret_full)
{
    uint32_t input = worker->pipeline->sinks[sink].input;
    while (window->cursors[sink] < window->output_count) {
        churn_record batch[BATCH];
        uint32_t places[BATCH], count = 0, taken = 0, at = window->cursors[sink];
        churn_error err = {.size = sizeof err};
        for (; at < window->output_count && count < BATCH; at++) {
            if (window->outputs[at].kind == input) {
                places[count] = at;
                batch[count] = window->outputs[at];
                batch[count++].reserved = 0;
            }
        }
        if (count > 0 &&
            ops_of(worker, sink)->write(worker->sinks[sink]->self, batch, count, &taken, &err) == CHURN_FATAL) {
            return worker_fail(worker, "sink %s: %s", worker->pipeline->sinks[sink].label, err.message);
        }
        window->unanswered += taken;
        worker->moved = worker->moved || taken > 0;
        if (taken < count) {
            window->cursors[sink] = places[taken];
            *ret_full = true;
            return true;
        }
        window->cursors[sink] = at;
    }
    return true;
}

static bool take_answer(struct worker *worker, unsigned sink, const churn_done *done)
{
    uint32_t number = (uint32_t)(done->id >> 32), index = (uint32_t)done->id;
    struct window *window = window_at(worker, number);
    const struct section *section = &worker->pipeline->sinks[sink];
    if (window->state != WINDOW_EMITTING || (uint32_t)window->number != number || window->unanswered == 0) {
        return true; /* of a window that was given up, after a rebalance for instance */
    }
    window->unanswered--;
    if (done->result == CHURN_OK) {
        metrics_add(worker->counters.sent, window->outputs[index].kind == CHURN_RECORD_EVENT);
        return true;
    }
    if (!worker->pipeline->has_dead_letters || window->outputs[index].kind == CHURN_RECORD_DEAD_LETTER) {
        return worker_fail(worker, "sink %s refuses the record of %s/%d at offset %lld: %s", section->label,
                           window->outputs[index].topic, window->outputs[index].partition,
                           (long long)window->outputs[index].offset, done->message != NULL ? done->message : "");
    }
    return intake_refused(worker, window, &window->outputs[index], done->message);
}

static bool take_answers(struct worker *worker, unsigned sink, uint32_t timeout_ms)
{
    churn_done done[BATCH];
    uint32_t count;
    do {
        churn_error err = {.size = sizeof err};
        count = 0;
        if (ops_of(worker, sink)->poll(worker->sinks[sink]->self, done, BATCH, timeout_ms, &count, &err) ==
            CHURN_FATAL) {
            return worker_fail(worker, "sink %s: %s", worker->pipeline->sinks[sink].label, err.message);
        }
        worker->moved = worker->moved || count > 0;
        for (uint32_t i = 0; i < count; i++) {
            if (!take_answer(worker, sink, &done[i])) {
                return false;
            }
        }
        timeout_ms = 0;
    } while (count == BATCH);
    return true;
}

bool emitter_step(struct worker *worker, uint32_t timeout_ms)
{
    for (unsigned sink = 0; sink < worker->pipeline->sink_count; sink++) {
        bool full = false;
        for (uint64_t number = worker->oldest; !full && number < worker->newest; number++) {
            struct window *window = window_at(worker, number);
            if (window->state == WINDOW_EMITTING && !offer(worker, window, sink, &full)) {
                return false;
            }
        }
        if (!take_answers(worker, sink, timeout_ms)) {
            return false;
        }
        timeout_ms = 0; /* one wait is enough for a round */
    }
    return true;
}

bool emitter_done(const struct worker *worker, const struct window *window)
{
    for (unsigned sink = 0; sink < worker->pipeline->sink_count; sink++) {
        if (window->cursors[sink] < window->output_count) {
            return false;
        }
    }
    return window->unanswered == 0;
}
