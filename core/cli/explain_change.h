/* What an event changes of what is asked for. */
#ifndef EXPLAIN_CHANGE_H
#define EXPLAIN_CHANGE_H

#include "cli/explain_state.h"

/* The field that was asked for; ptr NULL: all. */
churn_str explain_change_name(const struct explain *e);
/* Whether what is asked for depends on the field. */
bool explain_change_asks_for(const struct explain *e, uint32_t field);

/* One field before and after an event; a ptr of NULL: absent. `by` is "" where it is no sum. */
struct change {
    churn_str name, before, after;
    const char *by;
};

typedef void (*change_fn)(void *ctx, const struct change *change);
/* Merges a counted event into `state`, and calls `fn` for each field that is asked for and changes. Returns how many
 * changed, or -1 when memory ran out. */
int32_t explain_change_apply(struct explain *e, struct profile *state, const struct explained *one, change_fn fn,
                             void *ctx);
/* What an event that is not counted would add, likewise, without doing so. */
int32_t explain_change_would(struct explain *e, const struct explained *one, change_fn fn, void *ctx);
/* Whether anything of what is asked for hangs on it. */
bool explain_change_concerns(const struct explain *e, const struct explained *one);

#endif
