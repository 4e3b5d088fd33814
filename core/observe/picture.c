#include "observe/picture.h"

#include <stdio.h>

/* In the units of the picture, which its width is 1000 of. */
#define WIDTH 1000
#define BOX 190 /* its width */
#define PAD 14
#define LINE 18
#define HEAD 48 /* a box without its lines */
#define FOOT 8
#define GAP 18 /* between boxes of a column */
#define MAX_LINES 4
#define MAX_SHOWN 25 /* characters of a name */

/* One box. `lines` are HTML. */
struct box {
    int x, y;
    const char *title, *kind;
    const char *stalled; /* what holds it up; NULL: nothing */
    struct text lines[MAX_LINES];
    unsigned count;
};

static int height_of(const struct box *box)
{
    return HEAD + (int)box->count * LINE + FOOT;
}

static int middle_of(const struct box *box)
{
    return box->y + height_of(box) / 2;
}

static void free_box(struct box *box)
{
    for (unsigned i = 0; i < MAX_LINES; i++) {
        text_free(&box->lines[i]);
    }
}

/* The next line of a box; its last one where it is full. */
static struct text *next_line(struct box *box)
{
    return &box->lines[box->count < MAX_LINES ? box->count++ : MAX_LINES - 1];
}

/* "1,234 WHAT", where there is such a sample; one that is 0 is left out where it is `optional`. */
static void add_figure(struct box *box, const struct view *view, const char *name, const char *label, const char *value,
                       const char *what, bool optional)
{
    const struct figure *sample = figures_find(view->now, name, label, value);
    if (sample != NULL && !(optional && figure_number(sample) == 0)) {
        struct text *line = next_line(box);
        view_append_number(line, sample->value);
        text_printf(line, " %s", what);
    }
}

static void add_sum(struct box *box, const struct view *view, const char *name, const char *what)
{
    double sum;
    char number[32];
    if (view_sum(view, name, &sum)) {
        struct text *line = next_line(box);
        (void)snprintf(number, sizeof number, "%.0f", sum);
        view_append_number(line, churn_text(number));
        text_printf(line, " %s", what);
    }
}

/* ---- drawing ---- */

static void append_name(struct text *out, const char *name)
{
    size_t len = strlen(name), shown = len;
    if (len > MAX_SHOWN) {
        for (shown = MAX_SHOWN - 1; shown > 0 && ((unsigned char)name[shown] & 0xC0) == 0x80; shown--) {
        }
    }
    text_append_html(out, name, shown);
    text_append_string(out, shown < len ? "…" : "");
}

static void draw_box(struct text *out, const struct box *box)
{
    text_printf(out, "<g class=\"box%s\"><rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" rx=\"10\"/>",
                box->stalled != NULL ? " stalled" : "", box->x, box->y, BOX, height_of(box));
    text_printf(out, "<text class=\"title\" x=\"%d\" y=\"%d\">", box->x + PAD, box->y + 23);
    append_name(out, box->title);
    text_printf(out, "</text><text class=\"kind\" x=\"%d\" y=\"%d\">", box->x + PAD, box->y + 40);
    if (box->stalled != NULL) {
        text_append_string(out, "⚠ stalled: ");
    }
    append_name(out, box->stalled != NULL ? box->stalled : box->kind);
    text_append_string(out, "</text>");
    for (unsigned i = 0; i < box->count; i++) {
        text_printf(out, "<text x=\"%d\" y=\"%d\">", box->x + PAD, box->y + HEAD + 12 + (int)i * LINE);
        text_append(out, box->lines[i].bytes, box->lines[i].len);
        text_append_string(out, "</text>");
    }
    text_append_string(out, "</g>");
}

/* A line from one box to another, with how fast the counter grows on the side of its end from which it does not come.
 */
static void draw_flow(const struct view *view, const struct box *from, const struct box *to, const char *name,
                      const char *label, const char *value)
{
    int x1 = from->x + BOX, y1 = middle_of(from), x2 = to->x - 7, y2 = middle_of(to), bend = (x1 + x2) / 2;
    text_printf(view->out, "<path class=\"flow\" d=\"M%d %dC%d %d %d %d %d %d\"/>", x1, y1, bend, y1, bend, y2, x2, y2);
    text_printf(view->out, "<path class=\"tip\" d=\"M%d %dl-8 -5v10z\"/>", x2 + 6, y2);
    text_printf(view->out, "<text class=\"rate\" x=\"%d\" y=\"%d\">", x2 + 4, y2 > y1 ? y2 + 19 : y2 - 9);
    view_append_rate(view, name, label, value);
    text_append_string(view->out, "</text>");
}

