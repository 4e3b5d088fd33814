/* What the child that judges a plugin's file tells its parent, line by line: what it does and finds. */
#ifndef PLUGIN_REPORT_H
#define PLUGIN_REPORT_H

#include "base/log.h"
#include "plugin/loader.h"

struct json_object;

/* One file, as the child sees it. */
struct plugin_check {
    int out; /* to the parent: a JSON object a line */
    const char *path;
    struct loader *loader;
    struct log *log;
    const char *const *options; /* NAME=VALUE */
    unsigned option_count;
    unsigned errors;
};

/* One line; puts it. */
void plugin_report_line(struct plugin_check *check, struct json_object *line);

/* What is done next, such as "opening it": a crash or a hang is put down to it. */
void plugin_report_stage(struct plugin_check *check, const char *stage);

/* A finding; an error makes the plugin bad. The message says what to do and does not name the file. */
CHURN_PRINTF(3, 4) void plugin_report_error(struct plugin_check *check, const char *code, const char *format, ...);
CHURN_PRINTF(3, 4) void plugin_report_warning(struct plugin_check *check, const char *code, const char *format, ...);
/* Something worth telling of a good plugin. */
CHURN_PRINTF(3, 4) void plugin_report_note(struct plugin_check *check, const char *code, const char *format, ...);

/* A message that others made for the file: its name in front is left out. */
void plugin_report_refused(struct plugin_check *check, const char *code, const char *message);

#endif
