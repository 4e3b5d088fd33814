/* One record through the engine's own decoder, processors and folding. */
#include "cli/explain_judge.h"

#include "base/clock.h"
#include "base/json_parse.h"
#include "cli/explain_guard.h"
#include "cli/explain_keep.h"
#include "engine/passing_over.h"
#include "engine/plugin_call.h"
#include "engine/processors.h"
#include "engine/protecting.h"
#include <json-c/json.h>
#include <stdlib.h>
#include <time.h>

#define PATIENCE_MS 60000 /* for a processor that cannot tell */
#define DEPTH 64          /* as events may have */

/* What is known of a record before it is kept. */
struct judged {
    churn_str type, event_id;
    const char *detail;
    bool has_delta;       /* in e->scratch */
    struct explained one; /* last, for texts follow it where it is kept */
};

/* ---- keeping ---- */

static char *put_text(char *at, const char **ret, const char *bytes, size_t len)
{
    *ret = at;
    memcpy(at, bytes, len);
    at[len] = '\0';
    return at + len + 1;
}

/* The event's own copy of what it adds. */
static struct fields *copy_delta(const struct explain *e)
{
    struct fields *copy = malloc(fields_size(e->registry));
    if (copy != NULL) {
        fields_clear(copy);
    }
    if (copy != NULL && !fields_merge_all(copy, e->scratch, e->registry, &e->worker->parts, NULL)) {
        fields_free_owned(copy, e->registry);
        free(copy);
        return NULL;
    }
    return copy;
}

static size_t delta_bytes(const struct explain *e, const struct fields *delta)
{
    size_t bytes = fields_size(e->registry);
    for (uint32_t i = 0; i < e->registry->field_count; i++) {
        if (e->registry->fields[i].merge == CHURN_MERGE_LATEST && bit_get(delta->present, i)) {
            bytes += sizeof(struct text_value) + delta->values[i].text->room + 16;
        }
    }
    return bytes;
}

static bool keep(struct explain *e, const struct judged *judged)
{
    size_t detail = strlen(judged->detail);
    size_t size = sizeof(struct explained) + judged->type.len + judged->event_id.len + detail + 3;
    struct explained *one = malloc(size);
    char *at;
    if (one == NULL) {
        return explain_state_fail(e, "out of memory");
    }
    *one = judged->one;
    one->bytes = size + 64;
    at = put_text(one->texts, &one->type, judged->type.ptr, judged->type.len);
    at = put_text(at, &one->event_id, judged->event_id.ptr, judged->event_id.len);
    (void)put_text(at, &one->detail, judged->detail, detail);
    if (judged->has_delta && (one->delta = copy_delta(e)) == NULL) {
        free(one);
        return explain_state_fail(e, "out of memory");
    }
    one->bytes += one->delta != NULL ? delta_bytes(e, one->delta) : 0;
    return explain_keep_take(e, one) || explain_state_fail(e, "out of memory");
}

/* ---- judging ---- */

static enum standing stand(const struct explain *e, uint32_t part, int64_t offset)
{
    const struct explain_part *p = &e->parts[part];
    if (e->pipeline->store.loaded == NULL) {
        return STANDS_COUNTED; /* so far as anything is */
    }
    if (profile_is_late(e->stored.profile, part, offset)) {
        return STANDS_LATE;
    }
    return offset < p->mark ? STANDS_COUNTED : offset < p->read ? STANDS_PASSED : STANDS_UNREAD;
}

/* A dead letter has no event's time: where it stands among the others the record's own tells, or the one before. */
static void order_dead_letter(struct explain *e, const churn_record *record, struct explained *one)
{
    const struct explain_part *p = &e->parts[one->part];
    one->timed = record->timestamp_ms > 0;
    one->time_ms = one->timed ? record->timestamp_ms : p->newest_ms;
}

static void order_event(struct explain *e, const churn_event *event, struct explained *one)
{
    struct explain_part *p = &e->parts[one->part];
    one->timed = true;
    one->time_ms = event->timestamp_ms;
    one->behind = event->timestamp_ms < p->newest_ms;
    p->newest_ms = one->behind ? p->newest_ms : event->timestamp_ms;
}

static bool member_equals(struct json_object *object, const char *name, churn_str text)
{
    struct json_object *value = NULL;
    return json_object_object_get_ex(object, name, &value) && json_object_is_type(value, json_type_string) &&
           churn_equal(
               (churn_str){.ptr = json_object_get_string(value), .len = (uint32_t)json_object_get_string_len(value)},
               text);
}

static churn_str member_text(struct json_object *object, const char *name)
{
    struct json_object *value = NULL;
    if (json_object_object_get_ex(object, name, &value) && json_object_is_type(value, json_type_string)) {
        return (churn_str){.ptr = json_object_get_string(value), .len = (uint32_t)json_object_get_string_len(value)};
    }
    return (churn_str){.ptr = ""};
}

/* Whether what is no JSON names the customer, as one would write it. */
static bool names_customer(const struct explain *e, churn_str value)
{
    struct text quoted = {0};
    bool found;
    text_append_json(&quoted, e->customer.ptr, e->customer.len);
    found = value.ptr != NULL && !quoted.failed && memmem(value.ptr, value.len, quoted.bytes, quoted.len) != NULL;
    text_free(&quoted);
    return found;
}

