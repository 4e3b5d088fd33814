/* /metrics: what the pipeline's registry holds, and beside it what is known only when somebody asks. Counters go on
 * when a reload changes the pipeline. */
#ifndef METRICS_PAGE_H
#define METRICS_PAGE_H

#include "observe/health.h"
#include "pipeline/pipeline.h"

enum reload_result {
    RELOAD_TAKEN,    /* the new pipeline runs */
    RELOAD_REFUSED,  /* the old one never stopped */
    RELOAD_REVERTED, /* it was gone back to the old one */
    RELOAD_RESULTS
};

struct metrics_page;

/* Shows the pipeline's from now on; `health` outlives it. NULL when memory ran out. [main] */
struct metrics_page *metrics_page_new(struct health *health, const struct pipeline *pipeline);
/* Adds its route. It must outlive the listener. [main] */
void metrics_page_serve(struct metrics_page *page, struct listener *listener);
/* Appends what a struct metrics_page answers. [any] */
void metrics_page_append(void *metrics_page, struct text *out);
/* What was counted moves to the pipeline `to`, which is shown from now on; nobody counts meanwhile. [main] */
void metrics_page_change(struct metrics_page *page, const struct pipeline *to);
/* [main] */
void metrics_page_reloaded(struct metrics_page *page, enum reload_result result);
/* May be NULL. [main] */
void metrics_page_free(struct metrics_page *page);

#endif
