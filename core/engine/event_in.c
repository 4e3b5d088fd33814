#include "engine/event_in.h"

#include "base/clock.h"
#include "engine/counters.h"
#include "engine/partitions.h"
#include "engine/passing_over.h"
#include "engine/plugin_call.h"
#include "engine/processors.h"
#include "engine/protecting.h"
#include "engine/set_aside.h"
#include "engine/tapping.h"
#include "pipeline/routing.h"

_Static_assert(ARENA_PADDING >= JSON_SCAN_PADDING, "events are decoded where arena_copy puts them");

#define ASK_AGAIN_MS 200 /* after a processor could not tell */

/* The headers of a polled record, which some sources give only when they are asked. False when the worker failed. */
static bool ask_headers(struct worker *worker, churn_record *record)
{
    const struct section *section = &worker->pipeline->source;
    churn_error err = {.size = sizeof err};
    int32_t result;
    if (!worker->reading.listener.asks_headers) {
        return true;
    }
    worker_enter(worker, section);
    result = source_ops(section)->headers(worker->source->self, record, &err);
    worker_enter(worker, NULL);
    err.message[sizeof err.message - 1] = '\0';
    record->header_count = record->headers != NULL ? record->header_count : 0;
    return result == CHURN_OK || worker_fail(worker, "source %s: %s", section->label, err.message);
}

/* A polled record becomes a dead letter. */
static bool refuse(struct worker *worker, const churn_record *record, const char *payload, enum lateness late,
                   const struct reject *reject)
{
    churn_record whole = *record;
    uint32_t part = parts_find(&worker->parts, record->topic, record->partition);
    if (passing_over_record(worker, record, part)) {
        return true;
    }
    return ask_headers(worker, &whole) &&
           set_aside_record(worker, window_filling(worker), &whole, payload, late, reject);
}

/* What is known to be counted, also by what this worker has not had acknowledged yet. */
static bool is_counted(const struct customer *customer, uint32_t part, int64_t offset, enum lateness late)
{
    const struct delta *deltas[] = {customer->writing, customer->filling};
    if (customer->profile != NULL && late != NOT_LATE && profile_is_late(customer->profile, part, offset)) {
        return true;
    }
    if (late == LATE_REDRIVEN) {
        return false;
    }
    if (customer->profile != NULL && offset < profile_mark(customer->profile, part)) {
        return true;
    }
    for (unsigned i = 0; i < 2; i++) {
        const struct range *range = deltas[i] != NULL ? delta_range(deltas[i], part) : NULL;
        if (range != NULL && offset <= range->high) {
            return true;
        }
    }
    return false;
}

/* Whether a dead letter of the event can be made of the event alone. */
static bool is_plain(const churn_record *record, churn_str value, const churn_event *event)
{
    return value.ptr == event->payload.ptr && record->header_count == 0 && record->key.ptr != NULL &&
           churn_equal(record->key, event->customer_id);
}

/* Keeps what a dead letter of the event would need, should its customer have to be set aside: nothing as a rule.
 * Headers that the source gives when it is asked are left with it, but for a customer who is known to be damaged. False
 * when the worker failed. */
static bool keep_received(struct worker *worker, const churn_record *record, churn_str value, const churn_event *event,
                          const struct customer *customer, struct window_event *kept)
{
    struct window *window = window_filling(worker);
    bool ask = worker->reading.listener.asks_headers && customer->damaged;
    churn_record *received;
    kept->all_known = ask || !worker->reading.listener.asks_headers;
    if (!ask && is_plain(record, value, event)) {
        return true;
    }
    received = arena_alloc(&window->arena, sizeof *received);
    if (received == NULL) {
        return out_of_memory(worker);
    }
    *received = *record;
    received->value = value;
    kept->received = received;
    return (!ask || ask_headers(worker, received)) && (output_keep(window, received) || out_of_memory(worker));
}

/* CHURN_OK, also when the event was counted before; CHURN_REJECT with *reject; CHURN_FATAL. `received` is the record's
 * value as it came. */
