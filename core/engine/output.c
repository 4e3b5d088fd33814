#include "engine/output.h"

#include "base/clock.h"
#include "base/seal.h"
#include "event/alert_message.h"
#include "event/severity.h"
#include <churn/time.h>
#include <inttypes.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

const char *output_kind_name(uint32_t kind)
{
    return kind == CHURN_RECORD_EVENT ? "event" : kind == CHURN_RECORD_TRIGGER ? "trigger" : "alert";
}

/* A text kept in the window's arena, with a NUL behind it. */
static bool keep(struct window *window, const char *bytes, size_t len, churn_str *ret)
{
    char *copy = arena_copy(&window->arena, bytes, len);
    *ret = (churn_str){.ptr = copy, .len = (uint32_t)len};
    return copy != NULL;
}

bool output_keep(struct window *window, churn_record *record)
{
    churn_header *headers = NULL;
    bool ok = record->key.ptr == NULL || keep(window, record->key.ptr, record->key.len, &record->key);
    if (record->header_count > 0) {
        headers = arena_alloc(&window->arena, record->header_count * sizeof *headers);
        ok = ok && headers != NULL;
    }
    for (uint32_t i = 0; ok && i < record->header_count; i++) {
        churn_header *header = &headers[i];
        *header = record->headers[i];
        header->name = arena_copy(&window->arena, header->name, strlen(header->name));
        ok = header->name != NULL &&
             (header->value.ptr == NULL || keep(window, header->value.ptr, header->value.len, &header->value));
    }
    record->headers = headers;
    return ok;
}

static bool keep_value(struct window *window, churn_record *output, const churn_event *event, const struct text *value)
{
    output->timestamp_ms = event->timestamp_ms;
    return !value->failed && keep(window, event->customer_id.ptr, event->customer_id.len, &output->key) &&
           keep(window, value->bytes, value->len, &output->value);
}

bool output_event(struct window *window, const churn_record *record, churn_str payload)
{
    churn_record *output = window_add_output(window, CHURN_RECORD_EVENT, record);
    if (output == NULL) {
        return false;
    }
    output->value = payload;
    return record->key.ptr == NULL || keep(window, record->key.ptr, record->key.len, &output->key);
}

/* As alert_value_fn, of the event that `ctx` is. */
static bool show_value(const void *ctx, const struct event_type *type, uint32_t row, struct text *out)
{
    const churn_event *event = ctx;
    const churn_value *value = &event->values[row];
    uint32_t field_type = event_type_field(type, row)->type;
    if (!value->present) {
        return false;
    }
    if (field_type == CHURN_FIELD_STRING) {
        text_append(out, value->text.ptr, value->text.len);
    } else {
        alert_message_append_number(out, field_type, value->number);
    }
    return true;
}

static void append_member(struct text *out, const char *name, churn_str value)
{
    text_printf(out, ",\"%s\":", name);
    text_append_json(out, value.ptr, value.len);
}

/* The same at every delivery of the same record, so that a repeat can be recognised. `part` tells several of one record
 * apart. */
static void append_id(struct text *out, const char *name, const churn_record *record, const char *part)
{
    char tail[128];
    text_printf(out, "{\"%s\":", name);
    text_append_json(out, record->topic, strlen(record->topic));
    out->len--; /* goes on inside the text's closing quote */
    (void)snprintf(tail, sizeof tail, "/%d/%" PRId64 "%s%s\"", record->partition, record->offset,
                   *part != '\0' ? "/" : "", part);
    text_append_string(out, tail);
}

static void append_event_members(struct text *out, const churn_event *event)
{
    char time[CHURN_TIME_SIZE];
    churn_time_format(event->timestamp_ms, time);
    text_printf(out, "\"event_id\":");
    text_append_json(out, event->event_id.ptr, event->event_id.len);
    append_member(out, "event_type", event->event_type);
    text_printf(out, ",\"timestamp\":\"%s\"", time);
}

/* Behind the id. */
static void append_alert(struct text *out, const churn_event *event, uint32_t severity, churn_str message)
{
    text_printf(out, ",\"severity\":\"%s\",", severity_name(severity));
    append_event_members(out, event);
    append_member(out, "customer_id", event->customer_id);
    append_member(out, "message", message);
    text_append_string(out, ",\"data\":");
    text_append_minified(out, event->data.ptr, event->data.len);
    text_append_string(out, "}");
}

bool output_raised(struct window *window, const churn_record *record, const churn_event *event,
                   const struct edit_alert *alert, struct text *scratch)
{
    churn_record *output = window_add_output(window, CHURN_RECORD_ALERT, record);
    if (output == NULL) {
        return false;
    }
    output->severity = alert->severity;
    scratch->len = 0;
    append_id(scratch, "alert_id", record, alert->name);
    append_alert(scratch, event, alert->severity, alert->message);
    return keep_value(window, output, event, scratch);
}

