#include "cli/test/report.h"
#include "base/printable.h"

/* ---- text ---- */

static void append_failure(struct text *out, const struct test_result *result, const char *indent)
{
    for (unsigned i = 0; i < result->differences.count; i++) {
        const struct difference *d = &result->differences.items[i];
        text_printf(out, "%s%s:%u:%u: ", indent, result->test->config->file, d->line, d->column);
        text_append_string(out, d->where);
        if (d->expected != NULL) {
            text_printf(out, "\n%s  - ", indent);
            text_append_string(out, d->expected);
        }
        if (d->actual != NULL) {
            text_printf(out, "\n%s  + ", indent);
            text_append_string(out, d->actual);
        }
        text_append_string(out, "\n");
    }
    if (result->outcome.failure[0] != '\0') {
        text_printf(out, "%s%s\n", indent, result->outcome.failure);
    }
    for (const char *at = result->outcome.log; at != NULL && *at != '\0';) {
        size_t len = strcspn(at, "\n");
        text_append_string(out, indent);
        text_append(out, at, len);
        text_append_string(out, "\n");
        at += len + (at[len] == '\n');
    }
}

void test_report_result(FILE *out, const struct test_result *result)
{
    struct text failure = {0};
    if (result->passed) {
        printable_line(out, "ok    %s", result->test->settings.name);
        return;
    }
    append_failure(&failure, result, "      ");
    printable_line(out, "FAIL  %s (%s:%u)", result->test->settings.name, result->test->config->file,
                   result->test->node->line);
    (void)fprintf(out, "%.*s", (int)failure.len, failure.len > 0 ? failure.bytes : "");
    text_free(&failure);
}

void test_report_summary(FILE *out, const struct test_report *report)
{
    printable_line(out, "%u passed, %u failed in %.2f s", report->count - report->failed, report->failed,
                   report->seconds);
}

/* ---- JSON ---- */

static void append_json_member(struct text *out, const char *name, const char *value)
{
    text_printf(out, ",\"%s\":", name);
    if (value != NULL) {
        text_append_json(out, value, strlen(value));
    } else {
        text_append_string(out, "null");
    }
}

/* `expected` and `actual` are JSON already. */
static void append_difference(struct text *out, const struct difference *d)
{
    text_printf(out, "{\"line\":%u,\"column\":%u", d->line, d->column);
    append_json_member(out, "where", d->where);
    if (d->expected != NULL) {
        text_append_string(out, ",\"expected\":");
        text_append_string(out, d->expected);
    }
    if (d->actual != NULL) {
        text_append_string(out, ",\"actual\":");
        text_append_string(out, d->actual);
    }
    text_append_string(out, "}");
}

static void append_result(struct text *out, const struct test_result *result)
{
    text_printf(out, "{\"passed\":%s,\"line\":%u,\"seconds\":%.6f", result->passed ? "true" : "false",
                result->test->node->line, result->outcome.seconds);
    append_json_member(out, "name", result->test->settings.name);
    append_json_member(out, "file", result->test->config->file);
    if (!result->passed) {
        append_json_member(out, "failure", result->outcome.failure[0] != '\0' ? result->outcome.failure : NULL);
        append_json_member(out, "log", result->outcome.log);
        text_append_string(out, ",\"differences\":[");
        for (unsigned i = 0; i < result->differences.count; i++) {
            text_append_string(out, i > 0 ? "," : "");
            append_difference(out, &result->differences.items[i]);
        }
        text_append_string(out, "]");
    }
    text_append_string(out, "}");
}

/* Prints and frees. */
static bool print(FILE *out, struct text *text)
{
    bool ok = !text->failed && fwrite(text->bytes, 1, text->len, out) == text->len;
    text_free(text);
    return ok;
}

bool test_report_json(FILE *out, const struct test_report *report)
{
    struct text text = {0};
    text_printf(&text, "{\"passed\":%u,\"failed\":%u,\"seconds\":%.6f", report->count - report->failed, report->failed,
                report->seconds);
    append_json_member(&text, "pipeline", report->pipeline);
    text_append_string(&text, ",\"tests\":[");
    for (unsigned i = 0; i < report->count; i++) {
        text_append_string(&text, i > 0 ? ",\n" : "\n");
        append_result(&text, &report->results[i]);
    }
    text_append_string(&text, "\n]}\n");
    return print(out, &text);
}

