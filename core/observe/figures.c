#include "observe/figures.h"

#include <stdlib.h>

static bool add(struct figures *figures, const struct figure *figure)
{
    if (figures->count == figures->room) {
        uint32_t room = figures->room > 0 ? figures->room * 2 : 128;
        struct figure *items = realloc(figures->items, room * sizeof *items);
        if (items == NULL) {
            return false;
        }
        figures->items = items;
        figures->room = room;
    }
    figures->items[figures->count++] = *figure;
    return true;
}

/* What follows the labels' closing brace, which no quoted value holds; NULL: there is none. */
static const char *end_of_labels(const char *at, const char *end)
{
    bool quoted = false;
    for (; at < end && (quoted || *at != '}'); at++) {
        if (quoted && *at == '\\') {
            at++;
        } else if (*at == '"') {
            quoted = !quoted;
        }
    }
    return at < end ? at + 1 : NULL;
}

static churn_str between(const char *begin, const char *end)
{
    return (churn_str){.ptr = begin, .len = (uint32_t)(end - begin)};
}

/* NAME{LABELS} VALUE [TIME]; false where the line is none. */
static bool read_line(churn_str line, struct figure *ret)
{
    const char *at = line.ptr, *end = line.ptr + line.len;
    while (at < end && *at != '{' && *at != ' ') {
        at++;
    }
    *ret = (struct figure){.name = between(line.ptr, at), .labels = between(at, at)};
    if (at < end && *at == '{') {
        const char *behind = end_of_labels(at + 1, end);
        if (behind == NULL) {
            return false;
        }
        ret->labels = between(at + 1, behind - 1);
        at = behind;
    }
    while (at < end && *at == ' ') {
        at++;
    }
    ret->value = between(at, at);
    while (at < end && *at != ' ') {
        at++;
        ret->value.len++;
    }
    return ret->name.len > 0 && ret->name.ptr[0] != '#' && ret->value.len > 0;
}

bool figures_read(struct figures *figures, churn_str text)
{
    const char *at = text.ptr, *end = text.ptr + text.len;
    *figures = (struct figures){0};
    while (at < end) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        const char *line_end = newline != NULL ? newline : end;
        struct figure figure;
        if (read_line(between(at, line_end), &figure) && !add(figures, &figure)) {
            figures_free(figures);
            return false;
        }
        at = line_end + (newline != NULL);
    }
    return true;
}

void figures_free(struct figures *figures)
{
    free(figures->items);
    *figures = (struct figures){0};
}

/* ---- labels ---- */

/* One label of those that begin at *at, which is moved behind it; false at their end. */
static bool next_label(const char **at, const char *end, churn_str *ret_name, churn_str *ret_value)
{
    const char *begin = *at, *equals = memchr(begin, '=', (size_t)(end - begin)), *close;
    if (equals == NULL || end - equals < 2 || equals[1] != '"') {
        return false;
    }
    for (close = equals + 2; close < end && *close != '"'; close++) {
        close += *close == '\\' && close + 1 < end;
    }
    *ret_name = between(begin, equals);
    *ret_value = between(equals + 2, close);
    *at = close < end ? close + 1 : end;
    *at += *at < end && **at == ',';
    return true;
}

static void unescape(churn_str text, char *out, size_t size)
{
    size_t len = 0;
    for (uint32_t i = 0; i < text.len && len + 1 < size; i++) {
        char c = text.ptr[i];
        if (c == '\\' && i + 1 < text.len) {
            c = text.ptr[++i];
            c = c == 'n' ? '\n' : c;
        }
        out[len++] = c;
    }
    out[len] = '\0';
}

const char *figure_label(const struct figure *figure, const char *label, char *out, size_t size)
{
    const char *at = figure->labels.ptr, *end = at + figure->labels.len;
    churn_str name, value;
    *out = '\0';
    while (at < end && next_label(&at, end, &name, &value)) {
        if (str_equals(name, label)) {
            unescape(value, out, size);
            break;
        }
    }
    return out;
}

double figure_number(const struct figure *figure)
{
    char room[64];
    size_t len = figure->value.len < sizeof room - 1 ? figure->value.len : sizeof room - 1;
    memcpy(room, figure->value.ptr, len);
    room[len] = '\0';
    return strtod(room, NULL);
}

/* ---- looking ---- */

const struct figure *figures_next(const struct figures *figures, const char *name, const struct figure *after)
{
    for (uint32_t i = after != NULL ? (uint32_t)(after - figures->items) + 1 : 0; i < figures->count; i++) {
        if (str_equals(figures->items[i].name, name)) {
            return &figures->items[i];
        }
    }
    return NULL;
}

const struct figure *figures_find(const struct figures *figures, const char *name, const char *label, const char *value)
{
    char room[512];
    const struct figure *figure = figures_next(figures, name, NULL);
    while (figure != NULL && label != NULL && strcmp(figure_label(figure, label, room, sizeof room), value) != 0) {
        figure = figures_next(figures, name, figure);
    }
    return figure;
}

double figures_sum(const struct figures *figures, const char *name)
{
    double sum = 0;
    for (const struct figure *at = figures_next(figures, name, NULL); at != NULL;
         at = figures_next(figures, name, at)) {
        sum += figure_number(at);
    }
    return sum;
}
