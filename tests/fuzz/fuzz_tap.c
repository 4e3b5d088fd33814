/* What a tap is asked, on the first line, and a record that passes it: its point by the next byte, its key up to the
 * next NUL, its value. */
#include "fuzz.h"

#include "core/base/json_parse.h"
#include "core/observe/tap_judge.h"
#include "core/observe/tap_line.h"
#include "tests/unit/types_fixture.h"
#include <json-c/json.h>

#define MAX_DEPTH (JSON_SCAN_MAX_DEPTH + 2)

static struct types_fixture types;
static struct tap_judge *judge;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    need(types_load(&types, NULL, 0) && types.catalog.type_count > 0, "event types (see TEST_PLUGIN_DIR)");
    loader_rest(&types.loader);
    judge = tap_judge_new(&types.catalog);
    need(judge != NULL, "memory");
    return 0;
}

/* A wish that compiles, or one for all of the record's point. */
static struct tap_wish wish_of(churn_str asked, enum tap_point point)
{
    char *exact = fuzz_copy(asked.ptr, asked.len), message[640] = "";
    struct tap_wish wish;
    bool good = tap_wish_read(&wish, exact, asked.len, message, sizeof message) &&
                tap_wish_compile(&wish, &types.catalog, message, sizeof message);
    promise(good || message[0] != '\0', "a refusal says why");
    free(exact);
    if (!good) {
        tap_wish_free(&wish);
        wish.point = point;
    }
    return wish;
}

static void check_line(const struct text *line)
{
    promise(!line->failed && line->len > 0 && memchr(line->bytes, '\n', line->len) == line->bytes + line->len - 1,
            "a line ends where it ends: %.*s", (int)line->len, line->bytes);
}

struct seen {
    const struct tap_wish *wish;
    churn_str key, value;
    unsigned count;
};

static void look(void *ctx, const struct tapped *tapped)
{
    struct seen *seen = ctx;
    struct text line = {0};
    struct json_object *object, *part;
    bool json, parsed;
    seen->count++;
    promise(fuzz_same(tapped->record.value, seen->value) && fuzz_same(tapped->record.key, seen->key),
            "a copy is what was offered");
    tap_judge_begin(judge, tapped);
    bool matches = tap_judge_matches(judge, seen->wish);
    json = tap_judge_is_json(judge);
    promise(matches == tap_judge_matches(judge, seen->wish), "a record that is judged twice");
    promise(!matches || seen->wish->point == tapped->point, "a record of another point");
    tap_line_append_json(&line, tapped, json);
    check_line(&line);
    object = json_parse(line.bytes, line.len - 1, MAX_DEPTH, &parsed);
    promise(parsed && json_object_is_type(object, json_type_object), "the line is JSON: %.*s", (int)line.len,
            line.bytes);
    promise(!json || (json_object_object_get_ex(object, "value", &part) && json_object_is_type(part, json_type_object)),
            "JSON stands in the line as such: %.*s", (int)line.len, line.bytes);
    (void)json_object_put(object);
    line.len = 0;
    tap_line_append_text(&line, tapped, json);
    check_line(&line);
    text_free(&line);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    churn_str input = {.ptr = (const char *)data, .len = (uint32_t)size}, asked = fuzz_take(&input, '\n');
    enum tap_point point = input.len > 0 ? (enum tap_point)((unsigned char)input.ptr[0] % TAP_POINTS) : TAP_SOURCE;
    struct taps *taps = taps_new();
    struct tap_wish wish = wish_of(asked, point);
    churn_record record = {.size = sizeof record, .topic = "t", .timestamp_ms = (int64_t)size};
    struct seen seen = {.wish = &wish};
    need(taps != NULL, "memory");
    if (input.len > 0) {
        input.ptr++;
        input.len--;
    }
    record.key = fuzz_take(&input, '\0');
    record.value = (churn_str){.ptr = input.ptr != NULL ? input.ptr : "", .len = input.len};
    seen.key = record.key;
    seen.value = record.value;
    taps_watch(taps, 0, point, NULL);
    taps_offer(taps, 0, point, (churn_str){0}, &record);
    (void)taps_take(taps, 2, look, &seen);
    promise(seen.count == 1, "one record is taken once");
    taps_free(taps);
    tap_wish_free(&wish);
    return 0;
}
