/* Outputs to the sinks, in the order of the windows, and their answers. */
#include "engine/emitter.h"

#include "base/clock.h"
#include "engine/plugin_call.h"
#include "engine/protecting.h"
#include "engine/set_aside.h"
#include "observe/recent_alerts.h"
#include "pipeline/protect_section.h"

#define BATCH 256
#define WARN_MS 10000        /* between warnings about what a sink does not take */
#define OUT_PATIENCE_MS 1000 /* for a sink that was given up on before and has not answered since */

static const churn_sink_ops *ops_of(const struct worker *worker, unsigned sink)
{
    return sink_ops(&worker->pipeline->sinks[sink]);
}

static const struct section *section_of(const struct worker *worker, unsigned sink)
{
    return &worker->pipeline->sinks[sink];
}

/* ---- what a sink does not take ---- */

/* Now, with what was lost since the last time. */
static void tell_loss(struct worker *worker, unsigned sink)
{
    struct sink_state *state = &worker->sink_states[sink];
    log_printf(worker->pipeline->log, CHURN_LOG_WARN, section_of(worker, sink)->label, "%lld record%s dropped: %s",
               (long long)state->lost, state->lost == 1 ? "" : "s", state->loss);
    state->lost = 0;
    state->warn_ms = clock_monotonic_ms() + WARN_MS;
}

/* Logged every now and then; all are counted. */
CHURN_PRINTF(4, 5)
static void lose(struct worker *worker, unsigned sink, int64_t count, const char *format, ...)
{
    struct sink_state *state = &worker->sink_states[sink];
    va_list args;
    state->lost += count;
    va_start(args, format);
    (void)vsnprintf(state->loss, sizeof state->loss, format, args);
    va_end(args);
    if (clock_monotonic_ms() >= state->warn_ms) {
        tell_loss(worker, sink);
    }
}

static void drop(struct worker *worker, unsigned sink, const struct reject *reject)
{
    metrics_add_own(worker->sink_states[sink].dropped, 1);
    lose(worker, sink, 1, "refused (on_reject: drop): %s", reject->detail);
}

static bool stop(struct worker *worker, unsigned sink, const churn_record *output, const struct reject *reject)
{
    return worker_fail(worker, "sink %s refuses the record of %s/%d at offset %lld: %s",
                       section_of(worker, sink)->label, output->topic, output->partition, (long long)output->offset,
                       reject->detail);
}

/* A letter that the dead letters cannot hold is kept without its value. */
static bool cut(struct worker *worker, struct window *window, unsigned sink, uint32_t index,
                const struct reject *reject)
{
    const churn_record *letter = &window->outputs[index];
    log_printf(worker->pipeline->log, CHURN_LOG_WARN, section_of(worker, sink)->label,
               "the dead letter of %s/%d at offset %lld is kept without its value: %s", letter->topic,
               letter->partition, (long long)letter->offset, reject->detail);
    metrics_add_own(worker->counters.reasons[REJECT_TOO_LARGE_TO_KEEP], 1);
    return output_cut_letter(window, index, reject->detail, protect_section_ring(worker->pipeline)) ||
           out_of_memory(worker);
}

/* One output that a sink will never take, or must not be given, becomes a dead letter. */
static bool set_aside(struct worker *worker, struct window *window, unsigned sink, uint32_t index,
                      const struct reject *reject)
{
    const churn_record *output = &window->outputs[index];
    bool letter = output->kind == CHURN_RECORD_DEAD_LETTER;
    if (letter && reject->reason == REJECT_BY_SINK && !output_is_cut(output)) {
        return cut(worker, window, sink, index, reject);
    }
    if (!worker->pipeline->has_dead_letters || letter) {
        return stop(worker, sink, output, reject);
    }
    return set_aside_output(worker, window, output, section_of(worker, sink)->label, reject);
}

static bool refuse(struct worker *worker, struct window *window, unsigned sink, uint32_t index,
                   const struct reject *reject)
{
    switch (section_of(worker, sink)->sink.on_reject) {
    case ON_REJECT_DROP:
        drop(worker, sink, reject);
        return true;
    case ON_REJECT_STOP:
        return stop(worker, sink, &window->outputs[index], reject);
    default:
        return set_aside(worker, window, sink, index, reject);
    }
}

/* ---- giving outputs ---- */