bool output_alert(struct window *window, const churn_record *record, const struct event_type *type,
                  const churn_event *event, uint32_t severity, struct text *scratch)
{
    struct edit_alert own = {.name = "", .severity = severity};
    struct text message = {0};
    bool ok;
    alert_message_append(&message, type, event->customer_id, show_value, event);
    own.message = (churn_str){.ptr = message.bytes, .len = (uint32_t)message.len};
    ok = !message.failed && output_raised(window, record, event, &own, scratch);
    text_free(&message);
    return ok;
}

bool output_own_alert(struct window *window, const churn_alert *alert, uint32_t withheld, struct text *scratch)
{
    const churn_event event = {.event_id = alert->event_id,
                               .event_type = alert->event_type,
                               .customer_id = alert->customer_id,
                               .timestamp_ms = alert->timestamp_ms,
                               .data = alert->data};
    const char *id = arena_copy(&window->arena, alert->event_id.ptr, alert->event_id.len);
    const churn_record from = {.topic = id, .offset = -1};
    churn_record *output = id != NULL ? window_add_output(window, CHURN_RECORD_ALERT, &from) : NULL;
    if (output == NULL) {
        return false;
    }
    output->severity = alert->severity;
    output->reserved = withheld;
    scratch->len = 0;
    text_append_string(scratch, "{\"alert_id\":");
    text_append_json(scratch, alert->event_id.ptr, alert->event_id.len);
    append_alert(scratch, &event, alert->severity, alert->message);
    return keep_value(window, output, &event, scratch);
}

bool output_trigger(struct window *window, const churn_record *record, const churn_event *event, struct text *scratch)
{
    churn_record *output = window_add_output(window, CHURN_RECORD_TRIGGER, record);
    if (output == NULL) {
        return false;
    }
    scratch->len = 0;
    append_id(scratch, "request_id", record, "");
    append_member(scratch, "customer_id", event->customer_id);
    text_append_string(scratch, ",\"trigger\":{");
    append_event_members(scratch, event);
    text_append_string(scratch, "}}");
    return keep_value(window, output, event, scratch);
}

bool output_again(struct window *window, const churn_record *output)
{
    churn_record *again = window_add_output(window, output->kind, output);
    if (again == NULL) {
        return false;
    }
    again->severity = output->severity;
    again->reserved = output->reserved | OUTPUT_AGAIN;
    return (output->value.ptr == NULL || keep(window, output->value.ptr, output->value.len, &again->value)) &&
           (output->key.ptr == NULL || keep(window, output->key.ptr, output->key.len, &again->key));
}

bool output_letter_again(struct window *window, const churn_record *letter)
{
    churn_record *again = window_add_output(window, CHURN_RECORD_DEAD_LETTER, letter);
    bool ok = again != NULL;
    if (ok) {
        again->key = letter->key;
        again->headers = letter->headers;
        again->header_count = letter->header_count;
        window->has_letters = true;
        ok = output_keep(window, again) &&
             (letter->value.ptr == NULL || keep(window, letter->value.ptr, letter->value.len, &again->value));
    }
    return ok;
}

/* ---- dead letters ---- */

#define REASON LETTER_HEADER "reason"
#define DETAIL LETTER_HEADER "detail"
#define WRITTEN LETTER_HEADER "written_at"
#define HASH LETTER_HEADER "xxh128"
#define RECORD_TIME LETTER_HEADER "timestamp"
#define OWN_HEADER                                                                                                     \
    LETTER_HEADER "original." /* before the name of a record's own header that begins like one of ours                 \
                               */
#define ENCRYPTED LETTER_HEADER "encrypted"
#define MOST_HEADERS 12 /* of ours */
#define KEPT_KEY 1024   /* bytes of a key that a letter has which is cut */
#define KEPT_DETAIL 160 /* … of its detail */

/* What a dead letter says about itself. */
struct letter_headers {
    churn_header *items;
    uint32_t count;
    bool ok;
};

static void say(struct window *window, struct letter_headers *headers, const char *name, const char *value)
{
    churn_header *header = &headers->items[headers->count++];
    header->name = name;
    headers->ok = keep(window, value, strlen(value), &header->value) && headers->ok;
}

static bool is_ours(const char *name)
{
    return strncmp(name, LETTER_HEADER, strlen(LETTER_HEADER)) == 0;
}

