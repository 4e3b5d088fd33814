/* The plot of a load test: both axes logarithmic, a line for each percentile, a bar where the lag begins to grow. */
#include "cli/load/report.h"

#include "base/grouped.h"
#include "base/printable.h"
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define WIDTH 760
#define HEIGHT 440
#define LEFT 70
#define RIGHT 650 /* the names of the lines stand right of it */
#define TOP 50
#define BOTTOM 390

struct line {
    double percent;
    const char *name, *color;
};

static const struct line lines[] = {
    {50, "p50", "#0072b2"}, {90, "p90", "#009e73"}, {99, "p99", "#e69f00"}, {100, "max", "#d55e00"}};

#define LINES (sizeof lines / sizeof lines[0])

/* From what to what the axes go. */
struct axes {
    double least_rate, most_rate, least_ms, most_ms;
};

static double ms_of(const struct step *step, double percent)
{
    int64_t ms = step_percentile(step, percent);
    return ms < 1 ? 1 : (double)ms;
}

static struct axes axes_of(const struct load_result *result)
{
    struct axes axes = {.least_rate = 1e300, .least_ms = 1e300};
    for (size_t i = 0; i < result->count; i++) {
        const struct step *step = &result->steps[i];
        axes.least_rate = fmin(axes.least_rate, (double)step->rate);
        axes.most_rate = fmax(axes.most_rate, (double)step->rate);
        axes.least_ms = fmin(axes.least_ms, ms_of(step, 50));
        axes.most_ms = fmax(axes.most_ms, ms_of(step, 100));
    }
    axes.least_ms = pow(10, floor(log10(axes.least_ms)));
    axes.most_ms = pow(10, ceil(log10(axes.most_ms)));
    axes.most_ms = axes.most_ms > axes.least_ms ? axes.most_ms : axes.least_ms * 10;
    return axes;
}

static double x_of(const struct axes *axes, double rate)
{
    double span = log(axes->most_rate) - log(axes->least_rate);
    return span <= 0 ? (LEFT + RIGHT) / 2.0
                     : LEFT + 20 + (RIGHT - LEFT - 40) * (log(rate) - log(axes->least_rate)) / span;
}

static double y_of(const struct axes *axes, double ms)
{
    return BOTTOM - (BOTTOM - TOP) * (log(ms) - log(axes->least_ms)) / (log(axes->most_ms) - log(axes->least_ms));
}

/* In XML, whose characters a name could hold. */
static void put_text(FILE *out, const char *text)
{
    for (; *text != '\0'; text++) {
        const char *as = *text == '&' ? "&amp;" : *text == '<' ? "&lt;" : *text == '>' ? "&gt;" : NULL;
        if (as != NULL) {
            (void)fputs(as, out);
        } else {
            (void)fputc((unsigned char)*text < 0x20 ? ' ' : *text, out);
        }
    }
}

static void put_head(FILE *out, const struct load_result *result)
{
    (void)fprintf(out,
                  "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%d\" height=\"%d\" "
                  "font-family=\"sans-serif\" font-size=\"12\">\n"
                  "<title>Latency from produce to profile</title>\n"
                  "<rect width=\"100%%\" height=\"100%%\" fill=\"#fff\"/>\n"
                  "<text x=\"%d\" y=\"24\" font-size=\"15\">Latency from produce to profile: ",
                  WIDTH, HEIGHT, WIDTH, HEIGHT, LEFT);
    put_text(out, result->pipeline);
    (void)fputs("</text>\n", out);
}

