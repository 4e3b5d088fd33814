/* The pipeline's file as a load test uses it: who writes the test's events where the pipeline reads, and who looks
 * whose records are there already. */
#ifndef LOAD_SECTIONS_H
#define LOAD_SECTIONS_H

#include "pipeline/load.h"

/* What the customer_ids of all load tests begin with. */
#define LOAD_CUSTOMERS "load_"
#define LOAD_NAME_SIZE 256

/* Context of the edits below. */
struct load_sections {
    const char *topic; /* as asked for; NULL: the source's, by its number */
    unsigned number;
    const char *types; /* of events, as in a list; NULL: all */
    const char *customer_prefix;
    int64_t customers;
    bool evenly;                      /* all customers alike */
    char topic_found[LOAD_NAME_SIZE]; /* that is written */
    unsigned topic_count;             /* of the source */
};

/* Changes for pipeline_load_edited. The pipeline gets a generator as its source, and as its only sink one that writes
 * where its own source reads. */
bool load_edit_feed(struct pipeline *pipeline, void *sections);
/* Its source reads that topic alone, from the beginning to the end, and moves nobody's position. */
bool load_edit_reader(struct pipeline *pipeline, void *sections);

#endif
