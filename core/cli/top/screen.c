#define NCURSES_WIDECHAR 1
#define NCURSES_NOMACROS 1

#include "cli/top/screen.h"

#include "base/printable.h"
#include <curses.h>
#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <unistd.h>
#include <wchar.h>

#define COLUMN_WIDTH 58 /* that rows get beside each other where there is room */
#define VALUE_WIDTH 12
#define RATE_WIDTH 12
#define MARGIN 2 /* between columns */

struct top_screen {
    FILE *in, *out; /* ours: the streams of the process change what is written */
    SCREEN *handle;
    int scrolled; /* lines, where there is no room for all */
    int hidden;   /* lines below the newest drawing's end */
};

/* NULL when there is none. */
static FILE *stream_of(int fd, const char *mode)
{
    int own = dup(fd);
    FILE *stream = own >= 0 ? fdopen(own, mode) : NULL;
    if (own >= 0 && stream == NULL) {
        (void)close(own);
    }
    return stream;
}

struct top_screen *top_screen_open(char *message, size_t size)
{
    struct top_screen *screen = calloc(1, sizeof *screen);
    const char *terminal = getenv("TERM");
    (void)setlocale(LC_CTYPE, ""); /* how wide a character is */
    if (screen != NULL) {
        screen->in = stream_of(STDIN_FILENO, "r");
        screen->out = stream_of(STDOUT_FILENO, "w");
        if (screen->in != NULL && screen->out != NULL && terminal != NULL) {
            screen->handle = newterm(NULL, screen->out, screen->in);
        }
    }
    if (screen == NULL || screen->handle == NULL) {
        (void)snprintf(message, size, "the terminal '%s' (TERM) is not known here; --once prints lines",
                       terminal != NULL ? terminal : "");
        top_screen_close(screen);
        return NULL;
    }
    if (tigetstr("cup") == NULL) { /* nothing can be put anywhere */
        (void)snprintf(message, size, "the terminal '%s' (TERM) can only print line after line; --once prints lines",
                       terminal);
        top_screen_close(screen);
        return NULL;
    }
    (void)cbreak();
    (void)noecho();
    (void)nodelay(stdscr, TRUE);
    (void)keypad(stdscr, TRUE);
    (void)curs_set(0);
    return screen;
}

void top_screen_close(struct top_screen *screen)
{
    if (screen == NULL) {
        return;
    }
    if (screen->handle != NULL) {
        (void)endwin();
        delscreen(screen->handle);
    }
    if (screen->in != NULL) {
        (void)fclose(screen->in);
    }
    if (screen->out != NULL) {
        (void)fclose(screen->out);
    }
    free(screen);
}

/* ---- text on it ---- */

/* Puts as much of a text as fits `width` columns, from the place on; to the right of them if `right`. */
static void put(int y, int x, int width, bool right, const char *text, size_t len)
{
    wchar_t fitting[512];
    size_t count = 0, used = 0;
    int columns = 0;
    mbstate_t state = {0};
    while (used < len && count < sizeof fitting / sizeof fitting[0] - 1) {
        wchar_t c;
        size_t n = mbrtowc(&c, text + used, len - used, &state);
        int wide;
        if (n == (size_t)-1 || n == (size_t)-2 || n == 0) {
            c = L'?'; /* the terminal's locale does not have it */
            n = 1;
            state = (mbstate_t){0};
        }
        wide = wcwidth(c);
        if (columns + (wide > 0 ? wide : 0) > width) {
            break;
        }
        if (wide >= 0) {
            fitting[count++] = c;
            columns += wide;
        }
        used += n;
    }
    fitting[count] = L'\0';
    if (count > 0) {
        (void)mvaddwstr(y, right ? x + width - columns : x, fitting);
    }
}

static void put_text(int y, int x, int width, bool right, const char *text)
{
    struct text plain = {0};
    printable_append_line(&plain, text, strlen(text));
    if (!plain.failed && width > 0) {
        put(y, x, width, right, plain.bytes, plain.len);
    }
    text_free(&plain);
}

/* ---- the parts ---- */

static int smaller(int a, int b)
{
    return a < b ? a : b;
}

static void draw_head(const struct top_model *model, const struct top_status *status)
{
    char line[512];
    (void)snprintf(line, sizeof line, "%s  %s  %s%s", *model->pipeline != '\0' ? model->pipeline : "churnd",
                   status->problem != NULL ? "no answer"
                   : *model->state != '\0' ? model->state
                                           : "waiting",
                   status->url, status->paused ? "  (paused)" : "");
    (void)attron(A_REVERSE);
    (void)mvhline(0, 0, ' ', COLS);
    put_text(0, 1, COLS - 2, false, line);
    (void)attroff(A_REVERSE);
}

/* What keeps events from moving, first; returns the next free line. */
static int draw_troubles(const struct top_model *model, const struct top_status *status, int most)
{
    const struct text *troubles = &model->troubles;
    const char *at = troubles->len > 0 ? troubles->bytes : "", *end = at + troubles->len, *line_end;
    int y = 1;
    (void)attron(A_BOLD);
    if (status->problem != NULL && y < most) {
        put_text(y++, 1, COLS - 2, false, status->problem);
    }
    while (y < most && at < end && (line_end = memchr(at, '\n', (size_t)(end - at))) != NULL) {
        put(y++, 1, COLS - 2, false, at, (size_t)(line_end - at));
        at = line_end + 1;
    }
    (void)attroff(A_BOLD);
    return y;
}

