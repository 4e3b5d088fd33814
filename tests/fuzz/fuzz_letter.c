/* Dead letters, as a redrive reads them: from records' headers and from lines of JSON. */
#include "fuzz.h"

#include "core/engine/letter.h"
#include "core/engine/output.h"
#include <inttypes.h>

#define MOST_HEADERS 32

/* ---- a second writer of lines ---- */

static void write_base64(struct text *out, churn_str value)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (uint32_t i = 0; i < value.len; i += 3) {
        unsigned char b[3] = {0};
        memcpy(b, value.ptr + i, value.len - i < 3 ? value.len - i : 3);
        unsigned bits = (unsigned)b[0] << 16 | (unsigned)b[1] << 8 | b[2];
        text_printf(out, "%c%c%c%c", digits[bits >> 18], digits[bits >> 12 & 63],
                    i + 1 < value.len ? digits[bits >> 6 & 63] : '=', i + 2 < value.len ? digits[bits & 63] : '=');
    }
}

/* In base64 where it is no text, or where `coded` says so. */
static void write_member(struct text *out, const char *name, churn_str value, bool coded)
{
    if (value.ptr == NULL) {
        text_printf(out, "\"%s\":null", name);
    } else if (coded || !text_is_utf8(value.ptr, value.len)) {
        text_printf(out, "\"%s_base64\":\"", name);
        write_base64(out, value);
        text_append_string(out, "\"");
    } else {
        text_printf(out, "\"%s\":", name);
        text_append_json(out, value.ptr, value.len);
    }
}

static void write_text(struct text *out, const char *name, churn_str value)
{
    if (value.ptr != NULL) {
        text_append_string(out, ",");
        write_member(out, name, value, false);
    }
}

static void write_line(struct text *out, const struct letter *letter, bool coded)
{
    text_append_string(out, "{");
    write_member(out, "reason", letter->reason, false);
    write_text(out, "detail", letter->detail);
    write_text(out, "sink", letter->sink);
    write_text(out, "xxh128", letter->hash);
    write_text(out, "kind", letter->kind != 0 ? fuzz_str(output_kind_name(letter->kind)) : (churn_str){0});
    text_append_string(out, letter->replayed ? ",\"replayed\":true" : "");
    write_text(out, "id", letter->id);
    if (letter->id.ptr == NULL) {
        write_text(out, "topic", letter->topic);
        text_printf(out, ",\"partition\":%d,\"offset\":%" PRId64, letter->partition, letter->offset);
    }
    text_append_string(out, ",");
    write_member(out, "key", letter->key, coded);
    text_append_string(out, ",");
    write_member(out, "value", letter->value, coded);
    for (uint32_t i = 0; i < letter->header_count; i++) {
        bool hidden = strncmp(letter->headers[i].name, "churn.", strlen("churn.")) == 0;
        text_append_string(out, i == 0 ? ",\"headers\":[{\"name\":" : ",{\"name\":");
        text_append_json(out, "churn.original.", hidden ? strlen("churn.original.") : 0);
        out->len--; /* goes on inside the text's closing quote */
        struct text name = {0};
        text_append_json(&name, letter->headers[i].name, strlen(letter->headers[i].name));
        text_append(out, name.bytes + 1, name.len - 1);
        text_free(&name);
        text_append_string(out, ",");
        write_member(out, "value", letter->headers[i].value, coded);
        text_append_string(out, i + 1 < letter->header_count ? "}" : "}]");
    }
    text_append_string(out, "}");
    promise(!out->failed, "there is memory");
}

/* ---- what is promised ---- */

static void check_same(const struct letter *a, const struct letter *b, const char *how)
{
    promise(fuzz_same(a->topic, b->topic) && a->partition == b->partition && a->offset == b->offset &&
                fuzz_same(a->id, b->id),
            "a letter %s is of the same record", how);
    promise(fuzz_same(a->reason, b->reason) && fuzz_same(a->detail, b->detail) && a->kind == b->kind &&
                a->severity == b->severity && fuzz_same(a->sink, b->sink) && fuzz_same(a->hash, b->hash) &&
                a->replayed == b->replayed,
            "a letter %s says the same of itself", how);
    promise(fuzz_same(a->key, b->key) && fuzz_same(a->value, b->value) && a->header_count == b->header_count,
            "a letter %s has the same key and value", how);
    for (uint32_t i = 0; i < a->header_count; i++) {
        promise(strcmp(a->headers[i].name, b->headers[i].name) == 0 &&
                    fuzz_same(a->headers[i].value, b->headers[i].value),
                "header %u of a letter %s is the same", i, how);
    }
}

static bool is_text(churn_str text)
{
    return text.ptr == NULL || text_is_utf8(text.ptr, text.len);
}

