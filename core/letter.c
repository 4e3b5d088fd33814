#include "letter.h"

#include "decimal.h"
#include "json_parse.h"
#include "json_text.h"
#include "output.h"
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- headers ---- */

static bool find_header(const churn_record *record, const char *name, churn_str *ret)
{
    for (uint32_t i = 0; i < record->header_count; i++) {
        if (strcmp(record->headers[i].name, name) == 0 && record->headers[i].value.ptr != NULL) {
            *ret = record->headers[i].value;
            return true;
        }
    }
    return false;
}

static bool find_number(const churn_record *record, const char *name, int64_t *ret)
{
    churn_str text;
    return find_header(record, name, &text) && decimal_parse_int64(text.ptr, text.len, ret);
}

static bool read_headers(struct letter *letter, const churn_record *record, int64_t *ret_partition, churn_str *ret_kind)
{
    churn_str replayed;
    (void)find_header(record, "churn.detail", &letter->detail);
    (void)find_header(record, "churn.kind", ret_kind);
    (void)find_header(record, "churn.sink", &letter->sink);
    letter->replayed = find_header(record, "churn.replayed", &replayed);
    letter->key = record->key;
    letter->value = record->value;
    return find_header(record, "churn.reason", &letter->reason) && find_header(record, "churn.topic", &letter->topic) &&
           find_number(record, "churn.partition", ret_partition) &&
           find_number(record, "churn.offset", &letter->offset);
}

/* ---- envelopes ---- */

static bool get_text(struct json_object *object, const char *name, churn_str *ret)
{
    struct json_object *member;
    if (!json_object_object_get_ex(object, name, &member) || !json_object_is_type(member, json_type_string)) {
        return false;
    }
    *ret = (churn_str){.ptr = json_object_get_string(member), .len = (uint32_t)json_object_get_string_len(member)};
    return true;
}

static bool get_number(struct json_object *object, const char *name, int64_t *ret)
{
    struct json_object *member;
    if (!json_object_object_get_ex(object, name, &member) || !json_object_is_type(member, json_type_int)) {
        return false;
    }
    *ret = json_object_get_int64(member);
    return true;
}

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

/* A member `name` (null: none), or `name`_base64. */
static bool get_bytes(struct json_object *object, const char *name, churn_str *ret, char **ret_decoded)
{
    char coded_name[32];
    struct json_object *member;
    churn_str coded;
    if (json_object_object_get_ex(object, name, &member)) {
        return member == NULL || get_text(object, name, ret);
    }
    (void)snprintf(coded_name, sizeof coded_name, "%s_base64", name);
    if (!get_text(object, coded_name, &coded)) {
        return false;
    }
    *ret_decoded = letter_decode_base64(coded, &ret->len);
    ret->ptr = *ret_decoded;
    return *ret_decoded != NULL;
}

static bool read_envelope(struct letter *letter, churn_str line, int64_t *ret_partition, churn_str *ret_kind)
{
    bool ok;
    letter->envelope = json_parse(line.ptr, line.len, JSON_TOKENER_DEFAULT_DEPTH, &ok);
    if (!json_object_is_type(letter->envelope, json_type_object)) {
        return false;
    }
    (void)get_text(letter->envelope, "detail", &letter->detail);
    (void)get_text(letter->envelope, "kind", ret_kind);
    (void)get_text(letter->envelope, "sink", &letter->sink);
    letter->replayed = json_object_object_get_ex(letter->envelope, "replayed", NULL);
    return get_text(letter->envelope, "reason", &letter->reason) &&
           get_text(letter->envelope, "topic", &letter->topic) &&
           get_number(letter->envelope, "partition", ret_partition) &&
           get_number(letter->envelope, "offset", &letter->offset) &&
           get_bytes(letter->envelope, "key", &letter->key, &letter->decoded[0]) &&
           get_bytes(letter->envelope, "value", &letter->value, &letter->decoded[1]);
}

/* ---- both ---- */

static uint32_t severity_of(churn_str alert)
{
    struct json_tokener *tokener = json_tokener_new();
    struct json_object *object = tokener != NULL && alert.ptr != NULL && alert.len < INT32_MAX
                                     ? json_tokener_parse_ex(tokener, alert.ptr, (int)alert.len)
                                     : NULL;
    uint32_t severity = CHURN_SEVERITY_NONE;
    churn_str name;
    json_tokener_free(tokener);
    if (json_object_is_type(object, json_type_object) && get_text(object, "severity", &name)) {
        for (severity = CHURN_SEVERITY_CRITICAL; severity > 0 && !str_equals(name, output_severity_name(severity));) {
            severity--;
        }
    }
    (void)json_object_put(object);
    return severity;
}

bool letter_read(struct letter *letter, const churn_record *record, bool envelope, char *message, size_t size)
{
    int64_t partition = 0;
    churn_str kind = {0};
    bool ok;
    *letter = (struct letter){0};
    ok = envelope ? read_envelope(letter, record->value, &partition, &kind)
                  : read_headers(letter, record, &partition, &kind);
    if (!ok) {
        (void)snprintf(message, size, "%s",
                       envelope
                           ? "the line is not a dead letter's JSON, with reason, topic, partition, offset, key, value"
                           : "it lacks the headers churn.reason, churn.topic, churn.partition, churn.offset");
        return false;
    }
    if (letter->topic.len == 0 || memchr(letter->topic.ptr, '\0', letter->topic.len) != NULL || partition < 0 ||
        partition > INT32_MAX || letter->offset < 0 || letter->offset == INT64_MAX) {
        (void)snprintf(message, size, "topic, partition and offset are no position in a source");
        return false;
    }
    letter->partition = (int32_t)partition;
    for (uint32_t bit = CHURN_RECORD_EVENT; kind.ptr != NULL && bit <= CHURN_RECORD_ALERT; bit <<= 1) {
        letter->kind |= str_equals(kind, output_kind_name(bit)) ? bit : 0;
    }
    letter->severity = letter->kind == CHURN_RECORD_ALERT ? severity_of(letter->value) : CHURN_SEVERITY_NONE;
    return true;
}

void letter_free(struct letter *letter)
{
    (void)json_object_put(letter->envelope);
    free(letter->decoded[0]);
    free(letter->decoded[1]);
    *letter = (struct letter){0};
}
