/* Records in: decode, validate, filter, fold, and note what the sinks will be told. */
#include "worker_internal.h"

#include "fault.h"
#include "host.h"

#define ASK_AGAIN_MS 200 /* after a processor could not tell */

static bool out_of_memory(struct worker *worker)
{
    return worker_fail(worker, "out of memory");
}

static bool dead_letter(struct worker *worker, const churn_record *record, const char *payload,
                        const struct reject *reject)
{
    uint32_t source = sources_find(&worker->sources, record->topic, record->partition);
    metrics_add(worker->counters.dead_letters, 1);
    metrics_add(worker->counters.reasons[reject->reason], 1);
    if ((progress_muted(worker, source, record->offset) & CHURN_RECORD_DEAD_LETTER) != 0) {
        return true;
    }
    return output_dead_letter(window_filling(worker), record, payload, reject) || out_of_memory(worker);
}

bool intake_refused(struct worker *worker, struct window *window, const churn_record *output, const char *message)
{
    struct reject reject;
    churn_record record = *output; /* adding an output may move it */
    reject_set(&reject, REJECT_BY_SINK, "%s", message != NULL ? message : "");
    metrics_add(worker->counters.dead_letters, 1);
    metrics_add(worker->counters.reasons[REJECT_BY_SINK], 1);
    return output_dead_letter(window, &record, record.value.ptr, &reject) || out_of_memory(worker);
}

/* The verdict of all processors: CHURN_OK, CHURN_DROP, CHURN_REJECT, CHURN_RETRY or, when one failed, CHURN_FATAL. */
static int32_t run_processors(struct worker *worker, const churn_event *event, struct reject *reject)
{
    for (unsigned i = 0; i < worker->pipeline->processor_count; i++) {
        const struct section *section = &worker->pipeline->processors[i];
        churn_error err = {.size = sizeof err};
        int32_t verdict = processor_ops(section)->process(worker->processors[i]->self, event, &err);
        if (verdict == CHURN_REJECT) {
            reject_set(reject, REJECT_BY_PROCESSOR, "%s: %s", section->label, err.message);
        } else if (verdict == CHURN_RETRY) {
            log_printf(worker->pipeline->log, CHURN_LOG_WARN, section->label, "%s; the source waits", err.message);
        } else if (verdict != CHURN_OK && verdict != CHURN_DROP) {
            (void)worker_fail(worker, "processor %s: %s", section->label, err.message);
            verdict = CHURN_FATAL;
        }
        if (verdict != CHURN_OK) {
            return verdict;
        }
    }
    return CHURN_OK;
}

/* What is known to be counted, also by what this worker has not had acknowledged yet. */
static bool is_counted(const struct customer *customer, uint32_t source, int64_t offset)
{
    const struct delta *deltas[] = {customer->writing, customer->filling};
    if (MUTANT("marks")) {
        return false;
    }
    if (customer->profile != NULL && offset < profile_mark(customer->profile, source)) {
        return true;
    }
    for (unsigned i = 0; i < 2; i++) {
        const struct range *range = deltas[i] != NULL ? delta_range(deltas[i], source) : NULL;
        if (range != NULL && offset <= range->high) {
            return true;
        }
    }
    return false;
}

/* CHURN_OK, also when the event was counted before; CHURN_REJECT with *reject; CHURN_FATAL. */
static int32_t count_event(struct worker *worker, const struct event_type *type, const churn_event *event,
                           uint32_t source, struct reject *reject)
{
    struct window *window = window_filling(worker);
    const struct registry *registry = &worker->pipeline->catalog.registry;
    struct customer *customer = cache_get(&worker->cache, event->customer_id);
    churn_error err = {.size = sizeof err};
    struct delta *delta;
    int32_t result;
    if (customer == NULL) {
        (void)out_of_memory(worker);
        return CHURN_FATAL;
    }
    if (is_counted(customer, source, event->offset)) {
        metrics_add(worker->counters.already_counted, 1);
        return CHURN_OK;
    }
    delta = window_delta(window, customer, registry);
    result = delta != NULL ? fold_event(&worker->folder, type, event, source, &delta->fields, &window->arena, &err)
                           : CHURN_FATAL;
    if (result == CHURN_REJECT) {
        reject_set(reject, REJECT_BY_PLUGIN, "%s: %s", type->name.ptr, err.message);
        return CHURN_REJECT;
    }
    if (result != CHURN_OK ||
        !window_add_event(window, delta, event->payload.ptr, event->payload.len, source, event->offset)) {
        (void)out_of_memory(worker);
        return CHURN_FATAL;
    }
    return CHURN_OK;
}

