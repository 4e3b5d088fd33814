/* Records in: decode, validate, filter, fold, and note what the sinks will be told. In a redrive the records are dead
 * letters: each is taken apart, and the record that it was goes the way of all records, under its own position. */
#include "engine/worker_internal.h"

#include "base/fault.h"
#include "cli/redrive.h"
#include "engine/original.h"
#include "event/condition.h"
#include "pipeline/host.h"
#include "pipeline/routing.h"

_Static_assert(ARENA_PADDING >= JSON_SCAN_PADDING, "events are decoded where arena_copy puts them");

#define ASK_AGAIN_MS 200 /* after a processor could not tell */
#define LETTERS_SHOWN 20

static bool out_of_memory(struct worker *worker)
{
    return worker_fail(worker, "out of memory");
}

/* For a person; all are counted. */
static void show_letter(struct worker *worker, int32_t level, const char *what, const churn_record *record,
                        const char *why)
{
    if (worker->letters_shown < LETTERS_SHOWN) {
        worker->letters_shown++;
        log_printf(worker->pipeline->log, level, "redrive", "%s %s/%d at offset %lld: %s%s", what, record->topic,
                   record->partition, (long long)record->offset, why,
                   worker->letters_shown == LETTERS_SHOWN ? "; more are counted, not shown" : "");
    }
}

/* A dead letter that the next redrive reads too needs no successor. */
static bool stays(struct worker *worker, const churn_record *record, const struct reject *reject)
{
    if (worker->pipeline->redrive == NULL || !worker->pipeline->redrive->stay) {
        return false;
    }
    show_letter(worker, CHURN_LOG_INFO, "still bad: the record of", record, reject->detail);
    return true;
}

static bool dead_letter(struct worker *worker, struct window *window, const churn_record *record, const char *payload,
                        enum lateness late, const struct reject *reject)
{
    uint32_t source = sources_find(&worker->sources, record->topic, record->partition);
    metrics_add_own(worker->counters.dead_letters, 1);
    metrics_add_own(worker->counters.reasons[reject->reason], 1);
    bool replayed = late == LATE_DOUBTED || progress_is_replayed(worker, source, record->offset);
    if ((progress_muted(worker, source, record->offset) & CHURN_RECORD_DEAD_LETTER) != 0) {
        return true;
    }
    if (stays(worker, record, reject)) {
        return true;
    }
    return output_dead_letter(window, record, payload, NULL, replayed, reject) || out_of_memory(worker);
}

