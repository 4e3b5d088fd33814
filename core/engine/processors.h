/* What a worker asks of its processors: what they say of an event, and that those that keep state store it. */
#ifndef PROCESSORS_H
#define PROCESSORS_H

#include "engine/state.h"

/* The verdict of all processors; as judge. What they changed is in *event. */
int32_t processors_judge(struct worker *worker, const churn_record *record, const struct event_type *type,
                         churn_event *event, struct reject *reject);
/* Costs a second decoding, and saves a round trip to wherever the processor asks for each event but one. */
bool processors_announce(struct worker *worker, const churn_record *records, uint32_t count);
/* True when the processors have stored whatever they must remember; false when one has not yet, or the worker failed.
 */
bool processors_checkpoint(struct worker *worker);
/* What they have in memory is no longer what counts. */
void processors_forget(struct worker *worker);

#endif
