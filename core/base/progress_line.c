#include "base/progress_line.h"

#include "base/clock.h"
#include "base/grouped.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define DRAW_MS 250       /* between two drawings on a terminal */
#define LOG_MS 10000      /* between two lines of the log */
#define SMOOTH_MS 5000    /* over which the rate is smoothed */
#define STILL_MS 2000     /* figures may come once a second: nothing new for so long is a rate of its own */
#define BAR_LEAST 10      /* columns of the bar, between its brackets */
#define BAR_MOST 40       /* … a longer one tells nothing more */
#define AROUND_BAR 4      /* … and of its brackets and spaces */
#define LEFT_MOST 8640000 /* seconds, 100 days: no forecast goes so far */
#define COLUMNS_UNTOLD 80

/* ---- the rate ---- */

/* Nothing was done so far. When the first of it was begun nobody knows, unless it took long. */
static bool waits(struct progress_rate *rate, int64_t passed, int64_t more)
{
    rate->moves = rate->since_ms != 0 && more > 0;
    return !rate->moves || passed < STILL_MS;
}

void progress_rate_note(struct progress_rate *rate, int64_t now_ms, int64_t done)
{
    int64_t passed = now_ms - rate->last_ms, more = done - rate->last_done, span;
    if (!rate->moves && waits(rate, passed, more)) {
        rate->since_ms = rate->last_ms = now_ms;
        rate->last_done = done;
        return;
    }
    if (passed <= 0 || (more <= 0 && passed < STILL_MS)) {
        return;
    }
    span = now_ms - rate->since_ms < SMOOTH_MS ? now_ms - rate->since_ms : SMOOTH_MS;
    double weight = passed < span ? (double)passed / (double)span : 1;
    double newest = more > 0 ? (double)more * 1000 / (double)passed : 0; /* what is read again makes it go back */
    rate->per_second += weight * (newest - rate->per_second);
    rate->last_ms = now_ms;
    rate->last_done = done;
}

/* ---- the text ---- */

/* As many columns as it has characters: all of them are as wide as one. */
static unsigned width_of(const char *text)
{
    unsigned width = 0;
    for (; *text != '\0'; text++) {
        width += ((unsigned char)*text & 0xc0) != 0x80;
    }
    return width;
}

static void cut(char *text, unsigned columns)
{
    for (unsigned width = 0; *text != '\0'; text++) {
        width += ((unsigned char)*text & 0xc0) != 0x80;
        if (width > columns) {
            *text = '\0';
            return;
        }
    }
}

/* It is all done only when it is: never 100 by rounding. */
static unsigned percent_of(const struct progress_view *view)
{
    if (view->done >= view->total) {
        return 100;
    }
    double share = view->done > 0 ? (double)view->done / (double)view->total * 100 : 0;
    return share < 99 ? (unsigned)share : 99;
}

static void append_left(const struct progress_view *view, char *out, size_t size)
{
    double left = view->per_second > 0 && view->done < view->total
                      ? ((double)view->total - (double)view->done) / view->per_second
                      : LEFT_MOST;
    int64_t seconds = left < LEFT_MOST ? (int64_t)(left + 0.5) : LEFT_MOST;
    if (seconds >= LEFT_MOST) {
        return;
    }
    size_t used = strlen(out);
    seconds = seconds > 0 ? seconds : 1;
    if (seconds < 60) {
        (void)snprintf(out + used, size - used, " · %" PRId64 " s left", seconds);
    } else if (seconds < 3600) {
        (void)snprintf(out + used, size - used, " · %" PRId64 " min %02" PRId64 " s left", seconds / 60, seconds % 60);
    } else if (seconds < 86400) {
        (void)snprintf(out + used, size - used, " · %" PRId64 " h %02" PRId64 " min left", seconds / 3600,
                       seconds / 60 % 60);
    } else {
        (void)snprintf(out + used, size - used, " · %" PRId64 " d %02" PRId64 " h left", seconds / 86400,
                       seconds / 3600 % 24);
    }
}

/* What is left out where there is little room, the least needed first. */
enum detail { DETAIL_ALL, DETAIL_NO_NOTE, DETAIL_NO_TOTAL, DETAIL_NO_COUNTS, DETAIL_NO_BAR, DETAIL_NO_RATE };

static void append_counts(const struct progress_view *view, enum detail detail, char *out, size_t size)
{
    char done[GROUPED_SIZE], total[GROUPED_SIZE];
    size_t used = strlen(out);
    if (view->unit == NULL) {
        return;
    }
    if (view->total < 0) {
        (void)snprintf(out + used, size - used, "%s %s", grouped(view->done, done), view->unit);
    } else if (detail < DETAIL_NO_TOTAL) {
        (void)snprintf(out + used, size - used, " · %s of %s %s", grouped(view->done, done),
                       grouped(view->total, total), view->unit);
    } else if (detail < DETAIL_NO_COUNTS) {
        (void)snprintf(out + used, size - used, " · %s %s", grouped(view->done, done), view->unit);
    }
}

static void append_rate(const struct progress_view *view, char *out, size_t size)
{
    char rate[GROUPED_SIZE];
    size_t used = strlen(out);
    int64_t whole = view->per_second < 1e15 ? (int64_t)(view->per_second + 0.5) : (int64_t)1e15;
    if (view->unit != NULL && view->per_second > 0) {
        (void)snprintf(out + used, size - used, " · %s/s", whole > 0 ? grouped(whole, rate) : "less than 1");
    }
}

