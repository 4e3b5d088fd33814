/* Dead letters, read back from headers and from lines of JSON, good ones and others. */
#include "core/engine/letter.h"

#include "core/base/json_text.h"
#include "core/base/seal.h"

#include "no_leaks.h"
#include <churn/event.h>

static struct letter letter;
static char message[256];
static const struct seal_ring *ring; /* NULL: no keys */

static churn_str text(const char *bytes)
{
    return (churn_str){.ptr = bytes, .len = (uint32_t)strlen(bytes)};
}

static enum letter_kind kind_of_line(const char *line)
{
    const churn_record record = {.value = text(line)};
    letter_free(&letter);
    message[0] = '\0';
    return letter_read(&letter, &record, true, ring, message, sizeof message);
}

static bool read_line(const char *line)
{
    return kind_of_line(line) == LETTER_GOOD;
}

static const char *record_value = "v";

/* "name", "value", …, NULL */
static enum letter_kind kind_of_headers(const char *const *headers)
{
    churn_header made[16];
    churn_record record = {.key = text("k"), .value = text(record_value), .headers = made};
    for (; headers[0] != NULL; headers += 2) {
        made[record.header_count++] = (churn_header){.name = headers[0], .value = text(headers[1])};
    }
    letter_free(&letter);
    message[0] = '\0';
    return letter_read(&letter, &record, false, ring, message, sizeof message);
}

static bool read_headers(const char *const *headers)
{
    return kind_of_headers(headers) == LETTER_GOOD;
}

static void test_headers(void)
{
    CU_ASSERT(
        read_headers((const char *const[]){"other", "1", "churn.reason", "empty", "churn.detail", "d", "churn.topic",
                                           "t", "churn.partition", "3", "churn.offset", "77", NULL}));
    CU_ASSERT(str_equals(letter.topic, "t") && letter.partition == 3 && letter.offset == 77 && letter.kind == 0);
    CU_ASSERT(str_equals(letter.reason, "empty") && str_equals(letter.detail, "d"));
    CU_ASSERT(str_equals(letter.key, "k") && str_equals(letter.value, "v"));
    CU_ASSERT(read_headers((const char *const[]){"churn.reason", "rejected_by_sink", "churn.topic", "t",
                                                 "churn.partition", "0", "churn.offset", "0", "churn.kind", "trigger",
                                                 "churn.sink", "a", NULL}));
    CU_ASSERT(letter.kind == CHURN_RECORD_TRIGGER && !letter.replayed && str_equals(letter.sink, "a"));
    CU_ASSERT(read_headers((const char *const[]){"churn.reason", "empty", "churn.topic", "t", "churn.partition", "0",
                                                 "churn.offset", "0", "churn.replayed", "true", NULL}));
    CU_ASSERT(letter.replayed);
}

static void test_when_it_was_written(void)
{
    static const struct {
        const char *time;
        int64_t ms;
    } cases[] = {{"2026-01-01T00:00:00.001Z", 1767225600001},
                 {"2026-01-01T01:00:00+01:00", 1767225600000},
                 {"", 0},
                 {"yesterday", 0},
                 {"2026-02-30T00:00:00Z", 0}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        char line[256];
        CU_ASSERT(read_headers((const char *const[]){"churn.reason", "r", "churn.topic", "t", "churn.partition", "0",
                                                     "churn.offset", "0", "churn.written_at", cases[i].time,
                                                     "churn.timestamp", cases[i].time, NULL}));
        check(letter.written_ms == cases[i].ms, "header %s: %lld", cases[i].time, (long long)letter.written_ms);
        check(letter.record_ms == cases[i].ms, "header %s: %lld", cases[i].time, (long long)letter.record_ms);
        (void)snprintf(line, sizeof line,
                       "{\"reason\":\"r\",\"topic\":\"t\",\"partition\":0,\"offset\":0,\"key\":null,\"value\":null,"
                       "\"written_at\":\"%s\",\"timestamp\":\"%s\"}",
                       cases[i].time, cases[i].time);
        CU_ASSERT(read_line(line));
        check(letter.written_ms == cases[i].ms, "line %s: %lld", cases[i].time, (long long)letter.written_ms);
        check(letter.record_ms == cases[i].ms, "line %s: %lld", cases[i].time, (long long)letter.record_ms);
    }
}

