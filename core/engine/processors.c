#include "engine/processors.h"

#include "engine/passing_over.h"
#include "engine/plugin_call.h"
#include "engine/protecting.h"
#include "engine/stalled.h"
#include "event/condition.h"

/* What a processor's answer means: CHURN_OK, CHURN_DROP, CHURN_REJECT with *reject, CHURN_RETRY or, when it failed,
 * CHURN_FATAL. */
static int32_t judge(struct worker *worker, const struct section *section, int32_t answer, churn_error *err,
                     struct reject *reject)
{
    err->message[sizeof err->message - 1] = '\0';
    if (worker->reading.undecided == section && answer != CHURN_RETRY) {
        worker->reading.undecided = NULL;
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
        worker->reading.undecided = section;
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
    answer = ops->transform(self, event, edit_open(&worker->intake.edit), err);
    if (answer == CHURN_OK) {
        answer = edit_apply(&worker->intake.edit, event, &reject);
        if (answer != CHURN_OK) {
            return churn_fail(err, answer, "%s", answer == CHURN_REJECT ? reject.detail : "out of memory");
        }
    }
    return answer;
}

int32_t processors_judge(struct worker *worker, const churn_record *record, const struct event_type *type,
                         churn_event *event, struct reject *reject)
{
    edit_begin(&worker->intake.edit, worker->intake.decoder, &window_filling(worker)->arena, type);
    for (unsigned i = 0; i < worker->pipeline->processor_count; i++) {
        const struct section *section = &worker->pipeline->processors[i];
        churn_error err;
        int32_t verdict;
        if (!concerns(section, type, event)) {
            continue;
        }
        if (!journal_enter(&worker->seat, section->journal_number, record->topic, record->partition, record->offset,
                           1)) {
            plugin_poison(worker, section->journal_number, record->topic, record->partition, record->offset, reject);
            return CHURN_REJECT;
        }
        clear_error(&err);
        worker->intake.verdict_of = section;
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

/* Announces one record's event, if it is one, to the first processor; not one that the process may have died of, which
 * is given in its turn alone. */
static bool announce(struct worker *worker, const churn_record *record)
{
    static const char padding[JSON_SCAN_PADDING];
    const struct section *section = &worker->pipeline->processors[0];
    struct text *copy = &worker->intake.scratch;
    const struct event_type *type;
    struct reject reject;
    churn_event event;
    char *bytes;
    uint32_t len = record->value.len;
    copy->len = 0;
    text_append(copy, record->value.ptr != NULL ? record->value.ptr : "", record->value.len);
    text_append(copy, padding, sizeof padding);
    if (copy->failed) {
        return out_of_memory(worker);
    }
    bytes = copy->bytes;
    type = protecting_decode(worker, record->timestamp_ms, &bytes, &len, &event, &reject);
    if (type == NULL || !concerns(section, type, &event)) {
        return true; /* what follows from that is said when it is taken */
    }
    if (passing_over_covers(worker, record, event.customer_id,
                            parts_find(&worker->parts, record->topic, record->partition), event.timestamp_ms)) {
        return true;
    }
    event.topic = churn_text(record->topic);
    event.partition = record->partition;
    event.offset = record->offset;
    if (!journal_suspects(&worker->seat, section->journal_number, record->topic, record->partition, record->offset) &&
        journal_enter(&worker->seat, section->journal_number, record->topic, record->partition, record->offset, 1)) {
        processor_ops(section)->announce(worker->processors[0]->self, &event);
        journal_leave(&worker->seat, false);
    }
    return true;
}

bool processors_announce(struct worker *worker, const churn_record *records, uint32_t count)
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

bool processors_checkpoint(struct worker *worker)
{
    for (unsigned i = 0; i < worker->pipeline->processor_count; i++) {
        const struct section *section = &worker->pipeline->processors[i];
        churn_error err = {.size = sizeof err};
        int32_t result = CHURN_OK;
        if (processor_ops(section)->checkpoint != NULL) {
            result = processor_ops(section)->checkpoint(worker->processors[i]->self, &err);
        }
        err.message[sizeof err.message - 1] = '\0';
        if (result == CHURN_RETRY) {
            worker_stalled(worker, section, STALL_CHECKPOINT, CHURN_LOG_WARN,
                           "%s; offsets are not committed until then", err.message);
            return false;
        }
        worker_goes_on(worker, section, STALL_CHECKPOINT, NULL);
        if (result != CHURN_OK) {
            return worker_fail(worker, "processor %s: %s", section->label, err.message);
        }
    }
    return true;
}

void processors_forget(struct worker *worker)
{
    for (unsigned i = 0; i < worker->pipeline->processor_count; i++) {
        const churn_processor_ops *ops = processor_ops(&worker->pipeline->processors[i]);
        if (ops->forget != NULL) {
            ops->forget(worker->processors[i]->self);
        }
    }
}
