#include "engine/letter.h"

#include "base/decimal.h"
#include "base/json_parse.h"
#include "base/json_text.h"
#include "base/refuse.h"
#include "base/seal.h"
#include "engine/output.h"
#include "event/severity.h"
#include <churn/time.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- what a letter has to say ---- */

/* Where its parts are found: in headers, or in the members of an envelope. */
struct letter_parts {
    const churn_record *record;
    struct json_object *envelope; /* NULL: headers */
};

static bool get_text(struct json_object *object, const char *name, churn_str *ret)
{
    struct json_object *member;
    if (!json_object_object_get_ex(object, name, &member) || !json_object_is_type(member, json_type_string)) {
        return false;
    }
    *ret = (churn_str){.ptr = json_object_get_string(member), .len = (uint32_t)json_object_get_string_len(member)};
    return true;
}

static bool find_header(const churn_record *record, const char *name, churn_str *ret)
{
    for (uint32_t i = 0; i < record->header_count; i++) {
        const churn_header *header = &record->headers[i];
        if (output_own_header(header->name) == NULL && strcmp(header->name + strlen(LETTER_HEADER), name) == 0 &&
            header->value.ptr != NULL) {
            *ret = header->value;
            return true;
        }
    }
    return false;
}

static bool find_text(const struct letter_parts *parts, const char *name, churn_str *ret)
{
    return parts->envelope != NULL ? get_text(parts->envelope, name, ret) : find_header(parts->record, name, ret);
}

static bool find_number(const struct letter_parts *parts, const char *name, int64_t *ret)
{
    struct json_object *member;
    churn_str text;
    if (parts->envelope == NULL) {
        return find_header(parts->record, name, &text) && decimal_parse_int64(text.ptr, text.len, ret);
    }
    if (!json_object_object_get_ex(parts->envelope, name, &member) || !json_object_is_type(member, json_type_int)) {
        return false;
    }
    *ret = json_object_get_int64(member);
    return true;
}

static bool has(const struct letter_parts *parts, const char *name)
{
    churn_str text;
    return parts->envelope != NULL ? json_object_object_get_ex(parts->envelope, name, NULL)
                                   : find_header(parts->record, name, &text);
}

/* What it lacks, for a person. */
struct lacks {
    char names[128];
    unsigned count;
};

static void demand(struct lacks *lacks, const struct letter_parts *parts, const char *name, bool there)
{
    size_t used = strlen(lacks->names);
    if (!there) {
        (void)snprintf(lacks->names + used, sizeof lacks->names - used, "%s%s%s", lacks->count++ > 0 ? ", " : "",
                       parts->envelope != NULL ? "" : LETTER_HEADER, name);
    }
}

/* ---- values ---- */

static int base64_digit(char c)
{
    if (c >= 'A' && c <= 'Z') {
        return c - 'A';
    }
    if (c >= 'a' && c <= 'z') {
        return c - 'a' + 26;
    }
    return c >= '0' && c <= '9' ? c - '0' + 52 : c == '+' ? 62 : c == '/' ? 63 : -1;
}

char *letter_decode_base64(churn_str text, uint32_t *ret_len)
{
    uint32_t padding = text.len > 0 && text.ptr[text.len - 1] == '=';
    char *bytes = malloc(text.len / 4 * 3 + 1), *at = bytes;
    padding += padding > 0 && text.len > 1 && text.ptr[text.len - 2] == '=';
    for (uint32_t i = 0, bits = 0; bytes != NULL && i < text.len; i++) {
        int digit = i < text.len - padding ? base64_digit(text.ptr[i]) : 0;
        if (digit < 0 || text.len % 4 != 0) {
            free(bytes);
            return NULL;
        }
        bits = bits << 6 | (uint32_t)digit;
        if (i % 4 == 3) {
            *at++ = (char)(bits >> 16);
            *at++ = (char)(bits >> 8);
            *at++ = (char)bits;
        }
    }
    *ret_len = text.len / 4 * 3 - padding;
    return bytes;
}

/* Keeps `decoded` for as long as the letter. False when memory ran out, or there is nothing. */
static bool own(struct letter *letter, char *decoded)
{
    char **grown = realloc(letter->decoded, (letter->decoded_count + 1) * sizeof *grown);
    if (grown != NULL) {
        letter->decoded = grown;
        grown[letter->decoded_count++] = decoded;
    } else {
        free(decoded);
    }
    return grown != NULL && decoded != NULL;
}