static void test_headers_that_are_not_enough(void)
{
    static const char *const all[] = {"churn.reason",    "empty", "churn.topic",  "t",
                                      "churn.partition", "0",     "churn.offset", "0"};
    static const char *const bad[][2] = {{"churn.partition", "-1"}, {"churn.partition", "2147483648"},
                                         {"churn.partition", "x"},  {"churn.partition", ""},
                                         {"churn.offset", "-1"},    {"churn.offset", "9223372036854775807"},
                                         {"churn.offset", "1.5"},   {"churn.topic", ""}};
    for (size_t left_out = 0; left_out < COUNT(all); left_out += 2) {
        const char *some[COUNT(all) + 1] = {NULL};
        size_t count = 0;
        for (size_t i = 0; i < COUNT(all); i++) {
            if (i / 2 != left_out / 2) {
                some[count++] = all[i];
            }
        }
        check(!read_headers(some) && *message != '\0', "taken without %s", all[left_out]);
    }
    for (size_t i = 0; i < COUNT(bad); i++) {
        const char *some[COUNT(all) + 1] = {NULL};
        for (size_t k = 0; k < COUNT(all); k++) {
            some[k] = k % 2 == 1 && strcmp(all[k - 1], bad[i][0]) == 0 ? bad[i][1] : all[k];
        }
        check(!read_headers(some), "taken: %s %s", bad[i][0], bad[i][1]);
    }
}

static void check_lacks(const char *const *headers, const char *expected)
{
    CU_ASSERT(!read_headers(headers));
    check_text(message, expected, "what is missing");
}

static void test_what_is_missing_is_named(void)
{
    check_lacks((const char *const[]){"churn.reason", "rejected_by_sink", "churn.detail", "d", NULL},
                "it lacks the headers churn.topic, churn.partition, churn.offset");
    check_lacks((const char *const[]){"churn.reason", "empty", "churn.topic", "t", "churn.partition", "0", NULL},
                "it lacks the header churn.offset");
    check_lacks((const char *const[]){"churn.topic", "t", "churn.partition", "0", "churn.offset", "1", NULL},
                "it lacks the header churn.reason");
    check_lacks((const char *const[]){NULL},
                "it lacks the headers churn.reason, churn.topic, churn.partition, churn.offset");
    CU_ASSERT(!read_line("{\"reason\":\"empty\",\"topic\":\"t\",\"partition\":0,\"offset\":1,\"value\":\"v\"}"));
    check_text(message, "the line is not a dead letter's JSON: it lacks key", "what is missing");
}

/* A header of the record's own that is called like one of ours is none of ours. */
static void test_own_headers(void)
{
    CU_ASSERT(read_headers((const char *const[]){
        "a", "1", "churn.reason", "empty", "churn.topic", "t", "churn.partition", "0", "churn.offset", "5",
        "churn.original.churn.topic", "u", "churn.original.churn.original.x", "2", "a", "3", NULL}));
    static const char *const expected[][2] = {{"a", "1"}, {"churn.topic", "u"}, {"churn.original.x", "2"}, {"a", "3"}};
    CU_ASSERT_EQUAL_FATAL(letter.header_count, COUNT(expected));
    for (uint32_t i = 0; i < COUNT(expected); i++) {
        check_text(letter.headers[i].name, expected[i][0], "name");
        CU_ASSERT(str_equals(letter.headers[i].value, expected[i][1]));
    }
    CU_ASSERT(str_equals(letter.topic, "t") && letter.offset == 5);
    CU_ASSERT(
        read_line("{\"reason\":\"empty\",\"topic\":\"t\",\"partition\":2,\"offset\":9,\"key\":null,\"value\":null,"
                  "\"headers\":[{\"name\":\"a\",\"value\":null},{\"name\":\"churn.original.churn.b\","
                  "\"value_base64\":\"/w==\"}]}"));
    CU_ASSERT_EQUAL_FATAL(letter.header_count, 2);
    CU_ASSERT(strcmp(letter.headers[0].name, "a") == 0 && letter.headers[0].value.ptr == NULL);
    CU_ASSERT(strcmp(letter.headers[1].name, "churn.b") == 0 && str_equals(letter.headers[1].value, "\xff"));
}

