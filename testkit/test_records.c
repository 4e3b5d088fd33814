/* Records into a sink and out of a source, and whether either keeps the rules of its header. */
#include "base/clock.h"
#include "testkit.h"

#include <stdlib.h>

#define BATCH 64

void testkit_forget_records(struct churn_test *t)
{
    for (uint32_t i = 0; i < t->assigned_count; i++) {
        free(t->assigned[i].topic);
    }
    free(t->assigned);
    free(t->records);
    free(t->answered);
    t->assigned = NULL;
    t->records = NULL;
    t->answered = NULL;
    t->assigned_count = t->record_count = t->taken = t->unanswered = 0;
}

/* --- Sinks --- */

int32_t churn_test_write(churn_test *t, uint32_t kind, const char *customer_id, const char *value)
{
    void *self = testkit_self(t, CHURN_KIND_SINK);
    struct text json = {0};
    uint8_t *grown = realloc(t->answered, t->taken + 1u);
    churn_error err = {.size = sizeof err};
    churn_record record = {
        .size = sizeof record, .kind = kind, .topic = "test", .offset = t->taken, .id = t->taken + 1};
    uint32_t taken = 0;
    int32_t result;
    t->answered = grown != NULL ? grown : t->answered;
    testkit_append_json(&json, value);
    if (self == NULL || grown == NULL || json.failed) {
        text_free(&json);
        return self == NULL ? CHURN_FATAL : testkit_out_of_memory(t);
    }
    if ((sink_ops(&t->section)->accepts & kind) == 0) {
        text_free(&json);
        return testkit_say(t, CHURN_FATAL, "%s does not accept records of kind %u", t->section.label, kind);
    }
    record.key = churn_text(customer_id);
    record.value = (churn_str){.ptr = json.bytes, .len = (uint32_t)json.len};
    record.timestamp_ms = atomic_load(&t->now_ms);
    result = sink_ops(&t->section)->write(self, &record, 1, &taken, &err);
    if (json.len > 0) {
        memset(json.bytes, '?', json.len); /* the sink was to copy what it needs */
    }
    text_free(&json);
    if (taken > 1) {
        return testkit_say(t, CHURN_FATAL, "%s takes %u records of 1", t->section.label, taken);
    }
    if (taken == 1) {
        t->answered[t->taken++] = 0;
        t->unanswered++;
        return testkit_answer(t, result, &err);
    }
    return result == CHURN_OK ? testkit_say(t, CHURN_PENDING, "%s is full", t->section.label)
                              : testkit_answer(t, result, &err);
}

/* CHURN_OK, also for a refusal, which goes into the message if it is the first; CHURN_FATAL for a broken rule. */
static int32_t take_answer(struct churn_test *t, const churn_done *done, bool *refused)
{
    if (done->id < 1 || done->id > t->taken) {
        return testkit_say(t, CHURN_FATAL, "%s answers record %llu, which it was not given", t->section.label,
                           (unsigned long long)done->id);
    }
    if (t->answered[done->id - 1]) {
        return testkit_say(t, CHURN_FATAL, "%s answers record %llu twice", t->section.label,
                           (unsigned long long)done->id);
    }
    if (done->result != CHURN_OK && done->result != CHURN_REJECT) {
        return testkit_say(t, CHURN_FATAL, "%s answers record %llu with %d; CHURN_OK or CHURN_REJECT is possible",
                           t->section.label, (unsigned long long)done->id, done->result);
    }
    t->answered[done->id - 1] = 1;
    t->unanswered--;
    if (done->result == CHURN_REJECT && !*refused) {
        *refused = true;
        (void)testkit_say(t, CHURN_REJECT, "%s", done->message != NULL ? done->message : "");
    }
    return CHURN_OK;
}

int32_t churn_test_settle(churn_test *t, uint32_t timeout_ms)
{
    void *self = testkit_self(t, CHURN_KIND_SINK);
    int64_t deadline = clock_monotonic_ms() + timeout_ms, left = timeout_ms;
    bool refused = false;
    int32_t result = self != NULL ? CHURN_OK : CHURN_FATAL;
    while (result == CHURN_OK && t->unanswered > 0 && left >= 0) {
        churn_done done[BATCH];
        churn_error err = {.size = sizeof err};
        uint32_t count = 0;
        result = testkit_answer(t, sink_ops(&t->section)->poll(self, done, BATCH, (uint32_t)left, &count, &err), &err);
        if (result == CHURN_OK && count > BATCH) {
            result = testkit_say(t, CHURN_FATAL, "%s gives more answers than were asked for", t->section.label);
        }
        for (uint32_t i = 0; i < count && result == CHURN_OK; i++) {
            result = take_answer(t, &done[i], &refused);
        }
        left = deadline - clock_monotonic_ms();
    }
    if (result != CHURN_OK) {
        return result;
    }
    if (t->unanswered > 0) {
        return testkit_say(t, CHURN_PENDING, "%u of %u records are unanswered after %u ms", t->unanswered, t->taken,
                           timeout_ms);
    }
    return refused ? CHURN_REJECT : CHURN_OK;
}

/* --- Sources --- */

static struct assigned *find_assigned(const struct churn_test *t, const char *topic, int32_t partition)
{
    for (uint32_t i = 0; i < t->assigned_count; i++) {
        if (strcmp(t->assigned[i].topic, topic) == 0 && t->assigned[i].partition == partition) {
            return &t->assigned[i];
        }
    }
    return NULL;
}