/* The record's own headers, behind ours. */
static void say_own(struct window *window, struct letter_headers *headers, const churn_record *record)
{
    for (uint32_t i = 0; headers->ok && i < record->header_count; i++) {
        const churn_header *from = &record->headers[i];
        const char *prefix = is_ours(from->name) ? OWN_HEADER : "";
        size_t size = strlen(prefix) + strlen(from->name) + 1;
        char *name = arena_alloc(&window->arena, size);
        churn_header *header = &headers->items[headers->count++];
        headers->ok = name != NULL;
        *header = (churn_header){.name = name};
        if (name != NULL) {
            (void)snprintf(name, size, "%s%s", prefix, from->name);
        }
        if (from->value.ptr != NULL) {
            headers->ok = keep(window, from->value.ptr, from->value.len, &header->value) && headers->ok;
        }
    }
}

const char *output_own_header(const char *name)
{
    bool hidden = strncmp(name, OWN_HEADER, strlen(OWN_HEADER)) == 0;
    return hidden ? name + strlen(OWN_HEADER) : is_ours(name) ? NULL : name;
}

/* Of a value that is not kept: how many bytes it has, and which they are. */
static void say_value(struct window *window, struct letter_headers *headers, churn_str value)
{
    char size[16], hash[OUTPUT_HASH_SIZE];
    (void)snprintf(size, sizeof size, "%u", value.len);
    output_hash(value, hash);
    say(window, headers, LETTER_HEADER "size", size);
    say(window, headers, HASH, hash);
}

void output_hash(churn_str value, char hash[OUTPUT_HASH_SIZE])
{
    XXH128_canonical_t canonical;
    XXH128_canonicalFromHash(&canonical, XXH3_128bits(value.ptr, value.len));
    for (size_t i = 0; i < sizeof canonical.digest; i++) {
        (void)snprintf(hash + 2 * i, 3, "%02x", canonical.digest[i]);
    }
}

/* The position of the record that it was, or that caused it; the id of an output that no record did. */
static void say_place(struct window *window, struct letter_headers *headers, const churn_record *record)
{
    char partition[16], offset[24];
    if (record->offset < 0) {
        say(window, headers, LETTER_HEADER "id", record->topic);
        return;
    }
    (void)snprintf(partition, sizeof partition, "%d", record->partition);
    (void)snprintf(offset, sizeof offset, "%" PRId64, record->offset);
    say(window, headers, LETTER_HEADER "topic", record->topic);
    say(window, headers, LETTER_HEADER "partition", partition);
    say(window, headers, LETTER_HEADER "offset", offset);
}

static void say_time(struct window *window, struct letter_headers *headers, const char *name, int64_t time_ms)
{
    char time[CHURN_TIME_SIZE];
    churn_time_format(time_ms, time);
    say(window, headers, name, time);
}

/* A new letter with room for `own` headers beside ours; NULL when memory ran out. */
static churn_record *add_letter(struct window *window, const churn_record *of, uint32_t own,
                                struct letter_headers *headers)
{
    churn_record *output = window_add_output(window, CHURN_RECORD_DEAD_LETTER, of);
    *headers = (struct letter_headers){
        .items = arena_alloc(&window->arena, (MOST_HEADERS + own) * sizeof(churn_header)), .ok = true};
    window->has_letters = true;
    return headers->items != NULL ? output : NULL;
}

static void end_letter(churn_record *output, const struct letter_headers *headers)
{
    output->headers = headers->items;
    output->header_count = headers->count;
}

struct seal_place output_letter_place(char text[OUTPUT_PLACE_SIZE], churn_str topic, int32_t partition, int64_t offset)
{
    int len = topic.len < 256 ? (int)topic.len : 256;
    (void)snprintf(text, OUTPUT_PLACE_SIZE, "%.*s/%d/%" PRId64, len, topic.ptr, offset < 0 ? 0 : partition, offset);
    return (struct seal_place){
        .kind = "letter", .record = churn_text(text), .owner = {.ptr = ""}, .field = {.ptr = ""}};
}

/* The value of a letter, encrypted. */
static bool seal_value(struct window *window, const churn_record *record, const struct seal_ring *ring,
                       churn_str *value)
{
    char place_text[OUTPUT_PLACE_SIZE];
    struct seal_place place =
        output_letter_place(place_text, churn_text(record->topic), record->partition, record->offset);
    struct text sealed = {0};
    bool ok;
    seal_append(&sealed, ring, &place, *value);
    ok = !sealed.failed && keep(window, sealed.bytes, sealed.len, value);
    text_free(&sealed);
    return ok;
}

