/* An event, from its JSON text on: the scanner against a second reader, and the decoder against what it has read. */
#include "fuzz.h"

#include "core/base/decimal.h"
#include "core/base/json_text.h"
#include "core/event/event.h"
#include "tests/unit/json_reference.h"
#include "tests/unit/types_fixture.h"
#include <churn/time.h>

#define MOST_BRACKETS 200 /* the reference is recursive */

static struct types_fixture types;
static struct json_scanner *scanner;
static struct event_decoder *decoder, *second;
static struct reference_value *kept;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    need(types_load(&types, NULL, 0) && types.catalog.type_count > 0, "event types (see TEST_PLUGIN_DIR)");
    loader_rest(&types.loader);
    scanner = json_scanner_new(&types.catalog.data_names);
    decoder = event_decoder_new(&types.catalog);
    second = event_decoder_new(&types.catalog);
    kept = calloc(types.catalog.data_names.count, sizeof *kept);
    need(scanner != NULL && decoder != NULL && second != NULL && kept != NULL, "memory");
    return 0;
}

/* With the padding that a scanner needs: a NUL, and bytes that would change a text if they were taken for a part. */
static char *padded(const void *bytes, size_t len)
{
    char *copy = malloc(len + JSON_SCAN_PADDING);
    need(copy != NULL, "malloc");
    if (len > 0) {
        memcpy(copy, bytes, len);
    }
    memset(copy + len, '"', JSON_SCAN_PADDING);
    copy[len] = '\0';
    return copy;
}

/* ---- the scanner ---- */

static bool is_small(const char *text, size_t len)
{
    unsigned brackets = 0;
    for (size_t i = 0; i < len; i++) {
        brackets += text[i] == '[' || text[i] == '{';
    }
    return len < REFERENCE_TEXT && brackets <= MOST_BRACKETS;
}

static void check_token(const struct json_token *token, const struct reference_value *value, const char *what)
{
    promise(reference_is(value, token), "%s: kind %u '%.*s', the reference says %u '%.*s'", what, token->kind,
            (int)token->text.len, token->text.ptr, value->kind, (int)value->len, value->text);
}

static void check_scan(const char *text, size_t len)
{
    static const char *const members[] = {"event_id", "event_type", "customer_id", "timestamp", "data"};
    static struct reference reference;
    const struct name_index *names = &types.catalog.data_names;
    enum json_result result = json_scan(scanner, text, len),
                     expected = reference_scan(&reference, text, len, names, kept);
    bool faulty = expected == JSON_INVALID || expected == JSON_INVALID_UTF8; /* of several faults either may be told */
    bool too_deep = result == JSON_TOO_DEEP && reference.deepest > JSON_SCAN_MAX_DEPTH;
    promise(faulty ? result == JSON_INVALID || result == JSON_INVALID_UTF8 || too_deep : result == expected,
            "the scanner says %d, the reference %d", result, expected);
    for (int i = 0; i < JSON_MEMBER_COUNT && result == JSON_OK; i++) {
        check_token(json_scan_member(scanner, (enum json_member)i), &reference.members[i], members[i]);
    }
    for (uint32_t i = 0; i < names->count && result == JSON_OK; i++) {
        check_token(json_scan_data(scanner, i), &kept[i], "a field of data");
    }
}

static void check_by_json_c(const char *text, size_t len)
{
    json_object *object = strict_json_parse(text, len, JSON_SCAN_MAX_DEPTH + 2);
    promise(json_object_is_type(object, json_type_object), "json-c takes what the decoder took");
    (void)json_object_put(object);
}

/* ---- the decoder ---- */

static void write_text(struct text *out, const char *name, churn_str value)
{
    text_printf(out, "\"%s\":", name);
    text_append_json(out, value.ptr, value.len);
}

