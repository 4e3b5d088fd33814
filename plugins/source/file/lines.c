#include "lines.h"

#include <inttypes.h>
#include <stdlib.h>

#define READ_SIZE ((size_t)1024 * 1024)

int64_t lines_next(const struct lines *lines)
{
    return lines->begin + (int64_t)lines->next;
}

/* Is the line at `next` one to hand out? */
static bool is_wanted(const struct lines *lines)
{
    return !lines->skipping && lines_next(lines) >= lines->hand_from;
}

/* Hands out the line buffer[next, end). */
static void take_line(struct lines *lines, size_t end, churn_record *record)
{
    *record = (churn_record){.size = sizeof *record,
                             .kind = CHURN_RECORD_EVENT,
                             .value = {.ptr = lines->buffer + lines->next, .len = (uint32_t)(end - lines->next)},
                             .topic = lines->topic,
                             .offset = lines_next(lines)};
    lines->count++;
    lines->bytes += (int64_t)(end - lines->next) + 1;
}

/* Finds the next line end; its position is `used` when the buffer has none. */
static size_t find_line_end(struct lines *lines)
{
    size_t from = lines->searched > lines->next ? lines->searched : lines->next;
    const char *end = from < lines->used ? memchr(lines->buffer + from, '\n', lines->used - from) : NULL;
    lines->searched = end != NULL ? (size_t)(end - lines->buffer) : lines->used;
    return lines->searched;
}

/* A line that outgrew max_line, or at the very end one that nothing ends. */
static bool take_unfinished(struct lines *lines, bool ended, churn_record *record)
{
    size_t len = lines->used - lines->next;
    if (lines->skipping) {
        lines->next = lines->used;
        return false;
    }
    if (len >= (size_t)lines->max_line) {
        bool wanted = is_wanted(lines);
        if (wanted) {
            take_line(lines, lines->next + (size_t)lines->max_line, record);
        }
        lines->next = lines->used;
        lines->skipping = true;
        if (wanted) {
            churn_log(lines->host, CHURN_LOG_WARN,
                      "%s: the line at byte %" PRId64 " is longer than %" PRId64 " bytes and was cut", lines->path,
                      record->offset, lines->max_line);
        }
        return wanted;
    }
    if (ended && len > 0) {
        size_t end = lines->used - (lines->buffer[lines->used - 1] == '\r');
        bool taken = end > lines->next && is_wanted(lines);
        if (taken) {
            take_line(lines, end, record);
        }
        lines->next = lines->used;
        return taken;
    }
    return false;
}

uint32_t lines_take(struct lines *lines, bool ended, churn_record *records, uint32_t max)
{
    uint32_t count = 0;
    while (count < max) {
        size_t end = find_line_end(lines), text_end;
        if (end == lines->used) {
            count += take_unfinished(lines, ended, &records[count]);
            break;
        }
        text_end = end > lines->next && lines->buffer[end - 1] == '\r' ? end - 1 : end;
        if (is_wanted(lines) && text_end > lines->next) {
            take_line(lines, text_end, &records[count++]);
        }
        lines->skipping = false;
        lines->next = end + 1;
    }
    return count;
}

bool lines_reserve(struct lines *lines)
{
    size_t most = (size_t)lines->max_line + READ_SIZE, more = lines->room > 0 ? lines->room * 2 : READ_SIZE;
    char *grown;
    more = more < most ? more : most;
    if (lines->next > 0) {
        memmove(lines->buffer, lines->buffer + lines->next, lines->used - lines->next);
        lines->begin += (int64_t)lines->next;
        lines->used -= lines->next;
        lines->searched = lines->searched > lines->next ? lines->searched - lines->next : 0;
        lines->next = 0;
    }
    if (lines->used < lines->room) {
        return true;
    }
    grown = realloc(lines->buffer, more);
    if (grown == NULL) {
        return false;
    }
    lines->buffer = grown;
    lines->room = more;
    return true;
}

void lines_restart(struct lines *lines, int64_t begin, bool skipping)
{
    lines->begin = begin;
    lines->used = lines->next = lines->searched = 0;
    lines->skipping = skipping;
}

void lines_free(struct lines *lines)
{
    free(lines->buffer);
}