/* What follows from a good event. It is said again when the event is delivered again, since nobody can know whether it
 * was heard the first time. */
static bool say_outputs(struct worker *worker, const churn_record *record, const struct event_type *type,
                        const churn_event *event, uint32_t source)
{
    struct window *window = window_filling(worker);
    uint32_t kinds = worker->pipeline->outputs & ~progress_muted(worker, source, record->offset);
    uint32_t severity = (kinds & CHURN_RECORD_ALERT) != 0 ? output_severity(type, event) : CHURN_SEVERITY_NONE;
    bool ok = true;
    if ((kinds & CHURN_RECORD_EVENT) != 0) {
        ok = output_event(window, record, event->payload.ptr);
    }
    if (severity != CHURN_SEVERITY_NONE) {
        metrics_add(worker->counters.alerts, 1);
        ok = output_alert(window, record, type, event, severity, &worker->scratch) && ok;
    }
    if ((kinds & CHURN_RECORD_TRIGGER) != 0 && type->predicts) {
        metrics_add(worker->counters.triggers, 1);
        ok = output_trigger(window, record, event, &worker->scratch) && ok;
    }
    return ok || out_of_memory(worker);
}

static bool take_event(struct worker *worker, const churn_record *record, const struct event_type *type,
                       churn_event *event, uint32_t source, struct reject *reject)
{
    int32_t verdict;
    event->topic = (churn_str){.ptr = record->topic, .len = (uint32_t)strlen(record->topic)};
    event->partition = record->partition;
    event->offset = record->offset;
    verdict = run_processors(worker, event, reject);
    if (verdict == CHURN_DROP) {
        metrics_add(worker->counters.filtered, 1);
        return true;
    }
    if (verdict == CHURN_RETRY) {
        worker->ask_again_ms = host_monotonic_ms() + ASK_AGAIN_MS;
        return true;
    }
    if (verdict == CHURN_OK && worker->pipeline->store.loaded != NULL) {
        verdict = count_event(worker, type, event, source, reject);
    }
    switch (verdict) {
    case CHURN_OK:
        return say_outputs(worker, record, type, event, source);
    case CHURN_REJECT:
        return dead_letter(worker, record, event->payload.ptr, reject);
    default:
        return false;
    }
}

static bool take_record(struct worker *worker, const churn_record *record)
{
    struct window *window = window_filling(worker);
    uint32_t source = sources_find(&worker->sources, record->topic, record->partition);
    char *payload = NULL;
    churn_event event;
    struct reject reject;
    const struct event_type *type;
    if (source == SOURCE_NONE) {
        return out_of_memory(worker);
    }
    if (record->value.ptr != NULL) {
        payload = arena_copy(&window->arena, record->value.ptr, record->value.len, JSON_SCAN_PADDING);
        if (payload == NULL) {
            return out_of_memory(worker);
        }
    }
    if (!worker->pipeline->decodes) {
        bool muted = (progress_muted(worker, source, record->offset) & CHURN_RECORD_EVENT) != 0;
        return muted || output_event(window, record, payload) || out_of_memory(worker);
    }
    type = event_decode(worker->decoder, payload, payload != NULL ? record->value.len : 0, &event, &reject);
    if (type != NULL) {
        return take_event(worker, record, type, &event, source, &reject);
    }
    if (reject.out_of_memory) {
        return out_of_memory(worker);
    }
    if (reject.reason == REJECT_UNKNOWN_EVENT_TYPE && worker->pipeline->event_settings.ignore_unknown) {
        metrics_add(worker->counters.ignored, 1);
        return true;
    }
    return dead_letter(worker, record, payload, &reject);
}

/* A processor could not tell: these records are read again. */
static void give_back(struct worker *worker, const churn_record *records, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        uint32_t source = sources_find(&worker->sources, records[i].topic, records[i].partition);
        progress_seek_back(worker, source, records[i].offset);
    }
}

bool intake_take(struct worker *worker, const churn_record *records, uint32_t count)
{
    struct window *window = window_filling(worker);
    if (window->record_count == 0) {
        window->opened_ms = host_monotonic_ms();
    }
    for (uint32_t i = 0; i < count; i++) {
        if (!take_record(worker, &records[i])) {
            return false;
        }
        if (worker->ask_again_ms != 0) {
            give_back(worker, records + i, count - i);
            return true;
        }
        uint32_t source = sources_find(&worker->sources, records[i].topic, records[i].partition);
        if (!window_note_position(window, source, records[i].offset)) {
            return out_of_memory(worker);
        }
        progress_note_read(worker, source, records[i].offset);
        metrics_add(worker->counters.events, 1);
    }
    return true;
}
