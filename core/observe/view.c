#include "observe/view.h"

#include <stdio.h>

void view_append_number(struct text *out, churn_str number)
{
    uint32_t digits = 0, sign = number.len > 0 && number.ptr[0] == '-';
    while (sign + digits < number.len && number.ptr[sign + digits] >= '0' && number.ptr[sign + digits] <= '9') {
        digits++;
    }
    text_append(out, number.ptr, sign);
    for (uint32_t i = 0; i < digits; i++) {
        if (i > 0 && (digits - i) % 3 == 0) {
            text_append(out, ",", 1);
        }
        text_append(out, number.ptr + sign + i, 1);
    }
    text_append_html(out, number.ptr + sign + digits, number.len - sign - digits);
}

/* Only counters have a rate. */
static bool is_counter(const char *name)
{
    static const char end[] = "_total";
    size_t len = strlen(name);
    return len > sizeof end && strcmp(name + len - (sizeof end - 1), end) == 0;
}

void view_append_rate(const struct view *view, const char *name, const char *label, const char *value)
{
    const struct figure *now = figures_find(view->now, name, label, value);
    const struct figure *before = view->before != NULL ? figures_find(view->before, name, label, value) : NULL;
    double rate;
    char text[64];
    if (!is_counter(name) || now == NULL || before == NULL || view->seconds <= 0) {
        return;
    }
    rate = (figure_number(now) - figure_number(before)) / view->seconds;
    rate = rate > 0 ? rate : 0;
    (void)snprintf(text, sizeof text, rate > 0 && rate < 10 ? "%.1f" : "%.0f", rate);
    view_append_number(view->out, churn_text(text));
    text_append_string(view->out, " /s");
}

void view_append_figure(const struct view *view, const char *tag, const char *name, const char *label,
                        const char *value)
{
    const struct figure *sample = figures_find(view->now, name, label, value);
    text_printf(view->out, "<%s class=\"number\" data-metric=\"%s", tag, name);
    if (label != NULL) {
        text_printf(view->out, "{%s=", label);
        text_append_html_string(view->out, value);
        text_append_string(view->out, "}");
    }
    text_append_string(view->out, "\" data-value=\"");
    if (sample != NULL) {
        text_append_html(view->out, sample->value.ptr, sample->value.len);
    }
    text_append_string(view->out, "\">");
    if (sample != NULL) {
        view_append_number(view->out, sample->value);
    } else {
        text_append_string(view->out, "–");
    }
    text_printf(view->out, "</%s>", tag);
}

bool view_sum(const struct view *view, const char *name, double *ret)
{
    *ret = figures_sum(view->now, name);
    return figures_next(view->now, name, NULL) != NULL;
}

void view_append_duration(struct text *out, double seconds)
{
    long long s = (long long)seconds;
    if (s >= 86400) {
        text_printf(out, "%lld d %lld h", s / 86400, s % 86400 / 3600);
    } else if (s >= 3600) {
        text_printf(out, "%lld h %lld min", s / 3600, s % 3600 / 60);
    } else if (s >= 60) {
        text_printf(out, "%lld min %lld s", s / 60, s % 60);
    } else {
        text_printf(out, "%.1f s", seconds);
    }
}
