#include "audit/verify.h"

#include "base/refuse.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

struct verify {
    const struct key *key;
    const struct verify_ends *ends;
    verify_fault_fn fault;
    void *ctx;
    struct verify_report *report;
    const char *path;
    int64_t line;         /* of that file */
    struct chain_head at; /* the last good line */
    int64_t bad;          /* lines since then that nobody with the key wrote */
    bool begun, met;      /* a good line was read; `must` was found */
};

CHURN_PRINTF(2, 3) static void tell(struct verify *v, const char *format, ...)
{
    char text[TRAIL_MESSAGE_SIZE], where[TRAIL_MESSAGE_SIZE + 64];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    (void)snprintf(where, sizeof where, v->line > 0 ? "%s:%" PRId64 ": %s" : "%s: %.0" PRId64 "%s", v->path, v->line,
                   text);
    v->report->faults++;
    v->fault(v->ctx, where);
}

/* "line 3 is" or "lines 3 to 5 are". */
static void tell_missing(struct verify *v, int64_t from, int64_t to, const char *where)
{
    if (from == to) {
        tell(v, "line number %" PRId64 " is missing%s", from, where);
    } else {
        tell(v, "lines number %" PRId64 " to %" PRId64 " are missing%s", from, to, where);
    }
}

/* The first good line. Lines that were changed may stand before it. */
static void begin(struct verify *v, const struct chain_head *read, const char *prev)
{
    const struct chain_head *from = &v->ends->from;
    int64_t missing = read->number - v->bad - 1 - from->number;
    char where[256];
    v->begun = true;
    v->report->first = read->number;
    if (missing > 0) {
        (void)snprintf(where, sizeof where,
                       " before this one, which goes on from %" PRId64 ":%.12s…; name the older files behind `verify`, "
                       "or by --from where those end that are kept elsewhere",
                       read->number - 1, prev);
        tell_missing(v, from->number + 1, from->number + missing, v->bad > 0 ? " before these" : where);
    } else if (read->number <= from->number) {
        tell(v, "line number %" PRId64 " is one of those before the given start", read->number);
    } else if (v->bad == 0 && strncmp(prev, from->mac, strlen(from->mac)) != 0) {
        tell(v, "line number %" PRId64 " goes on from another line than the given start", read->number);
    }
}

/* A line whose hash is right: whether it stands where it was written. */
static void follow(struct verify *v, const struct chain_head *read, const char *prev)
{
    int64_t next = v->at.number + 1;
    if (read->number < next) {
        tell(v, "line number %" PRId64 " was put here from elsewhere", read->number);
        return;
    }
    if (read->number > next + v->bad) {
        tell_missing(v, next + v->bad, read->number - 1, " before this one");
    } else if (v->bad == 0 && strcmp(prev, v->at.mac) != 0) {
        tell(v, "line number %" PRId64 " goes on from another line than the one before it", read->number);
    }
    v->at = *read;
    v->bad = 0;
}

static void look_for_must(struct verify *v, const struct chain_head *read)
{
    if (read->number == v->ends->must.number && v->ends->must.number > 0) {
        v->met = strncmp(read->mac, v->ends->must.mac, strlen(v->ends->must.mac)) == 0;
        if (!v->met) {
            tell(v, "line number %" PRId64 " is another one than the given head names", read->number);
            v->met = true; /* told */
        }
    }
}

static void take_line(struct verify *v, churn_str line)
{
    struct chain_head read;
    char prev[CHAIN_MAC_LEN + 1];
    v->line++;
    v->report->lines++;
    if (!chain_read(v->key, line, &read, prev)) {
        tell(v, "this line was changed or put in: its hash is not its own");
        v->bad++;
        return;
    }
    look_for_must(v, &read);
    if (v->begun) {
        follow(v, &read, prev);
    } else {
        begin(v, &read, prev);
        v->at = read;
        v->bad = 0;
    }
}

static void take_file(struct verify *v, FILE *in)
{
    char *line = NULL;
    size_t room = 0;
    ssize_t len;
    v->line = 0;
    while ((len = getline(&line, &room, in)) > 0) {
        if (line[len - 1] == '\n') {
            take_line(v, (churn_str){.ptr = line, .len = (uint32_t)(len - 1)});
        } else {
            v->line++;
            tell(v, "this line, the last one, is not whole");
        }
    }
    free(line);
}

static void check_end(struct verify *v)
{
    const struct chain_head *head = &v->ends->head;
    v->line = 0;
    if (head->number > v->at.number + v->bad) {
        tell_missing(v, v->at.number + v->bad + 1, head->number, " at the end");
    } else if (v->begun && head->number == v->at.number && v->bad == 0 && head->number > 0 &&
               strcmp(head->mac, v->at.mac) != 0) {
        tell(v, "its last line is another one than its head names");
    }
    if (v->ends->must.number > 0 && !v->met && v->ends->must.number > v->at.number) {
        tell_missing(v, v->at.number + v->bad + 1, v->ends->must.number, " at the end, says the given head");
    } else if (v->ends->must.number > 0 && !v->met) {
        tell(v, "line number %" PRId64 ", which the given head names, is not among these", v->ends->must.number);
    }
    if (v->report->lines > 0 && v->report->faults >= v->report->lines && !v->begun) {
        tell(v, "no line of it fits the key: was it written with another one?");
    }
}

bool verify_files(const char *const *paths, unsigned count, const struct key *key, const struct verify_ends *ends,
                  verify_fault_fn fault, void *ctx, struct verify_report *ret, char *message, size_t size)
{
    struct verify v = {.key = key,
                       .ends = ends,
                       .fault = fault,
                       .ctx = ctx,
                       .report = ret,
                       .at = ends->from.number > 0 ? ends->from : chain_begin()};
    *ret = (struct verify_report){0};
    for (unsigned i = 0; i < count; i++) {
        FILE *in = fopen(paths[i], "re");
        bool bad;
        v.path = paths[i];
        if (in == NULL) {
            return refuse(message, size, "the audit '%s' cannot be read: %s", paths[i], strerror(errno));
        }
        take_file(&v, in);
        bad = ferror(in) != 0;
        (void)fclose(in);
        if (bad) {
            return refuse(message, size, "the audit '%s' cannot be read", paths[i]);
        }
    }
    check_end(&v);
    ret->last = v.at;
    return true;
}