/* Texts are written as they are; only a key, a value and a header's value may be any bytes. */
static bool can_be_written(const struct letter *letter)
{
    bool can = is_text(letter->reason) && is_text(letter->detail) && is_text(letter->sink) && is_text(letter->hash) &&
               is_text(letter->id) && is_text(letter->topic);
    for (uint32_t i = 0; i < letter->header_count; i++) {
        can = can && is_text(fuzz_str(letter->headers[i].name));
    }
    return can;
}

static void check_written(const struct letter *letter, bool coded)
{
    struct text line = {0};
    struct letter again;
    char message[256] = "";
    write_line(&line, letter, coded);
    churn_record record = {.value = {.ptr = line.bytes, .len = (uint32_t)line.len}};
    promise(letter_read(&again, &record, true, NULL, message, sizeof message) == LETTER_GOOD, "%.*s is read again: %s",
            (int)line.len, line.bytes, message);
    check_same(letter, &again, coded ? "written in base64" : "written as a line");
    letter_free(&again);
    text_free(&line);
}

static void check_letter(const churn_record *record, bool envelope)
{
    struct letter letter;
    char message[256] = "";
    enum letter_kind kind = letter_read(&letter, record, envelope, NULL, message, sizeof message);
    promise(kind == LETTER_GOOD || message[0] != '\0', "what is no good letter lacks something");
    if (kind == LETTER_GOOD) {
        promise(letter.topic.ptr != NULL ? letter.topic.len > 0 && letter.partition >= 0 && letter.offset >= 0
                                         : letter.id.len > 0 && letter.offset == -1,
                "a good letter has a position, or an id");
        (void)letter_is_of_event(&letter, letter.key);
        if (can_be_written(&letter)) {
            check_written(&letter, false);
            check_written(&letter, true);
        }
    }
    letter_free(&letter);
}

/* ---- records: "key\n", then lines "name=value" to the first empty one, then the value ---- */

struct made {
    churn_record record;
    churn_header headers[MOST_HEADERS];
    char *names[MOST_HEADERS];
};

static void make_record(struct made *made, churn_str input)
{
    churn_record *record = &made->record;
    *made = (struct made){.record = {.size = sizeof made->record, .topic = "topic", .partition = 3, .offset = 77}};
    record->key = fuzz_take(&input, '\n');
    while (input.len > 0 && record->header_count < MOST_HEADERS) {
        churn_str line = fuzz_take(&input, '\n'), name;
        if (line.len == 0) {
            break;
        }
        name = fuzz_take(&line, '=');
        made->names[record->header_count] = fuzz_text(name.ptr, name.len);
        made->headers[record->header_count] = (churn_header){.name = made->names[record->header_count], .value = line};
        record->header_count++;
    }
    record->headers = made->headers;
    record->value = input;
    record->kind = CHURN_RECORD_EVENT;
}

static void free_record(struct made *made)
{
    for (uint32_t i = 0; i < made->record.header_count; i++) {
        free(made->names[i]);
    }
}

/* What the engine sets aside can be put back as it was. */
static void check_set_aside(const churn_record *record)
{
    struct arena_pool pool = {0};
    struct window window;
    struct reject reject;
    struct letter letter;
    char message[256] = "";
    reject_set(&reject, REJECT_BY_SINK, "refused");
    need(window_init(&window, &pool, 1), "memory");
    need(output_dead_letter(&window, record, record->value.ptr, "out", false, &reject, NULL), "memory");
    promise(letter_read(&letter, &window.outputs[0], false, NULL, message, sizeof message) == LETTER_GOOD,
            "a letter of the engine's own is good: %s", message);
    promise(str_equals(letter.topic, record->topic) && letter.partition == record->partition &&
                letter.offset == record->offset && str_equals(letter.reason, "rejected_by_sink") &&
                letter.kind == record->kind,
            "a letter of the engine's own says what it is of");
    promise(fuzz_same(letter.key, record->key) && fuzz_same(letter.value, record->value) &&
                letter.header_count == record->header_count,
            "key, value and headers are as they were received");
    for (uint32_t i = 0; i < record->header_count; i++) {
        promise(strcmp(letter.headers[i].name, record->headers[i].name) == 0 &&
                    fuzz_same(letter.headers[i].value, record->headers[i].value),
                "header %s is as it was received", record->headers[i].name);
    }
    letter_free(&letter);
    window_free(&window);
    arena_pool_free(&pool);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *copy = fuzz_copy(data, size);
    churn_str input = {.ptr = copy, .len = (uint32_t)size};
    churn_record line = {.size = sizeof line, .value = input};
    struct made made;
    check_letter(&line, true);
    make_record(&made, input);
    check_letter(&made.record, false);
    check_set_aside(&made.record);
    free_record(&made);
    free(copy);
    return 0;
}
