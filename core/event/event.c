#include "event/event.h"

#include "base/decimal.h"
#include "base/printable.h"
#include <churn/time.h>
#include <inttypes.h>
#include <stdlib.h>

struct event_decoder {
    const struct catalog *catalog;
    struct json_scanner *scanner;
    churn_value *values; /* of the newest event */
};

const char *reject_reason_name(enum reject_reason reason)
{
    static const char *const names[REJECT_REASON_COUNT] = {
        [REJECT_EMPTY] = "empty",
        [REJECT_TOO_LARGE] = "too_large",
        [REJECT_BYTE_ORDER_MARK] = "byte_order_mark",
        [REJECT_INVALID_UTF8] = "invalid_utf8",
        [REJECT_INVALID_JSON] = "invalid_json",
        [REJECT_TOO_DEEP] = "too_deep",
        [REJECT_NOT_AN_OBJECT] = "not_an_object",
        [REJECT_MISSING_FIELD] = "missing_field",
        [REJECT_WRONG_TYPE] = "wrong_type",
        [REJECT_INVALID_VALUE] = "invalid_value",
        [REJECT_INVALID_TIMESTAMP] = "invalid_timestamp",
        [REJECT_UNKNOWN_EVENT_TYPE] = "unknown_event_type",
        [REJECT_BY_PLUGIN] = "rejected_by_plugin",
        [REJECT_BY_PROCESSOR] = "rejected_by_processor",
        [REJECT_BY_SINK] = "rejected_by_sink",
        [REJECT_CRASHED_PLUGIN] = "crashed_plugin",
        [REJECT_DAMAGED_PROFILE] = "damaged_profile",
        [REJECT_FIELD_OVERFLOW] = "field_overflow",
        [REJECT_TOO_LARGE_TO_KEEP] = "too_large_to_keep",
        [REJECT_UNREADABLE_RECORD] = "unreadable_record",
        [REJECT_KEY_UNKNOWN] = "key_unknown",
        [REJECT_TIMESTAMP_AHEAD] = "timestamp_ahead",
    };
    return names[reason];
}

void reject_set(struct reject *reject, enum reject_reason reason, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    reject->reason = reason;
    reject->out_of_memory = false;
    (void)vsnprintf(reject->detail, sizeof reject->detail, format, args);
    va_end(args);
}

struct event_decoder *event_decoder_new(const struct catalog *catalog)
{
    struct event_decoder *decoder = calloc(1, sizeof *decoder);
    if (decoder == NULL) {
        return NULL;
    }
    decoder->catalog = catalog;
    decoder->scanner = json_scanner_new(&catalog->data_names);
    decoder->values = calloc(catalog->max_field_count + 1, sizeof *decoder->values);
    if (decoder->scanner == NULL || decoder->values == NULL) {
        event_decoder_free(decoder);
        return NULL;
    }
    return decoder;
}

void event_decoder_free(struct event_decoder *decoder)
{
    if (decoder != NULL) {
        json_scanner_free(decoder->scanner);
        free(decoder->values);
        free(decoder);
    }
}

#define FAIL(reject, reason, ...) (reject_set((reject), (reason), __VA_ARGS__), false)

static bool scan(struct event_decoder *decoder, const char *bytes, size_t len, struct reject *reject)
{
    if (len == 0) {
        return FAIL(reject, REJECT_EMPTY, "the record has no value");
    }
    if (len > EVENT_MAX_SIZE) {
        return FAIL(reject, REJECT_TOO_LARGE, "%zu bytes; at most %d are allowed", len, EVENT_MAX_SIZE);
    }
    if (len >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0) {
        return FAIL(reject, REJECT_BYTE_ORDER_MARK, "the text begins with a byte order mark");
    }
    switch (json_scan(decoder->scanner, bytes, len)) {
    case JSON_OK:
        return true;
    case JSON_INVALID_UTF8:
        return FAIL(reject, REJECT_INVALID_UTF8, "the text is not UTF-8");
    case JSON_TOO_DEEP:
        return FAIL(reject, REJECT_TOO_DEEP, "nested more than %d levels deep", JSON_SCAN_MAX_DEPTH);
    case JSON_NOT_AN_OBJECT:
        return FAIL(reject, REJECT_NOT_AN_OBJECT, "an event is one JSON object");
    case JSON_NO_MEMORY:
        reject->out_of_memory = true;
        return false;
    default:
        return FAIL(reject, REJECT_INVALID_JSON, "the text is not one JSON value by RFC 8259");
    }
}

/* A required text among the event's own members, of 1–128 bytes where `is_id`. */
static bool read_member(const struct event_decoder *decoder, enum json_member member, const char *name, bool is_id,
                        churn_str *ret, struct reject *reject)
{
    const struct json_token *token = json_scan_member(decoder->scanner, member);
    if (token->kind == JSON_ABSENT) {
        return FAIL(reject, REJECT_MISSING_FIELD, "%s is required", name);
    }
    if (token->kind != JSON_STRING) {
        return FAIL(reject, REJECT_WRONG_TYPE, "%s must be a text", name);
    }
    if (is_id && (token->text.len < 1 || token->text.len > EVENT_MAX_ID)) {
        return FAIL(reject, REJECT_INVALID_VALUE, "%s must have 1 to %d bytes", name, EVENT_MAX_ID);
    }
    *ret = token->text;
    return true;
}

