#include "cli/plugin_report.h"

#include "base/json_build.h"
#include <unistd.h>

#define MESSAGE_SIZE 1024

void plugin_report_line(struct plugin_check *check, struct json_object *line)
{
    if (dprintf(check->out, "%s\n", json_object_to_json_string_ext(line, JSON_C_TO_STRING_PLAIN)) < 0) {
        _exit(1); /* the parent is gone */
    }
    (void)json_object_put(line);
}

void plugin_report_stage(struct plugin_check *check, const char *stage)
{
    struct json_object *line = json_object_new_object();
    json_add_text(line, "stage", stage);
    plugin_report_line(check, line);
}

CHURN_PRINTF(4, 0)
static void find(struct plugin_check *check, const char *severity, const char *code, const char *format, va_list args)
{
    struct json_object *line = json_object_new_object(), *finding = json_object_new_object();
    char message[MESSAGE_SIZE];
    (void)vsnprintf(message, sizeof message, format, args);
    json_add_text(finding, "severity", severity);
    json_add_text(finding, "code", code);
    json_add_text(finding, "message", message);
    json_add(line, "finding", finding);
    plugin_report_line(check, line);
}

void plugin_report_error(struct plugin_check *check, const char *code, const char *format, ...)
{
    va_list args;
    check->errors++;
    va_start(args, format);
    find(check, "error", code, format, args);
    va_end(args);
}

void plugin_report_warning(struct plugin_check *check, const char *code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    find(check, "warning", code, format, args);
    va_end(args);
}

void plugin_report_note(struct plugin_check *check, const char *code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    find(check, "note", code, format, args);
    va_end(args);
}

void plugin_report_refused(struct plugin_check *check, const char *code, const char *message)
{
    size_t len = strlen(check->path);
    bool named = strncmp(message, check->path, len) == 0 && strncmp(message + len, ": ", 2) == 0;
    plugin_report_error(check, code, "%s", named ? message + len + 2 : message);
}