/* A member `name` (null: none), or `name`_base64. */
static bool get_bytes(struct letter *letter, struct json_object *object, const char *name, churn_str *ret)
{
    char coded_name[32], *decoded;
    struct json_object *member;
    churn_str coded;
    if (json_object_object_get_ex(object, name, &member)) {
        return member == NULL || get_text(object, name, ret);
    }
    (void)snprintf(coded_name, sizeof coded_name, "%s_base64", name);
    if (!get_text(object, coded_name, &coded)) {
        return false;
    }
    decoded = letter_decode_base64(coded, &ret->len);
    ret->ptr = decoded;
    return own(letter, decoded);
}

/* Lines, alerts and triggers are this flat. */
static struct json_object *parse(churn_str text)
{
    bool ok;
    return text.ptr != NULL ? json_parse(text.ptr, text.len, JSON_TOKENER_DEFAULT_DEPTH, &ok) : NULL;
}

/* ---- the record's own headers ---- */

static bool add_header(struct letter *letter, const char *name, churn_str value)
{
    letter->headers[letter->header_count++] = (churn_header){.name = name, .value = value};
    return true;
}

static bool room_for_headers(struct letter *letter, size_t count)
{
    letter->headers = count > 0 ? calloc(count, sizeof *letter->headers) : NULL;
    return count == 0 || letter->headers != NULL;
}

static bool take_headers(struct letter *letter, const churn_record *record)
{
    bool ok = room_for_headers(letter, record->header_count);
    for (uint32_t i = 0; ok && i < record->header_count; i++) {
        const char *name = output_own_header(record->headers[i].name);
        ok = name == NULL || add_header(letter, name, record->headers[i].value);
    }
    return ok;
}

/* "headers":[{"name":…,"value":…},…] */
static bool take_listed_headers(struct letter *letter, struct json_object *list)
{
    size_t count = json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;
    bool ok = room_for_headers(letter, count);
    for (size_t i = 0; ok && i < count; i++) {
        struct json_object *item = json_object_array_get_idx(list, i);
        churn_str name, value = {0};
        ok = get_text(item, "name", &name) && get_bytes(letter, item, "value", &value) &&
             output_own_header(name.ptr) != NULL && add_header(letter, output_own_header(name.ptr), value);
    }
    return ok;
}

/* ---- both ---- */

static uint32_t severity_of(churn_str alert)
{
    struct json_object *object = parse(alert);
    uint32_t severity = CHURN_SEVERITY_NONE;
    churn_str name;
    if (json_object_is_type(object, json_type_object) && get_text(object, "severity", &name)) {
        for (severity = CHURN_SEVERITY_CRITICAL; severity > 0 && !str_equals(name, severity_name(severity));) {
            severity--;
        }
    }
    (void)json_object_put(object);
    return severity;
}

bool letter_is_of_event(const struct letter *letter, churn_str event_id)
{
    struct json_object *object = parse(letter->value), *at = object;
    churn_str found;
    bool is = json_object_is_type(object, json_type_object) &&
              (letter->kind != CHURN_RECORD_TRIGGER || json_object_object_get_ex(object, "trigger", &at)) &&
              json_object_is_type(at, json_type_object) && get_text(at, "event_id", &found) &&
              churn_equal(found, event_id);
    (void)json_object_put(object);
    return is;
}

/* Key, value and headers as received. */
static void take_record(struct letter *letter, const struct letter_parts *parts, struct lacks *lacks)
{
    struct json_object *headers;
    if (parts->envelope == NULL) {
        letter->key = parts->record->key;
        letter->value = parts->record->value;
        demand(lacks, parts, "headers that fit into memory", take_headers(letter, parts->record));
        return;
    }
    demand(lacks, parts, "key", get_bytes(letter, parts->envelope, "key", &letter->key));
    demand(lacks, parts, "value", get_bytes(letter, parts->envelope, "value", &letter->value));
    if (json_object_object_get_ex(parts->envelope, "headers", &headers)) {
        demand(lacks, parts, "headers", take_listed_headers(letter, headers));
    }
}

static void take_kind(struct letter *letter, const struct letter_parts *parts)
{
    churn_str kind;
    for (uint32_t bit = CHURN_RECORD_EVENT; find_text(parts, "kind", &kind) && bit <= CHURN_RECORD_ALERT; bit <<= 1) {
        letter->kind |= str_equals(kind, output_kind_name(bit)) ? bit : 0;
    }
}

static void take_severity(struct letter *letter)
{
    letter->severity = letter->kind == CHURN_RECORD_ALERT ? severity_of(letter->value) : CHURN_SEVERITY_NONE;
}

/* Versions before ABI 1.3 did not say it; what they wrote is as old as its record, where that has a time. */
static void take_time(struct letter *letter, const struct letter_parts *parts)
{
    churn_str time;
    if (!find_text(parts, "written_at", &time) || !churn_time_parse(time.ptr, time.len, &letter->written_ms)) {
        letter->written_ms = parts->record->timestamp_ms;
    }
    if (!find_text(parts, "timestamp", &time) || !churn_time_parse(time.ptr, time.len, &letter->record_ms)) {
        letter->record_ms = 0;
    }
}

