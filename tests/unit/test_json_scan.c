/* The event scanner: RFC 8259 to the letter, whatever part of an event a fault is in, and whatever follows the text. */
#include "core/event/json_scan.h"

#include "check.h"
#include "json_reference.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdlib.h>

static const char *const names[] = {"a", "b", "order_value", "", "\xc3\xa9", "k/\"\\"};
enum { NAME_A, NAME_B, NAME_VALUE, NAME_EMPTY, NAME_ACCENT, NAME_ESCAPES };

static struct name_index data_names;
static struct json_scanner *scanner;

/* As much of a text as a message shows. */
static int shown(size_t len)
{
    return len < 200 ? (int)len : 200;
}

static const char *result_name(enum json_result result)
{
    static const char *const texts[] = {"ok", "invalid", "invalid_utf8", "too_deep", "not_an_object", "no_memory"};
    return texts[result];
}

/* The text of the newest scan stays, because tokens point into it. */
static char *scanned;

/* Scans the text with several kinds of bytes behind its final NUL, which must make no difference. */
static enum json_result scan_bytes(const char *json, size_t len)
{
    static const char fillers[] = {'\0', '}', '"', '0', ' ', ',', '\\', (char)0xff};
    enum json_result first = JSON_OK;
    for (size_t i = COUNT(fillers); i-- > 0;) {
        free(scanned);
        scanned = malloc(len + JSON_SCAN_PADDING);
        if (scanned == NULL) {
            abort();
        }
        memcpy(scanned, json, len);
        memset(scanned + len, fillers[i], JSON_SCAN_PADDING);
        scanned[len] = '\0';
        enum json_result result = json_scan(scanner, scanned, len);
        first = i == COUNT(fillers) - 1 ? result : first;
        check(result == first, "%.*s: %s, but with '%c' behind it %s", shown(len), json, result_name(first), fillers[i],
              result_name(result));
    }
    return first;
}

static enum json_result scan(const char *json)
{
    return scan_bytes(json, strlen(json));
}

static void check_token(const struct json_token *token, uint32_t kind, const char *text, size_t len, const char *what)
{
    check(token->kind == kind, "%s: kind %u, expected %u", what, token->kind, kind);
    if (text != NULL) {
        check(token->text.len == len && memcmp(token->text.ptr, text, len) == 0, "%s: '%.*s', expected '%.*s'", what,
              (int)token->text.len, token->text.ptr, (int)len, text);
    }
}