/* Of an alert or a trigger that no record caused: no position, and an id. */
static void test_an_id_in_place_of_a_position(void)
{
    static const char *const kinds[] = {"alert", "trigger", "event"};
    for (size_t i = 0; i < COUNT(kinds); i++) {
        const char *const headers[] = {
            "churn.reason", "rejected_by_sink", "churn.kind", kinds[i], "churn.id", "x:1", NULL};
        CU_ASSERT_EQUAL(read_headers(headers), i < 2);
    }
    CU_ASSERT(read_headers(
        (const char *const[]){"churn.reason", "rejected_by_sink", "churn.kind", "alert", "churn.id", "x:1", NULL}));
    CU_ASSERT(str_equals(letter.id, "x:1") && letter.topic.ptr == NULL && letter.offset == -1);
}

#define PLACE "\"reason\":\"empty\",\"detail\":\"d\",\"topic\":\"t\",\"partition\":2,\"offset\":9"

static void test_lines(void)
{
    CU_ASSERT(read_line("{" PLACE ",\"key\":null,\"value\":\"a\\u0000b\\n\"}"));
    CU_ASSERT(str_equals(letter.topic, "t") && letter.partition == 2 && letter.offset == 9);
    CU_ASSERT(letter.key.ptr == NULL && letter.value.len == 4 && memcmp(letter.value.ptr, "a\0b\n", 4) == 0);
    CU_ASSERT(read_line("{" PLACE ",\"key\":\"\",\"value\":null}"));
    CU_ASSERT(letter.key.ptr != NULL && letter.key.len == 0 && letter.value.ptr == NULL);
    CU_ASSERT(read_line("{" PLACE ",\"kind\":\"event\",\"key\":null,\"value\":null}"));
    CU_ASSERT(letter.kind == CHURN_RECORD_EVENT && !letter.replayed);
    CU_ASSERT(read_line("{" PLACE ",\"replayed\":true,\"key\":null,\"value\":null}"));
    CU_ASSERT(letter.replayed);
    CU_ASSERT(read_line("{" PLACE ",\"key\":\"\xc3\xa9\",\"value\":\"\xe2\x88\x92 \xf0\x9d\x92\xb3\"}"));
    CU_ASSERT(str_equals(letter.key, "\xc3\xa9") && str_equals(letter.value, "\xe2\x88\x92 \xf0\x9d\x92\xb3"));
}

static void test_of_an_event_beyond_ascii(void)
{
    CU_ASSERT(read_line("{" PLACE ",\"kind\":\"alert\",\"key\":null,"
                        "\"value\":\"{\\\"event_id\\\":\\\"\xc3\xa9\\\",\\\"severity\\\":\\\"warning\\\"}\"}"));
    CU_ASSERT(letter.severity == CHURN_SEVERITY_WARNING);
    CU_ASSERT(letter_is_of_event(&letter, text("\xc3\xa9")) && !letter_is_of_event(&letter, text("e")));
}