/* Unicode's control characters: C0, DEL and C1 (UTF-8: 0xC2 0x80–0x9F). */
static bool has_control(churn_str text)
{
    for (uint32_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (c < 0x20 || c == 0x7f || (c == 0xc2 && i + 1 < text.len && (unsigned char)text.ptr[i + 1] < 0xa0)) {
            return true;
        }
    }
    return false;
}

bool event_is_customer_id(churn_str text)
{
    return text.len >= 1 && text.len <= EVENT_MAX_ID && !has_control(text) && json_is_utf8(text);
}

/* The length of the first `max` bytes of a UTF-8 text, no character cut in two. */
static int clipped(churn_str text, uint32_t max)
{
    uint32_t len = text.len;
    if (len > max) {
        for (len = max; len > 0 && ((unsigned char)text.ptr[len] & 0xc0) == 0x80; len--) {
        }
    }
    return (int)len;
}

/* Shows the name: control characters, which a name of a known type may be followed by, as what they are. */
static void reject_unknown(struct reject *reject, churn_str name)
{
    struct text shown = {0};
    printable_append_line(&shown, name.ptr, (size_t)clipped(name, has_control(name) ? 32 : 64));
    if (shown.failed) {
        reject_set(reject, REJECT_UNKNOWN_EVENT_TYPE, "no plugin is loaded for the event_type");
    } else {
        reject_set(reject, REJECT_UNKNOWN_EVENT_TYPE, "no plugin is loaded for event_type '%.*s'", (int)shown.len,
                   shown.len > 0 ? shown.bytes : "");
    }
    text_free(&shown);
}

static const struct event_type *find_type(const struct event_decoder *decoder, struct reject *reject)
{
    churn_str name;
    int32_t id;
    if (!read_member(decoder, JSON_MEMBER_EVENT_TYPE, "event_type", false, &name, reject)) {
        return NULL;
    }
    id = name_index_find(&decoder->catalog->type_names, name.ptr, name.len);
    if (id < 0) {
        reject_unknown(reject, name);
        return NULL;
    }
    return &decoder->catalog->types[id];
}

static bool read_envelope(const struct event_decoder *decoder, churn_event *event, struct reject *reject)
{
    const struct json_token *data = json_scan_member(decoder->scanner, JSON_MEMBER_DATA);
    churn_str time;
    if (!read_member(decoder, JSON_MEMBER_EVENT_ID, "event_id", true, &event->event_id, reject) ||
        !read_member(decoder, JSON_MEMBER_CUSTOMER_ID, "customer_id", true, &event->customer_id, reject) ||
        !read_member(decoder, JSON_MEMBER_TIMESTAMP, "timestamp", false, &time, reject)) {
        return false;
    }
    if (has_control(event->customer_id)) {
        return FAIL(reject, REJECT_INVALID_VALUE, "customer_id must not hold control characters");
    }
    if (!churn_time_parse(time.ptr, time.len, &event->timestamp_ms)) {
        return FAIL(reject, REJECT_INVALID_TIMESTAMP, "timestamp is no RFC 3339 time that exists");
    }
    if (data->kind == JSON_ABSENT) {
        return FAIL(reject, REJECT_MISSING_FIELD, "data is required");
    }
    if (data->kind != JSON_OBJECT) {
        return FAIL(reject, REJECT_WRONG_TYPE, "data must be an object");
    }
    event->data = data->text;
    return true;
}

static bool is_choice(const churn_field *field, churn_str text)
{
    for (uint32_t i = 0; field->choices[i] != NULL; i++) {
        if (churn_equal(text, churn_text(field->choices[i]))) {
            return true;
        }
    }
    return false;
}

static bool read_string(const churn_field *field, const struct json_token *token, churn_value *value,
                        struct reject *reject)
{
    if (token->kind != JSON_STRING) {
        return FAIL(reject, REJECT_WRONG_TYPE, "data.%s must be a text", field->name);
    }
    if (field->choices != NULL && !is_choice(field, token->text)) {
        return FAIL(reject, REJECT_INVALID_VALUE, "data.%s is none of the values allowed", field->name);
    }
    value->text = token->text;
    return true;
}

static bool read_int(const churn_field *field, const struct json_token *token, churn_value *value,
                     struct reject *reject)
{
    if (token->kind != JSON_NUMBER || !decimal_parse_int64(token->text.ptr, token->text.len, &value->number)) {
        return FAIL(reject, REJECT_WRONG_TYPE,
                    "data.%s must be a whole number of 64 bits, without fraction or exponent", field->name);
    }
    if (value->number < field->min || value->number > field->max) {
        return FAIL(reject, REJECT_INVALID_VALUE, "data.%s must be between %" PRId64 " and %" PRId64, field->name,
                    field->min, field->max);
    }
    return true;
}

