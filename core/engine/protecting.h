/* Personal data of a worker's records: opened on the way in, protected on the way out, as the pipeline's `protect:`
 * says.
 */
#ifndef PROTECTING_H
#define PROTECTING_H

#include "engine/state.h"

/* Makes the worker's working space. False when memory ran out. */
bool protecting_start(struct worker *worker);
void protecting_stop(struct worker *worker);

/* Decodes an event as event_decode does, with the fields in clear that its producer encrypted, and refuses what is too
 * far ahead of its record's own time, `record_ms`. *bytes, which are padded, and *len are then those of the event in
 * clear, in the arena of the window being filled. */
const struct event_type *protecting_decode(struct worker *worker, int64_t record_ms, char **bytes, uint32_t *len,
                                           churn_event *event, struct reject *reject);
/* Has the salt of a customer at hand for what is made of his event next, where customers have any. False: it cannot be
 * had now. */
bool protecting_salt(struct worker *worker, churn_str customer);
/* Nothing that was known of salts holds any more. */
void protecting_forget(struct worker *worker);
/* Makes of the window's newest output, an event or alert in clear, what each of its sinks is to be given: where they
 * are given different things, copies follow it. False when memory ran out. */
bool protecting_output(struct worker *worker, struct window *window);
/* Whether an output is a copy of the one before it, for other sinks. */
bool protecting_is_copy(const struct window *window, uint32_t index);
/* What is shown of a record's value at a place, valid until the next call. */
churn_str protecting_shown(struct worker *worker, unsigned place, churn_str value);

#endif