static void on_assigned(void *ctx, const churn_position *positions, uint32_t count)
{
    struct churn_test *t = ctx;
    struct assigned *grown = realloc(t->assigned, (t->assigned_count + count + 1) * sizeof *grown);
    t->assigned = grown != NULL ? grown : t->assigned;
    for (uint32_t i = 0; i < count && grown != NULL; i++) {
        char *topic = strdup(positions[i].topic);
        if (topic != NULL) {
            t->assigned[t->assigned_count++] = (struct assigned){
                .topic = topic, .partition = positions[i].partition, .from = positions[i].offset, .last = -1};
        }
        t->listener_failed = t->listener_failed || topic == NULL;
    }
    t->listener_failed = t->listener_failed || grown == NULL;
}

static void on_revoked(void *ctx, const churn_position *positions, uint32_t count, int32_t lost)
{
    struct churn_test *t = ctx;
    (void)positions; /* always all */
    (void)count;
    (void)lost;
    while (t->assigned_count > 0) {
        free(t->assigned[--t->assigned_count].topic);
    }
}

churn_source_listener testkit_listener(struct churn_test *t)
{
    return (churn_source_listener){
        .size = sizeof(churn_source_listener), .ctx = t, .assigned = on_assigned, .revoked = on_revoked};
}

static int32_t judge_record(struct churn_test *t, const churn_record *record)
{
    struct assigned *a = record->topic != NULL ? find_assigned(t, record->topic, record->partition) : NULL;
    if (a == NULL) {
        return testkit_say(t, CHURN_FATAL, "%s hands out a record of %s/%d before it announced that partition",
                           t->section.label, record->topic != NULL ? record->topic : "(no topic)", record->partition);
    }
    if (record->offset <= a->last) {
        return testkit_say(t, CHURN_FATAL, "%s hands out offset %lld of %s/%d after %lld; offsets only grow",
                           t->section.label, (long long)record->offset, a->topic, a->partition, (long long)a->last);
    }
    a->last = record->offset;
    return CHURN_OK;
}

static int32_t judge_read(struct churn_test *t, int32_t result, uint32_t max)
{
    if (t->record_count > max) {
        t->record_count = 0;
        return testkit_say(t, CHURN_FATAL, "%s hands out more than the %u records asked for", t->section.label, max);
    }
    if ((result == CHURN_OK && t->record_count == 0 && max > 0) || (result == CHURN_PENDING && t->record_count > 0)) {
        return testkit_say(t, CHURN_FATAL,
                           "%s answers %d with %u records; CHURN_OK is for some, CHURN_PENDING for none",
                           t->section.label, result, t->record_count);
    }
    for (uint32_t i = 0; i < t->record_count; i++) {
        int32_t judged = judge_record(t, &t->records[i]);
        if (judged != CHURN_OK) {
            return judged;
        }
    }
    return result;
}

int32_t churn_test_read(churn_test *t, uint32_t max, uint32_t timeout_ms)
{
    void *self = testkit_self(t, CHURN_KIND_SOURCE);
    churn_error err = {.size = sizeof err};
    churn_record *grown;
    int32_t result;
    t->record_count = 0;
    if (self == NULL) {
        return CHURN_FATAL;
    }
    grown = realloc(t->records, (max + 1u) * sizeof *grown);
    if (grown == NULL) {
        return testkit_out_of_memory(t);
    }
    t->records = grown;
    result = source_ops(&t->section)->poll(self, grown, max, timeout_ms, &t->record_count, &err);
    if (t->listener_failed) {
        return testkit_out_of_memory(t);
    }
    return result < 0 ? testkit_answer(t, result, &err) : judge_read(t, result, max);
}

uint32_t churn_test_record_count(const churn_test *t)
{
    return t->record_count;
}

const churn_record *churn_test_record(const churn_test *t, uint32_t index)
{
    return index < t->record_count ? &t->records[index] : NULL;
}

const char *churn_test_value(churn_test *t, uint32_t index)
{
    const churn_record *record = churn_test_record(t, index);
    return record != NULL && record->value.ptr != NULL ? testkit_text(&t->value, record->value.ptr, record->value.len)
                                                       : NULL;
}

int64_t churn_test_assigned(const churn_test *t, const char *topic, int32_t partition)
{
    const struct assigned *a = find_assigned(t, topic, partition);
    return a != NULL ? a->from : -2;
}

int32_t churn_test_commit(churn_test *t, const char *topic, int32_t partition, int64_t offset)
{
    void *self = testkit_self(t, CHURN_KIND_SOURCE);
    churn_position position = {.topic = topic, .partition = partition, .offset = offset};
    churn_error err = {.size = sizeof err};
    if (self == NULL) {
        return CHURN_FATAL;
    }
    return source_ops(&t->section)->commit == NULL
               ? CHURN_OK
               : testkit_answer(t, source_ops(&t->section)->commit(self, &position, 1, 1, &err), &err);
}

int32_t churn_test_seek(churn_test *t, const char *topic, int32_t partition, int64_t offset)
{
    void *self = testkit_self(t, CHURN_KIND_SOURCE);
    churn_position position = {.topic = topic, .partition = partition, .offset = offset};
    struct assigned *a = find_assigned(t, topic, partition);
    churn_error err = {.size = sizeof err};
    int32_t result;
    if (self == NULL || source_ops(&t->section)->seek == NULL) {
        return self == NULL ? CHURN_FATAL : CHURN_OK;
    }
    result = testkit_answer(t, source_ops(&t->section)->seek(self, &position, &err), &err);
    if (a != NULL && result == CHURN_OK) {
        a->last = offset - 1;
    }
    return result;
}
