/* The log: one event, one line, in text and in JSON; repeats are counted instead of written. */
#include "core/base/log.h"

#include <unistd.h>

#include "check.h"
#include "tests/support/strict_json.h"

static FILE *file;
static struct log *the_log;

static void open_log(int32_t level, enum log_format format)
{
    file = tmpfile();
    the_log = file != NULL ? log_new(fileno(file), level, format) : NULL;
    if (the_log == NULL) {
        abort();
    }
}

/* Ends the log and returns all that it wrote; free it. */
static char *close_log(void)
{
    long len;
    char *text;
    log_free(the_log);
    len = (long)lseek(fileno(file), 0, SEEK_END);
    text = calloc(1, (size_t)len + 1);
    if (text == NULL || pread(fileno(file), text, (size_t)len, 0) != len) {
        abort();
    }
    (void)fclose(file);
    return text;
}

static unsigned lines_of(const char *text)
{
    unsigned n = 0;
    for (; *text != '\0'; text++) {
        n += *text == '\n';
    }
    return n;
}

/* The text behind each line's time, in place. */
static void cut_times(char *text)
{
    char *to = text;
    for (char *line = text; *line != '\0';) {
        size_t len = strcspn(line, "\n") + 1;
        check(len > 25 && line[10] == 'T' && line[23] == 'Z' && line[24] == ' ', "no time: %.30s", line);
        memmove(to, line + 25, len - 25);
        to += len - 25;
        line += len;
    }
    *to = '\0';
}

static void test_text_lines(void)
{
    open_log(CHURN_LOG_DEBUG, LOG_FORMAT_TEXT);
    log_line(the_log, CHURN_LOG_ERROR, "kafka", "one");
    log_line(the_log, CHURN_LOG_WARN, "kafka", "two");
    log_line(the_log, CHURN_LOG_INFO, "kafka", "");
    log_printf(the_log, CHURN_LOG_DEBUG, "redis", "%d of %s", 4, "five \xc3\xa9");
    char *text = close_log();
    cut_times(text);
    check_text(text, "ERROR kafka: one\nWARN  kafka: two\nINFO  kafka: \nDEBUG redis: 4 of five \xc3\xa9\n", "lines");
    free(text);
}

static void test_levels(void)
{
    for (int32_t level = CHURN_LOG_ERROR; level <= CHURN_LOG_DEBUG; level++) {
        open_log(CHURN_LOG_INFO, LOG_FORMAT_TEXT);
        log_configure(the_log, level, LOG_FORMAT_TEXT);
        for (int32_t of = CHURN_LOG_ERROR; of <= CHURN_LOG_DEBUG; of++) {
            CU_ASSERT_EQUAL(log_enabled(the_log, of), of <= level);
            log_printf(the_log, of, "part", "line %d", of);
            log_line(the_log, of, "another", "line");
        }
        char *text = close_log();
        check((int32_t)lines_of(text) == level + 1 + (level > 1), "level %d: %s", level, text);
        free(text);
    }
}

static void test_control_characters_do_not_make_lines(void)
{
    open_log(CHURN_LOG_INFO, LOG_FORMAT_TEXT);
    log_line(the_log, CHURN_LOG_INFO, "kafka", "a\nINFO forged: line\r\t\x1b[31m\x7f\x01z");
    char *text = close_log();
    cut_times(text);
    check_text(text, "INFO  kafka: a INFO forged: line   [31m  z\n", "line");
    free(text);
}

/* Those beyond ASCII, too, which terminals take for the same as ESC [; and bytes that are no UTF-8. */
static void test_control_characters_of_latin_1(void)
{
    for (enum log_format format = LOG_FORMAT_TEXT; format <= LOG_FORMAT_JSON; format++) {
        open_log(CHURN_LOG_INFO, format);
        log_line(the_log, CHURN_LOG_INFO, "k\xc2\x9b[1m", "\xc2\x9b[31m \xc3\xa4 \x9b");
        char *text = close_log();
        CU_ASSERT(strstr(text, "\xc2\x9b") == NULL);
        check_contains(text, "k\\u009b[1m", "the component");
        check_contains(text,
                       format == LOG_FORMAT_TEXT ? "\\u009b[31m \xc3\xa4 \\x9b" : "\\u009b[31m \xc3\xa4 \xef\xbf\xbd",
                       "the message");
        free(text);
    }
}