static void test_base64(void)
{
    static const struct {
        const char *coded, *bytes;
        uint32_t len;
    } good[] = {{"", "", 0},
                {"/w==", "\xff", 1},
                {"//8=", "\xff\xff", 2},
                {"/wD+", "\xff\0\xfe", 3},
                {"/wD+gIA=", "\xff\0\xfe\x80\x80", 5}};
    static const char *const bad[] = {"/", "/w", "/w=", "/w==/w==", "=w==", "/w!=", "====", "/w=A", "a b="};
    char line[256];
    for (size_t i = 0; i < COUNT(good); i++) {
        (void)snprintf(line, sizeof line, "{" PLACE ",\"key_base64\":\"%s\",\"value_base64\":\"%s\"}", good[i].coded,
                       good[i].coded);
        check(read_line(line) && letter.key.len == good[i].len && letter.value.len == good[i].len &&
                  memcmp(letter.key.ptr, good[i].bytes, good[i].len) == 0 &&
                  memcmp(letter.value.ptr, good[i].bytes, good[i].len) == 0,
              "%s", good[i].coded);
    }
    for (size_t i = 0; i < COUNT(bad); i++) {
        (void)snprintf(line, sizeof line, "{" PLACE ",\"key\":null,\"value_base64\":\"%s\"}", bad[i]);
        check(!read_line(line), "taken: %s", bad[i]);
    }
}

static void test_lines_that_are_no_dead_letters(void)
{
    static const char *const bad[] = {"",
                                      "x",
                                      "[]",
                                      "null",
                                      "{}",
                                      "{" PLACE "}",
                                      "{" PLACE ",\"key\":null}",
                                      "{" PLACE ",\"value\":null}",
                                      "{" PLACE ",\"key\":null,\"value\":5}",
                                      "{" PLACE ",\"key\":null,\"value\":null",
                                      "{" PLACE ",\"key\":null,\"value\":null}x",
                                      "{\"reason\":\"empty\",\"topic\":5,\"partition\":0,\"offset\":0,\"key\":null,"
                                      "\"value\":null}",
                                      "{\"reason\":\"empty\",\"topic\":\"t\",\"partition\":\"0\",\"offset\":0,"
                                      "\"key\":null,\"value\":null}",
                                      "{\"reason\":\"empty\",\"topic\":\"t\\u0000u\",\"partition\":0,\"offset\":0,"
                                      "\"key\":null,\"value\":null}",
                                      "{\"reason\":\"empty\",\"topic\":\"t\",\"partition\":0,\"offset\":-1,"
                                      "\"key\":null,\"value\":null}"};
    for (size_t i = 0; i < COUNT(bad); i++) {
        check(!read_line(bad[i]), "taken: %s", bad[i]);
    }
}

static void test_severity_of_a_refused_alert(void)
{
    static const struct {
        const char *value;
        uint32_t severity;
    } cases[] = {{"{\\\"severity\\\":\\\"critical\\\"}", CHURN_SEVERITY_CRITICAL},
                 {"{\\\"severity\\\":\\\"info\\\"}", CHURN_SEVERITY_INFO},
                 {"{\\\"severity\\\":\\\"loud\\\"}", CHURN_SEVERITY_NONE},
                 {"{\\\"severity\\\":7}", CHURN_SEVERITY_NONE},
                 {"no alert", CHURN_SEVERITY_NONE}};
    char line[256];
    for (size_t i = 0; i < COUNT(cases); i++) {
        (void)snprintf(line, sizeof line, "{" PLACE ",\"kind\":\"alert\",\"key\":null,\"value\":\"%s\"}",
                       cases[i].value);
        check(read_line(line) && letter.kind == CHURN_RECORD_ALERT && letter.severity == cases[i].severity, "%s", line);
    }
}

/* "?" where there is none. */
static const char *shown(churn_str part, char buffer[64])
{
    (void)snprintf(buffer, 64, "%.*s", part.ptr != NULL ? (int)part.len : 1, part.ptr != NULL ? part.ptr : "?");
    return buffer;
}

/* All that the newest letter says. */
static void check_letter(const char *expected, const char *when)
{
    char got[1024], topic[64], id[64], sink[64], reason[64], detail[64], key[64], value[64], hash[64];
    int len = snprintf(got, sizeof got, "%s/%d@%lld id %s kind %u severity %u sink %s%s, %s: %s; %s=%s hash %s",
                       shown(letter.topic, topic), letter.partition, (long long)letter.offset, shown(letter.id, id),
                       letter.kind, letter.severity, shown(letter.sink, sink), letter.replayed ? " replayed" : "",
                       shown(letter.reason, reason), shown(letter.detail, detail), shown(letter.key, key),
                       shown(letter.value, value), shown(letter.hash, hash));
    for (uint32_t i = 0; i < letter.header_count; i++) {
        len += snprintf(got + len, sizeof got - (size_t)len, " [%s=%s]", letter.headers[i].name,
                        shown(letter.headers[i].value, value));
    }
    check_text(got, expected, when);
}

