/* The customer's records in order. */
#ifndef EXPLAIN_KEEP_H
#define EXPLAIN_KEEP_H

#include "cli/explain_state.h"

/* Takes one of the customer's records. False when memory ran out. */
bool explain_keep_take(struct explain *e, struct explained *one);
/* All were taken: puts what is kept in order, and finds those with the same event_id. False when memory ran out. */
bool explain_keep_finish(struct explain *e);
void explain_keep_free(struct explain *e);
void explain_keep_free_one(struct explained *one, const struct registry *registry);

#endif
