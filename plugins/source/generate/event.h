/* One event as JSON. */
#ifndef GENERATE_EVENT_H
#define GENERATE_EVENT_H

#include <churn/record.h>

struct generator;

/* Makes event `index` of all workers at `at`; returns where it ends. */
char *make_event(struct generator *g, int64_t index, char *at, churn_record *record);

#endif
