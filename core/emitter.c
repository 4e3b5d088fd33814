/* Outputs to the sinks, in the order of the windows, and their answers. */
#include "worker_internal.h"

#define BATCH 256

static const churn_sink_ops *ops_of(const struct worker *worker, unsigned sink)
{
    return sink_ops(&worker->pipeline->sinks[sink]);
}

/* One output that a sink will never take becomes a dead letter. */
static bool refuse(struct worker *worker, struct window *window, unsigned sink, uint32_t index,
                   const struct reject *reject)
{
    const churn_record *output = &window->outputs[index];
    if (!worker->pipeline->has_dead_letters || output->kind == CHURN_RECORD_DEAD_LETTER) {
        return worker_fail(worker, "sink %s refuses the record of %s/%d at offset %lld: %s",
                           worker->pipeline->sinks[sink].label, output->topic, output->partition,
                           (long long)output->offset, reject->detail);
    }
    return intake_refused(worker, window, output, reject);
}

/* Outputs of a window for one sink, and where in the window they are. */
struct batch {
    churn_record records[BATCH];
    uint32_t places[BATCH];
    uint32_t count;
    uint32_t end; /* where the next one begins */
};

/* Fills a batch from the sink's place in the window on. A record that is suspected to crash the sink comes by itself.
 */
static void gather(const struct worker *worker, const struct window *window, unsigned sink, struct batch *batch)
{
    const struct section *section = &worker->pipeline->sinks[sink];
    uint32_t room = journal_careful(&worker->seat, section->journal_number) ? 1 : BATCH;
    batch->count = 0;
    for (batch->end = window->cursors[sink]; batch->end < window->output_count && batch->count < room; batch->end++) {
        const churn_record *output = &window->outputs[batch->end];
        if (output->kind != section->input) {
            continue;
        }
        if (journal_suspects(&worker->seat, section->journal_number, output->topic, output->partition,
                             output->offset)) {
            if (batch->count > 0) {
                return;
            }
            room = 1;
        }
        batch->places[batch->count] = batch->end;
        batch->records[batch->count] = *output;
        batch->records[batch->count++].reserved = 0; /* the host's own note */
    }
}

/* Gives a batch to its sink. *ret_taken records need no further offer. */
static bool give(struct worker *worker, struct window *window, unsigned sink, const struct batch *batch,
                 uint32_t *ret_taken)
{
    const struct section *section = &worker->pipeline->sinks[sink];
    const churn_record *last = &batch->records[batch->count - 1];
    uint32_t taken = 0;
    struct reject reject;
    churn_error err = {.size = sizeof err};
    int32_t result;
    bool never; /* it will not take the record after those that it took, ever */
    if (!journal_enter(&worker->seat, section->journal_number, last->topic, last->partition, last->offset,
                       batch->count)) {
        intake_poison(worker, section->journal_number, last->topic, last->partition, last->offset, &reject);
        *ret_taken = 1;
        return refuse(worker, window, sink, batch->places[0], &reject);
    }
    result = ops_of(worker, sink)->write(worker->sinks[sink]->self, batch->records, batch->count, &taken, &err);
    never = result != CHURN_OK && result != CHURN_PENDING && result != CHURN_RETRY && taken < batch->count;
    journal_leave(&worker->seat, taken == batch->count || never);
    err.message[sizeof err.message - 1] = '\0';
    if (result == CHURN_FATAL || taken > batch->count) {
        return worker_fail(worker, "sink %s: %s", section->label,
                           result == CHURN_FATAL ? err.message : "takes more records than it is given");
    }
    window->unanswered += taken;
    *ret_taken = taken;
    if (never) {
        reject_set(&reject, REJECT_BY_SINK, "%s answered %d%s%s", section->label, result,
                   err.message[0] != '\0' ? ": " : "", err.message);
        *ret_taken = taken + 1;
        return refuse(worker, window, sink, batch->places[taken], &reject);
    }
    return true;
}

/* Offers one window's outputs to one sink. *ret_full is set when it takes no more. */
static bool offer(struct worker *worker, struct window *window, unsigned sink, bool *ret_full)
{
    while (window->cursors[sink] < window->output_count) {
        struct batch batch;
        uint32_t taken = 0;
        gather(worker, window, sink, &batch);
        if (batch.count > 0 && !give(worker, window, sink, &batch, &taken)) {
            return false;
        }
        worker->moved = worker->moved || taken > 0;
        if (taken < batch.count) {
            window->cursors[sink] = batch.places[taken];
            *ret_full = true;
            return true;
        }
        window->cursors[sink] = batch.end;
    }
    return true;
}

static bool take_answer(struct worker *worker, unsigned sink, const churn_done *done)
{
    uint32_t number = (uint32_t)(done->id >> 32), index = (uint32_t)done->id;
    struct window *window = window_at(worker, number);
    struct reject reject;
    bool open = window->state == WINDOW_EMITTING || window->state == WINDOW_SETTING_ASIDE;
    if (!open || (uint32_t)window->number != number || window->unanswered == 0) {
        return true; /* of a window that was given up, after a rebalance for instance */
    }
    window->unanswered--;
    if (done->result == CHURN_OK) {
        metrics_add_own(worker->counters.sent, window->outputs[index].kind == CHURN_RECORD_EVENT);
        return true;
    }
    reject_set(&reject, REJECT_BY_SINK, "%s", done->message != NULL ? done->message : "");
    return refuse(worker, window, sink, index, &reject);
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

static bool takes_letters(const struct worker *worker, unsigned sink)
{
    return worker->pipeline->sinks[sink].input == CHURN_RECORD_DEAD_LETTER;
}

static bool is_offered(const struct worker *worker, const struct window *window, unsigned sink)
{
    return window->state == WINDOW_EMITTING ||
           (window->state == WINDOW_SETTING_ASIDE && window->announced && takes_letters(worker, sink));
}

bool emitter_step(struct worker *worker, uint32_t timeout_ms)
{
    for (unsigned sink = 0; sink < worker->pipeline->sink_count; sink++) {
        bool full = false;
        for (uint64_t number = worker->oldest; !full && number < worker->newest; number++) {
            struct window *window = window_at(worker, number);
            if (is_offered(worker, window, sink) && !offer(worker, window, sink, &full)) {
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

bool emitter_set_aside(const struct worker *worker, const struct window *window)
{
    for (unsigned sink = 0; sink < worker->pipeline->sink_count; sink++) {
        if (takes_letters(worker, sink) && window->cursors[sink] < window->output_count) {
            return false;
        }
    }
    return window->unanswered == 0;
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