/* ---- JUnit ---- */

/* What XML 1.0 has no character for becomes a question mark: most control characters, U+FFFE, U+FFFF, and bytes that
 * are no UTF-8. Returns the bytes taken. */
static size_t append_other(struct text *out, const char *at, size_t len)
{
    size_t character = (unsigned char)*at >= 0x80 ? text_character_length(at, len) : *at >= 0x20;
    bool none = character == 0 ||
                (character == 3 && (memcmp(at, "\xef\xbf\xbe", 3) == 0 || memcmp(at, "\xef\xbf\xbf", 3) == 0));
    text_append(out, none ? "?" : at, none ? 1 : character);
    return character > 0 ? character : 1;
}

static void append_xml(struct text *out, const char *text, size_t len)
{
    for (size_t i = 0; i < len;) {
        const char *entity = text[i] == '&'    ? "&amp;"
                             : text[i] == '<'  ? "&lt;"
                             : text[i] == '>'  ? "&gt;"
                             : text[i] == '"'  ? "&quot;"
                             : text[i] == '\n' ? "&#10;"
                             : text[i] == '\t' ? "&#9;"
                                               : NULL;
        if (entity != NULL) {
            text_append_string(out, entity);
            i++;
        } else {
            i += append_other(out, text + i, len - i);
        }
    }
}

static void append_attribute(struct text *out, const char *name, const char *value)
{
    text_printf(out, " %s=\"", name);
    append_xml(out, value, strlen(value));
    text_append_string(out, "\"");
}

static void append_counts(struct text *out, unsigned tests, unsigned failures, double seconds)
{
    text_printf(out, " tests=\"%u\" failures=\"%u\" errors=\"0\" skipped=\"0\" time=\"%.6f\"", tests, failures,
                seconds);
}

static void append_case(struct text *out, const struct test_report *report, const struct test_result *result)
{
    struct text failure = {0};
    text_append_string(out, "    <testcase");
    append_attribute(out, "name", result->test->settings.name);
    append_attribute(out, "classname", report->pipeline);
    append_attribute(out, "file", result->test->config->file);
    text_printf(out, " line=\"%u\" time=\"%.6f\"", result->test->node->line, result->outcome.seconds);
    if (result->passed) {
        text_append_string(out, "/>\n");
        return;
    }
    append_failure(&failure, result, "");
    text_append_string(out, ">\n      <failure type=\"difference\"");
    append_attribute(out, "message",
                     result->differences.count > 0 ? result->differences.items[0].where : result->outcome.failure);
    text_append_string(out, ">");
    append_xml(out, failure.bytes != NULL ? failure.bytes : "", failure.len);
    text_append_string(out, "</failure>\n    </testcase>\n");
    out->failed = out->failed || failure.failed;
    text_free(&failure);
}

/* The tests of one file, which stand together. */
static unsigned append_suite(struct text *out, const struct test_report *report, unsigned first)
{
    const struct test_result *results = report->results;
    unsigned end = first, failed = 0;
    double seconds = 0;
    for (; end < report->count && results[end].test->config == results[first].test->config; end++) {
        failed += !results[end].passed;
        seconds += results[end].outcome.seconds;
    }
    text_append_string(out, "  <testsuite");
    append_attribute(out, "name", results[first].test->config->file);
    append_counts(out, end - first, failed, seconds);
    text_append_string(out, ">\n");
    for (unsigned i = first; i < end; i++) {
        append_case(out, report, &results[i]);
    }
    text_append_string(out, "  </testsuite>\n");
    return end;
}

bool test_report_junit(FILE *out, const struct test_report *report)
{
    struct text text = {0};
    text_append_string(&text, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites");
    append_attribute(&text, "name", report->pipeline);
    append_counts(&text, report->count, report->failed, report->seconds);
    text_append_string(&text, ">\n");
    for (unsigned i = 0; i < report->count;) {
        i = append_suite(&text, report, i);
    }
    text_append_string(&text, "</testsuites>\n");
    return print(out, &text);
}