static bool read_money(const churn_field *field, const struct json_token *token, churn_value *value,
                       struct reject *reject)
{
    if (token->kind != JSON_NUMBER) {
        return FAIL(reject, REJECT_WRONG_TYPE, "data.%s must be a number", field->name);
    }
    if (!decimal_parse_money(token->text.ptr, token->text.len, &value->number)) {
        return FAIL(reject, REJECT_INVALID_VALUE, "data.%s must be between 0 and 999999999999.9999", field->name);
    }
    return true;
}

static bool read_time(const churn_field *field, const struct json_token *token, churn_value *value,
                      struct reject *reject)
{
    if (token->kind != JSON_STRING) {
        return FAIL(reject, REJECT_WRONG_TYPE, "data.%s must be a time", field->name);
    }
    if (!churn_time_parse(token->text.ptr, token->text.len, &value->number)) {
        return FAIL(reject, REJECT_INVALID_TIMESTAMP, "data.%s is no RFC 3339 time that exists", field->name);
    }
    return true;
}

static bool read_bool(const churn_field *field, const struct json_token *token, churn_value *value,
                      struct reject *reject)
{
    if (token->kind != JSON_BOOL) {
        return FAIL(reject, REJECT_WRONG_TYPE, "data.%s must be true or false", field->name);
    }
    value->number = token->text.ptr[0] == 't';
    return true;
}

static bool read_field(const churn_field *field, const struct json_token *token, churn_value *value,
                       struct reject *reject)
{
    *value = (churn_value){0};
    if (token->kind == JSON_ABSENT) {
        return (field->flags & CHURN_FIELD_REQUIRED) == 0 ||
               FAIL(reject, REJECT_MISSING_FIELD, "data.%s is required", field->name);
    }
    value->present = 1;
    switch (field->type) {
    case CHURN_FIELD_STRING:
        return read_string(field, token, value, reject);
    case CHURN_FIELD_INT:
        return read_int(field, token, value, reject);
    case CHURN_FIELD_MONEY:
        return read_money(field, token, value, reject);
    case CHURN_FIELD_TIME:
        return read_time(field, token, value, reject);
    default:
        return read_bool(field, token, value, reject);
    }
}

#define SPAN_SIZE 32

/* A span in the largest unit of which it has two or more, rounded down. */
static const char *show_span(int64_t ms, char span[SPAN_SIZE])
{
    static const struct {
        int64_t ms;
        const char *name;
    } units[] = {{86400000, "d"}, {3600000, "h"}, {60000, "min"}, {1000, "s"}, {1, "ms"}};
    size_t i = 0;
    while (units[i].ms > 1 && ms < 2 * units[i].ms) {
        i++;
    }
    (void)snprintf(span, SPAN_SIZE, "%" PRId64 " %s", ms / units[i].ms, units[i].name);
    return span;
}

bool event_is_timely(const churn_event *event, int64_t record_ms, int64_t max_ahead_ms, struct reject *reject)
{
    char ahead[SPAN_SIZE], most[SPAN_SIZE];
    if (record_ms <= 0 || max_ahead_ms == 0 || event->timestamp_ms - max_ahead_ms <= record_ms) {
        return true;
    }
    return FAIL(reject, REJECT_TIMESTAMP_AHEAD,
                "timestamp is %s later than the record's own, and events: max_ahead allows %s",
                show_span(event->timestamp_ms - record_ms, ahead), show_span(max_ahead_ms, most));
}

bool event_accepts(const churn_field *field, const struct json_token *token, struct reject *reject)
{
    churn_value value;
    return read_field(field, token, &value, reject);
}

enum json_result event_members(struct event_decoder *decoder, churn_str json, json_member_fn fn, void *ctx)
{
    return json_members(decoder->scanner, json, fn, ctx);
}

const struct event_type *event_decode(struct event_decoder *decoder, const char *bytes, size_t len, churn_event *event,
                                      struct reject *reject)
{
    const struct event_type *type = scan(decoder, bytes, len, reject) ? find_type(decoder, reject) : NULL;
    if (type == NULL || !read_envelope(decoder, event, reject)) {
        return NULL;
    }
    for (uint32_t i = 0; i < type->table.field_count; i++) {
        const struct json_token *token = json_scan_data(decoder->scanner, type->data_names[i]);
        if (!read_field(event_type_field(type, i), token, &decoder->values[i], reject)) {
            return NULL;
        }
    }
    event->size = sizeof *event;
    event->event_type = type->name;
    event->fields = type->table.fields;
    event->field_stride = type->table.field_stride;
    event->values = decoder->values;
    event->value_count = type->table.field_count;
    event->payload = (churn_str){.ptr = bytes, .len = (uint32_t)len};
    return type;
}