static int32_t count_event(struct worker *worker, const churn_record *record, churn_str received,
                           const struct event_type *type, const churn_event *event, uint32_t part, enum lateness late,
                           struct reject *reject)
{
    struct window *window = window_filling(worker);
    const struct registry *registry = &worker->pipeline->catalog.registry;
    struct customer *customer = cache_get(&worker->cache, event->customer_id);
    struct delta *delta;
    struct window_event kept = {.payload = event->payload.ptr,
                                .len = event->payload.len,
                                .part = part,
                                .offset = event->offset,
                                .late = (uint8_t)late,
                                .age_ms = counters_age(worker, window, record)};
    int32_t result;
    if (customer == NULL) {
        (void)out_of_memory(worker);
        return CHURN_FATAL;
    }
    if (is_counted(customer, part, event->offset, late)) {
        metrics_add_own(worker->counters.already_counted, 1);
        return CHURN_OK;
    }
    delta = window_delta(window, customer, registry);
    result =
        delta != NULL ? plugin_fold(worker, type, event, part, &delta->fields, &window->arena, reject) : CHURN_FATAL;
    if (result == CHURN_REJECT) {
        return CHURN_REJECT;
    }
    if (result == CHURN_OK && !keep_received(worker, record, received, event, customer, &kept)) {
        return CHURN_FATAL;
    }
    if (result != CHURN_OK || !window_add_event(window, delta, &kept)) {
        (void)out_of_memory(worker);
        return CHURN_FATAL;
    }
    return CHURN_OK;
}

/* Whether a record that follows from the event is for any sink. */
static bool wanted(const struct worker *worker, const struct event_type *type, const churn_event *event, uint32_t kind,
                   uint32_t severity, uint32_t *ret_withheld)
{
    *ret_withheld = 0;
    return !worker->pipeline->routed || routing_wanted(worker->pipeline, type, event, kind, severity, ret_withheld);
}

/* Keeps the newest output from some sinks; always true. */
static bool withhold(struct window *window, uint32_t withheld)
{
    window->outputs[window->output_count - 1].reserved = withheld;
    return true;
}

/* Protects the personal data of the newest output. */
static bool protect(struct worker *worker, struct window *window)
{
    return worker->protector == NULL || protecting_output(worker, window);
}

/* The alerts that processors raised. */
static bool say_raised(struct worker *worker, const churn_record *record, const struct event_type *type,
                       const churn_event *event)
{
    struct window *window = window_filling(worker);
    bool ok = true;
    for (uint32_t i = 0; i < worker->intake.edit.alert_count && ok; i++) {
        const struct edit_alert *alert = &worker->intake.edit.alerts[i];
        uint32_t withheld;
        window->alerts[alert->severity]++;
        if (wanted(worker, type, event, CHURN_RECORD_ALERT, alert->severity, &withheld)) {
            ok = output_raised(window, record, event, alert, &worker->intake.scratch) && withhold(window, withheld) &&
                 protect(worker, window);
        }
    }
    return ok;
}

/* What follows from a good event. It is said again when the event is delivered again, since nobody can know whether it
 * was heard the first time. */
static bool say_outputs(struct worker *worker, const churn_record *record, const struct event_type *type,
                        const churn_event *event, uint32_t part)
{
    struct window *window = window_filling(worker);
    uint32_t kinds = worker->pipeline->outputs & ~partitions_muted(worker, part, record->offset), withheld;
    struct saying saying = routing_saying(worker->pipeline, type, event, kinds);
    bool ok = true;
    if ((saying.kinds & CHURN_RECORD_EVENT) != 0 && wanted(worker, type, event, CHURN_RECORD_EVENT, 0, &withheld)) {
        ok = output_event(window, record, event->payload) && withhold(window, withheld) && protect(worker, window);
    }
    if ((saying.kinds & CHURN_RECORD_ALERT) != 0) {
        window->alerts[saying.severity]++;
        if (wanted(worker, type, event, CHURN_RECORD_ALERT, saying.severity, &withheld)) {
            ok = output_alert(window, record, type, event, saying.severity, &worker->intake.scratch) &&
                 withhold(window, withheld) && protect(worker, window) && ok;
        }
    }
    if ((kinds & CHURN_RECORD_ALERT) != 0) {
        ok = say_raised(worker, record, type, event) && ok;
    }
    if ((saying.kinds & CHURN_RECORD_TRIGGER) != 0) {
        window->triggers++;
        if (wanted(worker, type, event, CHURN_RECORD_TRIGGER, 0, &withheld)) {
            ok = output_trigger(window, record, event, &worker->intake.scratch) && withhold(window, withheld) && ok;
        }
    }
    return ok || out_of_memory(worker);
}