/* ---- the boxes ---- */

static const char *stalled_what(const struct view *view, const char *plugin, char *room, size_t size)
{
    char name[128];
    const struct figure *at = figures_next(view->now, "churnd_stalled", NULL);
    for (; at != NULL; at = figures_next(view->now, "churnd_stalled", at)) {
        if (figure_number(at) > 0 && strcmp(figure_label(at, "plugin", name, sizeof name), plugin) == 0) {
            return figure_label(at, "what", room, size);
        }
    }
    return NULL;
}

static void fill_source(struct box *box, const struct view *view)
{
    const struct figure *behind = figures_find(view->now, "churnd_source_lag_seconds", NULL, NULL);
    add_figure(box, view, "churnd_events_total", NULL, NULL, "events", false);
    add_sum(box, view, "churnd_source_lag_records", "records behind");
    if (behind != NULL && figure_number(behind) > 0) {
        struct text *line = next_line(box);
        view_append_duration(line, figure_number(behind));
        text_append_string(line, " behind");
    }
}

static void fill_workers(struct box *box, const struct view *view)
{
    text_printf(next_line(box), "%u event types", view->pipeline->catalog.type_count);
    if (view->pipeline->processor_count > 0) {
        text_printf(next_line(box), "%u processor%s", view->pipeline->processor_count,
                    view->pipeline->processor_count == 1 ? "" : "s");
    }
    add_figure(box, view, "churnd_events_applied_total", NULL, NULL, "counted", false);
    add_figure(box, view, "churnd_windows_in_flight", NULL, NULL, "in flight", false);
}

static void fill_store(struct box *box, const struct view *view)
{
    const struct figure *connected = figures_find(view->now, "churnd_store_connected", NULL, NULL);
    if (connected != NULL && figure_number(connected) == 0) {
        text_append_string(next_line(box), "not connected");
    }
    add_figure(box, view, "churnd_store_puts_total", NULL, NULL, "profiles written", false);
    add_figure(box, view, "churnd_store_conflicts_total", NULL, NULL, "conflicts", false);
    add_figure(box, view, "churnd_profiles_damaged", NULL, NULL, "damaged", true);
}

static void fill_sink(struct box *box, const struct view *view, const struct section *sink)
{
    add_figure(box, view, "churnd_sink_sent_total", "sink", sink->label, "sent", false);
    add_figure(box, view, "churnd_sink_waiting_records", "sink", sink->label, "wait", true);
    if (sink->input == CHURN_RECORD_TRIGGER) {
        const struct figure *open = figures_find(view->now, "churnd_prediction_breaker_open", "sink", sink->label);
        add_figure(box, view, "churnd_predictions_waiting", NULL, NULL, "triggers wait", false);
        if (open != NULL) {
            text_append_string(next_line(box), figure_number(open) > 0 ? "breaker open" : "breaker closed");
        }
    }
    add_figure(box, view, "churnd_sink_dropped_total", "sink", sink->label, "dropped", true);
}

static const char *kind_of(const struct pipeline *pipeline, const struct section *sink)
{
    return pipeline_is_dead_letters(pipeline, sink) ? "dead letters" : settings_input_name(sink->input);
}

/* ---- the whole ---- */

#define COLUMN(n) ((n) * (WIDTH - BOX) / 3)

/* The pipeline's sinks but for the dead letters', one below another; returns their height. */
static int place_sinks(const struct view *view, struct box *boxes, char stalled[][64])
{
    const struct pipeline *pipeline = view->pipeline;
    int y = 0;
    for (unsigned i = 0; i < pipeline->sink_count; i++) {
        const struct section *sink = &pipeline->sinks[i];
        struct box *box = &boxes[i];
        bool letters = pipeline_is_dead_letters(pipeline, sink);
        *box = (struct box){.x = COLUMN(letters ? 2 : 3), .title = sink->label, .kind = kind_of(pipeline, sink)};
        box->stalled = stalled_what(view, sink->label, stalled[i], sizeof stalled[i]);
        fill_sink(box, view, sink);
        if (!letters) {
            box->y = y;
            y += height_of(box) + GAP;
        }
    }
    return y > 0 ? y - GAP : 0;
}

