/* A section of the pipeline's file as plugins see it before it is read (<churn/section.h>). */
#ifndef SECTION_VIEW_H
#define SECTION_VIEW_H

#include "config/config.h"
#include <churn/source.h>

struct section_view {
    churn_section face;
    const struct node *node; /* may be NULL */
    struct node *made;       /* NULL: it is only read */
    bool failed;             /* memory ran out */
};

/* Both make a view that must not be moved. `node` may be NULL, and need not be a map. */
void section_view_read(struct section_view *view, const struct node *node);
void section_view_make(struct section_view *view, struct node *map);

/* What a source says of its section: see `again` of churn_source_ops. */
int32_t section_view_again(const churn_source_ops *source, const struct node *node, churn_error *err);

#endif