static void test_repeats_are_counted(void)
{
    open_log(CHURN_LOG_INFO, LOG_FORMAT_TEXT);
    for (int i = 0; i < 1000; i++) {
        log_line(the_log, CHURN_LOG_WARN, "redis", "out of reach");
        log_line(the_log, CHURN_LOG_WARN, "kafka", "out of reach");
    }
    log_line(the_log, CHURN_LOG_INFO, "redis", "back");
    log_line(the_log, CHURN_LOG_WARN, "redis", "out of reach");
    log_line(the_log, CHURN_LOG_WARN, "redis", "out of reach");
    char *text = close_log();
    cut_times(text);
    check_text(text,
               "WARN  redis: out of reach\n"
               "WARN  kafka: out of reach\n"
               "WARN  redis: (the line above came 999 more times)\n"
               "INFO  redis: back\n"
               "WARN  redis: out of reach\n"
               "WARN  redis: (the line above came 1 more time)\n"
               "WARN  kafka: (the line above came 999 more times)\n",
               "lines");
    free(text);
}

static void test_alternating_lines_are_written(void)
{
    open_log(CHURN_LOG_INFO, LOG_FORMAT_TEXT);
    for (int i = 0; i < 10; i++) {
        log_line(the_log, CHURN_LOG_INFO, "part", i % 2 == 0 ? "even" : "odd");
    }
    char *text = close_log();
    CU_ASSERT_EQUAL(lines_of(text), 10);
    free(text);
}

/* More components than the log remembers: none of their counts is lost. */
static void test_many_components(void)
{
    unsigned told = 0;
    open_log(CHURN_LOG_INFO, LOG_FORMAT_TEXT);
    for (int i = 0; i < 40; i++) {
        char component[24];
        (void)snprintf(component, sizeof component, "part-%d", i);
        for (int k = 0; k < 3; k++) {
            log_line(the_log, CHURN_LOG_INFO, component, "same");
        }
    }
    char *text = close_log();
    for (const char *at = text; (at = strstr(at, "(the line above came 2 more times)")) != NULL; at++) {
        told++;
    }
    CU_ASSERT_EQUAL(told, 40);
    CU_ASSERT_EQUAL(lines_of(text), 80);
    free(text);
}

/* A plugin's name may have over a hundred bytes. */
static void test_repeats_of_a_long_component(void)
{
    char component[120];
    memset(component, 'x', sizeof component - 1);
    component[sizeof component - 1] = '\0';
    open_log(CHURN_LOG_INFO, LOG_FORMAT_TEXT);
    for (int i = 0; i < 5; i++) {
        log_line(the_log, CHURN_LOG_INFO, component, "same");
    }
    char *text = close_log();
    CU_ASSERT_EQUAL(lines_of(text), 2);
    free(text);
}

/* A line is one JSON object in valid UTF-8; the texts in it come back. Returns the message. */
static void check_json_line(const char *line, size_t len, const char *level, const char *component, const char *message)
{
    struct json_object *object = strict_json_parse(line, len, 32), *member;
    check(object != NULL, "no JSON: %.*s", (int)len, line);
    if (object != NULL) {
        CU_ASSERT_EQUAL(json_object_object_length(object), 4);
        CU_ASSERT(json_object_object_get_ex(object, "time", &member) && json_object_get_string_len(member) == 24);
        CU_ASSERT(json_object_object_get_ex(object, "level", &member));
        check_text(json_object_get_string(member), level, "level");
        CU_ASSERT(json_object_object_get_ex(object, "component", &member));
        check_text(json_object_get_string(member), component, "component");
        CU_ASSERT(json_object_object_get_ex(object, "message", &member));
        check_text(json_object_get_string(member), message, "message");
    }
    json_object_put(object);
}

static void test_json_lines(void)
{
    static const char *const messages[] = {"plain",
                                           "",
                                           "a \"quoted\" \\ back/slash",
                                           "two\nlines\r\n\tand\b\f",
                                           "\x01\x1f\x1b[0m\x7f",
                                           "\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80",
                                           "{\"not\": [\"nested\"]}"};
    char *text, *line;
    open_log(CHURN_LOG_INFO, LOG_FORMAT_JSON);
    for (size_t i = 0; i < COUNT(messages); i++) {
        log_line(the_log, CHURN_LOG_WARN, "ka\"fka", messages[i]);
    }
    text = line = close_log();
    CU_ASSERT_EQUAL(lines_of(text), COUNT(messages));
    for (size_t i = 0; i < COUNT(messages) && *line != '\0'; i++) {
        size_t len = strcspn(line, "\n");
        check_json_line(line, len, "WARN", "ka\"fka", messages[i]);
        line += len + 1;
    }
    free(text);
}

