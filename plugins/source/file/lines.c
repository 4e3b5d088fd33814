#include "lines.h"

#include "input.h"
#include <inttypes.h>
#include <stdlib.h>

/* Is the line at `next` one to hand out? */
static bool is_wanted(const struct file_source *s)
{
    return !s->skipping && s->buffer_offset + (int64_t)s->next >= s->hand_from;
}

/* Hands out the line buffer[next, end). */
static void take_line(struct file_source *s, size_t end, churn_record *record)
{
    *record = (churn_record){.size = sizeof *record,
                             .kind = CHURN_RECORD_EVENT,
                             .value = {.ptr = s->buffer + s->next, .len = (uint32_t)(end - s->next)},
                             .topic = s->topic,
                             .offset = s->buffer_offset + (int64_t)s->next};
    s->records++;
    s->line_bytes += (int64_t)(end - s->next) + 1;
}

/* Finds the next line end; its position is `used` when the buffer has none. */
static size_t find_line_end(struct file_source *s)
{
    size_t from = s->searched > s->next ? s->searched : s->next;
    const char *end = from < s->used ? memchr(s->buffer + from, '\n', s->used - from) : NULL;
    s->searched = end != NULL ? (size_t)(end - s->buffer) : s->used;
    return s->searched;
}

/* A line that outgrew max_line, or at the very end one that nothing ends. */
static bool take_unfinished(struct file_source *s, churn_record *record)
{
    size_t len = s->used - s->next;
    if (s->skipping) {
        s->next = s->used;
        return false;
    }
    if (len >= (size_t)s->max_line) {
        bool wanted = is_wanted(s);
        if (wanted) {
            take_line(s, s->next + (size_t)s->max_line, record);
        }
        s->next = s->used;
        s->skipping = true;
        if (wanted) {
            churn_log(s->host, CHURN_LOG_WARN,
                      "%s: the line at byte %" PRId64 " is longer than %" PRId64 " bytes and was cut", s->path,
                      record->offset, s->max_line);
        }
        return wanted;
    }
    if (s->at_end && len > 0 && !is_endless(s)) {
        size_t end = s->used - (s->buffer[s->used - 1] == '\r');
        bool taken = end > s->next && is_wanted(s);
        if (taken) {
            take_line(s, end, record);
        }
        s->next = s->used;
        return taken;
    }
    return false;
}

uint32_t take_lines(struct file_source *s, churn_record *records, uint32_t max)
{
    uint32_t count = 0;
    while (count < max) {
        size_t end = find_line_end(s), text_end;
        if (end == s->used) {
            count += take_unfinished(s, &records[count]);
            break;
        }
        text_end = end > s->next && s->buffer[end - 1] == '\r' ? end - 1 : end;
        if (is_wanted(s) && text_end > s->next) {
            take_line(s, text_end, &records[count++]);
        }
        s->skipping = false;
        s->next = end + 1;
    }
    return count;
}

bool reserve(struct file_source *s)
{
    size_t most = (size_t)s->max_line + READ_SIZE, more = s->room * 2 < most ? s->room * 2 : most;
    char *grown;
    if (s->next > 0) {
        memmove(s->buffer, s->buffer + s->next, s->used - s->next);
        s->buffer_offset += (int64_t)s->next;
        s->used -= s->next;
        s->searched = s->searched > s->next ? s->searched - s->next : 0;
        s->next = 0;
    }
    if (s->used < s->room) {
        return true;
    }
    grown = realloc(s->buffer, more);
    if (grown == NULL) {
        return false;
    }
    s->buffer = grown;
    s->room = more;
    return true;
}