/* `received` is the record's value as it came. */
static bool take_event(struct worker *worker, const churn_record *record, churn_str received,
                       const struct event_type *type, churn_event *event, uint32_t part, enum lateness late,
                       struct reject *reject)
{
    int32_t verdict;
    if (passing_over_event(worker, record, event->customer_id, part, event->timestamp_ms)) {
        return true;
    }
    if (!protecting_salt(worker, event->customer_id)) {
        worker->reading.ask_again_ms = clock_monotonic_ms() + ASK_AGAIN_MS;
        return true;
    }
    event->topic = churn_text(record->topic);
    event->partition = record->partition;
    event->offset = record->offset;
    verdict = processors_judge(worker, record, type, event, reject);
    if (verdict == CHURN_DROP) {
        metrics_add_own(worker->counters.filtered, 1);
        return true;
    }
    if (verdict == CHURN_RETRY) {
        worker->reading.ask_again_ms = clock_monotonic_ms() + ASK_AGAIN_MS;
        return true;
    }
    if (verdict == CHURN_OK && worker_has_store(worker)) {
        verdict = count_event(worker, record, received, type, event, part, late, reject);
    }
    switch (verdict) {
    case CHURN_OK:
        if (tapping_wanted(worker, TAP_EVENTS)) {
            tapping_event(worker, record, event);
        }
        return say_outputs(worker, record, type, event, part);
    case CHURN_REJECT:
        return refuse(worker, record, received.ptr, late, reject);
    default:
        return false;
    }
}

/* A record that nobody decodes. */
static bool pass_on(struct worker *worker, const churn_record *record, uint32_t part, const char *payload)
{
    bool muted = (partitions_muted(worker, part, record->offset) & CHURN_RECORD_EVENT) != 0;
    churn_str value = {.ptr = payload, .len = payload != NULL ? record->value.len : 0};
    if (tapping_wanted(worker, TAP_SOURCE)) {
        tapping_source(worker, record, NULL);
    }
    if (muted) {
        return true;
    }
    if (tapping_wanted(worker, TAP_EVENTS)) {
        tapping_passing(worker, record);
    }
    return output_event(window_filling(worker), record, value) || out_of_memory(worker);
}

bool event_in_take(struct worker *worker, const churn_record *record, uint32_t part, enum lateness late)
{
    struct window *window = window_filling(worker);
    char *payload = NULL, *bytes;
    uint32_t len;
    churn_event event;
    struct reject reject;
    const struct event_type *type;
    if (worker->pipeline->decodes && record->value.len > OUTPUT_LETTER_MAX) {
        reject_set(&reject, REJECT_TOO_LARGE_TO_KEEP, "%u bytes, and dead letters keep at most %d", record->value.len,
                   OUTPUT_LETTER_MAX);
        if (passing_over_record(worker, record, part)) {
            return true;
        }
        return set_aside_record(worker, window, record, NULL, late, &reject);
    }
    if (record->value.ptr != NULL) {
        payload = arena_copy(&window->arena, record->value.ptr, record->value.len);
        if (payload == NULL) {
            return out_of_memory(worker);
        }
    }
    if (!worker->pipeline->decodes) {
        return pass_on(worker, record, part, payload);
    }
    bytes = payload;
    len = payload != NULL ? record->value.len : 0;
    type = protecting_decode(worker, record->timestamp_ms, &bytes, &len, &event, &reject);
    if (tapping_wanted(worker, TAP_SOURCE)) {
        churn_record read = *record;
        read.value.ptr = payload; /* where it is padded */
        tapping_source(worker, &read, type != NULL ? &event : NULL);
    }
    if (type != NULL) {
        churn_str received = {.ptr = payload, .len = record->value.len};
        return take_event(worker, record, received, type, &event, part, late, &reject);
    }
    if (reject.out_of_memory) {
        return out_of_memory(worker);
    }
    if (reject.later) {
        worker->reading.ask_again_ms = clock_monotonic_ms() + ASK_AGAIN_MS;
        return true;
    }
    if (reject.forgotten) {
        metrics_add_own(worker->counters.forgotten, 1);
        return true;
    }
    if (reject.reason == REJECT_UNKNOWN_EVENT_TYPE && worker->pipeline->event_settings.ignore_unknown) {
        metrics_add_own(worker->counters.ignored, 1);
        return true;
    }
    return refuse(worker, record, payload, late, &reject);
}
