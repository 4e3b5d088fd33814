/* What a page is drawn from, and the small parts of which it is made: figures as /metrics has them, and their rates. */
#ifndef VIEW_H
#define VIEW_H

#include "observe/figures.h"
#include "observe/html.h"
#include "pipeline/pipeline.h"

struct json_object;

struct view {
    struct text *out;
    const struct pipeline *pipeline;    /* NULL: it is being exchanged */
    const struct figures *now, *before; /* `before` NULL: nothing is known of a while ago */
    double seconds;                     /* between them */
    const struct json_object *ready;    /* what /readyz says; NULL when memory ran out */
};

/* 1234567.5 as 1,234,567.5 */
void view_append_number(struct text *out, churn_str number);
/* How fast a counter grows, as "12 /s"; nothing while that is not known. */
void view_append_rate(const struct view *view, const char *name, const char *label, const char *value);
/* A sample as an element of a page, whose `data-metric` names it; "–" where there is none. */
void view_append_figure(const struct view *view, const char *tag, const char *name, const char *label,
                        const char *value);
/* The sum of a name over its samples; false where there is none. */
bool view_sum(const struct view *view, const char *name, double *ret);
/* A duration for people, such as "3 h 12 min". */
void view_append_duration(struct text *out, double seconds);

#endif