static bool is_position(const struct letter *letter, int64_t partition)
{
    return letter->topic.len > 0 && memchr(letter->topic.ptr, '\0', letter->topic.len) == NULL && partition >= 0 &&
           partition <= INT32_MAX && letter->offset >= 0 && letter->offset < INT64_MAX;
}

/* An alert or trigger that no record caused has an id in place of a position. */
static bool take_position(struct letter *letter, const struct letter_parts *parts, struct lacks *lacks)
{
    bool said = letter->kind == CHURN_RECORD_ALERT || letter->kind == CHURN_RECORD_TRIGGER;
    int64_t partition = 0;
    if (said && !has(parts, "topic") && find_text(parts, "id", &letter->id) && letter->id.len > 0) {
        letter->offset = -1;
        return true;
    }
    demand(lacks, parts, "topic", find_text(parts, "topic", &letter->topic));
    demand(lacks, parts, "partition", find_number(parts, "partition", &partition));
    demand(lacks, parts, "offset", find_number(parts, "offset", &letter->offset));
    letter->partition = (int32_t)partition;
    return lacks->count > 0 || is_position(letter, partition);
}

/* Exchanges an encrypted value for what it was. False with a message. */
static bool open_value(struct letter *letter, const struct seal_ring *ring, char *message, size_t size)
{
    char place_text[OUTPUT_PLACE_SIZE];
    struct seal_place place = output_letter_place(place_text, letter->topic.ptr != NULL ? letter->topic : letter->id,
                                                  letter->partition, letter->offset);
    struct text clear = {0};
    churn_str id = {.ptr = ""};
    (void)seal_is(letter->value, &id);
    switch (seal_open(&clear, ring, &place, letter->value)) {
    case SEAL_OPENED:
        letter->value = (churn_str){.ptr = ""};
        if (clear.bytes != NULL) {
            if (!own(letter, clear.bytes)) {
                return refuse(message, size, "memory ran out");
            }
            letter->value = (churn_str){.ptr = clear.bytes, .len = (uint32_t)clear.len};
        }
        return true;
    case SEAL_KEY_UNKNOWN:
        (void)refuse(message, size,
                     "its value is encrypted with the key '%.*s', which is not among protect: keys:", (int)id.len,
                     id.ptr);
        break;
    default:
        (void)refuse(message, size,
                     "its value is said to be encrypted, and cannot be opened: it was changed, or "
                     "belongs to another record");
    }
    text_free(&clear);
    return false;
}

enum letter_kind letter_read(struct letter *letter, const churn_record *record, bool envelope,
                             const struct seal_ring *ring, char *message, size_t size)
{
    struct letter_parts parts = {.record = record};
    struct lacks lacks = {0};
    bool placed, opened = true;
    *letter = (struct letter){0};
    letter->envelope = envelope ? parse(record->value) : NULL;
    parts.envelope = letter->envelope;
    if (envelope && !json_object_is_type(letter->envelope, json_type_object)) {
        (void)snprintf(message, size, "the line is not a dead letter's JSON");
        return LETTER_NONE;
    }
    demand(&lacks, &parts, "reason", find_text(&parts, "reason", &letter->reason));
    (void)find_text(&parts, "detail", &letter->detail);
    (void)find_text(&parts, "sink", &letter->sink);
    (void)find_text(&parts, "xxh128", &letter->hash);
    letter->replayed = has(&parts, "replayed");
    take_record(letter, &parts, &lacks);
    take_kind(letter, &parts);
    take_time(letter, &parts);
    placed = take_position(letter, &parts, &lacks);
    if (lacks.count == 0 && placed && has(&parts, "encrypted")) {
        opened = open_value(letter, ring, message, size);
    }
    take_severity(letter);
    if (lacks.count > 0) {
        (void)snprintf(message, size, "%s%s%s",
                       envelope ? "the line is not a dead letter's JSON: it lacks " : "it lacks ",
                       envelope           ? ""
                       : lacks.count == 1 ? "the header "
                                          : "the headers ",
                       lacks.names);
    } else if (!placed) {
        (void)snprintf(message, size, "topic, partition and offset are no position in a source");
    }
    return letter->reason.ptr == NULL             ? LETTER_NONE
           : lacks.count == 0 && placed && opened ? LETTER_GOOD
                                                  : LETTER_INCOMPLETE;
}

void letter_free(struct letter *letter)
{
    (void)json_object_put(letter->envelope);
    for (uint32_t i = 0; i < letter->decoded_count; i++) {
        free(letter->decoded[i]);
    }
    free(letter->decoded);
    free(letter->headers);
    *letter = (struct letter){0};
}