static void append_note(const struct progress_view *view, char *out, size_t size)
{
    size_t used = strlen(out);
    if (view->note != NULL) {
        (void)snprintf(out + used, size - used, " · %s", view->note);
    }
}

/* What stands behind the bar. */
static void write_figures(const struct progress_view *view, enum detail detail, char *out, size_t size)
{
    out[0] = '\0';
    if (view->total >= 0) {
        (void)snprintf(out, size, "%u %%", percent_of(view));
    }
    append_counts(view, detail, out, size);
    if (detail < DETAIL_NO_RATE) {
        append_rate(view, out, size);
    }
    if (detail < DETAIL_NO_NOTE) {
        append_note(view, out, size);
    }
    if (view->total >= 0) {
        append_left(view, out, size);
    }
}

static void write_bar(const struct progress_view *view, unsigned width, char out[BAR_MOST + 1])
{
    unsigned full = percent_of(view) * width / 100;
    memset(out, ' ', width);
    memset(out, '=', full);
    if (full < width) {
        out[full] = '>';
    }
    out[width] = '\0';
}

void progress_line_text(const struct progress_view *view, unsigned columns, char out[PROGRESS_TEXT_SIZE])
{
    char figures[PROGRESS_TEXT_SIZE - 80], bar[BAR_MOST + 1];
    enum detail detail = DETAIL_ALL;
    unsigned name = width_of(view->what), width;
    bool has_bar = columns > 0 && view->total >= 0;
    struct progress_view sane = *view;
    sane.done = view->done < 0 ? 0 : view->total >= 0 && view->done > view->total ? view->total : view->done;
    for (;; detail++) {
        has_bar = has_bar && detail < DETAIL_NO_BAR;
        write_figures(&sane, detail, figures, sizeof figures);
        width = name + width_of(figures) + (has_bar ? AROUND_BAR + BAR_LEAST : 1);
        if (columns == 0 || width <= columns || detail == DETAIL_NO_RATE) {
            break;
        }
    }
    if (has_bar) {
        unsigned room = columns - width + BAR_LEAST;
        write_bar(&sane, room < BAR_MOST ? room : BAR_MOST, bar);
        (void)snprintf(out, PROGRESS_TEXT_SIZE, "%.32s [%s] %s", view->what, bar, figures);
    } else {
        (void)snprintf(out, PROGRESS_TEXT_SIZE, "%.32s %s", view->what, figures);
    }
    if (columns > 0) {
        cut(out, columns);
    }
}

/* ---- the terminal ---- */

static bool may_draw(void)
{
    const char *term = getenv("TERM"), *no_color = getenv("NO_COLOR");
    return isatty(STDERR_FILENO) == 1 && (term == NULL || strcmp(term, "dumb") != 0) &&
           (no_color == NULL || *no_color == '\0');
}

/* Whoever was sent to the background of a shell leaves its lines alone. */
static bool in_background(void)
{
    pid_t group = tcgetpgrp(STDERR_FILENO);
    return group >= 0 && group != getpgrp();
}

/* The last column stays free: some terminals go to the next line once it is written. */
static unsigned columns_to_use(void)
{
    struct winsize size = {0};
    unsigned columns = COLUMNS_UNTOLD;
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) {
        columns = size.ws_col;
    }
    return columns > 1 ? columns - 1 : 1;
}

/* ---- the line ---- */

void progress_line_begin(struct progress_line *line, struct log *log, const char *what, const char *unit, bool quiet)
{
    *line = (struct progress_line){.log = log, .what = what, .unit = unit, .shown_ms = clock_monotonic_ms()};
    line->mode = quiet ? PROGRESS_QUIET : may_draw() ? PROGRESS_TERMINAL : PROGRESS_LOG;
    progress_rate_note(&line->rate, line->shown_ms, 0);
}

bool progress_line_due(const struct progress_line *line)
{
    int64_t pause_ms = line->mode == PROGRESS_TERMINAL ? DRAW_MS : LOG_MS;
    return line->mode != PROGRESS_QUIET && clock_monotonic_ms() - line->shown_ms >= pause_ms;
}

void progress_line_show(struct progress_line *line, int64_t done, int64_t total, const char *note)
{
    char text[PROGRESS_TEXT_SIZE];
    if (!progress_line_due(line)) {
        return;
    }
    line->shown_ms = clock_monotonic_ms();
    progress_rate_note(&line->rate, line->shown_ms, done);
    const struct progress_view view = {.what = line->what,
                                       .unit = line->unit,
                                       .done = done,
                                       .total = total,
                                       .per_second = line->rate.per_second,
                                       .note = note};
    if (line->mode == PROGRESS_LOG) {
        progress_line_text(&view, 0, text);
        log_line(line->log, CHURN_LOG_INFO, "progress", text);
    } else if (in_background()) {
        log_status(line->log, "");
    } else {
        progress_line_text(&view, columns_to_use(), text);
        log_status(line->log, text);
    }
}

void progress_line_clear(struct progress_line *line)
{
    if (line->mode == PROGRESS_TERMINAL) {
        log_status(line->log, "");
    }
}

void progress_line_end(struct progress_line *line)
{
    progress_line_clear(line);
    line->mode = PROGRESS_QUIET;
}
