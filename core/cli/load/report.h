/* What `churnd load` says. */
#ifndef LOAD_REPORT_H
#define LOAD_REPORT_H

#include "cli/load/ladder.h"

struct load_result {
    const char *pipeline, *topic, *customers; /* what the customers' names begin with */
    struct step *steps;                       /* those that were done */
    size_t count;
    bool stopped;     /* by a signal, or because something failed */
    bool interrupted; /* by a signal */
    double resolution_ms;
};

/* The table, as it grows: its head, and a line for each step as it ends; then what follows from it. */
void report_head(void);
void report_step(const struct step *step);
void report_end(const struct load_result *result);
/* False when memory ran out. */
bool report_json(const struct load_result *result);

/* Whether the file can be written; nothing is. False with a message. */
bool plot_check(const char *path);
/* Latency percentiles over the rate, as SVG. False with a message when the file cannot be written. */
bool plot_write(const struct load_result *result, const char *path);

#endif
