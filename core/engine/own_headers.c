/* The headers of records whose dead letters are made after their poll, when their customers' profiles were found
 * damaged. A source that gives headers only when asked has let go of such records, so they are read again. It is the
 * first window of a customer alone that needs it: of one who is known to be damaged the headers are asked for in time.
 */
#include "engine/own_headers.h"

#include "base/clock.h"
#include "engine/plugin_call.h"
#include "engine/stalled.h"

#include <stdlib.h>

#define ASK_MS 3000  /* one question to the source */
#define PAUSE_MS 500 /* between two */
#define DEALT_WITH UINT32_MAX

struct asked {
    struct worker *worker;
    struct window *window;
    bool failed; /* memory ran out */
};

static void say_gone(const struct worker *worker, const churn_record *letter)
{
    log_printf(
        worker->pipeline->log, CHURN_LOG_WARN, worker->pipeline->source.label,
        "the record at %s/%d offset %lld is gone before its headers were read again: its dead letter has none of "
        "them",
        letter->topic, letter->partition, (long long)letter->offset);
}

static int32_t take_record(void *ctx, uint32_t index, const churn_record *record)
{
    struct asked *asked = ctx;
    churn_record *letter = &asked->window->outputs[asked->window->bare[index]];
    asked->window->bare[index] = DEALT_WITH;
    if (output_is_cut(letter)) {
        return CHURN_OK; /* it keeps none */
    }
    if (record == NULL || !churn_equal(record->value, letter->value)) {
        say_gone(asked->worker, letter);
    } else if (record->header_count > 0) {
        asked->failed = !output_add_headers(asked->window, letter, record);
    }
    return asked->failed ? CHURN_END : CHURN_OK;
}

static int32_t read_again(struct worker *worker, struct window *window, churn_error *err)
{
    const struct section *section = &worker->pipeline->source;
    churn_position *positions = calloc(window->bare_count, sizeof *positions);
    struct asked asked = {.worker = worker, .window = window, .failed = positions == NULL};
    int32_t result = CHURN_OK;
    for (uint32_t i = 0; positions != NULL && i < window->bare_count; i++) {
        const churn_record *letter = &window->outputs[window->bare[i]];
        positions[i] =
            (churn_position){.topic = letter->topic, .partition = letter->partition, .offset = letter->offset};
    }
    if (positions != NULL) {
        worker_enter(worker, section);
        result = source_ops(section)->reread(worker->source->self, positions, window->bare_count, ASK_MS, take_record,
                                             &asked, err);
        worker_enter(worker, NULL);
    }
    free(positions);
    return asked.failed ? churn_fail(err, CHURN_FATAL, "out of memory") : result;
}

static void leave_out_done(struct window *window)
{
    uint32_t left = 0;
    for (uint32_t i = 0; i < window->bare_count; i++) {
        if (window->bare[i] != DEALT_WITH) {
            window->bare[left++] = window->bare[i];
        }
    }
    window->bare_count = left;
}

bool own_headers_complete(struct worker *worker, struct window *window)
{
    const struct section *section = &worker->pipeline->source;
    churn_error err = {.size = sizeof err};
    int32_t result;
    if (window->bare_count == 0) {
        return true;
    }
    if (clock_monotonic_ms() < worker->headers_ms) {
        return false;
    }
    result = read_again(worker, window, &err);
    err.message[sizeof err.message - 1] = '\0';
    leave_out_done(window);
    if (result == CHURN_RETRY) {
        worker->headers_ms = clock_monotonic_ms() + PAUSE_MS;
        worker_stalled(worker, section, STALL_DEAD_LETTERS, CHURN_LOG_WARN,
                       "%u dead letters wait for the headers of their records, which cannot be read again now: %s",
                       window->bare_count, err.message);
        return false;
    }
    if (result != CHURN_OK) {
        return worker_fail(worker, "source %s: %s", section->label, err.message);
    }
    window->bare_count = 0;
    worker_goes_on(worker, section, STALL_DEAD_LETTERS, NULL);
    return true;
}
