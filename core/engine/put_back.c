#include "engine/put_back.h"

#include "engine/event_in.h"
#include "engine/partitions.h"
#include "engine/passing_over.h"
#include "engine/redrive_scope.h"
#include "engine/set_aside.h"
#include "pipeline/protect_section.h"
#include "pipeline/routing.h"

bool put_back_leave(struct worker *worker, const churn_record *record, const char *why)
{
    metrics_add_own(worker->counters.left_alone, 1);
    set_aside_show(worker, CHURN_LOG_WARN, "left alone: the dead letter", record, why);
    return true;
}

/* The same for one that may be put back another time: the next redrive reads it too. */
static bool keep_for_later(struct worker *worker, const churn_record *record, const char *why)
{
    (void)put_back_leave(worker, record, why);
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
    *ret_source = parts_find_text(&worker->parts, letter->topic, letter->partition);
    return *ret_source != PART_NONE ? worker->parts.items[*ret_source].topic : NULL;
}

/* The record that a letter was: as it stands in the source, where it could be read there; else with the time that the
 * letter says, or the letter's own, which is no earlier. */
static churn_record record_of(const churn_record *record, const struct letter *letter, const struct original *original)
{
    churn_record was = {.size = sizeof was,
                        .kind = CHURN_RECORD_EVENT,
                        .key = letter->key,
                        .value = letter->value,
                        .timestamp_ms = letter->record_ms > 0 ? letter->record_ms : record->timestamp_ms,
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
    uint32_t part = PART_NONE;
    churn_record was = record_of(record, letter, original);
    was.topic = place_of(worker, letter, &part);
    if (was.topic == NULL) {
        return out_of_memory(worker);
    }
    if (part != PART_NONE && passing_over_record(worker, &was, part)) {
        return true;
    }
    if (letter->kind != 0 || str_equals(letter->reason, reject_reason_name(REJECT_BY_SINK))) {
        return offer_again(worker, record, letter, &was);
    }
    return event_in_take(worker, &was, part, letter->replayed ? LATE_DOUBTED : LATE_REDRIVEN);
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
        return put_back_leave(worker, record, why);
    }
    if (match == MATCH_OTHER) {
        (void)snprintf(why, sizeof why, "it does not hold what stands at %.*s/%d offset %lld, or what follows from it",
                       letter->topic.len < 128 ? (int)letter->topic.len : 128, letter->topic.ptr, letter->partition,
                       (long long)letter->offset);
        return put_back_leave(worker, record, why);
    }
    return later != NULL ? keep_for_later(worker, record, later) : put_back(worker, record, letter, original);
}

bool put_back_keeps(const struct worker *worker, uint32_t part)
{
    const struct partition *p = partition_find(worker, part);
    return p != NULL && p->kept;
}

/* A letter that was written at another time than is asked for. What was written before is not met again, as all that a
 * redrive has read; what was written after is for a later one, with all that lies behind it. */
static bool pass_over(struct worker *worker, const churn_record *record, enum written written)
{
    struct partition *p = partition_find(worker, parts_find(&worker->parts, record->topic, record->partition));
    if (written == WRITTEN_UNKNOWN) {
        return put_back_leave(
            worker, record,
            "it does not say when it was written (churn.written_at), as those of earlier versions in a file");
    }
    if (written == WRITTEN_AFTER && p != NULL) {
        p->kept = true;
    }
    metrics_add_own(written == WRITTEN_BEFORE ? worker->counters.older : worker->counters.newer, 1);
    return true;
}

/* A letter of a customer who was forgotten; nothing of it is left. */
static bool is_erased(const churn_record *record)
{
    static const char sign[] = CHURN_ERASED_LINE;
    return record->value.len >= sizeof sign - 1 && memcmp(record->value.ptr, sign, sizeof sign - 1) == 0;
}

bool put_back_take(struct worker *worker, const churn_record *record, const struct original *original)
{
    const struct redrive *redrive = worker->pipeline->redrive;
    struct letter letter;
    char why[256];
    enum letter_kind kind;
    enum written written;
    bool ok;
    if (redrive->envelope && is_erased(record)) {
        return true;
    }
    kind = letter_read(&letter, record, redrive->envelope, protect_section_ring(worker->pipeline), why, sizeof why);
    written = redrive_written(redrive, letter.written_ms);
    if (kind == LETTER_NONE) {
        ok = put_back_leave(worker, record, why);
    } else if (written != WRITTEN_WITHIN) {
        ok = pass_over(worker, record, written);
    } else if (kind == LETTER_INCOMPLETE) {
        ok = keep_for_later(worker, record, why);
    } else {
        ok = judge_letter(worker, record, &letter, original);
    }
    letter_free(&letter);
    metrics_add_own(worker->counters.letters, ok && worker->reading.ask_again_ms == 0);
    return ok;
}