static void draw_row(const struct top_row *row, int y, int x, int width)
{
    bool has_rate = width >= VALUE_WIDTH + RATE_WIDTH + 16;
    int figures = smaller(width / 2, VALUE_WIDTH) + (has_rate ? RATE_WIDTH : 0), name = width - figures - 1;
    put_text(y, x, name, false, row->name);
    put_text(y, x + name + 1, smaller(width / 2, VALUE_WIDTH), true, row->value);
    if (has_rate && !isnan(row->rate)) {
        char rate[32];
        (void)snprintf(rate, sizeof rate, "%.*f/s", row->rate < 100 ? 1 : 0, row->rate);
        put_text(y, x + width - RATE_WIDTH, RATE_WIDTH, true, rate);
    }
}

/* How many lines the rows take: each, and its group's name. */
static int count_lines(const struct top_model *model)
{
    int lines = 0;
    for (uint32_t i = 0; i < model->count; i++) {
        lines += 1 + (i == 0 || strcmp(model->rows[i].group, model->rows[i - 1].group) != 0);
    }
    return lines;
}

/* Where on the screen a line of the rows stands. */
struct area {
    int top, height; /* of the columns */
    int columns, width;
    int first; /* line that is shown */
};

/* False when it is not on the screen. */
static bool place(const struct area *area, int line, int *ret_y, int *ret_x)
{
    int shown = line - area->first;
    *ret_y = area->top + (area->height > 0 ? shown % area->height : 0);
    *ret_x = 1 + (area->height > 0 ? shown / area->height : 0) * (area->width + MARGIN);
    return shown >= 0 && shown < area->height * area->columns;
}

static void draw_rows(const struct top_model *model, const struct area *area)
{
    int line = 0, y, x;
    for (uint32_t i = 0; i < model->count; i++) {
        const struct top_row *row = &model->rows[i];
        bool begins = i == 0 || strcmp(row->group, model->rows[i - 1].group) != 0;
        if (begins && place(area, line++, &y, &x)) {
            (void)attron(A_UNDERLINE);
            put_text(y, x, area->width, false, row->group);
            (void)attroff(A_UNDERLINE);
        }
        if (place(area, line++, &y, &x)) {
            draw_row(row, y, x + 1, area->width - 1);
        }
    }
}

static void draw_foot(const struct top_screen *screen, const struct top_status *status)
{
    char line[160];
    (void)snprintf(line, sizeof line, "q quit  p %s  +/- every %g s%s", status->paused ? "go on" : "pause",
                   (double)status->interval_ms / 1000,
                   screen->hidden > 0 || screen->scrolled > 0 ? "  arrows: more" : "");
    put_text(LINES - 1, 1, COLS - 2, false, line);
}

void top_screen_draw(struct top_screen *screen, const struct top_model *model, const struct top_status *status)
{
    struct area area;
    int lines = count_lines(model);
    (void)erase();
    draw_head(model, status);
    area.top = draw_troubles(model, status, LINES / 2);
    area.height = LINES - 1 - area.top > 0 ? LINES - 1 - area.top : 0;
    area.columns = (COLS - 2 + MARGIN) / (COLUMN_WIDTH + MARGIN);
    area.columns = area.columns < 1 ? 1 : area.columns;
    area.width = (COLS - 2 + MARGIN) / area.columns - MARGIN;
    screen->hidden = lines - area.height * area.columns;
    screen->scrolled = screen->hidden > 0 ? smaller(screen->scrolled, screen->hidden) : 0;
    area.first = screen->scrolled;
    screen->hidden -= screen->scrolled;
    draw_rows(model, &area);
    draw_foot(screen, status);
    (void)refresh();
}

/* ---- keys ---- */

static enum top_key scroll_by(struct top_screen *screen, int lines)
{
    screen->scrolled = screen->scrolled + lines > 0 ? screen->scrolled + lines : 0;
    return TOP_KEY_REDRAW;
}

enum top_key top_screen_key(struct top_screen *screen)
{
    int key = getch();
    switch (key) {
    case ERR:
        return TOP_KEY_NONE;
    case 'q':
    case 'Q':
        return TOP_KEY_QUIT;
    case 'p':
    case ' ':
        return TOP_KEY_PAUSE;
    case '+':
        return TOP_KEY_FASTER;
    case '-':
        return TOP_KEY_SLOWER;
    case KEY_DOWN:
    case 'j':
        return scroll_by(screen, 1);
    case KEY_UP:
    case 'k':
        return scroll_by(screen, -1);
    case KEY_NPAGE:
        return scroll_by(screen, LINES / 2);
    case KEY_PPAGE:
        return scroll_by(screen, -LINES / 2);
    default:
        return TOP_KEY_REDRAW;
    }
}