static void draw_sinks(const struct view *view, const struct box *boxes, const struct box *workers,
                       const struct box *store)
{
    const struct pipeline *pipeline = view->pipeline;
    for (unsigned i = 0; i < pipeline->sink_count; i++) {
        bool letters = pipeline_is_dead_letters(pipeline, &pipeline->sinks[i]);
        draw_flow(view, letters || store == NULL ? workers : store, &boxes[i], "churnd_sink_sent_total", "sink",
                  pipeline->sinks[i].label);
        draw_box(view->out, &boxes[i]);
    }
}

static int larger(int a, int b)
{
    return a > b ? a : b;
}

/* The boxes of a picture, and what the sinks are stalled by. */
struct picture {
    struct box source, workers, store, sinks[PIPELINE_MAX_SINKS + 1];
    char source_stalled[64], store_stalled[64], stalled[PIPELINE_MAX_SINKS + 1][64], workers_title[32];
    bool stores;
    int height;
};

static void fill_main(struct picture *picture, const struct view *view)
{
    const struct pipeline *pipeline = view->pipeline;
    int64_t workers = pipeline->settings.workers;
    (void)snprintf(picture->workers_title, sizeof picture->workers_title, "%lld worker%s", (long long)workers,
                   workers == 1 ? "" : "s");
    picture->source = (struct box){.x = COLUMN(0), .title = pipeline->source.label, .kind = "source"};
    picture->source.stalled =
        stalled_what(view, pipeline->source.label, picture->source_stalled, sizeof picture->source_stalled);
    picture->workers = (struct box){.x = COLUMN(1), .title = picture->workers_title, .kind = "decode, count"};
    fill_source(&picture->source, view);
    fill_workers(&picture->workers, view);
    if (picture->stores) {
        picture->store = (struct box){.x = COLUMN(2), .title = pipeline->store.label, .kind = "store"};
        picture->store.stalled =
            stalled_what(view, pipeline->store.label, picture->store_stalled, sizeof picture->store_stalled);
        fill_store(&picture->store, view);
    }
}

/* Source, workers and store side by side, their middles at one height; the dead letters below, at the bottom. */
static void place_main(struct picture *picture, const struct pipeline *pipeline, int sinks_height)
{
    struct box *letters = pipeline->has_dead_letters ? &picture->sinks[pipeline->sink_count - 1] : NULL;
    int letters_height = letters != NULL ? height_of(letters) + GAP : 0;
    int row = larger(larger(height_of(&picture->source), height_of(&picture->workers)),
                     picture->stores ? height_of(&picture->store) : 0);
    picture->height = larger(sinks_height, row + letters_height);
    for (size_t i = 0; i < 3; i++) {
        struct box *box = (struct box *[]){&picture->source, &picture->workers, &picture->store}[i];
        box->y = (picture->height - letters_height - height_of(box)) / 2;
    }
    if (letters != NULL) {
        letters->y = picture->height - letters_height + GAP;
    }
}

static void draw(const struct picture *picture, const struct view *view)
{
    text_printf(view->out,
                "<svg viewBox=\"-2 -2 %d %d\" role=\"img\" aria-label=\"Source, workers, store and sinks of the "
                "pipeline; the tables below have the same figures\">",
                WIDTH + 4, picture->height + 4);
    draw_flow(view, &picture->source, &picture->workers, "churnd_events_total", NULL, NULL);
    draw_box(view->out, &picture->source);
    if (picture->stores) {
        draw_flow(view, &picture->workers, &picture->store, "churnd_store_puts_total", NULL, NULL);
        draw_box(view->out, &picture->store);
    }
    draw_sinks(view, picture->sinks, &picture->workers, picture->stores ? &picture->store : NULL);
    draw_box(view->out, &picture->workers);
    text_append_string(view->out, "</svg>");
}

void picture_append(const struct view *view)
{
    struct picture picture = {.stores = view->pipeline->store.loaded != NULL};
    int sinks_height = place_sinks(view, picture.sinks, picture.stalled);
    fill_main(&picture, view);
    place_main(&picture, view->pipeline, sinks_height);
    draw(&picture, view);
    for (unsigned i = 0; i < view->pipeline->sink_count; i++) {
        free_box(&picture.sinks[i]);
    }
    free_box(&picture.source);
    free_box(&picture.workers);
    free_box(&picture.store);
}
