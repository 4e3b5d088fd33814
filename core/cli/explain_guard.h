/* The work of an explanation in a process of its own, for an event may have ended the pipeline's process, and would end
 * this one too. Where that happens the work begins anew, and the event is not given to that plugin again. */
#ifndef EXPLAIN_GUARD_H
#define EXPLAIN_GUARD_H

#include "cli/explain_state.h"

/* Does `work` in a child; returns what it returns. Before any session is open and any thread runs. */
int explain_guard_run(struct explain *e, int (*work)(struct explain *e));

/* Around what plugins are called for. */
void explain_guard_enter(struct explain *e, uint32_t part, int64_t offset);
void explain_guard_leave(struct explain *e);
/* Which plugin ended the process at this event; NULL: none did. */
const char *explain_guard_death(const struct explain *e, uint32_t part, int64_t offset);

#endif
