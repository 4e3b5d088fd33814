/* Dead letters, read back from headers and from lines of JSON, good ones and others. */
#include "core/letter.h"

#include "core/json_text.h"

#include "no_leaks.h"
#include <churn/event.h>

static struct letter letter;
static char message[256];

static churn_str text(const char *bytes)
{
    return (churn_str){.ptr = bytes, .len = (uint32_t)strlen(bytes)};
}

static bool read_line(const char *line)
{
    const churn_record record = {.value = text(line)};
    letter_free(&letter);
    return letter_read(&letter, &record, true, message, sizeof message) == LETTER_GOOD;
}

/* "name", "value", …, NULL */
static bool read_headers(const char *const *headers)
{
    churn_header made[16];
    churn_record record = {.key = text("k"), .value = text("v"), .headers = made};
    for (; headers[0] != NULL; headers += 2) {
        made[record.header_count++] = (churn_header){.name = headers[0], .value = text(headers[1])};
    }
    letter_free(&letter);
    return letter_read(&letter, &record, false, message, sizeof message) == LETTER_GOOD;
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

int main(void)
{
    CU_TestInfo tests[] = {
        TEST(test_headers),
        TEST(test_headers_that_are_not_enough),
        TEST(test_lines),
        TEST(test_what_is_missing_is_named),
        TEST(test_own_headers),
        TEST(test_an_id_in_place_of_a_position),
        TEST(test_base64),
        TEST(test_lines_that_are_no_dead_letters),
        TEST(test_severity_of_a_refused_alert),
        CU_TEST_INFO_NULL,
    };
    int status = run_tests_without_leaks("letter", tests);
    letter_free(&letter);
    return status;
}