static void put_axes(FILE *out, const struct load_result *result, const struct axes *axes)
{
    char number[GROUPED_SIZE];
    for (int64_t ms = (int64_t)(axes->least_ms + 0.5); (double)ms <= axes->most_ms * 1.001; ms *= 10) {
        double y = y_of(axes, (double)ms);
        (void)fprintf(out,
                      "<line x1=\"%d\" y1=\"%.1f\" x2=\"%d\" y2=\"%.1f\" stroke=\"#ddd\"/>\n"
                      "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%s</text>\n",
                      LEFT, y, RIGHT, y, LEFT - 8, y + 4, grouped(ms, number));
    }
    for (size_t i = 0; i < result->count; i++) {
        double x = x_of(axes, (double)result->steps[i].rate);
        (void)fprintf(out,
                      "<line x1=\"%.1f\" y1=\"%d\" x2=\"%.1f\" y2=\"%d\" stroke=\"#999\"/>\n"
                      "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%s</text>\n",
                      x, BOTTOM, x, BOTTOM + 5, x, BOTTOM + 19, grouped(result->steps[i].rate, number));
    }
    (void)fprintf(out,
                  "<line x1=\"%d\" y1=\"%d\" x2=\"%d\" y2=\"%d\" stroke=\"#999\"/>\n"
                  "<text x=\"%d\" y=\"%d\" text-anchor=\"middle\">events/s</text>\n"
                  "<text x=\"%d\" y=\"%d\" text-anchor=\"end\">ms</text>\n",
                  LEFT, BOTTOM, RIGHT, BOTTOM, (LEFT + RIGHT) / 2, BOTTOM + 38, LEFT - 8, TOP - 12);
}

static void put_lag(FILE *out, const struct load_result *result, const struct axes *axes)
{
    const struct step *last = &result->steps[result->count - 1];
    double x = x_of(axes, (double)last->rate);
    if (last->verdict == VERDICT_LAG_GROWS) {
        (void)fprintf(
            out,
            "<line x1=\"%.1f\" y1=\"%d\" x2=\"%.1f\" y2=\"%d\" stroke=\"#d55e00\" stroke-dasharray=\"4 4\"/>\n"
            "<text x=\"%.1f\" y=\"%d\" text-anchor=\"end\" fill=\"#d55e00\">lag grows</text>\n",
            x, TOP, x, BOTTOM, x - 6, TOP + 12);
    }
}

static void put_line(FILE *out, const struct load_result *result, const struct axes *axes, const struct line *line,
                     double name_y)
{
    (void)fprintf(out, "<polyline fill=\"none\" stroke=\"%s\" stroke-width=\"2\" points=\"", line->color);
    for (size_t i = 0; i < result->count; i++) {
        const struct step *step = &result->steps[i];
        (void)fprintf(out, "%s%.1f,%.1f", i > 0 ? " " : "", x_of(axes, (double)step->rate),
                      y_of(axes, ms_of(step, line->percent)));
    }
    (void)fputs("\"/>\n", out);
    for (size_t i = 0; i < result->count; i++) {
        const struct step *step = &result->steps[i];
        (void)fprintf(out, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"3\" fill=\"%s\"/>\n", x_of(axes, (double)step->rate),
                      y_of(axes, ms_of(step, line->percent)), line->color);
    }
    (void)fprintf(out, "<text x=\"%d\" y=\"%.1f\" fill=\"%s\">%s</text>\n", RIGHT + 12, name_y, line->color,
                  line->name);
}

static void put_all(FILE *out, const struct load_result *result)
{
    put_head(out, result);
    if (result->count > 0) {
        struct axes axes = axes_of(result);
        double below = BOTTOM + 16;
        put_axes(out, result, &axes);
        put_lag(out, result, &axes);
        for (size_t i = 0; i < LINES; i++) {
            /* beside its end, and above the name of the line below it */
            double y = y_of(&axes, ms_of(&result->steps[result->count - 1], lines[i].percent)) + 4;
            below = fmin(y, below - 14);
            put_line(out, result, &axes, &lines[i], below);
        }
    }
    (void)fputs("</svg>\n", out);
}

static bool refuse(const char *path)
{
    printable_line(stderr, "churnd: --plot: %s cannot be written: %s", path, strerror(errno));
    return false;
}

bool plot_check(const char *path)
{
    bool there = access(path, F_OK) == 0;
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
    if (fd < 0) {
        return refuse(path);
    }
    (void)close(fd);
    return there || unlink(path) == 0 || refuse(path);
}

bool plot_write(const struct load_result *result, const char *path)
{
    FILE *out = fopen(path, "we");
    bool ok = out != NULL;
    if (ok) {
        put_all(out, result);
        ok = ferror(out) == 0;
        ok = fclose(out) == 0 && ok;
    }
    return ok || refuse(path);
}
