/* A text as /metrics has it, to look in. */
#ifndef FIGURES_H
#define FIGURES_H

#include "base/json_text.h"

struct figure {
    churn_str name;
    churn_str labels; /* what the braces hold, as it is written */
    churn_str value;
};

struct figures {
    struct figure *items;
    uint32_t count, room;
};

/* The figures of a text that outlives them, in its order; what is none is passed over. False when memory ran out. */
bool figures_read(struct figures *figures, churn_str text);
void figures_free(struct figures *figures);

/* A label's value, without its escapes, cut to `size` - 1 bytes; "" where the figure has no such label. */
const char *figure_label(const struct figure *figure, const char *label, char *out, size_t size);
double figure_number(const struct figure *figure);

/* The first figure of a name, or with `label` not NULL the first one that has it as `value`. NULL: there is none. */
const struct figure *figures_find(const struct figures *figures, const char *name, const char *label,
                                  const char *value);
/* The next one of that name behind `after`, which may be NULL. */
const struct figure *figures_next(const struct figures *figures, const char *name, const struct figure *after);
/* Of all figures of a name; 0 when there are none. */
double figures_sum(const struct figures *figures, const char *name);

#endif
