/* One record's value on its way in: decoded, shown to the processors, folded, and what the sinks will be told noted. */
#ifndef EVENT_IN_H
#define EVENT_IN_H

#include "engine/state.h"

/* `source` is the number of the record's position. */
bool event_in_take(struct worker *worker, const churn_record *record, uint32_t part, enum lateness late);

#endif