/* A record that is no event is the customer's where its key or what can be read of it says so. */
static bool judge_refused(struct explain *e, const churn_record *record, struct judged *judged,
                          const struct reject *reject)
{
    bool keyed = churn_equal(record->key, e->customer), parsed = false, ok = true;
    struct json_object *object =
        record->value.ptr != NULL ? json_parse(record->value.ptr, record->value.len, DEPTH, &parsed) : NULL;
    bool readable = object != NULL && json_object_is_type(object, json_type_object);
    bool ours =
        keyed || (readable ? member_equals(object, "customer_id", e->customer) : names_customer(e, record->value));
    if (ours) {
        judged->type = readable ? member_text(object, "event_type") : judged->type;
        judged->event_id = readable ? member_text(object, "event_id") : judged->event_id;
        judged->one.fate = reject->reason == REJECT_UNKNOWN_EVENT_TYPE && e->pipeline->event_settings.ignore_unknown
                               ? FATE_IGNORED
                               : FATE_DEAD_LETTER;
        judged->one.reason = reject->reason;
        judged->detail = reject->detail;
        order_dead_letter(e, record, &judged->one);
        ok = keep(e, judged);
    }
    json_object_put(object);
    return ok;
}

/* The verdict of the processors, who may have to wait for a store. */
static int32_t ask_processors(struct explain *e, const churn_record *record, bool counts, const struct event_type *type,
                              churn_event *event, struct reject *reject)
{
    static const struct timespec pause = {.tv_nsec = 100000000};
    int64_t deadline = clock_monotonic_ms() + PATIENCE_MS;
    int32_t verdict;
    if (e->pipeline->overlay != NULL) {
        store_overlay_set_time(e->pipeline->overlay, record->timestamp_ms);
        store_overlay_set_keeping(e->pipeline->overlay, counts); /* what is not read yet shall not come before */
    }
    while ((verdict = processors_judge(e->worker, record, type, event, reject)) == CHURN_RETRY &&
           clock_monotonic_ms() < deadline) {
        (void)nanosleep(&pause, NULL);
    }
    return verdict;
}

static bool judge_event(struct explain *e, const churn_record *record, const struct event_type *type,
                        churn_event *event, struct judged *judged, struct reject *reject)
{
    struct worker *worker = e->worker;
    int32_t verdict;
    explain_guard_enter(e, judged->one.part, record->offset);
    verdict = ask_processors(e, record, judged->one.standing == STANDS_COUNTED || judged->one.standing == STANDS_LATE,
                             type, event, reject);
    judged->type = type->name;
    judged->event_id = event->event_id;
    order_event(e, event, &judged->one);
    if (verdict == CHURN_OK || verdict == CHURN_DROP) {
        int32_t folded;
        judged->one.fate = verdict == CHURN_DROP ? FATE_LEFT_OUT : FATE_EVENT;
        judged->one.processor = verdict == CHURN_DROP ? worker->intake.verdict_of : NULL;
        fields_clear(e->scratch);
        folded = plugin_fold(worker, type, event, judged->one.part, e->scratch, &window_filling(worker)->arena, reject);
        judged->has_delta = folded == CHURN_OK;
        verdict = folded == CHURN_OK || verdict == CHURN_DROP ? CHURN_OK : folded;
    }
    explain_guard_leave(e);
    if (verdict == CHURN_REJECT) {
        judged->one.fate = FATE_DEAD_LETTER;
        judged->one.reason = reject->reason;
        judged->detail = reject->detail;
    } else if (verdict != CHURN_OK) {
        return explain_state_fail(e, "%s",
                                  worker->failed ? worker->failure
                                  : verdict == CHURN_RETRY
                                      ? "a processor cannot tell what it says of an event: what it "
                                        "needs is out of reach"
                                      : "out of memory");
    }
    return keep(e, judged);
}

bool explain_judge(struct explain *e, const churn_record *record, uint32_t part)
{
    struct worker *worker = e->worker;
    struct arena *arena = &window_filling(worker)->arena;
    struct judged judged = {.one = {.part = part, .offset = record->offset, .standing = stand(e, part, record->offset)},
                            .type = {.ptr = ""},
                            .event_id = {.ptr = ""},
                            .detail = ""};
    const struct event_type *type;
    const char *death;
    struct reject reject;
    churn_event event;
    char *payload = NULL;
    uint32_t len;
    arena_reset(arena);
    if (record->value.ptr != NULL && (payload = arena_copy(arena, record->value.ptr, record->value.len)) == NULL) {
        return explain_state_fail(e, "out of memory");
    }
    len = payload != NULL ? record->value.len : 0;
    type = protecting_decode(worker, record->timestamp_ms, &payload, &len, &event, &reject);
    if (type == NULL && passing_over_covers_record(worker, record, part)) {
        e->forgotten++;
        return true;
    }
    if (type == NULL && reject.forgotten) {
        return true;
    }
    if (type == NULL) {
        return reject.out_of_memory ? explain_state_fail(e, "out of memory")
                                    : judge_refused(e, record, &judged, &reject);
    }
    if (!churn_equal(event.customer_id, e->customer)) {
        return true;
    }
    if (passing_over_covers(worker, record, event.customer_id, part, event.timestamp_ms)) {
        e->forgotten++;
        return true;
    }
    event.topic = churn_text(worker->parts.items[part].topic);
    event.partition = record->partition;
    event.offset = record->offset;
    death = explain_guard_death(e, part, record->offset);
    if (death != NULL) {
        reject_set(&reject, REJECT_CRASHED_PLUGIN, "%s ended the process at this event, here too", death);
        return judge_refused(e, record, &judged, &reject);
    }
    return judge_event(e, record, type, &event, &judged, &reject);
}