bool output_dead_letter(struct window *window, const churn_record *record, const char *payload, const char *sink,
                        bool replayed, const struct reject *reject, const struct seal_ring *ring)
{
    bool cut = record->value.len > OUTPUT_LETTER_MAX;
    struct letter_headers headers;
    churn_record *output = add_letter(window, record, record->header_count, &headers);
    if (output == NULL) {
        return false;
    }
    say(window, &headers, REASON, reject_reason_name(cut ? REJECT_TOO_LARGE_TO_KEEP : reject->reason));
    say(window, &headers, DETAIL, reject->detail);
    say_time(window, &headers, WRITTEN, clock_wall_ms()); /* before a loss of the store, or after it? */
    say_place(window, &headers, record);
    if (reject->reason == REJECT_TIMESTAMP_AHEAD) {
        say_time(window, &headers, RECORD_TIME, record->timestamp_ms);
    }
    if (sink != NULL) {
        say(window, &headers, LETTER_HEADER "kind", output_kind_name(record->kind));
        say(window, &headers, LETTER_HEADER "sink", sink);
    }
    if (replayed) {
        say(window, &headers, LETTER_HEADER "replayed", "true");
    }
    if (cut) {
        say_value(window, &headers, record->value);
    } else {
        say_own(window, &headers, record);
        output->value = (churn_str){.ptr = payload, .len = payload != NULL ? record->value.len : 0};
    }
    if (ring != NULL && output->value.ptr != NULL) {
        headers.ok = seal_value(window, record, ring, &output->value) && headers.ok;
        say(window, &headers, ENCRYPTED, "true");
    }
    end_letter(output, &headers);
    return headers.ok && (record->key.ptr == NULL || (cut && record->key.len > KEPT_KEY) ||
                          keep(window, record->key.ptr, record->key.len, &output->key));
}

bool output_add_headers(struct window *window, churn_record *letter, const churn_record *record)
{
    size_t count = (size_t)letter->header_count + record->header_count;
    struct letter_headers headers = {
        .items = arena_alloc(&window->arena, count * sizeof *headers.items), .count = letter->header_count, .ok = true};
    if (headers.items == NULL) {
        return false;
    }
    memcpy(headers.items, letter->headers, letter->header_count * sizeof *headers.items);
    say_own(window, &headers, record);
    end_letter(letter, &headers);
    return headers.ok;
}

static const churn_header *find_header(const churn_record *record, const char *name)
{
    for (uint32_t i = 0; i < record->header_count; i++) {
        if (strcmp(record->headers[i].name, name) == 0) {
            return &record->headers[i];
        }
    }
    return NULL;
}

bool output_is_cut(const churn_record *letter)
{
    return find_header(letter, HASH) != NULL;
}

/* Size and hash are those of the record, so that it can be told again. */
static void say_cut_value(struct window *window, struct letter_headers *headers, const churn_record *letter,
                          const struct seal_ring *ring)
{
    struct text clear = {0};
    bool json;
    churn_str value = letter->value;
    if (ring != NULL && find_header(letter, ENCRYPTED) != NULL &&
        seal_open_anywhere(&clear, ring, NULL, value, &json) == SEAL_OPENED) {
        value = (churn_str){.ptr = clear.bytes, .len = (uint32_t)clear.len};
    }
    say_value(window, headers, value);
    text_free(&clear);
}

bool output_cut_letter(struct window *window, uint32_t index, const char *why, const struct seal_ring *ring)
{
    const churn_record letter = window->outputs[index]; /* adding an output may move it */
    const churn_header *reason = find_header(&letter, REASON);
    struct letter_headers headers;
    churn_record *output = add_letter(window, &letter, letter.header_count, &headers);
    char detail[KEPT_DETAIL];
    if (output == NULL) {
        return false;
    }
    (void)snprintf(detail, sizeof detail, "%.*s; without its value, since the dead letters refused it whole: %s",
                   reason != NULL ? (int)reason->value.len : 0, reason != NULL ? reason->value.ptr : "", why);
    say(window, &headers, REASON, reject_reason_name(REJECT_TOO_LARGE_TO_KEEP));
    say(window, &headers, DETAIL, detail);
    for (uint32_t i = 0; i < letter.header_count; i++) {
        const char *name = letter.headers[i].name;
        if (output_own_header(name) == NULL && strcmp(name, REASON) != 0 && strcmp(name, DETAIL) != 0 &&
            strcmp(name, ENCRYPTED) != 0) {
            headers.items[headers.count++] = letter.headers[i];
        }
    }
    say_cut_value(window, &headers, &letter, ring);
    end_letter(output, &headers);
    output->key = letter.key.len <= KEPT_KEY ? letter.key : output->key;
    return headers.ok;
}