#define CHECK_MEMBER(member, kind, text)                                                                               \
    check_token(json_scan_member(scanner, (member)), (kind), (text), sizeof(text) - 1, #member)
#define CHECK_DATA(name, kind, text)                                                                                   \
    check_token(json_scan_data(scanner, (name)), (kind), (text), sizeof(text) - 1, #name)

static void check_all(const char *const *texts, enum json_result expected)
{
    for (; *texts != NULL; texts++) {
        enum json_result result = scan(*texts);
        check(result == expected, "%s: %s, expected %s", *texts, result_name(result), result_name(expected));
    }
}

static void test_accepts_what_is_json(void)
{
    static const char *const texts[] = {
        "{}",
        " \t\r\n{ \t\r\n} \t\r\n",
        "{\"\":0}",
        "{\"x\":[]}",
        "{\"x\":[[],{},[{}]]}",
        "{\"x\":{\"y\":{\"z\":null}}}",
        "{\"x\":true,\"y\":false,\"z\":null}",
        "{\"x\":-0,\"y\":0.0,\"z\":-1.5e-10}",
        "{\"x\":1E+400}",
        "{\"x\":123456789012345678901234567890123456789012345678901234567890.5}",
        "{\"x\":\"\"}",
        "{\"x\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0041\\u00e9\\u20ac\\ud83d\\ude00\\u0000\"}",
        "{\"x\":\"\\uDBFF\\uDFFF\"}",
        "{\"x\":"
        "\"\x7f\xc2\x80\xdf\xbf\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\xef\xbf\xbf\xf0\x90\x80\x80\xf4\x8f\xbf\xbf\"}",
        "{\"\xc3\xa9\":1}",
        "{\"x\":\"{\\\"y\\\":[}\"}",
        "{\"x\":1,\"x\":2}",
        "{\"x\" : [ 1 , 2 , \"a\" ] , \"y\" : { } }",
        "{\"data\":{}}",
        "{\"data\":[]}",
        "{\"data\":{\"data\":{\"data\":{}}}}",
        "{\"x\":\"//\",\"y\":\"/* */\"}",
        NULL};
    check_all(texts, JSON_OK);
}

static void test_refuses_what_is_not_json(void)
{
    static const char *const texts[] = {" ",
                                        "\n",
                                        "{",
                                        "}",
                                        "{}}",
                                        "{}{}",
                                        "{} {}",
                                        "{},",
                                        "{}x",
                                        "{}1",
                                        "{}\"\"",
                                        "{}[]",
                                        "{}null",
                                        "x{}",
                                        ",{}",
                                        "{,}",
                                        "{\"x\"}",
                                        "{\"x\":}",
                                        "{\"x\":1,}",
                                        "{\"x\":1,,\"y\":2}",
                                        "{\"x\":1 \"y\":2}",
                                        "{\"x\":1;\"y\":2}",
                                        "{\"x\"=1}",
                                        "{\"x\"::1}",
                                        "{:1}",
                                        "{x:1}",
                                        "{'x':1}",
                                        "{\"x\":'y'}",
                                        "{1:1}",
                                        "{null:1}",
                                        "{\"x\":1 2}",
                                        "{\"x\":\"a\"\"b\"}",
                                        "{\"x\":\"a\"b}",
                                        "{\"x\":\"a\"1}",
                                        "{\"x\":[1}",
                                        "{\"x\":[1}]",
                                        "{\"x\":1]",
                                        "{\"x\":[1,]}",
                                        "{\"x\":[,1]}",
                                        "{\"x\":[1 2]}",
                                        "{\"x\":[1,,2]}",
                                        "{\"x\":[\"a\":1]}",
                                        "{\"x\":{1}}",
                                        "{\"x\":{\"y\":1}",
                                        "{\"x\":tru}",
                                        "{\"x\":truex}",
                                        "{\"x\":true1}",
                                        "{\"x\":True}",
                                        "{\"x\":nul}",
                                        "{\"x\":nullnull}",
                                        "{\"x\":fals}",
                                        "{\"x\":falsee}",
                                        "{\"x\":undefined}",
                                        "{\"x\":NaN}",
                                        "{\"x\":Infinity}",
                                        "{\"x\":-Infinity}",
                                        "{\"x\":+1}",
                                        "{\"x\":01}",
                                        "{\"x\":-01}",
                                        "{\"x\":1.}",
                                        "{\"x\":.5}",
                                        "{\"x\":-}",
                                        "{\"x\":1e}",
                                        "{\"x\":1e+}",
                                        "{\"x\":0x10}",
                                        "{\"x\":1_000}",
                                        "{\"x\":1.2.3}",
                                        "{\"x\":--1}",
                                        "{\"x\":\"\n\"}",
                                        "{\"x\":\"\t\"}",
                                        "{\"x\":\"\x01\"}",
                                        "{\"x\":\"\x1f\"}",
                                        "{\"x\n\":1}",
                                        "{\"x\":\"a}",
                                        "{\"x\":a\"}",
                                        "{\"x\":\"\\\"}",
                                        "{\"x\":\"\\a\"}",
                                        "{\"x\":\"\\v\"}",
                                        "{\"x\":\"\\0\"}",
                                        "{\"x\":\"\\x41\"}",
                                        "{\"x\":\"\\'\"}",
                                        "{\"x\":\"\\U0041\"}",
                                        "{\"x\":\"\\u\"}",
                                        "{\"x\":\"\\u004\"}",
                                        "{\"x\":\"\\u00g0\"}",
                                        "{\"x\":\"\\u 041\"}",
                                        "{\"x\":\"\\u+041\"}",
                                        "{\"x\":/* */1}",
                                        "{\"x\":1}//",
                                        "{\"x\":1}#",
                                        "{\"x\":1}\f",
                                        "{\"x\":\v1}",
                                        "{\"x\":1\xc2\xa0}",     /* no-break space */
                                        "{\"x\":1\xe2\x80\xa8}", /* line separator */
                                        "\xef\xbb\xbf{}",        /* byte order mark */
                                        "{\"x\":1}\xef\xbb\xbf",
                                        NULL};
    check_all(texts, JSON_INVALID);
    CU_ASSERT_EQUAL(scan_bytes("", 0), JSON_INVALID);
}

static void test_refuses_a_nul_anywhere(void)
{
    static const char text[] = "{\"event_id\": \"x\", \"data\": {\"a\": [1, \"b\"]}} ";
    size_t len = sizeof text - 1;
    char copy[sizeof text];
    for (size_t i = 0; i < len; i++) {
        memcpy(copy, text, len);
        copy[i] = '\0';
        check(scan_bytes(copy, len) == JSON_INVALID, "a NUL as byte %zu", i);
    }
    CU_ASSERT_EQUAL(scan_bytes(text, len), JSON_OK);
}

/* In an object of another kind, in a kept member and in a member that nobody reads. */
static void check_string_fault(const char *fault, enum json_result expected)
{
    static const char *const places[] = {"{\"event_id\":\"%s\"}",
                                         "{\"x\":\"%s\"}",
                                         "{\"%s\":1}",
                                         "{\"x\":[\"%s\"]}",
                                         "{\"x\":{\"%s\":1}}",
                                         "{\"data\":{\"a\":\"%s\"}}",
                                         "{\"data\":{\"%s\":1}}",
                                         "{\"data\":{\"x\":\"%s\"}}",
                                         "{\"data\":\"%s\"}",
                                         "{\"data\":[\"%s\"]}",
                                         "[\"%s\"]",
                                         "\"%s\"",
                                         "[{\"%s\":1}]",
                                         "{\"x\":{\"y\":[{\"z\":\"%s\"}]}}"};
    for (size_t i = 0; i < COUNT(places); i++) {
        char text[256];
        const char *at = strstr(places[i], "%s");
        (void)snprintf(text, sizeof text, "%.*s%s%s", (int)(at - places[i]), places[i], fault, at + 2);
        enum json_result result = scan(text);
        check(result == expected, "%s: %s, expected %s", text, result_name(result), result_name(expected));
    }
}

static void test_lone_surrogates(void)
{
    static const char *const faults[] = {"\\ud800",
                                         "\\udc00",
                                         "\\udfff",
                                         "\\uD83D",
                                         "\\ud83dx",
                                         "\\ud83d\\n",
                                         "\\ud83d\\u0041",
                                         "\\ud83d\\ud83d",
                                         "\\ude00\\ud83d",
                                         "\\ud83d \\ude00",
                                         "\\ud83d\\\\ude00",
                                         "\\ud83d\\ue000",
                                         "\\ud83d\\ude00\\ude00",
                                         "\\udbff\\udbff",
                                         "\\ud800\\udbff"};
    for (size_t i = 0; i < COUNT(faults); i++) {
        check_string_fault(faults[i], JSON_INVALID);
    }
}

static void test_utf8_faults(void)
{
    static const char *const faults[] = {
        "\x80", /* continuation alone */
        "\xbf",
        "\xc0\x80", /* overlong NUL */
        "\xc1\xbf", /* overlong */
        "\xe0\x80\x80",
        "\xe0\x9f\xbf",
        "\xf0\x80\x80\x80",
        "\xf0\x8f\xbf\xbf",
        "\xed\xa0\x80", /* surrogates */
        "\xed\xbf\xbf",
        "\xed\xa0\xbd\xed\xb8\x80",
        "\xf4\x90\x80\x80", /* beyond U+10FFFF */
        "\xf5\x80\x80\x80",
        "\xf8\x88\x80\x80\x80",
        "\xfe",
        "\xff",
        "\xc3", /* cut short */
        "\xe2\x82",
        "\xf0\x9f\x98",
        "\xc3\xc3",
        "\xe2\x82x",
        "\xe9", /* Latin-1 */
    };
    for (size_t i = 0; i < COUNT(faults); i++) {
        check_string_fault(faults[i], JSON_INVALID_UTF8);
    }
    CU_ASSERT_EQUAL(scan("{}\xff"), JSON_INVALID_UTF8);
    CU_ASSERT_EQUAL(scan("\xff{}"), JSON_INVALID_UTF8);
}

static void test_other_values_are_no_events(void)
{
    static const char *const others[] = {"[]",    " [1, 2] ", "[{}]",   "\"x\"",    " \"\" ",
                                         "1",     "-1.5e3",   "0",      " 7 ",      "true",
                                         "false", "null",     "[[[]]]", "[\"{}\"]", "\"{\\\"a\\\":1}\"",
                                         NULL};
    static const char *const broken[] = {
        "[", "]",   "[1",    "[1,]",  "[1]]", "[1] 2", "[1]{}", "\"x", "x\"", "\"x\"y",  "\"x\" 1", "1 2", "01", "1.",
        "-", "tru", "truee", "null,", "nul",  "abc",   "'x'",   ",",   ":",   "\"x\":1", "\"\\q\"", "1,",  NULL};
    check_all(others, JSON_NOT_AN_OBJECT);
    check_all(broken, JSON_INVALID);
}

/* `levels` of nesting in all, the event included, with `inner` in the middle. */
static enum json_result scan_nested(const char *head, const char *open, const char *inner, const char *close,
                                    unsigned levels)
{
    char text[4096] = "";
    char *at = text + snprintf(text, sizeof text, "%s", head);
    for (unsigned i = 0; i < levels; i++) {
        at += sprintf(at, "%s", open);
    }
    at += sprintf(at, "%s", inner);
    for (unsigned i = 0; i < levels; i++) {
        at += sprintf(at, "%s", close);
    }
    if (*head != '\0') {
        at += sprintf(at, "}");
    }
    return scan_bytes(text, (size_t)(at - text));
}

static void test_depth(void)
{
    static const char *const heads[] = {"{\"x\":", "{\"event_id\":", "{\"data\":", "{\"a\":1,\"y\":"};
    for (size_t i = 0; i < COUNT(heads); i++) {
        CU_ASSERT_EQUAL(scan_nested(heads[i], "[", "", "]", 62), JSON_OK);
        CU_ASSERT_EQUAL(scan_nested(heads[i], "[", "", "]", 63), JSON_OK);
        CU_ASSERT_EQUAL(scan_nested(heads[i], "[", "1", "]", 63), JSON_OK);
        CU_ASSERT_EQUAL(scan_nested(heads[i], "[", "", "]", 64), JSON_TOO_DEEP);
        CU_ASSERT_EQUAL(scan_nested(heads[i], "{\"k\":", "0", "}", 63), JSON_OK);
        CU_ASSERT_EQUAL(scan_nested(heads[i], "{\"k\":", "0", "}", 64), JSON_TOO_DEEP);
        CU_ASSERT_EQUAL(scan_nested(heads[i], "{\"k\":", "{}", "}", 62), JSON_OK);
        CU_ASSERT_EQUAL(scan_nested(heads[i], "{\"k\":", "{}", "}", 63), JSON_TOO_DEEP);
        CU_ASSERT_EQUAL(scan_nested(heads[i], "{\"k\":", "[]", "}", 63), JSON_TOO_DEEP);
        CU_ASSERT_EQUAL(scan_nested(heads[i], "[", "", "]", 500), JSON_TOO_DEEP);
    }
    CU_ASSERT_EQUAL(scan_nested("", "[", "", "]", 64), JSON_NOT_AN_OBJECT);
    CU_ASSERT_EQUAL(scan_nested("", "[", "", "]", 65), JSON_TOO_DEEP);
    CU_ASSERT_EQUAL(scan("{\"x\":\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\"}"), JSON_OK);
    CU_ASSERT_EQUAL(scan("{\"x\":[[]],\"y\":[[]],\"z\":[[],[],[]]}"), JSON_OK);
}

/* A megabyte of opening brackets is refused without following them down. */
static void test_depth_of_a_whole_record(void)
{
    size_t len = 1024 * 1024;
    char *text = malloc(len);
    if (text == NULL) {
        abort();
    }
    memset(text, '[', len);
    CU_ASSERT_NOT_EQUAL(scan_bytes(text, len), JSON_OK);
    memcpy(text, "{\"x\":", 5);
    text[len - 1] = '}';
    CU_ASSERT_NOT_EQUAL(scan_bytes(text, len), JSON_OK);
    memset(text + 5, '[', len / 2 - 5);
    memset(text + len / 2, ']', len / 2);
    text[len - 6] = '}';
    CU_ASSERT_NOT_EQUAL(scan_bytes(text, len), JSON_OK);
    free(text);
}

static void test_members(void)
{
    CU_ASSERT_EQUAL(scan("{\"event_id\":\"e1\",\"event_type\":\"login\",\"customer_id\":\"c1\",\"timestamp\":\"now\","
                         "\"data\":{\"a\":1.50,\"b\":\"text\",\"order_value\":null}}"),
                    JSON_OK);
    CHECK_MEMBER(JSON_MEMBER_EVENT_ID, JSON_STRING, "e1");
    CHECK_MEMBER(JSON_MEMBER_EVENT_TYPE, JSON_STRING, "login");
    CHECK_MEMBER(JSON_MEMBER_CUSTOMER_ID, JSON_STRING, "c1");
    CHECK_MEMBER(JSON_MEMBER_TIMESTAMP, JSON_STRING, "now");
    CHECK_MEMBER(JSON_MEMBER_DATA, JSON_OBJECT, "{\"a\":1.50,\"b\":\"text\",\"order_value\":null}");
    CHECK_DATA(NAME_A, JSON_NUMBER, "1.50");
    CHECK_DATA(NAME_B, JSON_STRING, "text");
    CHECK_DATA(NAME_VALUE, JSON_NULL, "null");
    CU_ASSERT_EQUAL(json_scan_data(scanner, NAME_EMPTY)->kind, JSON_ABSENT);
    CU_ASSERT_EQUAL(json_scan_data(scanner, NAME_ACCENT)->kind, JSON_ABSENT);
}

static void test_nothing_is_left_of_an_earlier_scan(void)
{
    CU_ASSERT_EQUAL(scan("{\"event_id\":\"e\",\"data\":{\"a\":1,\"b\":2}}"), JSON_OK);
    CU_ASSERT_EQUAL(scan("{}"), JSON_OK);
    for (int i = 0; i < JSON_MEMBER_COUNT; i++) {
        CU_ASSERT_EQUAL(json_scan_member(scanner, (enum json_member)i)->kind, JSON_ABSENT);
    }
    CU_ASSERT_EQUAL(scan("{\"data\":{\"b\":3}}"), JSON_OK);
    CU_ASSERT_EQUAL(json_scan_data(scanner, NAME_A)->kind, JSON_ABSENT);
    CHECK_DATA(NAME_B, JSON_NUMBER, "3");
    CU_ASSERT_EQUAL(scan("{\"data\":{\"a\":"), JSON_INVALID);
    CU_ASSERT_EQUAL(scan("{\"data\":{}}"), JSON_OK);
    CU_ASSERT_EQUAL(json_scan_data(scanner, NAME_B)->kind, JSON_ABSENT);
}

static void test_names_count_only_in_their_place(void)
{
    CU_ASSERT_EQUAL(
        scan("{\"a\":1,\"x\":{\"a\":2,\"event_id\":\"deep\",\"data\":{\"a\":3}},\"data\":{\"event_id\":\"in data\","
             "\"data\":{\"a\":4},\"b\":{\"a\":5}}}"),
        JSON_OK);
    CU_ASSERT_EQUAL(json_scan_member(scanner, JSON_MEMBER_EVENT_ID)->kind, JSON_ABSENT);
    CU_ASSERT_EQUAL(json_scan_data(scanner, NAME_A)->kind, JSON_ABSENT);
    CU_ASSERT_EQUAL(json_scan_data(scanner, NAME_B)->kind, JSON_OBJECT);
    CU_ASSERT_EQUAL(
        scan("{\"Event_id\":\"x\",\"event_id \":\"x\",\"event_i\":\"x\",\"event_idd\":\"x\",\"dat\":{\"a\":1},"
             "\"DATA\":{\"a\":1},\"customer_ix\":\"x\"}"),
        JSON_OK);
    for (int i = 0; i < JSON_MEMBER_COUNT; i++) {
        CU_ASSERT_EQUAL(json_scan_member(scanner, (enum json_member)i)->kind, JSON_ABSENT);
    }
}

static void test_the_last_of_a_repeated_name_counts(void)
{
    CU_ASSERT_EQUAL(scan("{\"event_id\":\"1\",\"event_id\":\"2\",\"event_type\":\"x\",\"event_type\":null,"
                         "\"timestamp\":[1],\"timestamp\":\"t\"}"),
                    JSON_OK);
    CHECK_MEMBER(JSON_MEMBER_EVENT_ID, JSON_STRING, "2");
    CHECK_MEMBER(JSON_MEMBER_EVENT_TYPE, JSON_NULL, "null");
    CHECK_MEMBER(JSON_MEMBER_TIMESTAMP, JSON_STRING, "t");
    CU_ASSERT_EQUAL(scan("{\"data\":{\"a\":1,\"a\":\"two\",\"b\":1,\"b\":[]}}"), JSON_OK);
    CHECK_DATA(NAME_A, JSON_STRING, "two");
    CU_ASSERT_EQUAL(json_scan_data(scanner, NAME_B)->kind, JSON_ARRAY);
    CU_ASSERT_EQUAL(scan("{\"event_id\":\"plain\",\"event_\\u0069d\":\"escaped\"}"), JSON_OK);
    CHECK_MEMBER(JSON_MEMBER_EVENT_ID, JSON_STRING, "escaped");
}

static void test_the_last_data_counts_alone(void)
{
    CU_ASSERT_EQUAL(scan("{\"data\":{\"a\":1,\"b\":2},\"x\":0,\"data\":{\"b\":3} ,\"y\":1}"), JSON_OK);
    CHECK_MEMBER(JSON_MEMBER_DATA, JSON_OBJECT, "{\"b\":3}");
    CU_ASSERT_EQUAL(json_scan_data(scanner, NAME_A)->kind, JSON_ABSENT);
    CHECK_DATA(NAME_B, JSON_NUMBER, "3");
    CU_ASSERT_EQUAL(scan("{\"data\":{\"a\":1},\"data\":7}"), JSON_OK);
    CHECK_MEMBER(JSON_MEMBER_DATA, JSON_NUMBER, "7");
    CU_ASSERT_EQUAL(json_scan_data(scanner, NAME_A)->kind, JSON_ABSENT);
    CU_ASSERT_EQUAL(scan("{\"data\":null,\"data\":{\"a\":1}}"), JSON_OK);
    CHECK_MEMBER(JSON_MEMBER_DATA, JSON_OBJECT, "{\"a\":1}");
    CHECK_DATA(NAME_A, JSON_NUMBER, "1");
    CU_ASSERT_EQUAL(scan("{\"data\":{\"a\":1},\"data\":{}}"), JSON_OK);
    CHECK_MEMBER(JSON_MEMBER_DATA, JSON_OBJECT, "{}");
    CU_ASSERT_EQUAL(json_scan_data(scanner, NAME_A)->kind, JSON_ABSENT);
    CU_ASSERT_EQUAL(scan("{\"data\":{\"a\":1},\"data\":{\"a\":tru}}"), JSON_INVALID);
    CU_ASSERT_EQUAL(scan("{\"data\":{\"a\":tru},\"data\":{\"a\":1}}"), JSON_INVALID);
}

static void test_the_text_of_data(void)
{
    CU_ASSERT_EQUAL(scan("{\"data\" : \t{ \"a\" : [ 1 , { } ] } \n , \"x\" : { } }"), JSON_OK);
    CHECK_MEMBER(JSON_MEMBER_DATA, JSON_OBJECT, "{ \"a\" : [ 1 , { } ] }");
    CU_ASSERT_EQUAL(scan("{\"data\":{\"a\":\"}}\"} }"), JSON_OK);
    CHECK_MEMBER(JSON_MEMBER_DATA, JSON_OBJECT, "{\"a\":\"}}\"}");
    CU_ASSERT_EQUAL(scan("{\"data\":{} }"), JSON_OK);
    CHECK_MEMBER(JSON_MEMBER_DATA, JSON_OBJECT, "{}");
    CU_ASSERT_EQUAL(scan("{\"data\":{ },\"}\":1}"), JSON_OK);
    CHECK_MEMBER(JSON_MEMBER_DATA, JSON_OBJECT, "{ }");
    CU_ASSERT_EQUAL(scan("{\"data\":{\"x\":{\"y\":{}}}}"), JSON_OK);
    CHECK_MEMBER(JSON_MEMBER_DATA, JSON_OBJECT, "{\"x\":{\"y\":{}}}");
}

static void test_escapes(void)
{
    CU_ASSERT_EQUAL(
        scan("{\"event_id\":\"\\u0041\\u00e9\\u20AC\\uD83D\\uDE00\\\"\\\\\\/\\b\\f\\n\\r\\t\","
             "\"customer_id\":\"a\\u0000b\",\"event\\u005ftype\":\"\\u006cogin\","
             "\"\\u0064ata\":{\"\\u0061\":\"x\\ny\",\"\":\"empty name\",\"\\u00e9\":\"accent\",\"k\\/\\\"\\\\\":1}}"),
        JSON_OK);
    CHECK_MEMBER(JSON_MEMBER_EVENT_ID, JSON_STRING, "A\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"\\/\b\f\n\r\t");
    CHECK_MEMBER(JSON_MEMBER_CUSTOMER_ID, JSON_STRING, "a\0b");
    CHECK_MEMBER(JSON_MEMBER_EVENT_TYPE, JSON_STRING, "login");
    CHECK_DATA(NAME_A, JSON_STRING, "x\ny");
    CHECK_DATA(NAME_EMPTY, JSON_STRING, "empty name");
    CHECK_DATA(NAME_ACCENT, JSON_STRING, "accent");
    CHECK_DATA(NAME_ESCAPES, JSON_NUMBER, "1");
}

static void test_several_escaped_texts_keep_their_values(void)
{
    CU_ASSERT_EQUAL(
        scan("{\"event_id\":\"\\u0031\",\"customer_id\":\"\\u0032\",\"x\":\"\\u0033\",\"timestamp\":\"\\u0034\","
             "\"data\":{\"a\":\"\\u0035\",\"b\":\"\\u0036\"},\"event_type\":\"\\u0037\"}"),
        JSON_OK);
    CHECK_MEMBER(JSON_MEMBER_EVENT_ID, JSON_STRING, "1");
    CHECK_MEMBER(JSON_MEMBER_CUSTOMER_ID, JSON_STRING, "2");
    CHECK_MEMBER(JSON_MEMBER_TIMESTAMP, JSON_STRING, "4");
    CHECK_DATA(NAME_A, JSON_STRING, "5");
    CHECK_DATA(NAME_B, JSON_STRING, "6");
    CHECK_MEMBER(JSON_MEMBER_EVENT_TYPE, JSON_STRING, "7");
}

static void test_kinds(void)
{
    static const struct {
        const char *text;
        uint32_t kind;
    } cases[] = {{"null", JSON_NULL},      {"true", JSON_BOOL},   {"false", JSON_BOOL},      {"0", JSON_NUMBER},
                 {"-1.5E-3", JSON_NUMBER}, {"\"\"", JSON_STRING}, {"\"true\"", JSON_STRING}, {"{}", JSON_OBJECT},
                 {"[]", JSON_ARRAY},       {"[null]", JSON_ARRAY}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        char text[128];
        (void)snprintf(text, sizeof text, "{\"event_id\":%s ,\"data\":{\"a\": %s\n}}", cases[i].text, cases[i].text);
        CU_ASSERT_EQUAL(scan(text), JSON_OK);
        check(json_scan_member(scanner, JSON_MEMBER_EVENT_ID)->kind == cases[i].kind, "member %s", cases[i].text);
        check(json_scan_data(scanner, NAME_A)->kind == cases[i].kind, "data %s", cases[i].text);
        if (cases[i].kind == JSON_NUMBER || cases[i].kind == JSON_BOOL) {
            check_token(json_scan_data(scanner, NAME_A), cases[i].kind, cases[i].text, strlen(cases[i].text), "value");
        }
    }
}

/* Every prefix of an event is no event, wherever in a block of the parser it ends. */
static void test_every_prefix_is_refused(void)
{
    static const char tail[] = "\"event_id\":\"\\u0041\",\"data\":{\"a\":[1,{\"b\":-1.5e3}],\"b\":true}}";
    for (size_t shift = 0; shift < 70; shift++) {
        char text[256];
        int len = snprintf(text, sizeof text, "{%*s%s", (int)shift, "", tail);
        CU_ASSERT_EQUAL(scan_bytes(text, (size_t)len), JSON_OK);
        CHECK_DATA(NAME_B, JSON_BOOL, "true");
        for (int cut = 0; cut < len; cut++) {
            check(scan_bytes(text, (size_t)cut) == JSON_INVALID, "%.*s", cut, text);
        }
    }
}

static const char *const seeds[] = {
    ("{\"event_id\":\"c1_1\",\"event_type\":\"order_placed\",\"customer_id\":\"c1\",\"timestamp\":\"2026-01-01T00:00:"
     "00Z\","
     "\"data\":{\"a\":\"x\",\"order_value\":99.95,\"b\":2}}"),
    "{\"data\":{\"a\":{\"b\":[1,2,{\"a\":null}]},\"b\":[true,false]},\"event_id\":\"\\u00e9\\n\",\"extra\":[[],{}]}",
    "{ \"event_id\" : \"\xf0\x9f\x98\x80\\ud83d\\ude00\" , \"data\" : { \"a\" : \"\" , \"a\" : -0.0e+1 } , \"data\" : "
    "{ } }",
    "{\"x\":\"{[,:\\\\\\\"]}\",\"data\":{\"\\u0061\":1,\"\xc3\xa9\":2,\"\":3}}",
};

static const char *const pieces[] = {"{",
                                     "}",
                                     "[",
                                     "]",
                                     ",",
                                     ":",
                                     "\"",
                                     "\\",
                                     "\\u",
                                     "\\ud83d",
                                     "\\ude00",
                                     "null",
                                     "true",
                                     "false",
                                     "0",
                                     "1",
                                     "-",
                                     ".",
                                     "e5",
                                     " ",
                                     "\n",
                                     "\"a\":",
                                     "{}",
                                     "[]",
                                     "\"\"",
                                     "\x01",
                                     "\xff",
                                     "\xc3\xa9",
                                     "\xe2\x82",
                                     "\"data\":{\"a\":1},",
                                     "\"event_id\":2,",
                                     "//",
                                     "'"};

static size_t mutate(char *text, size_t len, size_t room, uint64_t *state)
{
    size_t at = next_random(state) % (len + 1), run = next_random(state) % 4;
    const char *piece = pieces[next_random(state) % COUNT(pieces)];
    size_t more = strlen(piece);
    switch (next_random(state) % 4) {
    case 0: /* take bytes out */
        run = run > len - at ? len - at : run;
        memmove(text + at, text + at + run, len - at - run);
        return len - run;
    case 1: /* change one */
        if (at < len) {
            text[at] = (char)(next_random(state) % 3 == 0 ? next_random(state) : (unsigned char)piece[0]);
        }
        return len;
    default: /* put a piece in */
        if (len + more > room) {
            return len;
        }
        memmove(text + at + more, text + at, len - at);
        memcpy(text + at, piece, more);
        return len + more;
    }
}

static void check_same(const struct json_token *token, const struct reference_value *value, const char *text,
                       size_t len)
{
    check(reference_is(value, token), "%.*s: kind %u '%.*s', expected %u '%.*s'", shown(len), text, token->kind,
          (int)token->text.len, token->text.ptr, value->kind, (int)value->len, value->text);
}

/* json-c as a second judge. It is laxer than RFC 8259 (lone surrogates, for one), so it can only say that a text which
 * was taken is JSON, and holds these values. NULL: it refuses the text. */
static struct json_object *read_by_json_c(const char *text, size_t len)
{
    return strict_json_parse(text, len, JSON_SCAN_MAX_DEPTH + 2);
}

static bool same_number(const char *text, struct json_object *object)
{
    char *end;
    long long whole;
    errno = 0;
    whole = strtoll(text, &end, 10);
    if (json_object_is_type(object, json_type_int)) { /* beyond 64 bits json-c gives the nearest */
        return errno != 0 || (*end == '\0' && whole == json_object_get_int64(object));
    }
    return json_object_is_type(object, json_type_double) && strtod(text, NULL) == json_object_get_double(object);
}

/* json-c 0.16 takes U+1D800 to U+1DFFF for surrogates once more, and puts U+FFFD in their place. */
static bool same_text(const struct json_token *token, struct json_object *object)
{
    const char *text = json_object_get_string(object);
    return strstr(text, "\xef\xbf\xbd") != NULL || ((size_t)json_object_get_string_len(object) == token->text.len &&
                                                    memcmp(text, token->text.ptr, token->text.len) == 0);
}

static bool same_value(const struct json_token *token, struct json_object *object, bool present)
{
    char number[1024];
    switch (token->kind) {
    case JSON_ABSENT:
        return !present;
    case JSON_NULL:
        return present && object == NULL;
    case JSON_STRING:
        return json_object_is_type(object, json_type_string) && same_text(token, object);
    case JSON_NUMBER:
        (void)snprintf(number, sizeof number, "%.*s", (int)token->text.len, token->text.ptr);
        return same_number(number, object);
    case JSON_BOOL:
        return json_object_is_type(object, json_type_boolean) &&
               json_object_get_boolean(object) == (*token->text.ptr == 't');
    default:
        return json_object_is_type(object, token->kind == JSON_OBJECT ? json_type_object : json_type_array);
    }
}

static void check_by_json_c(const char *text, size_t len)
{
    static const char *const members[] = {"event_id", "event_type", "customer_id", "timestamp", "data"};
    struct json_object *object = read_by_json_c(text, len), *data = NULL, *value;
    check(object != NULL, "%.*s: json-c refuses it", shown(len), text);
    for (int i = 0; i < JSON_MEMBER_COUNT && object != NULL; i++) {
        bool present = json_object_object_get_ex(object, members[i], &value);
        const struct json_token *token = json_scan_member(scanner, (enum json_member)i);
        check(same_value(token, present ? value : NULL, present), "%.*s: %s differs from json-c's", shown(len), text,
              members[i]);
        data = i == JSON_MEMBER_DATA && present ? value : data;
    }
    for (uint32_t i = 0; i < COUNT(names) && json_object_is_type(data, json_type_object); i++) {
        bool present = json_object_object_get_ex(data, names[i], &value);
        check(same_value(json_scan_data(scanner, i), present ? value : NULL, present),
              "%.*s: data.%s differs from json-c's", shown(len), text, names[i]);
    }
    (void)json_object_put(object);
}

/* How many texts. */
static long rounds(void)
{
    const char *text = getenv("JSON_SCAN_ROUNDS");
    return text != NULL ? atol(text) : 1000000;
}

static void test_mutated_events_read_as_the_references_read_them(void)
{
    static struct reference_value data[COUNT(names)];
    static struct reference reference;
    uint64_t state = 3;
    unsigned valid = 0, invalid = 0;
    for (long round = rounds(); round > 0; round--) {
        char text[1024];
        const char *seed = seeds[next_random(&state) % COUNT(seeds)];
        size_t len = strlen(seed);
        memcpy(text, seed, len);
        for (uint64_t n = next_random(&state) % 4; n-- > 0;) {
            len = mutate(text, len, sizeof text, &state);
        }
        enum json_result expected = reference_scan(&reference, text, len, &data_names, data);
        free(scanned);
        scanned = calloc(1, len + JSON_SCAN_PADDING);
        if (scanned == NULL) {
            abort();
        }
        memcpy(scanned, text, len);
        enum json_result result = json_scan(scanner, scanned, len);
        bool faulty =
            expected == JSON_INVALID || expected == JSON_INVALID_UTF8; /* with two faults either may be told */
        check(faulty ? result == JSON_INVALID || result == JSON_INVALID_UTF8 : result == expected,
              "%.*s: %s, expected %s", shown(len), text, result_name(result), result_name(expected));
        valid += expected == JSON_OK;
        invalid += faulty;
        for (int i = 0; i < JSON_MEMBER_COUNT && result == JSON_OK && expected == JSON_OK; i++) {
            check_same(json_scan_member(scanner, (enum json_member)i), &reference.members[i], text, len);
        }
        for (uint32_t i = 0; i < COUNT(names) && result == JSON_OK && expected == JSON_OK; i++) {
            check_same(json_scan_data(scanner, i), &data[i], text, len);
        }
        if (result == JSON_OK) {
            check_by_json_c(text, len);
        }
    }
    CU_ASSERT(valid > 5000 && invalid > 5000);
}

int main(void)
{
    CU_TestInfo tests[] = {
        TEST(test_accepts_what_is_json),
        TEST(test_refuses_what_is_not_json),
        TEST(test_refuses_a_nul_anywhere),
        TEST(test_lone_surrogates),
        TEST(test_utf8_faults),
        TEST(test_other_values_are_no_events),
        TEST(test_depth),
        TEST(test_depth_of_a_whole_record),
        TEST(test_members),
        TEST(test_nothing_is_left_of_an_earlier_scan),
        TEST(test_names_count_only_in_their_place),
        TEST(test_the_last_of_a_repeated_name_counts),
        TEST(test_the_last_data_counts_alone),
        TEST(test_the_text_of_data),
        TEST(test_escapes),
        TEST(test_several_escaped_texts_keep_their_values),
        TEST(test_kinds),
        TEST(test_every_prefix_is_refused),
        TEST(test_mutated_events_read_as_the_references_read_them),
        CU_TEST_INFO_NULL,
    };
    int status;
    for (size_t i = 0; i < COUNT(names); i++) {
        if (name_index_add(&data_names, names[i]) != (int32_t)i) {
            return 1;
        }
    }
    scanner = json_scanner_new(&data_names);
    status = scanner != NULL ? run_tests("json scan", tests) : 1;
    json_scanner_free(scanner);
    name_index_free(&data_names);
    free(scanned);
    return status;
}