/* Whether an output is for a sink: of its kind, and not withheld from it. */
static bool is_for(const churn_record *output, const struct section *section)
{
    return output->kind == section->input && (output->reserved & section->bit) == 0;
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
    for (batch->end = window->sinks[sink].cursor; batch->end < window->output_count && batch->count < room;
         batch->end++) {
        const churn_record *output = &window->outputs[batch->end];
        if (!is_for(output, section)) {
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
    struct owed *owed = &worker->sink_states[sink].owed;
    bool never; /* it will not take the record after those that it took, ever */
    if (!journal_enter(&worker->seat, section->journal_number, last->topic, last->partition, last->offset,
                       batch->count)) {
        plugin_poison(worker, section->journal_number, last->topic, last->partition, last->offset, &reject);
        *ret_taken = 1;
        return set_aside(worker, window, sink, batch->places[0], &reject);
    }
    if (!owed_reserve(owed, batch->count)) {
        return out_of_memory(worker);
    }
    worker_enter(worker, section);
    result = ops_of(worker, sink)->write(worker->sinks[sink]->self, batch->records, batch->count, &taken, &err);
    never = result != CHURN_OK && result != CHURN_PENDING && result != CHURN_RETRY && taken < batch->count;
    worker_enter(worker, NULL);
    journal_leave(&worker->seat, taken == batch->count || never);
    err.message[sizeof err.message - 1] = '\0';
    if (result == CHURN_FATAL) {
        return worker_fail(worker, "sink %s: %s", section->label, err.message);
    }
    if (taken > batch->count) {
        return worker_blame(worker, section, "write takes %u records of %u that it is given", taken, batch->count);
    }
    for (uint32_t i = 0; i < taken; i++) {
        owed_add(owed, batch->records[i].id);
    }
    window->sinks[sink].unanswered += taken;
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
    while (window->sinks[sink].cursor < window->output_count) {
        struct batch batch;
        uint32_t taken = 0;
        gather(worker, window, sink, &batch);
        if (batch.count > 0 && !give(worker, window, sink, &batch, &taken)) {
            return false;
        }
        if (taken > 0) {
            worker->moved = worker->sink_states[sink].moved = true;
        }
        if (taken < batch.count) {
            window->sinks[sink].cursor = batch.places[taken];
            *ret_full = true;
            return true;
        }
        window->sinks[sink].cursor = batch.end;
    }
    return true;
}

/* ---- answers, and sinks that give none ---- */

static void note_answer(struct worker *worker, unsigned sink)
{
    struct sink_state *state = &worker->sink_states[sink];
    if (state->out) {
        state->out = false;
        log_line(worker->pipeline->log, CHURN_LOG_INFO, section_of(worker, sink)->label, "answers again");
    }
}

/* Whether an answer still matters: not once its window was given up, after a rebalance for instance, or its record for
 * this sink. */
static bool is_awaited(const struct window *window, unsigned sink, uint64_t id)
{
    bool open = window->state == WINDOW_EMITTING || window->state == WINDOW_SETTING_ASIDE;
    return open && (uint32_t)window->number == (uint32_t)(id >> 32) && (uint32_t)id >= window->sinks[sink].given_up;
}

/* An alert that is safe is kept for whoever may see it. */
static void show_alert(struct worker *worker, const struct window *window, uint32_t index)
{
    const churn_record *output = &window->outputs[index];
    if (output->kind == CHURN_RECORD_ALERT && worker->pipeline->alerts != NULL && !protecting_is_copy(window, index)) {
        recent_alerts_add(worker->pipeline->alerts, protecting_shown(worker, PLACE_PAGE, output->value));
    }
}

/* An answer is as good as the record that it is to. One that repeats another stands in place of one that never comes:
 * that record would never be safe, and be counted as sent. */
static bool take_answer(struct worker *worker, unsigned sink, const churn_done *done)
{
    uint32_t index = (uint32_t)done->id;
    struct window *window = window_at(worker, done->id >> 32);
    struct reject reject;
    if (!owed_remove(&worker->sink_states[sink].owed, done->id)) {
        return worker_blame(worker, section_of(worker, sink),
                            "poll answers a record that it was not given, or has answered before; each record that it "
                            "took must be answered exactly once, with its own id");
    }
    if (done->result != CHURN_OK && done->result != CHURN_REJECT) {
        return worker_blame(worker, section_of(worker, sink),
                            "poll answers a record with %d; CHURN_OK or CHURN_REJECT is possible", done->result);
    }
    note_answer(worker, sink);
    if (!is_awaited(window, sink, done->id)) {
        return true;
    }
    window->sinks[sink].unanswered--;
    if (done->result == CHURN_OK) {
        metrics_add_own(worker->counters.sent, window->outputs[index].kind == CHURN_RECORD_EVENT);
        metrics_add_own(worker->sink_states[sink].sent, 1);
        show_alert(worker, window, index);
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
        worker_enter(worker, section_of(worker, sink));
        int32_t result = ops_of(worker, sink)->poll(worker->sinks[sink]->self, done, BATCH, timeout_ms, &count, &err);
        worker_enter(worker, NULL);
        if (result == CHURN_FATAL) {
            err.message[sizeof err.message - 1] = '\0';
            return worker_fail(worker, "sink %s: %s", worker->pipeline->sinks[sink].label, err.message);
        }
        if (count > BATCH) {
            return worker_blame(worker, section_of(worker, sink), "poll gives %u answers, of %d at most", count, BATCH);
        }
        if (count > 0) {
            worker->moved = worker->sink_states[sink].moved = true;
        }
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

static bool is_served(const struct window *window, unsigned sink)
{
    return window->sinks[sink].cursor == window->output_count && window->sinks[sink].unanswered == 0;
}

/* How many of a window's outputs are for a sink and have not been taken by it. */
static int64_t not_offered(const struct worker *worker, const struct window *window, unsigned sink)
{
    int64_t count = 0;
    for (uint32_t i = window->sinks[sink].cursor; i < window->output_count; i++) {
        count += is_for(&window->outputs[i], section_of(worker, sink));
    }
    return count;
}

/* A sink's outputs of one window are settled without it; should it answer for one after all, that changes nothing. */
static void give_up(struct worker *worker, struct window *window, unsigned sink)
{
    const struct section *section = section_of(worker, sink);
    struct sink_state *state = &worker->sink_states[sink];
    struct window_sink *at = &window->sinks[sink];
    int64_t count = at->unanswered + not_offered(worker, window, sink);
    at->cursor = window->output_count;
    at->unanswered = 0;
    at->given_up = window->output_count;
    if (count > 0) {
        metrics_add_own(state->given_up, count);
        state->out = worker->moved = true;
        lose(worker, sink, count, "not taken or answered within %lld ms (give_up_after)",
             (long long)section->sink.give_up_after_ms);
    }
}

/* Settles what a sink has had for too long. While it is out nothing waits for it for as long again, or an outage would
 * hold up every window in its turn. */
static void give_up_late(struct worker *worker, unsigned sink)
{
    int64_t now = clock_monotonic_ms(), patience = section_of(worker, sink)->sink.give_up_after_ms;
    if (worker->sink_states[sink].out && patience > OUT_PATIENCE_MS) {
        patience = OUT_PATIENCE_MS;
    }
    for (uint64_t number = worker->ring.oldest; number < worker->ring.newest; number++) {
        struct window *window = window_at(worker, number);
        struct window_sink *at = &window->sinks[sink];
        if (window->state != WINDOW_EMITTING || is_served(window, sink)) {
            continue;
        }
        if (at->since_ms == 0) {
            at->since_ms = now;
        } else if (now - at->since_ms >= patience) {
            give_up(worker, window, sink);
        }
    }
}

bool emitter_step(struct worker *worker, uint32_t timeout_ms)
{
    for (unsigned sink = 0; sink < worker->pipeline->sink_count; sink++) {
        bool full = false;
        for (uint64_t number = worker->ring.oldest; !full && number < worker->ring.newest; number++) {
            struct window *window = window_at(worker, number);
            if (is_offered(worker, window, sink) && !offer(worker, window, sink, &full)) {
                return false;
            }
        }
        if (!take_answers(worker, sink, timeout_ms)) {
            return false;
        }
        if (section_of(worker, sink)->sink.give_up_after_ms > 0) {
            give_up_late(worker, sink);
        }
        timeout_ms = 0; /* one wait is enough for a round */
    }
    return true;
}

bool emitter_set_aside(const struct worker *worker, const struct window *window)
{
    for (unsigned sink = 0; sink < worker->pipeline->sink_count; sink++) {
        if (takes_letters(worker, sink) && !is_served(window, sink)) {
            return false;
        }
    }
    return true;
}

bool emitter_alerts_done(const struct worker *worker, const struct window *window)
{
    for (unsigned sink = 0; sink < worker->pipeline->sink_count; sink++) {
        bool concerned = section_of(worker, sink)->input == CHURN_RECORD_ALERT || takes_letters(worker, sink);
        if (concerned && !is_served(window, sink)) {
            return false;
        }
    }
    return true;
}

bool emitter_done(const struct worker *worker, const struct window *window)
{
    for (unsigned sink = 0; sink < worker->pipeline->sink_count; sink++) {
        if (!is_served(window, sink)) {
            return false;
        }
    }
    return true;
}

bool emitter_owes(const struct worker *worker, unsigned sink)
{
    for (uint64_t number = worker->ring.oldest; number < worker->ring.newest; number++) {
        const struct window *window = &worker->ring.windows[number % MAX_WINDOWS];
        if (is_offered(worker, window, sink) && !is_served(window, sink)) {
            return true;
        }
    }
    return false;
}

int64_t emitter_undelivered(const struct worker *worker, unsigned sink)
{
    int64_t count = 0;
    for (uint64_t number = worker->ring.oldest; number <= worker->ring.newest; number++) {
        const struct window *window = &worker->ring.windows[number % MAX_WINDOWS];
        count += window->sinks[sink].unanswered + not_offered(worker, window, sink);
    }
    return count;
}

void emitter_end(struct worker *worker)
{
    for (unsigned sink = 0; sink < worker->pipeline->sink_count; sink++) {
        worker->sink_states[sink].undelivered = emitter_undelivered(worker, sink);
        if (worker->sink_states[sink].lost > 0) {
            tell_loss(worker, sink);
        }
    }
}
