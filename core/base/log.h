/* Structured log lines on standard error, as text or JSON. One object for the process, made by main. */
#ifndef LOG_H
#define LOG_H

#include <churn/host.h>
#include <stdbool.h>

enum log_format { LOG_FORMAT_TEXT, LOG_FORMAT_JSON };

struct log;

/* Writes to `fd`, which stays the caller's. NULL when memory ran out. */
struct log *log_new(int fd, int32_t level, enum log_format format);
/* Tells of suppressed repeats and frees. */
void log_free(struct log *log);

/* May be called before other threads exist. */
void log_configure(struct log *log, int32_t level, enum log_format format);
bool log_enabled(const struct log *log, int32_t level);

/* One line: `component` names the plugin or part that speaks. A line that repeats the newest line of its component
 * within ten seconds is counted instead of written, and the count told later. [any] */
void log_line(struct log *log, int32_t level, const char *component, const char *message);
CHURN_PRINTF(4, 5) void log_printf(struct log *log, int32_t level, const char *component, const char *format, ...);

/* Text that stays on the terminal's last line until the next call ("" removes it); log lines appear above it. [any] */
void log_status(struct log *log, const char *text);

/* "debug", "INFO", … to CHURN_LOG_…; 0 for any other text. */
int32_t log_level_parse(const char *text);

#endif
