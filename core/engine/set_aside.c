#include "engine/set_aside.h"

#include "engine/partitions.h"
#include "engine/protecting.h"
#include "engine/redrive_scope.h"
#include "engine/tapping.h"
#include "pipeline/protect_section.h"

#define LETTERS_SHOWN 20

void set_aside_show(struct worker *worker, int32_t level, const char *what, const churn_record *record, const char *why)
{
    if (worker->intake.letters_shown < LETTERS_SHOWN) {
        worker->intake.letters_shown++;
        log_printf(worker->pipeline->log, level, "redrive", "%s %s/%d at offset %lld: %s%s", what, record->topic,
                   record->partition, (long long)record->offset, why,
                   worker->intake.letters_shown == LETTERS_SHOWN ? "; more are counted, not shown" : "");
    }
}

/* A dead letter that the next redrive reads too needs no successor. */
static bool stays(struct worker *worker, const churn_record *record, const struct reject *reject)
{
    if (worker->pipeline->redrive == NULL || !worker->pipeline->redrive->stay) {
        return false;
    }
    set_aside_show(worker, CHURN_LOG_INFO, "still bad: the record of", record, reject->detail);
    return true;
}

static bool add_letter(struct worker *worker, struct window *window, const churn_record *record, const char *payload,
                       const char *sink, bool replayed, const struct reject *reject)
{
    const struct protection *protection = worker->pipeline->protection;
    bool seals = protection != NULL && protection->protect->seals_letters;
    if (!output_dead_letter(window, record, payload, sink, replayed, reject,
                            seals ? &protection->protect->ring : NULL)) {
        return out_of_memory(worker);
    }
    if (tapping_wanted(worker, TAP_DEAD_LETTERS)) {
        tapping_letter(worker, window);
    }
    return true;
}

bool set_aside_record(struct worker *worker, struct window *window, const churn_record *record, const char *payload,
                      enum lateness late, const struct reject *reject)
{
    uint32_t part = parts_find(&worker->parts, record->topic, record->partition);
    metrics_add_own(worker->counters.dead_letters, 1);
    metrics_add_own(worker->counters.reasons[reject->reason], 1);
    bool replayed = late == LATE_DOUBTED || partitions_is_replayed(worker, part, record->offset);
    if ((partitions_muted(worker, part, record->offset) & CHURN_RECORD_DEAD_LETTER) != 0) {
        return true;
    }
    if (stays(worker, record, reject)) {
        return true;
    }
    return add_letter(worker, window, record, payload, NULL, replayed, reject);
}

/* What follows from an event that is not counted is not said: it will be once the event is. */
static void withhold_outputs(const struct worker *worker, struct window *window, const struct window_event *event)
{
    const struct part *place = &worker->parts.items[event->part];
    for (uint32_t i = event->first_output; i < window->output_count; i++) {
        churn_record *output = &window->outputs[i];
        if (output->kind == CHURN_RECORD_DEAD_LETTER || output->offset != event->offset ||
            output->partition != place->partition || strcmp(output->topic, place->topic) != 0) {
            return;
        }
        window->alerts[output->severity] -= output->kind == CHURN_RECORD_ALERT && !protecting_is_copy(window, i);
        window->triggers -= output->kind == CHURN_RECORD_TRIGGER;
        output->reserved = ~OUTPUT_AGAIN;
    }
}

bool set_aside_event(struct worker *worker, struct window *window, const struct customer *customer,
                     const struct window_event *event, const struct reject *reject)
{
    const struct part *place = &worker->parts.items[event->part];
    churn_record record = {.size = sizeof record,
                           .key = {.ptr = customer->id, .len = customer->id_len},
                           .value = {.ptr = event->payload, .len = event->len}};
    if (event->received != NULL) {
        record = *event->received;
    }
    record.topic = place->topic;
    record.partition = place->partition;
    record.offset = event->offset;
    withhold_outputs(worker, window, event);
    return set_aside_record(worker, window, &record, record.value.ptr, (enum lateness)event->late, reject) &&
           (event->all_known || window_note_bare(window) || out_of_memory(worker));
}

bool set_aside_output(struct worker *worker, struct window *window, const churn_record *output, const char *sink,
                      const struct reject *reject)
{
    churn_record record = *output; /* adding an output may move it */
    metrics_add_own(worker->counters.dead_letters, 1);
    metrics_add_own(worker->counters.reasons[reject->reason], 1);
    if ((record.reserved & OUTPUT_AGAIN) != 0 && stays(worker, &record, reject)) {
        return true;
    }
    return add_letter(worker, window, &record, record.value.ptr, sink, false, reject);
}