static void test_all_of_it(void)
{
    CU_ASSERT(read_headers((const char *const[]){
        "churn.reason", "r",  "churn.detail", "d",     "churn.topic", "t", "churn.partition", "3",
        "churn.offset", "77", "churn.kind",   "event", "churn.sink",  "s", "churn.replayed",  "true",
        "churn.xxh128", "h",  "own",          "1",     NULL}));
    check_letter("t/3@77 id ? kind 1 severity 0 sink s replayed, r: d; k=v hash h [own=1]", "headers");
    CU_ASSERT(read_headers((const char *const[]){"churn.reason", "r", "churn.topic", "t", "churn.partition", "0",
                                                 "churn.offset", "0", NULL}));
    check_letter("t/0@0 id ? kind 0 severity 0 sink ?, r: ?; k=v hash ?", "few headers");
    CU_ASSERT(letter.headers == NULL || letter.header_count == 0);
    CU_ASSERT(read_line("{\"reason\":\"r\",\"detail\":\"d\",\"topic\":\"t\",\"partition\":3,\"offset\":77,"
                        "\"kind\":\"alert\",\"sink\":\"s\",\"replayed\":true,\"xxh128\":\"h\",\"key\":\"k\","
                        "\"value\":\"{\\\"severity\\\":\\\"warning\\\"}\",\"headers\":[{\"name\":\"own\","
                        "\"value\":\"1\"}]}"));
    check_letter("t/3@77 id ? kind 4 severity 2 sink s replayed, r: d; k={\"severity\":\"warning\"} hash h [own=1]",
                 "line");
    CU_ASSERT(read_line("{\"reason\":\"r\",\"topic\":\"t\",\"partition\":0,\"offset\":0,\"key\":null,"
                        "\"value\":null}"));
    check_letter("t/0@0 id ? kind 0 severity 0 sink ?, r: ?; ?=? hash ?", "short line");
    CU_ASSERT(read_line("{\"reason\":\"r\",\"id\":\"i\",\"kind\":\"trigger\",\"key\":null,\"value\":null}"));
    check_letter("?/0@-1 id i kind 2 severity 0 sink ?, r: ?; ?=? hash ?", "an id");
}

/* A letter that lacks something may be put back another time; what is no letter may not. */
static void test_kinds_of_what_is_read(void)
{
    CU_ASSERT_EQUAL(kind_of_headers((const char *const[]){"churn.reason", "r", NULL}), LETTER_INCOMPLETE);
    check_letter("?/0@0 id ? kind 0 severity 0 sink ?, r: ?; k=v hash ?", "what it does not say is nowhere");
    CU_ASSERT_EQUAL(kind_of_headers((const char *const[]){"churn.detail", "d", NULL}), LETTER_NONE);
    CU_ASSERT_EQUAL(
        kind_of_headers((const char *const[]){"churn.topic", "t", "churn.partition", "0", "churn.offset", "1", NULL}),
        LETTER_NONE);
    CU_ASSERT_EQUAL(kind_of_headers((const char *const[]){"churn.reason", "r", "churn.topic", "t", "churn.partition",
                                                          "-1", "churn.offset", "1", NULL}),
                    LETTER_INCOMPLETE);
    check_text(message, "topic, partition and offset are no position in a source", "no position");
    CU_ASSERT_EQUAL(kind_of_line("[]"), LETTER_NONE);
    check_text(message, "the line is not a dead letter's JSON", "no object");
    CU_ASSERT_EQUAL(kind_of_line("{}"), LETTER_NONE);
    check_text(message, "the line is not a dead letter's JSON: it lacks reason, key, value, topic, partition, offset",
               "nothing");
    CU_ASSERT_EQUAL(kind_of_line("{\"reason\":\"r\"}"), LETTER_INCOMPLETE);
    check_text(message, "the line is not a dead letter's JSON: it lacks key, value, topic, partition, offset",
               "little");
    letter_free(&letter);
    CU_ASSERT_EQUAL(
        letter_read(&letter, &(const churn_record){.value = {.ptr = NULL}}, true, NULL, message, sizeof message),
        LETTER_NONE);
    check_text(message, "the line is not a dead letter's JSON", "no value");
    CU_ASSERT(letter.reason.ptr == NULL && letter.envelope == NULL);
}