static void write_field(struct text *out, const churn_field *field, const churn_value *value)
{
    char buffer[DECIMAL_SIZE];
    switch (field->type) {
    case CHURN_FIELD_STRING:
        write_text(out, field->name, value->text);
        return;
    case CHURN_FIELD_TIME:
        churn_time_format(value->number, buffer);
        write_text(out, field->name, fuzz_str(buffer));
        return;
    case CHURN_FIELD_MONEY:
        (void)decimal_format_money(value->number, buffer);
        break;
    case CHURN_FIELD_BOOL:
        (void)snprintf(buffer, sizeof buffer, "%s", value->number != 0 ? "true" : "false");
        break;
    default:
        (void)decimal_format_int128(value->number, buffer);
    }
    text_printf(out, "\"%s\":%s", field->name, buffer);
}

/* The event as a producer might have written it that knows its values alone. */
static void write_event(struct text *out, const struct event_type *type, const churn_event *event)
{
    char time[CHURN_TIME_SIZE];
    bool first = true;
    churn_time_format(event->timestamp_ms, time);
    text_append_string(out, "{");
    write_text(out, "customer_id", event->customer_id);
    text_append_string(out, ",");
    write_text(out, "timestamp", fuzz_str(time));
    text_append_string(out, ",\"data\":{");
    for (uint32_t i = 0; i < event->value_count; i++) {
        if (event->values[i].present) {
            text_append_string(out, first ? "" : ",");
            write_field(out, event_type_field(type, i), &event->values[i]);
            first = false;
        }
    }
    text_append_string(out, "},");
    write_text(out, "event_type", event->event_type);
    text_append_string(out, ",");
    write_text(out, "event_id", event->event_id);
    text_append_string(out, "}");
    promise(!out->failed, "there is memory");
}

static void check_same_event(const churn_event *a, const churn_event *b)
{
    promise(fuzz_same(a->event_id, b->event_id) && fuzz_same(a->customer_id, b->customer_id) &&
                a->timestamp_ms == b->timestamp_ms && a->value_count == b->value_count,
            "an event that is written and decoded again is the same");
    for (uint32_t i = 0; i < a->value_count; i++) {
        const churn_value *x = &a->values[i], *y = &b->values[i];
        promise(x->present == y->present && x->number == y->number && fuzz_same(x->text, y->text),
                "value %u is the same again", i);
    }
}

static void check_again(const struct event_type *type, const churn_event *event, const char *text, size_t len)
{
    char *copy = padded(text, len);
    churn_event again = {.size = sizeof again};
    struct reject reject = {0};
    promise(event_decode(second, copy, len, &again, &reject) == type, "%.*s is decoded as it was: %s", (int)len, text,
            reject.detail);
    check_same_event(event, &again);
    free(copy);
}

static void count_member(void *ctx, churn_str name, churn_str value)
{
    (void)name;
    *(unsigned *)ctx += value.len > 0;
}

static void check_event(const struct event_type *type, const churn_event *event)
{
    struct text text = {0};
    unsigned members = 0;
    write_event(&text, type, event);
    check_again(type, event, text.bytes, text.len);
    text.len = 0;
    text_append_minified(&text, event->payload.ptr, event->payload.len);
    check_again(type, event, text.bytes, text.len);
    text_free(&text);
    promise(event_members(second, event->data, count_member, &members) == JSON_OK, "the data is an object by itself");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = padded(data, size);
    churn_event event = {.size = sizeof event};
    struct reject reject = {0};
    const struct event_type *type = event_decode(decoder, text, size, &event, &reject);
    if (type != NULL) {
        check_by_json_c(text, size);
        check_event(type, &event);
    } else {
        promise(reject.reason < REJECT_REASON_COUNT && reject.detail[0] != '\0' &&
                    text_is_utf8(reject.detail, strlen(reject.detail)),
                "a refusal says why, in UTF-8: %s", reject.detail);
    }
    if (is_small(text, size)) {
        check_scan(text, size);
    }
    free(text);
    return 0;
}
