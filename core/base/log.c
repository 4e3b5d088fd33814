#include "base/log.h"

#include "base/clock.h"
#include "base/printable.h"
#include <churn/time.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#define RECENT 16
#define REPEAT_MS 10000
#define LINE_SIZE 4096

/* The newest line of one component, to recognise its repeats. */
struct recent {
    char component[48];
    uint64_t hash;
    int64_t since_ms;
    unsigned repeats;
    int32_t level;
};

struct log {
    pthread_mutex_t lock;
    int fd;
    int32_t level;
    enum log_format format;
    struct recent recent[RECENT];
    unsigned next_recent;
    char status[256];
};

static const char *const level_names[] = {"", "ERROR", "WARN", "INFO", "DEBUG"};

struct log *log_new(int fd, int32_t level, enum log_format format)
{
    struct log *log = calloc(1, sizeof *log);
    if (log == NULL) {
        return NULL;
    }
    if (pthread_mutex_init(&log->lock, NULL) != 0) {
        free(log);
        return NULL;
    }
    log->fd = fd;
    log_configure(log, level, format);
    return log;
}

void log_configure(struct log *log, int32_t level, enum log_format format)
{
    log->level = level;
    log->format = format;
}

bool log_enabled(const struct log *log, int32_t level)
{
    return level <= log->level;
}

/* A log line that cannot be written has nowhere else to go, so a failure is not reported. */
static void write_all(int fd, const char *bytes, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, bytes, len);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return;
        }
        bytes += n;
        len -= (size_t)n;
    }
}

static void append_text_line(struct text *line, const char *time, int32_t level, const char *component,
                             const char *message)
{
    text_printf(line, "%s %-5s %s: ", time, level_names[level], component);
    for (; *message != '\0'; message++) { /* one event, one line: no control characters */
        text_append(line, (unsigned char)*message < 0x20 || *message == 0x7f ? " " : message, 1);
    }
    text_append(line, "\n", 1);
}

static void append_json_line(struct text *line, const char *time, int32_t level, const char *component,
                             const char *message)
{
    text_printf(line, "{\"time\":\"%s\",\"level\":\"%s\",\"component\":", time, level_names[level]);
    text_append_json(line, component, strlen(component));
    text_append(line, ",\"message\":", 11);
    text_append_json(line, message, strlen(message));
    text_append(line, "}\n", 2);
}

static void write_line(struct log *log, int32_t level, const char *component, const char *message)
{
    char time[CHURN_TIME_SIZE];
    struct text raw = {0}, line = {0};
    churn_time_format(clock_wall_ms(), time);
    (log->format == LOG_FORMAT_JSON ? append_json_line : append_text_line)(&raw, time, level, component, message);
    if (log->status[0] != '\0') {
        text_append(&line, "\r\033[K", 4);
    }
    (void)printable_append(&line, raw.bytes, raw.len, true);
    text_append(&line, log->status, strlen(log->status));
    if (!raw.failed && !line.failed) {
        write_all(log->fd, line.bytes, line.len);
    }
    text_free(&raw);
    text_free(&line);
}

static void tell_repeats(struct log *log, struct recent *recent)
{
    if (recent->repeats > 0) {
        char message[96];
        (void)snprintf(message, sizeof message, "(the line above came %u more time%s)", recent->repeats,
                       recent->repeats == 1 ? "" : "s");
        recent->repeats = 0;
        write_line(log, recent->level, recent->component, message);
    }
}

static struct recent *find_recent(struct log *log, const char *component)
{
    struct recent *slot;
    for (unsigned i = 0; i < RECENT; i++) {
        if (strncmp(log->recent[i].component, component, sizeof log->recent[i].component - 1) == 0) {
            return &log->recent[i];
        }
    }
    slot = &log->recent[log->next_recent++ % RECENT];
    tell_repeats(log, slot);
    *slot = (struct recent){0};
    (void)snprintf(slot->component, sizeof slot->component, "%.47s", component);
    return slot;
}

void log_line(struct log *log, int32_t level, const char *component, const char *message)
{
    if (!log_enabled(log, level)) {
        return;
    }
    (void)pthread_mutex_lock(&log->lock);
    struct recent *recent = find_recent(log, component);
    uint64_t hash = XXH3_64bits(message, strlen(message));
    int64_t now = clock_wall_ms();
    if (recent->hash == hash && now - recent->since_ms < REPEAT_MS && now >= recent->since_ms) {
        recent->repeats++;
    } else {
        tell_repeats(log, recent);
        recent->hash = hash;
        recent->since_ms = now;
        recent->level = level;
        write_line(log, level, component, message);
    }
    (void)pthread_mutex_unlock(&log->lock);
}

void log_printf(struct log *log, int32_t level, const char *component, const char *format, ...)
{
    char message[LINE_SIZE];
    va_list args;
    if (!log_enabled(log, level)) {
        return;
    }
    va_start(args, format);
    (void)vsnprintf(message, sizeof message, format, args);
    va_end(args);
    log_line(log, level, component, message);
}

void log_status(struct log *log, const char *text)
{
    char line[sizeof log->status + 8];
    struct text shown = {0};
    (void)pthread_mutex_lock(&log->lock);
    printable_append_line(&shown, text, strlen(text));
    (void)snprintf(log->status, sizeof log->status, "%.*s", (int)shown.len, shown.len > 0 ? shown.bytes : "");
    text_free(&shown);
    (void)snprintf(line, sizeof line, "\r\033[K%s", log->status);
    write_all(log->fd, line, strlen(line));
    (void)pthread_mutex_unlock(&log->lock);
}

int32_t log_level_parse(const char *text)
{
    for (int32_t level = CHURN_LOG_ERROR; level <= CHURN_LOG_DEBUG; level++) {
        if (strcasecmp(text, level_names[level]) == 0) {
            return level;
        }
    }
    return strcasecmp(text, "WARNING") == 0 ? CHURN_LOG_WARN : 0;
}

void log_free(struct log *log)
{
    if (log == NULL) {
        return;
    }
    for (unsigned i = 0; i < RECENT; i++) {
        tell_repeats(log, &log->recent[i]);
    }
    (void)pthread_mutex_destroy(&log->lock);
    free(log);
}