/* The headers of a polled record, which some sources give only when they are asked. False when the worker failed. */
static bool ask_headers(struct worker *worker, churn_record *record)
{
    const struct section *section = &worker->pipeline->source;
    churn_error err = {.size = sizeof err};
    int32_t result;
    if (!worker->listener.asks_headers) {
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
    return ask_headers(worker, &whole) && dead_letter(worker, window_filling(worker), &whole, payload, late, reject);
}

/* What follows from an event that is not counted is not said: it will be once the event is. */
static void withhold_outputs(struct worker *worker, struct window *window, const struct window_event *event)
{
    const struct source_partition *source = &worker->sources.items[event->source];
    for (uint32_t i = event->first_output; i < window->output_count; i++) {
        churn_record *output = &window->outputs[i];
        if (output->kind == CHURN_RECORD_DEAD_LETTER || output->offset != event->offset ||
            output->partition != source->partition || strcmp(output->topic, source->topic) != 0) {
            return;
        }
        metrics_add_own(worker->counters.alerts, -(int64_t)(output->kind == CHURN_RECORD_ALERT));
        metrics_add_own(worker->counters.triggers, -(int64_t)(output->kind == CHURN_RECORD_TRIGGER));
        output->reserved = ~OUTPUT_AGAIN;
    }
}

bool intake_set_aside(struct worker *worker, struct window *window, const struct customer *customer,
                      const struct window_event *event, const struct reject *reject)
{
    const struct source_partition *source = &worker->sources.items[event->source];
    churn_record record = {.size = sizeof record,
                           .key = {.ptr = customer->id, .len = customer->id_len},
                           .value = {.ptr = event->payload, .len = event->len}};
    if (event->received != NULL) {
        record = *event->received;
    }
    record.topic = source->topic;
    record.partition = source->partition;
    record.offset = event->offset;
    withhold_outputs(worker, window, event);
    return dead_letter(worker, window, &record, record.value.ptr, (enum lateness)event->late, reject) &&
           (event->all_known || window_note_bare(window) || out_of_memory(worker));
}

bool intake_refused(struct worker *worker, struct window *window, const churn_record *output, const char *sink,
                    const struct reject *reject)
{
    churn_record record = *output; /* adding an output may move it */
    metrics_add_own(worker->counters.dead_letters, 1);
    metrics_add_own(worker->counters.reasons[reject->reason], 1);
    if ((record.reserved & OUTPUT_AGAIN) != 0 && stays(worker, &record, reject)) {
        return true;
    }
    return output_dead_letter(window, &record, record.value.ptr, sink, false, reject) || out_of_memory(worker);
}

void intake_poison(const struct worker *worker, unsigned plugin, const char *topic, int32_t partition, int64_t offset,
                   struct reject *reject)
{
    unsigned deaths = journal_deaths(&worker->seat, plugin, topic, partition, offset);
    reject_set(reject, REJECT_CRASHED_PLUGIN, "%s ended the process %u time%s at this event",
               journal_plugin(worker->seat.journal, plugin), deaths, deaths == 1 ? "" : "s");
}

/* Emptied, not zeroed as a whole: it is large, and this happens for every event. */
static void clear_error(churn_error *err)
{
    err->size = sizeof *err;
    err->code = CHURN_OK;
    err->option[0] = err->message[0] = err->message[sizeof err->message - 1] = '\0';
}

/* What a processor's answer means: CHURN_OK, CHURN_DROP, CHURN_REJECT with *reject, CHURN_RETRY or, when it failed,
 * CHURN_FATAL. */
static int32_t judge(struct worker *worker, const struct section *section, int32_t answer, churn_error *err,
                     struct reject *reject)
{
    err->message[sizeof err->message - 1] = '\0';
    if (worker->undecided == section && answer != CHURN_RETRY) {
        worker->undecided = NULL;
        worker_goes_on(worker, section, STALL_PROCESSOR, NULL);
    }
    switch (answer) {
    case CHURN_OK:
    case CHURN_DROP:
        return answer;
    case CHURN_REJECT:
        reject_set(reject, REJECT_BY_PROCESSOR, "%s: %s", section->label, err->message);
        return CHURN_REJECT;
    case CHURN_RETRY:
        worker_stalled(worker, section, STALL_PROCESSOR, CHURN_LOG_WARN, "%s; the source waits", err->message);
        worker->undecided = section;
        return CHURN_RETRY;
    case CHURN_FATAL:
        (void)worker_fail(worker, "processor %s: %s", section->label, err->message);
        return CHURN_FATAL;
    default:
        reject_set(reject, REJECT_BY_PROCESSOR, "%s answered %d, which is no verdict%s%s", section->label, answer,
                   err->message[0] != '\0' ? ": " : "", err->message);
        return CHURN_REJECT;
    }
}

/* Whether an event is a processor's business. */
static bool concerns(const struct section *section, const struct event_type *type, const churn_event *event)
{
    return section->when == NULL || condition_matches(section->when, type, event, CHURN_SEVERITY_NONE);
}

/* One processor's answer; what it changed is in *event. CHURN_REJECT with a message in `err` also where the changed
 * event is none any more. */
static int32_t call_processor(struct worker *worker, unsigned number, churn_event *event, churn_error *err)
{
    const churn_processor_ops *ops = processor_ops(&worker->pipeline->processors[number]);
    void *self = worker->processors[number]->self;
    struct reject reject;
    int32_t answer;
    if (ops->transform == NULL) {
        return ops->process(self, event, err);
    }
    answer = ops->transform(self, event, edit_open(&worker->edit), err);
    if (answer == CHURN_OK) {
        answer = edit_apply(&worker->edit, event, &reject);
        if (answer != CHURN_OK) {
            return churn_fail(err, answer, "%s", answer == CHURN_REJECT ? reject.detail : "out of memory");
        }
    }
    return answer;
}

/* The verdict of all processors; as judge. What they changed is in *event. */
static int32_t run_processors(struct worker *worker, const churn_record *record, const struct event_type *type,
                              churn_event *event, struct reject *reject)
{
    edit_begin(&worker->edit, worker->decoder, &window_filling(worker)->arena, type);
    for (unsigned i = 0; i < worker->pipeline->processor_count; i++) {
        const struct section *section = &worker->pipeline->processors[i];
        churn_error err;
        int32_t verdict;
        if (!concerns(section, type, event)) {
            continue;
        }
        if (!journal_enter(&worker->seat, section->journal_number, record->topic, record->partition, record->offset,
                           1)) {
            intake_poison(worker, section->journal_number, record->topic, record->partition, record->offset, reject);
            return CHURN_REJECT;
        }
        clear_error(&err);
        worker_enter(worker, section);
        verdict = call_processor(worker, i, event, &err);
        worker_enter(worker, NULL);
        journal_leave(&worker->seat, verdict != CHURN_RETRY);
        verdict = judge(worker, section, verdict, &err, reject);
        if (verdict != CHURN_OK) {
            return verdict;
        }
    }
    return CHURN_OK;
}

int32_t intake_fold(struct worker *worker, const struct event_type *type, const churn_event *event, uint32_t source,
                    struct fields *into, struct arena *arena, struct reject *reject)
{
    bool calls = type->table.apply != NULL;
    churn_error err;
    int32_t result;
    if (calls &&
        !journal_enter(&worker->seat, type->journal_number, event->topic.ptr, event->partition, event->offset, 1)) {
        intake_poison(worker, type->journal_number, event->topic.ptr, event->partition, event->offset, reject);
        return CHURN_REJECT;
    }
    clear_error(&err);
    result = fold_event(&worker->folder, type, event, source, into, arena, &err);
    if (calls) {
        journal_leave(&worker->seat, false); /* it may be folded again: cleared once its window is done */
    }
    if (result != CHURN_OK) {
        err.message[sizeof err.message - 1] = '\0';
        reject_set(reject, REJECT_BY_PLUGIN, "%s: %s", type->name.ptr, err.message);
    }
    return result;
}

/* What is known to be counted, also by what this worker has not had acknowledged yet. */
static bool is_counted(const struct customer *customer, uint32_t source, int64_t offset, enum lateness late)
{
    const struct delta *deltas[] = {customer->writing, customer->filling};
    if (MUTANT("marks")) {
        return false;
    }
    if (customer->profile != NULL && late != NOT_LATE && profile_is_late(customer->profile, source, offset)) {
        return true;
    }
    if (late == LATE_REDRIVEN) {
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

/* Whether a dead letter of the event can be made of the event alone. */
static bool is_plain(const churn_record *record, churn_str value, const churn_event *event)
{
    return value.ptr == event->payload.ptr && record->header_count == 0 && record->key.ptr != NULL &&
           record->key.len == event->customer_id.len &&
           memcmp(record->key.ptr, event->customer_id.ptr, record->key.len) == 0;
}

/* Keeps what a dead letter of the event would need, should its customer have to be set aside: nothing as a rule.
 * Headers that the source gives when it is asked are left with it, but for a customer who is known to be damaged. False
 * when the worker failed. */
static bool keep_received(struct worker *worker, const churn_record *record, churn_str value, const churn_event *event,
                          const struct customer *customer, struct window_event *kept)
{
    struct window *window = window_filling(worker);
    bool ask = worker->listener.asks_headers && customer->damaged;
    churn_record *received;
    kept->all_known = ask || !worker->listener.asks_headers;
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
                           const struct event_type *type, const churn_event *event, uint32_t source, enum lateness late,
                           struct reject *reject)
{
    struct window *window = window_filling(worker);
    const struct registry *registry = &worker->pipeline->catalog.registry;
    struct customer *customer = cache_get(&worker->cache, event->customer_id);
    struct delta *delta;
    struct window_event kept = {.payload = event->payload.ptr,
                                .len = event->payload.len,
                                .source = source,
                                .offset = event->offset,
                                .late = (uint8_t)late};
    int32_t result;
    if (customer == NULL) {
        (void)out_of_memory(worker);
        return CHURN_FATAL;
    }
    if (is_counted(customer, source, event->offset, late)) {
        metrics_add_own(worker->counters.already_counted, 1);
        return CHURN_OK;
    }
    delta = window_delta(window, customer, registry);
    result =
        delta != NULL ? intake_fold(worker, type, event, source, &delta->fields, &window->arena, reject) : CHURN_FATAL;
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

/* The alerts that processors raised. */
static bool say_raised(struct worker *worker, const churn_record *record, const struct event_type *type,
                       const churn_event *event)
{
    struct window *window = window_filling(worker);
    bool ok = true;
    for (uint32_t i = 0; i < worker->edit.alert_count && ok; i++) {
        const struct edit_alert *alert = &worker->edit.alerts[i];
        uint32_t withheld;
        metrics_add_own(worker->counters.alerts, 1);
        if (wanted(worker, type, event, CHURN_RECORD_ALERT, alert->severity, &withheld)) {
            ok = output_raised(window, record, event, alert, &worker->scratch) && withhold(window, withheld);
        }
    }
    return ok;
}

/* What follows from a good event. It is said again when the event is delivered again, since nobody can know whether it
 * was heard the first time. */
static bool say_outputs(struct worker *worker, const churn_record *record, const struct event_type *type,
                        const churn_event *event, uint32_t source)
{
    struct window *window = window_filling(worker);
    uint32_t kinds = worker->pipeline->outputs & ~progress_muted(worker, source, record->offset), withheld;
    struct saying saying = routing_saying(type, event, kinds);
    bool ok = true;
    if ((saying.kinds & CHURN_RECORD_EVENT) != 0 && wanted(worker, type, event, CHURN_RECORD_EVENT, 0, &withheld)) {
        ok = output_event(window, record, event->payload) && withhold(window, withheld);
    }
    if ((saying.kinds & CHURN_RECORD_ALERT) != 0) {
        metrics_add_own(worker->counters.alerts, 1);
        if (wanted(worker, type, event, CHURN_RECORD_ALERT, saying.severity, &withheld)) {
            ok = output_alert(window, record, type, event, saying.severity, &worker->scratch) &&
                 withhold(window, withheld) && ok;
        }
    }
    if ((kinds & CHURN_RECORD_ALERT) != 0) {
        ok = say_raised(worker, record, type, event) && ok;
    }
    if ((saying.kinds & CHURN_RECORD_TRIGGER) != 0) {
        metrics_add_own(worker->counters.triggers, 1);
        if (wanted(worker, type, event, CHURN_RECORD_TRIGGER, 0, &withheld)) {
            ok = output_trigger(window, record, event, &worker->scratch) && withhold(window, withheld) && ok;
        }
    }
    return ok || out_of_memory(worker);
}

static bool take_event(struct worker *worker, const churn_record *record, const struct event_type *type,
                       churn_event *event, uint32_t source, enum lateness late, struct reject *reject)
{
    churn_str received = event->payload;
    int32_t verdict;
    event->topic = (churn_str){.ptr = record->topic, .len = (uint32_t)strlen(record->topic)};
    event->partition = record->partition;
    event->offset = record->offset;
    verdict = run_processors(worker, record, type, event, reject);
    if (verdict == CHURN_DROP) {
        metrics_add_own(worker->counters.filtered, 1);
        return true;
    }
    if (verdict == CHURN_RETRY) {
        worker->ask_again_ms = host_monotonic_ms() + ASK_AGAIN_MS;
        return true;
    }
    if (verdict == CHURN_OK && worker_has_store(worker)) {
        verdict = count_event(worker, record, received, type, event, source, late, reject);
    }
    switch (verdict) {
    case CHURN_OK:
        return say_outputs(worker, record, type, event, source);
    case CHURN_REJECT:
        return refuse(worker, record, received.ptr, late, reject);
    default:
        return false;
    }
}

/* `source` is the number of the record's position. */
static bool take_value(struct worker *worker, const churn_record *record, uint32_t source, enum lateness late)
{
    struct window *window = window_filling(worker);
    char *payload = NULL;
    churn_event event;
    struct reject reject;
    const struct event_type *type;
    if (worker->pipeline->decodes && record->value.len > OUTPUT_LETTER_MAX) {
        reject_set(&reject, REJECT_TOO_LARGE_TO_KEEP, "%u bytes, and dead letters keep at most %d", record->value.len,
                   OUTPUT_LETTER_MAX);
        return dead_letter(worker, window, record, NULL, late, &reject);
    }
    if (record->value.ptr != NULL) {
        payload = arena_copy(&window->arena, record->value.ptr, record->value.len);
        if (payload == NULL) {
            return out_of_memory(worker);
        }
    }
    if (!worker->pipeline->decodes) {
        bool muted = (progress_muted(worker, source, record->offset) & CHURN_RECORD_EVENT) != 0;
        churn_str value = {.ptr = payload, .len = payload != NULL ? record->value.len : 0};
        return muted || output_event(window, record, value) || out_of_memory(worker);
    }
    type = event_decode(worker->decoder, payload, payload != NULL ? record->value.len : 0, &event, &reject);
    if (type != NULL) {
        return take_event(worker, record, type, &event, source, late, &reject);
    }
    if (reject.out_of_memory) {
        return out_of_memory(worker);
    }
    if (reject.reason == REJECT_UNKNOWN_EVENT_TYPE && worker->pipeline->event_settings.ignore_unknown) {
        metrics_add_own(worker->counters.ignored, 1);
        return true;
    }
    return refuse(worker, record, payload, late, &reject);
}

/* Not lost: it is where it was. */
static bool leave_alone(struct worker *worker, const churn_record *record, const char *why)
{
    metrics_add_own(worker->counters.left_alone, 1);
    show_letter(worker, CHURN_LOG_WARN, "left alone: the dead letter", record, why);
    return true;
}

/* The same for one that may be put back another time: the next redrive reads it too. */
static bool keep_for_later(struct worker *worker, const churn_record *record, const char *why)
{
    (void)leave_alone(worker, record, why);
    if (worker->pipeline->redrive->stay) {
        return true;
    }
    metrics_add_own(worker->counters.written_again, 1);
    return output_letter_again(window_filling(worker), record) || out_of_memory(worker);
}

/* What a sink refused goes to that sink as it is, or, where the letter does not say which, to the sinks of its kind;
 * its event is in the profile. */
static bool offer_again(struct worker *worker, const churn_record *letter_record, const struct letter *letter,
                        churn_record *output)
{
    bool found = (worker->pipeline->outputs & letter->kind) != 0;
    if (letter->sink.ptr != NULL) {
        output->reserved = routing_all_but(worker->pipeline, letter->kind, letter->sink, &found);
    }
    if (letter->kind == 0 || !found) {
        return keep_for_later(worker, letter_record,
                              letter->kind == 0 ? "it does not say what kind of record a sink refused (churn.kind)"
                                                : "the pipeline has no sink for what another one refused");
    }
    output->kind = letter->kind;
    output->severity = letter->severity;
    metrics_add_own(worker->counters.again, 1);
    return output_again(window_filling(worker), output) || out_of_memory(worker);
}

/* The topic's name for as long as the worker, or the id of what has none. NULL when memory ran out. */
static const char *place_of(struct worker *worker, const struct letter *letter, uint32_t *ret_source)
{
    if (letter->topic.ptr == NULL) {
        return arena_copy(&window_filling(worker)->arena, letter->id.ptr, letter->id.len);
    }
    *ret_source = sources_find_part(&worker->sources, letter->topic, letter->partition);
    return *ret_source != SOURCE_NONE ? worker->sources.items[*ret_source].topic : NULL;
}

/* The record that a letter was: as it stands in the source, where it could be read there. */
static churn_record record_of(const churn_record *record, const struct letter *letter, const struct original *original)
{
    churn_record was = {.size = sizeof was,
                        .kind = CHURN_RECORD_EVENT,
                        .key = letter->key,
                        .value = letter->value,
                        .timestamp_ms = record->timestamp_ms,
                        .headers = letter->headers,
                        .header_count = letter->header_count};
    if (original->found && letter->kind == 0) {
        was = original->record;
    }
    was.offset = letter->offset;
    was.partition = letter->partition;
    return was;
}

static bool put_back(struct worker *worker, const churn_record *record, const struct letter *letter,
                     const struct original *original)
{
    uint32_t source = SOURCE_NONE;
    churn_record was = record_of(record, letter, original);
    was.topic = place_of(worker, letter, &source);
    if (was.topic == NULL) {
        return out_of_memory(worker);
    }
    if (letter->kind != 0 || str_equals(letter->reason, reject_reason_name(REJECT_BY_SINK))) {
        return offer_again(worker, record, letter, &was);
    }
    return take_value(worker, &was, source, letter->replayed ? LATE_DOUBTED : LATE_REDRIVEN);
}

/* Why a letter is not put back though it may be good; NULL: it is. */
static const char *unverified(const struct worker *worker, const struct letter *letter, enum match match)
{
    bool output = letter->kind != 0;
    if (letter->hash.ptr != NULL && (output || match != MATCH_SAME)) {
        return "its value was too large to keep";
    }
    if (match != MATCH_UNKNOWN) {
        return NULL;
    }
    if (str_equals(letter->reason, reject_reason_name(REJECT_UNREADABLE_RECORD))) {
        return "its record cannot be read yet; once it can be, it is put back, or `churnd rebuild` counts it";
    }
    return worker->pipeline->redrive->unverified
               ? NULL
               : "its record cannot be read again, to be compared: the source has it no more (retention), or does not "
                 "say; --unverified puts it back unchecked";
}

/* Who can write dead letters must not be able to make events: a letter counts for what stands at its position. */
static bool judge_letter(struct worker *worker, const churn_record *record, const struct letter *letter,
                         const struct original *original)
{
    enum match match = letter->topic.ptr == NULL ? MATCH_SAME : original_match(worker, letter, original);
    const char *later = unverified(worker, letter, match);
    char why[256];
    if (match == MATCH_NO_MEMORY) {
        return out_of_memory(worker);
    }
    if (letter->topic.ptr != NULL && !redrive_knows(worker->pipeline->redrive, letter->topic)) {
        (void)snprintf(why, sizeof why, "its event is of %.*s, which this pipeline does not read",
                       letter->topic.len < 128 ? (int)letter->topic.len : 128, letter->topic.ptr);
        return leave_alone(worker, record, why);
    }
    if (match == MATCH_OTHER) {
        (void)snprintf(why, sizeof why, "it does not hold what stands at %.*s/%d offset %lld, or what follows from it",
                       letter->topic.len < 128 ? (int)letter->topic.len : 128, letter->topic.ptr, letter->partition,
                       (long long)letter->offset);
        return leave_alone(worker, record, why);
    }
    return later != NULL ? keep_for_later(worker, record, later) : put_back(worker, record, letter, original);
}

static bool take_letter(struct worker *worker, const churn_record *record, const struct original *original)
{
    struct letter letter;
    char why[256];
    bool ok;
    switch (letter_read(&letter, record, worker->pipeline->redrive->envelope, why, sizeof why)) {
    case LETTER_GOOD:
        ok = judge_letter(worker, record, &letter, original);
        break;
    case LETTER_INCOMPLETE:
        ok = keep_for_later(worker, record, why);
        break;
    default:
        ok = leave_alone(worker, record, why);
    }
    letter_free(&letter);
    metrics_add_own(worker->counters.letters, ok && worker->ask_again_ms == 0);
    return ok;
}

/* What the source knows to be there and cannot read. */
static bool take_unreadable(struct worker *worker, const churn_record *record)
{
    churn_record bare = *record;
    struct reject reject;
    if (worker->pipeline->redrive != NULL) {
        return leave_alone(worker, record, "it cannot be read");
    }
    bare.value = (churn_str){0};
    reject_set(&reject, REJECT_UNREADABLE_RECORD, "%.*s", (int)record->value.len, record->value.ptr);
    return dead_letter(worker, window_filling(worker), &bare, NULL, NOT_LATE, &reject);
}

/* *ret_position is where the record stands; SOURCE_NONE: nowhere that is committed. `number` is its place in the poll.
 */
static bool take_record(struct worker *worker, const churn_record *record, uint32_t number, uint32_t *ret_position)
{
    const struct redrive *redrive = worker->pipeline->redrive;
    uint32_t source = sources_find(&worker->sources, record->topic, record->partition);
    *ret_position = redrive != NULL && redrive->stay ? SOURCE_NONE : source;
    if (source == SOURCE_NONE) {
        return out_of_memory(worker);
    }
    if (record->kind == CHURN_RECORD_UNREADABLE) {
        return take_unreadable(worker, record);
    }
    if (redrive != NULL) {
        return record->offset >= redrive->end || /* no letter written since the start */
               take_letter(worker, record, &worker->originals[number]);
    }
    return take_value(worker, record, source,
                      progress_is_replayed(worker, source, record->offset) ||
                              progress_is_lettered(worker, source, record->offset)
                          ? LATE_REPLAYED
                          : NOT_LATE);
}

/* Announces one record's event, if it is one, to the first processor; not one that the process may have died of, which
 * is given in its turn alone. */
static bool announce(struct worker *worker, const churn_record *record)
{
    static const char padding[JSON_SCAN_PADDING];
    const struct section *section = &worker->pipeline->processors[0];
    struct text *copy = &worker->scratch;
    const struct event_type *type;
    struct reject reject;
    churn_event event;
    copy->len = 0;
    text_append(copy, record->value.ptr != NULL ? record->value.ptr : "", record->value.len);
    text_append(copy, padding, sizeof padding);
    if (copy->failed) {
        return out_of_memory(worker);
    }
    type = event_decode(worker->decoder, copy->bytes, record->value.len, &event, &reject);
    if (type == NULL || !concerns(section, type, &event)) {
        return true; /* what follows from that is said when it is taken */
    }
    event.topic = (churn_str){.ptr = record->topic, .len = (uint32_t)strlen(record->topic)};
    event.partition = record->partition;
    event.offset = record->offset;
    if (!journal_suspects(&worker->seat, section->journal_number, record->topic, record->partition, record->offset) &&
        journal_enter(&worker->seat, section->journal_number, record->topic, record->partition, record->offset, 1)) {
        processor_ops(section)->announce(worker->processors[0]->self, &event);
        journal_leave(&worker->seat, false);
    }
    return true;
}

/* Costs a second decoding, and saves a round trip to wherever the processor asks for each event but one. */
static bool announce_all(struct worker *worker, const churn_record *records, uint32_t count)
{
    const struct pipeline *pipeline = worker->pipeline;
    bool wanted = pipeline->processor_count > 0 && processor_ops(&pipeline->processors[0])->announce != NULL;
    bool ok = true;
    if (!wanted || count < 2 || pipeline->redrive != NULL) {
        return true; /* a dead letter's event has another position than the letter */
    }
    for (uint32_t i = 0; i < count && ok; i++) {
        ok = records[i].kind == CHURN_RECORD_UNREADABLE || announce(worker, &records[i]);
    }
    return ok;
}

void intake_give_back(struct worker *worker, const churn_record *records, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        uint32_t source = sources_find(&worker->sources, records[i].topic, records[i].partition);
        progress_seek_back(worker, source, records[i].offset);
    }
}

#define LOOK_AHEAD 16 /* records */

/* Records are keyed by customer as a rule: fetches what the ones to come will need, for memory is slow. `hashes` has
 * those of the keys of LOOK_AHEAD records. */
static void look_ahead(const struct worker *worker, const churn_record *record, uint32_t hashes[LOOK_AHEAD], uint32_t i)
{
    const struct cache *cache = &worker->cache;
    hashes[i % LOOK_AHEAD] = cache_hash(record->key);
    cache_fetch_slot(cache, hashes[i % LOOK_AHEAD]);
    cache_fetch_customer(cache, hashes[(i + LOOK_AHEAD - 5) % LOOK_AHEAD]);
    cache_fetch_profile(cache, hashes[(i + LOOK_AHEAD - 10) % LOOK_AHEAD]);
}

/* Only the last record of a run of one partition: it costs a look at every byte. */
static void note_witness(struct window *window, uint32_t source, const churn_record *records, uint32_t i,
                         uint32_t count)
{
    bool is_last =
        i + 1 == count || records[i + 1].partition != records[i].partition || records[i + 1].topic != records[i].topic;
    if (is_last && records[i].kind != CHURN_RECORD_UNREADABLE) {
        window_note_witness(window, source, witness_of(&records[i]));
    }
}

bool intake_take(struct worker *worker, const churn_record *records, uint32_t count)
{
    struct window *window = window_filling(worker);
    uint32_t hashes[LOOK_AHEAD] = {0};
    if (window_is_empty(window)) {
        window->opened_ms = host_monotonic_ms();
    }
    if (!announce_all(worker, records, count) ||
        (worker->pipeline->redrive != NULL && !originals_read(worker, records, count, worker->originals))) {
        return false;
    }
    for (uint32_t i = 0; i < count; i++) {
        uint32_t position;
        if (worker_has_store(worker) && i + LOOK_AHEAD - 1 < count) {
            look_ahead(worker, &records[i + LOOK_AHEAD - 1], hashes, i);
        }
        if (!take_record(worker, &records[i], i, &position)) {
            return false;
        }
        if (worker->ask_again_ms != 0) {
            intake_give_back(worker, records + i, count - i); /* a processor could not tell */
            return true;
        }
        if (position == SOURCE_NONE) {
            window->record_count++;
        } else if (!window_note_position(window, position, records[i].offset)) {
            return out_of_memory(worker);
        } else {
            progress_note_read(worker, position, records[i].offset);
            note_witness(window, position, records, i, count);
        }
        metrics_add_own(worker->counters.events, 1);
    }
    return true;
}