/* A message cut in the middle of a character, or a name that is no UTF-8, must not spoil the line for its reader. */
static void test_json_lines_of_bytes_that_are_no_utf8(void)
{
    static const struct {
        const char *message, *shown;
    } cases[] = {{"cut \xe2\x82", "cut \xef\xbf\xbd\xef\xbf\xbd"},
                 {"\xff", "\xef\xbf\xbd"},
                 {"caf\xe9 au lait", "caf\xef\xbf\xbd au lait"},
                 {"\xc0\x80", "\xef\xbf\xbd\xef\xbf\xbd"},
                 {"\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
                 {"\xf4\x90\x80\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
                 {"\xf0\x9f\x98", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
                 {"\xf0\x9f\x98\x80\x80", "\xf0\x9f\x98\x80\xef\xbf\xbd"}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        open_log(CHURN_LOG_INFO, LOG_FORMAT_JSON);
        log_line(the_log, CHURN_LOG_INFO, "part", cases[i].message);
        char *text = close_log();
        check_json_line(text, strcspn(text, "\n"), "INFO", "part", cases[i].shown);
        free(text);
    }
}

static void test_long_messages(void)
{
    char message[10001];
    memset(message, 'x', sizeof message - 1);
    message[sizeof message - 1] = '\0';
    open_log(CHURN_LOG_INFO, LOG_FORMAT_TEXT);
    log_line(the_log, CHURN_LOG_INFO, "part", message);
    log_printf(the_log, CHURN_LOG_INFO, "part", "%s", message);
    char *text = close_log();
    CU_ASSERT_EQUAL(lines_of(text), 2);
    CU_ASSERT(strlen(text) > 10000 + 4000);
    free(text);
}

/* The status stays behind the newest line. */
static void test_status(void)
{
    open_log(CHURN_LOG_INFO, LOG_FORMAT_TEXT);
    log_status(the_log, "working");
    log_line(the_log, CHURN_LOG_INFO, "part", "line");
    log_status(the_log, "");
    log_line(the_log, CHURN_LOG_INFO, "part", "last");
    char *text = close_log();
    CU_ASSERT(strncmp(text, "\r\033[Kworking\r\033[K", 15) == 0);
    check_contains(text, "INFO  part: line\nworking\r\033[K", "text");
    CU_ASSERT_PTR_NULL(strstr(strstr(text, "line\nworking") + 12, "working"));
    free(text);
}

static void test_names_of_levels(void)
{
    static const struct {
        const char *text;
        int32_t level;
    } cases[] = {{"ERROR", CHURN_LOG_ERROR},
                 {"error", CHURN_LOG_ERROR},
                 {"WARN", CHURN_LOG_WARN},
                 {"warning", CHURN_LOG_WARN},
                 {"Info", CHURN_LOG_INFO},
                 {"DEBUG", CHURN_LOG_DEBUG},
                 {"debug", CHURN_LOG_DEBUG},
                 {"", 0},
                 {"trace", 0},
                 {"INF", 0},
                 {"INFO ", 0},
                 {"3", 0}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        check(log_level_parse(cases[i].text) == cases[i].level, "%s", cases[i].text);
    }
}

int main(void)
{
    CU_TestInfo tests[] = {
        TEST(test_text_lines),
        TEST(test_levels),
        TEST(test_control_characters_do_not_make_lines),
        TEST(test_control_characters_of_latin_1),
        TEST(test_repeats_are_counted),
        TEST(test_alternating_lines_are_written),
        TEST(test_many_components),
        TEST(test_repeats_of_a_long_component),
        TEST(test_json_lines),
        TEST(test_json_lines_of_bytes_that_are_no_utf8),
        TEST(test_long_messages),
        TEST(test_status),
        TEST(test_names_of_levels),
        CU_TEST_INFO_NULL,
    };
    return run_tests("log", tests);
}
