#include "observe/tap_line.h"

#include <churn/time.h>
#include <inttypes.h>

static void append_name(struct text *out, const char *name)
{
    text_append_string(out, ",\"");
    text_append_string(out, name);
    text_append_string(out, "\":");
}

static void append_text(struct text *out, const char *name, churn_str value)
{
    append_name(out, name);
    text_append_json(out, value.ptr, value.len);
}

/* What the header of a dead letter is called among the line's own members; NULL: it is the record's own, or one that
 * the line has said. */
static const char *member_of(const char *header)
{
    static const char *const names[] = {"reason", "detail", "kind", "sink", "id", "replayed", "size", "xxh128"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strncmp(header, "churn.", 6) == 0 && strcmp(header + 6, names[i]) == 0) {
            return names[i];
        }
    }
    return NULL;
}

static const char *const places[] = {"churn.topic", "churn.partition", "churn.offset"};

static bool is_own(enum tap_point point, const char *header)
{
    bool own = point != TAP_DEAD_LETTERS || member_of(header) == NULL;
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        own = own && (point != TAP_DEAD_LETTERS || strcmp(header, places[i]) != 0);
    }
    return own;
}

static void append_headers(struct text *out, const struct tapped *tapped)
{
    const churn_record *record = &tapped->record;
    bool any = false;
    for (uint32_t i = 0; i < record->header_count; i++) {
        const churn_header *header = &record->headers[i];
        if (tapped->point == TAP_DEAD_LETTERS && member_of(header->name) != NULL) {
            append_text(out, member_of(header->name), header->value);
        }
    }
    for (uint32_t i = 0; i < record->header_count; i++) {
        const churn_header *header = &record->headers[i];
        if (!is_own(tapped->point, header->name)) {
            continue;
        }
        text_append_string(out, any ? ",{\"name\":" : ",\"headers\":[{\"name\":");
        text_append_json(out, header->name, strlen(header->name));
        append_name(out, "value");
        if (header->value.ptr != NULL) {
            text_append_json(out, header->value.ptr, header->value.len);
        } else {
            text_append_string(out, "null");
        }
        text_append_string(out, "}");
        any = true;
    }
    text_append_string(out, any ? "]" : "");
}

static void append_value(struct text *out, const struct tapped *tapped, bool json)
{
    churn_str value = tapped->record.value;
    if (tapped->cut > 0) {
        text_printf(out, ",\"value_bytes\":%" PRIu32, tapped->cut);
    } else if (value.ptr == NULL) {
        text_append_string(out, ",\"value\":null");
    } else if (json) {
        append_name(out, "value");
        text_append_minified(out, value.ptr, value.len);
    } else {
        append_text(out, "text", value);
    }
}

static bool has_place(const churn_record *record)
{
    return record->topic != NULL && record->offset >= 0;
}

/* A record's own time may be anything. */
static bool time_of(const churn_record *record, char time[CHURN_TIME_SIZE])
{
    int64_t ms = record->timestamp_ms;
    bool known = ms != 0 && ms >= CHURN_TIME_MIN && ms <= CHURN_TIME_MAX;
    if (known) {
        churn_time_format(ms, time);
    }
    return known;
}

void tap_line_append_json(struct text *out, const struct tapped *tapped, bool json)
{
    const churn_record *record = &tapped->record;
    char time[CHURN_TIME_SIZE];
    text_printf(out, "{\"at\":\"%s\"", taps_point_name(tapped->point));
    if (has_place(record)) {
        append_text(out, "topic", churn_text(record->topic));
        text_printf(out, ",\"partition\":%" PRId32 ",\"offset\":%" PRId64, record->partition, record->offset);
    }
    if (time_of(record, time)) {
        append_text(out, "timestamp", churn_text(time));
    }
    if (record->key.ptr != NULL) {
        append_text(out, "key", record->key);
    }
    append_headers(out, tapped);
    append_value(out, tapped, json);
    text_append_string(out, "}\n");
}

static void append_reason(struct text *out, const churn_record *record)
{
    for (uint32_t i = 0; i < record->header_count; i++) {
        const churn_header *header = &record->headers[i];
        if (strcmp(header->name, "churn.reason") == 0 || strcmp(header->name, "churn.detail") == 0) {
            text_append_string(out, " ");
            text_append(out, header->value.ptr, header->value.len);
            text_append_string(out, ":");
        }
    }
}

/* Line ends within a value must not look like the next record. */
static void append_in_line(struct text *out, churn_str value)
{
    for (uint32_t i = 0; i < value.len; i++) {
        bool ends_line = value.ptr[i] == '\n' || value.ptr[i] == '\r';
        text_append(out, ends_line ? " " : value.ptr + i, 1);
    }
}

void tap_line_append_text(struct text *out, const struct tapped *tapped, bool json)
{
    const churn_record *record = &tapped->record;
    char time[CHURN_TIME_SIZE];
    text_append_string(out, time_of(record, time) ? time : "-");
    if (has_place(record)) {
        text_append_string(out, " ");
        append_in_line(out, churn_text(record->topic));
        text_printf(out, "/%" PRId32 "@%" PRId64, record->partition, record->offset);
    }
    text_append_string(out, " ");
    append_in_line(out, record->key.ptr != NULL ? record->key : churn_text("-"));
    if (tapped->point == TAP_DEAD_LETTERS) {
        append_reason(out, record);
    }
    text_append_string(out, " ");
    if (tapped->cut > 0) {
        text_printf(out, "(%" PRIu32 " bytes)", tapped->cut);
    } else if (json) {
        text_append_minified(out, record->value.ptr, record->value.len);
    } else {
        append_in_line(out, record->value.ptr != NULL ? record->value : churn_text("(no value)"));
    }
    text_append_string(out, "\n");
}
