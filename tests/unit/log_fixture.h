/* A log in a file of its own, whose lines a test reads without their times. */
#ifndef TESTS_UNIT_LOG_FIXTURE_H
#define TESTS_UNIT_LOG_FIXTURE_H

#include "core/base/json_text.h"
#include "core/base/log.h"

#include "check.h"
#include <unistd.h>

#define LOG_TIME_LEN (sizeof "2026-01-01T00:00:00.000Z " - 1)

static FILE *log_file;
static long logged; /* bytes that were read */

/* From INFO on; it is freed before log_closed is called. */
static inline struct log *log_open(void)
{
    log_file = tmpfile();
    if (log_file == NULL) {
        abort();
    }
    logged = 0;
    return log_new(fileno(log_file), CHURN_LOG_INFO, LOG_FORMAT_TEXT);
}

static inline void log_closed(void)
{
    (void)fclose(log_file);
}

/* What was logged so far is not read. */
static inline void log_pass_over(void)
{
    logged = (long)lseek(fileno(log_file), 0, SEEK_END);
}

/* Appends the lines since the last call. */
static inline void log_read(struct text *out)
{
    char text[8192], *line = text;
    ssize_t got = pread(fileno(log_file), text, sizeof text - 1, logged);
    text[got > 0 ? got : 0] = '\0';
    logged += got > 0 ? got : 0;
    for (char *end; (end = strchr(line, '\n')) != NULL; line = end + 1) {
        text_append(out, line + LOG_TIME_LEN, (size_t)(end + 1 - line) - LOG_TIME_LEN);
    }
}

/* Exactly this was logged since the last call. */
static inline void check_logged(const char *expected, const char *when)
{
    struct text text = {0};
    log_read(&text);
    text_append(&text, "", 1);
    check_text(text.bytes, expected, when);
    text_free(&text);
}

#endif