/* A header without a value says nothing. */
static void test_headers_without_values(void)
{
    const churn_header headers[] = {
        {"churn.reason", {.ptr = "r", .len = 1}},    {"churn.topic", {.ptr = NULL}},
        {"churn.partition", {.ptr = "1", .len = 1}}, {"churn.offset", {.ptr = "2", .len = 1}},
        {"churn.replayed", {.ptr = NULL}},           {"own", {.ptr = NULL}}};
    const churn_record record = {.headers = headers, .header_count = COUNT(headers)};
    letter_free(&letter);
    CU_ASSERT_EQUAL(letter_read(&letter, &record, false, NULL, message, sizeof message), LETTER_INCOMPLETE);
    check_text(message, "it lacks the header churn.topic", "no topic");
    CU_ASSERT(!letter.replayed && letter.header_count == 1 && letter.headers[0].value.ptr == NULL);
}

static void test_the_least_and_the_greatest_position(void)
{
    static const struct {
        const char *topic, *partition, *offset;
        bool good;
    } cases[] = {{"t", "0", "0", true},           {"t", "2147483647", "9223372036854775806", true},
                 {"t", "2147483648", "0", false}, {"t", "0", "9223372036854775807", false},
                 {"t", "-1", "0", false},         {"t", "0", "-1", false},
                 {"", "0", "0", false},           {"t", "9223372036854775807", "0", false}};
    char line[256];
    for (size_t i = 0; i < COUNT(cases); i++) {
        (void)snprintf(line, sizeof line,
                       "{\"reason\":\"r\",\"topic\":\"%s\",\"partition\":%s,\"offset\":%s,\"key\":null,\"value\":null}",
                       cases[i].topic, cases[i].partition, cases[i].offset);
        check(read_line(line) == cases[i].good, "%s", line);
        check(read_headers((const char *const[]){"churn.reason", "r", "churn.topic", cases[i].topic, "churn.partition",
                                                 cases[i].partition, "churn.offset", cases[i].offset, NULL}) ==
                  cases[i].good,
              "in headers: %s", line);
    }
}

/* An id is in place of a position, not beside it, and says something. */
static void test_ids_that_are_none(void)
{
    check_lacks((const char *const[]){"churn.reason", "r", "churn.kind", "alert", "churn.id", "", NULL},
                "it lacks the headers churn.topic, churn.partition, churn.offset");
    check_lacks((const char *const[]){"churn.reason", "r", "churn.kind", "event", "churn.id", "i", NULL},
                "it lacks the headers churn.topic, churn.partition, churn.offset");
    check_lacks((const char *const[]){"churn.reason", "r", "churn.id", "i", NULL},
                "it lacks the headers churn.topic, churn.partition, churn.offset");
    CU_ASSERT(
        read_headers((const char *const[]){"churn.reason", "r", "churn.kind", "alert", "churn.id", "i", "churn.topic",
                                           "t", "churn.partition", "1", "churn.offset", "2", NULL}));
    check_letter("t/1@2 id ? kind 4 severity 0 sink ?, r: ?; k=v hash ?", "beside a position");
}

#define LISTED(list)                                                                                                   \
    "{\"reason\":\"r\",\"topic\":\"t\",\"partition\":0,\"offset\":0,\"key\":null,\"value\":null,\"headers\":" list "}"

