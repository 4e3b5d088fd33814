/* Texts that grow, and JSON written into them. */
#include "core/base/json_text.h"

#include "check.h"
#include "tests/support/strict_json.h"

static void check_json(const char *bytes, size_t len, const char *expected)
{
    struct text text = {0};
    char *copy = exact_copy(bytes, len);
    text_append_json(&text, copy, len);
    text_append(&text, "", 1);
    CU_ASSERT(!text.failed);
    check_text(text.bytes, expected, "JSON");
    free(copy);
    text_free(&text);
}

static void test_escapes(void)
{
    char one[1], expected[16];
    check_json("", 0, "\"\"");
    check_json("a/b 'c'", 7, "\"a/b 'c'\"");
    check_json("\"\\", 2, "\"\\\"\\\\\"");
    check_json("\b\f\n\r\t", 5, "\"\\b\\f\\n\\r\\t\"");
    check_json("a\0b", 3, "\"a\\u0000b\"");
    check_json("\x7f\xc2\x80\xe2\x80\xa8", 6, "\"\x7f\xc2\x80\xe2\x80\xa8\"");
    for (int c = 0; c < 0x20; c++) {
        if (strchr("\b\f\n\r\t", c) == NULL || c == 0) {
            one[0] = (char)c;
            (void)snprintf(expected, sizeof expected, "\"\\u%04x\"", (unsigned)c);
            check_json(one, 1, expected);
        }
    }
}

static void test_utf8_passes(void)
{
    static const char *const good[] = {"\xc2\x80",         "\xdf\xbf",         "\xe0\xa0\x80",    "\xec\xbf\xbf",
                                       "\xed\x80\x80",     "\xed\x9f\xbf",     "\xee\x80\x80",    "\xef\xbf\xbf",
                                       "\xf0\x90\x80\x80", "\xf1\x80\x80\x80", "\xf4\x8f\xbf\xbf"};
    for (size_t i = 0; i < COUNT(good); i++) {
        char text[32], expected[40];
        (void)snprintf(text, sizeof text, "a%s%sz", good[i], good[i]);
        (void)snprintf(expected, sizeof expected, "\"%s\"", text);
        check_json(text, strlen(text), expected);
    }
}

#define R "\xef\xbf\xbd"

static void test_other_bytes_are_replaced(void)
{
    static const char *const cases[][2] = {{"\x80", R},
                                           {"\xbf", R},
                                           {"\xc0\x80", R R},
                                           {"\xc1\xbf", R R},
                                           {"\xe0\x80\x80", R R R},
                                           {"\xe0\x9f\xbf", R R R},
                                           {"\xed\xa0\x80", R R R},
                                           {"\xed\xbf\xbf", R R R},
                                           {"\xf0\x80\x80\x80", R R R R},
                                           {"\xf0\x8f\xbf\xbf", R R R R},
                                           {"\xf4\x90\x80\x80", R R R R},
                                           {"\xf5\x80\x80\x80", R R R R},
                                           {"\xff\xfe", R R},
                                           {"\xc3", R},
                                           {"\xe2\x82", R R},
                                           {"\xf0\x9f\x98", R R R},
                                           {"\xc3x", R "x"},
                                           {"\xe2\x82\"", R R "\\\""},
                                           {"\xf0\x9f\x98\n", R R R "\\n"},
                                           {"\xc3\xc3\xa9", R "\xc3\xa9"},
                                           {"a\xe9"
                                            "b",
                                            "a" R "b"}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        char expected[64];
        (void)snprintf(expected, sizeof expected, "\"%s\"", cases[i][1]);
        check_json(cases[i][0], strlen(cases[i][0]), expected);
    }
}

/* Any bytes become valid JSON that a strict reader takes. */
static void test_random_bytes_become_json(void)
{
    uint64_t state = 6;
    for (int round = 0; round < 20000; round++) {
        char bytes[24];
        size_t len = next_random(&state) % sizeof bytes;
        struct text text = {0};
        for (size_t i = 0; i < len; i++) {
            static const char often[] = "\x80\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\xed\xf4\"\\\n";
            uint64_t random = next_random(&state);
            bytes[i] = random % 2 == 0 ? often[random / 2 % (sizeof often - 1)] : (char)(random >> 8);
        }
        text_append_json(&text, bytes, len);
        struct json_object *object = strict_json_parse(text.bytes, text.len, 32);
        check(object != NULL && json_object_is_type(object, json_type_string), "round %d: %.*s", round, (int)text.len,
              text.bytes);
        json_object_put(object);
        text_free(&text);
    }
}

static void test_minified(void)
{
    static const char *const cases[][2] = {
        {"", ""},
        {" \t\r\n", ""},
        {"{}", "{}"},
        {" { } ", "{}"},
        {"{\n  \"a b\" : [ 1 , 2 ] ,\r\n\t\"c\" : \" d \\\" e \" }", "{\"a b\":[1,2],\"c\":\" d \\\" e \"}"},
        {"[\"\\\\\" , \"x y\"]", "[\"\\\\\",\"x y\"]"},
        {"[\"\\\\\\\" a\" , 1 ]", "[\"\\\\\\\" a\",1]"},
        {"\"\xc2\xa0\"", "\"\xc2\xa0\""},
        {"[true , null]", "[true,null]"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct text text = {0};
        char *copy = exact_copy(cases[i][0], strlen(cases[i][0]));
        text_append_minified(&text, copy, strlen(cases[i][0]));
        text_append(&text, "", 1);
        check_text(text.bytes, cases[i][1], "minified");
        free(copy);
        text_free(&text);
    }
}

static void test_growing(void)
{
    struct text text = {0};
    for (int i = 0; i < 10000; i++) {
        text_printf(&text, "%d,", i);
        text_append(&text, NULL, 0);
        text_append_string(&text, "x");
    }
    CU_ASSERT(!text.failed);
    CU_ASSERT_EQUAL(text.len, 10 * 3 + 90 * 4 + 900 * 5 + 9000 * 6);
    CU_ASSERT(text.len <= text.room);
    CU_ASSERT(memcmp(text.bytes, "0,x1,x2,x", 9) == 0 && memcmp(text.bytes + text.len - 6, "9999,x", 6) == 0);
    CU_ASSERT(text_reserve(&text, 100000) && text.room >= text.len + 100000);
    text_free(&text);
    CU_ASSERT(text.bytes == NULL && text.len == 0 && text.room == 0);
}

static void test_running_out_of_memory_is_kept(void)
{
    struct text text = {0};
    text_append_string(&text, "kept");
    text.failed = true;
    text_append_string(&text, "dropped");
    text_printf(&text, "%d", 1);
    text_append_json(&text, "x", 1);
    CU_ASSERT(!text_reserve(&text, 1));
    CU_ASSERT(text.failed && text.len == 4);
    text_free(&text);
    CU_ASSERT(!text.failed);
}

int main(void)
{
    CU_TestInfo tests[] = {
        TEST(test_escapes),
        TEST(test_utf8_passes),
        TEST(test_other_bytes_are_replaced),
        TEST(test_random_bytes_become_json),
        TEST(test_minified),
        TEST(test_growing),
        TEST(test_running_out_of_memory_is_kept),
        CU_TEST_INFO_NULL,
    };
    return run_tests("json text", tests);
}