static void test_listed_headers(void)
{
    static const char *const bad[] = {
        LISTED("[{\"name\":\"a\"}]"),
        LISTED("[{\"value\":\"1\"}]"),
        LISTED("[{\"name\":5,\"value\":\"1\"}]"),
        LISTED("[{\"name\":\"churn.reason\",\"value\":\"1\"}]"),
        LISTED("[{\"name\":\"a\",\"value\":5}]"),
        LISTED("[{\"name\":\"a\",\"value\":\"1\"},{\"name\":\"b\"}]"),
        LISTED("[{\"name\":\"b\"},{\"name\":\"a\",\"value\":\"1\"}]"),
        LISTED("[5]"),
    };
    CU_ASSERT(read_line(LISTED("[]")) && letter.header_count == 0);
    CU_ASSERT(read_line(LISTED("null")) && letter.header_count == 0);
    CU_ASSERT(read_line(LISTED("5")) && letter.header_count == 0);
    CU_ASSERT(read_line(LISTED("[{\"name\":\"a\",\"value\":\"1\"}]")) && letter.header_count == 1);
    check_letter("t/0@0 id ? kind 0 severity 0 sink ?, r: ?; ?=? hash ? [a=1]", "one");
    for (size_t i = 0; i < COUNT(bad); i++) {
        check(kind_of_line(bad[i]) == LETTER_INCOMPLETE, "%s", bad[i]);
        check_text(message, "the line is not a dead letter's JSON: it lacks headers", bad[i]);
    }
}

/* Each digit where it belongs, and every other byte refused, with what is decoded ending where its text does. */
static void test_base64_digits(void)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    uint32_t len;
    for (int byte = 0; byte < 256; byte++) {
        const char *digit = byte != 0 ? strchr(digits, byte) : NULL;
        char coded[4] = {'A', 'A', 'A', (char)byte};
        char *copy = exact_copy(coded, sizeof coded),
             *decoded = letter_decode_base64((churn_str){.ptr = copy, .len = 4}, &len);
        if (digit != NULL) {
            check(decoded != NULL && len == 3 && decoded[0] == 0 && decoded[1] == 0 && decoded[2] == digit - digits,
                  "digit %c", byte);
        } else {
            check((decoded != NULL) == (byte == '='), "byte %d", byte);
            check(decoded == NULL || (len == 2 && decoded[0] == 0 && decoded[1] == 0), "padding");
        }
        free(decoded);
        free(copy);
    }
    for (uint32_t size = 0; size < 4; size++) {
        char *copy = exact_copy("====", size),
             *decoded = letter_decode_base64((churn_str){.ptr = copy, .len = size}, &len);
        check((decoded != NULL) == (size == 0), "%u bytes", size);
        CU_ASSERT(decoded == NULL || len == 0);
        free(decoded);
        free(copy);
    }
}

static void test_whose_event_it_is_of(void)
{
    static const struct {
        uint32_t kind;
        const char *value;
        bool is;
    } cases[] = {{CHURN_RECORD_ALERT, "{\"event_id\":\"e1\"}", true},
                 {CHURN_RECORD_EVENT, "{\"event_id\":\"e1\"}", true},
                 {CHURN_RECORD_TRIGGER, "{\"trigger\":{\"event_id\":\"e1\"}}", true},
                 {CHURN_RECORD_TRIGGER, "{\"event_id\":\"e1\"}", false},
                 {CHURN_RECORD_TRIGGER, "{\"trigger\":\"e1\"}", false},
                 {CHURN_RECORD_TRIGGER, "{\"trigger\":{\"event_id\":\"e2\"}}", false},
                 {CHURN_RECORD_TRIGGER, "{\"trigger\":{\"event_id\":\"e0\"}}", false},
                 {CHURN_RECORD_ALERT, "{\"trigger\":{\"event_id\":\"e1\"}}", false},
                 {CHURN_RECORD_ALERT, "{\"event_id\":\"e2\"}", false},
                 {CHURN_RECORD_ALERT, "{\"event_id\":\"e0\"}", false},
                 {CHURN_RECORD_ALERT, "{\"event_id\":\"e\"}", false},
                 {CHURN_RECORD_ALERT, "{\"event_id\":\"e11\"}", false},
                 {CHURN_RECORD_ALERT, "{\"event_id\":1}", false},
                 {CHURN_RECORD_ALERT, "{}", false},
                 {CHURN_RECORD_ALERT, "[]", false},
                 {CHURN_RECORD_ALERT, "x", false},
                 {CHURN_RECORD_ALERT, "", false},
                 {CHURN_RECORD_ALERT, NULL, false}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        const struct letter of = {
            .kind = cases[i].kind,
            .value = {.ptr = cases[i].value, .len = cases[i].value != NULL ? (uint32_t)strlen(cases[i].value) : 0}};
        check(letter_is_of_event(&of, text("e1")) == cases[i].is, "%s",
              cases[i].value != NULL ? cases[i].value : "NULL");
    }
}

static void test_values_that_are_encrypted(void)
{
    static const char *const at_77[] = {
        "churn.reason", "empty",           "churn.topic", "t", "churn.partition", "3", "churn.offset",
        "77",           "churn.encrypted", "true",        NULL};
    static const char *const at_78[] = {
        "churn.reason", "empty",           "churn.topic", "t", "churn.partition", "3", "churn.offset",
        "78",           "churn.encrypted", "true",        NULL};
    static const struct seal_place place = {
        .kind = "letter", .record = {.ptr = "t/3/77", .len = 6}, .owner = {.ptr = ""}, .field = {.ptr = ""}};
    const struct key key = {{7}};
    struct seal_ring keys = {0};
    struct text sealed = {0};
    char line[512];
    CU_ASSERT_FATAL(seal_ring_add(&keys, "k1", &key));
    seal_append(&sealed, &keys, &place, text("\x01 clear"));
    text_append(&sealed, "", 1);
    CU_ASSERT_FATAL(!sealed.failed);
    ring = &keys;
    record_value = sealed.bytes;
    CU_ASSERT(read_headers(at_77) && str_equals(letter.value, "\x01 clear"));
    CU_ASSERT(kind_of_headers(at_78) == LETTER_INCOMPLETE); /* it is another record's */
    check_contains(message, "cannot be opened", "moved");
    (void)snprintf(
        line, sizeof line,
        "{\"reason\":\"empty\",\"topic\":\"t\",\"partition\":3,\"offset\":77,\"encrypted\":true,\"key\":null,"
        "\"value\":\"%s\"}",
        sealed.bytes);
    CU_ASSERT(read_line(line) && str_equals(letter.value, "\x01 clear"));
    ring = NULL;
    CU_ASSERT(kind_of_line(line) == LETTER_INCOMPLETE);
    check_contains(message, "encrypted with the key 'k1', which is not among protect: keys:", "no key");
    record_value = "v"; /* said to be encrypted, and is not */
    ring = &keys;
    CU_ASSERT(kind_of_headers(at_77) == LETTER_INCOMPLETE);
    ring = NULL;
    letter_free(&letter);
    text_free(&sealed);
    seal_ring_free(&keys);
}

int main(void)
{
    CU_TestInfo tests[] = {
        TEST(test_values_that_are_encrypted),
        TEST(test_headers),
        TEST(test_when_it_was_written),
        TEST(test_headers_that_are_not_enough),
        TEST(test_lines),
        TEST(test_of_an_event_beyond_ascii),
        TEST(test_what_is_missing_is_named),
        TEST(test_own_headers),
        TEST(test_an_id_in_place_of_a_position),
        TEST(test_base64),
        TEST(test_lines_that_are_no_dead_letters),
        TEST(test_severity_of_a_refused_alert),
        TEST(test_all_of_it),
        TEST(test_kinds_of_what_is_read),
        TEST(test_headers_without_values),
        TEST(test_the_least_and_the_greatest_position),
        TEST(test_ids_that_are_none),
        TEST(test_listed_headers),
        TEST(test_base64_digits),
        TEST(test_whose_event_it_is_of),
        CU_TEST_INFO_NULL,
    };
    int status = run_tests_without_leaks("letter", tests);
    letter_free(&letter);
    return status;
}
